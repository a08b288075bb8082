/**
 * What a sample of an interface means for its peers' bytes: ACCOUNTING.md, rules A1 to A13.
 * Pure: no I/O, no clock. Bytes are bigint, received and sent from the interface's side.
 */

export type EpochCause =
  'FIRST_SEEN' | 'ADDED' | 'COUNTER_FELL' | 'HANDSHAKE_WENT_BACK' | 'DEVICE_RECREATED' | 'REBOOT';

/** The circumstances of the last counted sample of an interface. */
export interface InterfaceState {
  readonly bootId: string | null;
  readonly instance: string | null;
  readonly publicKey: string | null;
  /** Monotonic clock, nanoseconds since boot. */
  readonly monotonic: bigint;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly wall: number;
  /** Wall clock minus monotonic clock, milliseconds, followed in steps (A8). */
  readonly clock: number;
}

/** One run of a peer's counters from a beginning to the next (A11). */
export interface Epoch {
  /** Wall clock, milliseconds. */
  readonly startedAt: number;
  readonly cause: EpochCause;
  readonly unobservedMs: number;
  /** The peer's totals when it began: an epoch's own bytes are the difference to them. */
  readonly baseReceived: bigint;
  readonly baseSent: bigint;
}

/** A peer as last counted. */
export interface PeerState {
  /** Shown by the last sample. */
  readonly running: boolean;
  /** The device's counters; meaningless unless running. */
  readonly rx: bigint;
  readonly tx: bigint;
  /** Nanoseconds since the Unix epoch, 0n is never. */
  readonly handshake: bigint;
  /** The largest clock offset, milliseconds, under which that handshake can have been made (A8). */
  readonly handshakeClock: number;
  readonly totalReceived: bigint;
  readonly totalSent: bigint;
  /** Null while it does not run. */
  readonly epoch: Epoch | null;
  /** Unobserved time before it stopped running, milliseconds: the next epoch's (A11). */
  readonly gapMs: number;
}

export interface SamplePeer {
  readonly publicKey: string;
  readonly rx: bigint;
  readonly tx: bigint;
  readonly latestHandshake: bigint;
}

export interface Sample {
  readonly bootId: string | null;
  readonly instance: string | null;
  readonly publicKey: string | null;
  readonly monotonic: bigint;
  readonly wall: number;
  readonly peers: readonly SamplePeer[];
}

export interface EndedEpoch extends Epoch {
  readonly endedAt: number;
  readonly received: bigint;
  readonly sent: bigint;
}

/** A peer that the sample changed. */
export interface PeerGain {
  readonly publicKey: string;
  readonly state: PeerState;
  readonly received: bigint;
  readonly sent: bigint;
  readonly ended: EndedEpoch | null;
  /** Set where an epoch began with this sample. */
  readonly began: EpochCause | null;
}

export type Outcome =
  | { readonly kind: 'ignored'; readonly reason: 'stale' | 'empty' }
  | { readonly kind: 'counted'; readonly state: InterfaceState; readonly gains: readonly PeerGain[] };

/** 2^63 - 1: what the database's integers hold (A17). */
export const MAX_BYTES = 9_223_372_036_854_775_807n;

const CLOCK_STEP_MS = 500;
const NS_PER_MS = 1_000_000n;

/** What a fresh peer starts from, before its first sample. */
export const NEVER_SEEN: PeerState = Object.freeze({
  running: false,
  rx: 0n,
  tx: 0n,
  handshake: 0n,
  handshakeClock: 0,
  totalReceived: 0n,
  totalSent: 0n,
  epoch: null,
  gapMs: 0,
});

/**
 * Counts one sample.
 * @param last the interface at its last counted sample, null if it was never sampled
 * @param peers the peers known so far, by public key
 * @throws RangeError where a sum would pass {@link MAX_BYTES} (A17)
 */
export function account(
  last: InterfaceState | null,
  peers: ReadonlyMap<string, PeerState>,
  sample: Sample,
): Outcome {
  if (last && isStale(last, sample)) return { kind: 'ignored', reason: 'stale' };
  if (isEmpty(peers, sample)) return { kind: 'ignored', reason: 'empty' };

  const offset = sample.wall - Number(sample.monotonic / NS_PER_MS);
  const steady = last?.bootId === sample.bootId && Math.abs(offset - last.clock) <= CLOCK_STEP_MS;
  const clock = steady ? last.clock : offset;
  const round: Round = {
    sample,
    last,
    deviceReset: last ? deviceReset(last, sample) : null,
    lowClock: last ? Math.min(last.clock, clock) : clock,
    highClock: last ? Math.max(last.clock, clock) : clock,
    unobservedMs: last ? elapsedMs(last, sample) : 0,
  };

  const gains: PeerGain[] = [];
  const shown = new Set<string>();
  for (const now of sample.peers) {
    shown.add(now.publicKey);
    const gain = gainOf(peers.get(now.publicKey) ?? NEVER_SEEN, now, round);
    if (gain) gains.push(gain);
  }
  for (const [publicKey, old] of peers) {
    if (old.running && !shown.has(publicKey)) gains.push(stopped(publicKey, old, round.unobservedMs, last));
  }
  return {
    kind: 'counted',
    state: {
      bootId: sample.bootId,
      instance: sample.instance,
      publicKey: sample.publicKey,
      monotonic: sample.monotonic,
      wall: sample.wall,
      clock,
    },
    gains,
  };
}

/** The same peer, not running any more because this server removed it after a last sample (A13). */
export function removed(
  old: PeerState,
  lastSampleAt: number,
): { state: PeerState; ended: EndedEpoch | null } {
  return {
    state: old.running ? { ...old, running: false, rx: 0n, tx: 0n, epoch: null, gapMs: 0 } : old,
    ended: old.running && old.epoch ? end(old.epoch, old, lastSampleAt) : null,
  };
}

/** Milliseconds between two samples: by the monotonic clock, over a reboot by the wall clock. */
export function elapsedMs(
  last: InterfaceState,
  sample: Pick<Sample, 'bootId' | 'monotonic' | 'wall'>,
): number {
  return last.bootId === sample.bootId && sample.monotonic >= last.monotonic
    ? Number(sample.monotonic - last.monotonic) / 1e6
    : Math.max(0, sample.wall - last.wall);
}

interface Round {
  readonly sample: Sample;
  readonly last: InterfaceState | null;
  readonly deviceReset: EpochCause | null;
  readonly lowClock: number;
  readonly highClock: number;
  readonly unobservedMs: number;
}

function isStale(last: InterfaceState, sample: Sample): boolean {
  return sample.bootId !== null && sample.bootId === last.bootId && sample.monotonic <= last.monotonic;
}

function isEmpty(peers: ReadonlyMap<string, PeerState>, sample: Sample): boolean {
  if (sample.peers.length > 0) return false;
  if (sample.publicKey === null) return true;
  for (const peer of peers.values()) if (peer.running) return true;
  return false;
}

function deviceReset(last: InterfaceState, sample: Sample): EpochCause | null {
  if (last.bootId !== null && sample.bootId !== null && last.bootId !== sample.bootId) return 'REBOOT';
  if (last.instance !== null && sample.instance !== null) {
    return last.instance === sample.instance ? null : 'DEVICE_RECREATED';
  }
  const rekeyed = last.publicKey !== null && sample.publicKey !== null && last.publicKey !== sample.publicKey;
  return rekeyed ? 'DEVICE_RECREATED' : null;
}

function gainOf(old: PeerState, now: SamplePeer, round: Round): PeerGain | null {
  const began = beginning(old, now, round);
  if (!began) {
    if (now.rx === old.rx && now.tx === old.tx && now.latestHandshake === old.handshake) return null;
    return counted(old, now, round, now.rx - old.rx, now.tx - old.tx, old.epoch, null, null);
  }
  const first = began === 'FIRST_SEEN';
  const ended = old.epoch && round.last ? end(old.epoch, old, round.last.wall) : null;
  const epoch: Epoch = {
    startedAt: round.sample.wall,
    cause: began,
    unobservedMs: first ? 0 : old.running ? round.unobservedMs : old.gapMs,
    baseReceived: old.totalReceived,
    baseSent: old.totalSent,
  };
  return counted(old, now, round, first ? 0n : now.rx, first ? 0n : now.tx, epoch, ended, began);
}

/** Why an epoch begins with this sample, null where none does. */
function beginning(old: PeerState, now: SamplePeer, round: Round): EpochCause | null {
  if (!round.last) return 'FIRST_SEEN';
  if (!old.running) return 'ADDED';
  if (round.deviceReset) return round.deviceReset;
  if (handshakeWentBack(old, now.latestHandshake, round)) return 'HANDSHAKE_WENT_BACK';
  if (now.rx < old.rx || now.tx < old.tx) return 'COUNTER_FELL';
  return null;
}

function handshakeWentBack(old: PeerState, now: bigint, round: Round): boolean {
  if (now >= old.handshake) return false;
  if (now === 0n) return true;
  return now - toNs(round.lowClock) < old.handshake - toNs(old.handshakeClock);
}

function counted(
  old: PeerState,
  now: SamplePeer,
  round: Round,
  received: bigint,
  sent: bigint,
  epoch: Epoch | null,
  ended: EndedEpoch | null,
  began: EpochCause | null,
): PeerGain {
  const totalReceived = old.totalReceived + received;
  const totalSent = old.totalSent + sent;
  if (totalReceived + totalSent > MAX_BYTES) {
    throw new RangeError(`the total of peer ${now.publicKey} passes 2^63 - 1 bytes`);
  }
  const sameHandshake = !began && now.latestHandshake === old.handshake;
  return {
    publicKey: now.publicKey,
    received,
    sent,
    ended,
    began,
    state: {
      running: true,
      rx: now.rx,
      tx: now.tx,
      handshake: now.latestHandshake,
      handshakeClock: sameHandshake ? old.handshakeClock : clockOf(now, round),
      totalReceived,
      totalSent,
      epoch,
      gapMs: 0,
    },
  };
}

function stopped(publicKey: string, old: PeerState, gapMs: number, last: InterfaceState | null): PeerGain {
  return {
    publicKey,
    received: 0n,
    sent: 0n,
    began: null,
    ended: old.epoch && last ? end(old.epoch, old, last.wall) : null,
    state: { ...old, running: false, rx: 0n, tx: 0n, epoch: null, gapMs },
  };
}

function end(epoch: Epoch, old: PeerState, endedAt: number): EndedEpoch {
  return {
    ...epoch,
    endedAt: Math.max(endedAt, epoch.startedAt),
    received: old.totalReceived - epoch.baseReceived,
    sent: old.totalSent - epoch.baseSent,
  };
}

function toNs(ms: number): bigint {
  return BigInt(Math.round(ms)) * NS_PER_MS;
}

/** No handshake is of the future: one that seems so was made under a clock that was ahead by at least that much. */
function clockOf(now: SamplePeer, { sample, highClock }: Round): number {
  const atLeast = Number((now.latestHandshake - sample.monotonic) / NS_PER_MS) + 1;
  return atLeast > highClock + CLOCK_STEP_MS ? atLeast + CLOCK_STEP_MS : highClock;
}
