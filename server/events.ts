/**
 * What is pushed, by typed topics. Everything here was committed before it was published.
 *
 * A subscriber has a bounded queue: one that does not read is cut off when it is full, so that it costs no
 * more memory and learns of the gap from `sequence` when it comes back.
 */

/** One peer of a tick. Bytes since the tick before, rates in bytes a second. */
export interface PeerTraffic {
  readonly publicKey: string;
  readonly received: bigint;
  readonly sent: bigint;
  readonly receiveRate: number;
  readonly sendRate: number;
  readonly transferRx: bigint;
  readonly transferTx: bigint;
  /** Nanoseconds since the Unix epoch, 0n is never. */
  readonly latestHandshake: bigint;
  readonly endpoint: string | null;
  readonly online: boolean;
}

/** A committed sample of one interface. */
export interface Tick {
  /** Grows by one a tick of this interface, over restarts too. */
  readonly sequence: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly intervalMs: number;
  readonly interface: string;
  readonly gateway: string;
  /** Bytes since the tick before, over all peers. */
  readonly received: bigint;
  readonly sent: bigint;
  readonly receiveRate: number;
  readonly sendRate: number;
  readonly onlinePeers: number;
  /** Those whose counters, handshake, endpoint or online state changed. */
  readonly peers: readonly PeerTraffic[];
}

export type PeerEventKind = 'CONNECTED' | 'DISCONNECTED' | 'ADDED' | 'UPDATED' | 'REMOVED' | 'COUNTER_RESET';

export interface PeerEvent {
  readonly kind: PeerEventKind;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly publicKey: string;
  readonly interface: string;
  readonly gateway: string;
}

export interface Topics {
  traffic: Tick;
  peers: PeerEvent;
}

export interface SubscribeOptions<T> {
  readonly filter?: (event: T) => boolean;
  /** Delivered first. */
  readonly first?: readonly T[];
  /** Called when the queue is full: end the connection, nothing more comes. */
  readonly onOverflow?: () => void;
}

/** Events that wait for a subscriber: a minute of ticks at the default interval. */
const QUEUE = 64;

export class EventHub {
  readonly #subscribers: { [K in keyof Topics]: Set<Subscription<Topics[K]>> } = {
    traffic: new Set(),
    peers: new Set(),
  };
  readonly #latest = new Map<string, Tick>();

  publish<K extends keyof Topics>(topic: K, event: Topics[K]): void {
    if (topic === 'traffic') {
      const tick = event as Tick;
      this.#latest.set(`${tick.gateway}/${tick.interface}`, tick);
    }
    for (const subscriber of this.#subscribers[topic]) subscriber.push(event);
  }

  /** The latest tick of each interface. */
  latestTicks(): Tick[] {
    return [...this.#latest.values()];
  }

  subscribe<K extends keyof Topics>(
    topic: K,
    options: SubscribeOptions<Topics[K]> = {},
  ): AsyncIterableIterator<Topics[K]> {
    const subscribers: Set<Subscription<Topics[K]>> = this.#subscribers[topic];
    const subscription = new Subscription(options, () => subscribers.delete(subscription));
    subscribers.add(subscription);
    return subscription;
  }

  count(topic: keyof Topics): number {
    return this.#subscribers[topic].size;
  }

  /** Ends every subscription. */
  close(): void {
    for (const topic of ['traffic', 'peers'] as const) {
      for (const subscriber of this.#subscribers[topic]) void subscriber.return();
    }
  }
}

class Subscription<T> implements AsyncIterableIterator<T> {
  readonly #options: SubscribeOptions<T>;
  readonly #onEnd: () => void;
  readonly #queue: T[];
  #waiting: ((result: IteratorResult<T>) => void) | null = null;
  #ended = false;

  constructor(options: SubscribeOptions<T>, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#queue = (options.first ?? []).filter((event) => options.filter?.(event) ?? true);
  }

  push(event: T): void {
    if (this.#ended || !(this.#options.filter?.(event) ?? true)) return;
    if (this.#waiting) {
      this.#waiting({ value: event, done: false });
      this.#waiting = null;
    } else if (this.#queue.length < QUEUE) {
      this.#queue.push(event);
    } else {
      void this.return();
      this.#options.onOverflow?.();
    }
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    const event = this.#queue.shift();
    if (event !== undefined) return Promise.resolve({ value: event, done: false });
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  return(): Promise<IteratorResult<T>> {
    if (!this.#ended) {
      this.#ended = true;
      this.#queue.length = 0;
      this.#onEnd();
      this.#waiting?.({ value: undefined, done: true });
      this.#waiting = null;
    }
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(error: unknown): Promise<IteratorResult<T>> {
    void this.return();
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
