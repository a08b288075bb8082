/** Time as the collector sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  wall(): number;
  /** Nanoseconds since boot, never backwards: one for all processes of a host. */
  monotonic(): bigint;
  bootId(): string | null;
  /** Calls back once. @returns what cancels it */
  after(ms: number, callback: () => void): () => void;
}

export function systemClock(bootId: string | null): Clock {
  return {
    wall: () => Date.now(),
    monotonic: () => process.hrtime.bigint(),
    bootId: () => bootId,
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => {
        clearTimeout(timer);
      };
    },
  };
}
