/**
 * What is true: a small world with a WireGuard device in it, and the books that an all-knowing accountant
 * would keep of it. It shares no code with server/accounting: bytes are followed by the *life* of a peer
 * (from its being added to its being removed), never by comparing counters. Months are Intl's, not Luxon's.
 */
import fc from 'fast-check';

export type Cause =
  'FIRST_SEEN' | 'ADDED' | 'COUNTER_FELL' | 'HANDSHAKE_WENT_BACK' | 'DEVICE_RECREATED' | 'REBOOT';

export const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Pacific/Apia', 'Asia/Kolkata'] as const;

/** Moments shortly before a month's end or a change of the clocks somewhere. */
export const STARTS = [
  '2026-03-29T00:30:00Z', // Berlin goes to summer time
  '2026-03-31T21:58:30Z', // the month ends in Berlin
  '2026-10-25T00:58:00Z', // Berlin goes back
  '2026-10-31T18:29:00Z', // the month ends in Kolkata
  '2026-11-01T03:58:30Z', // and in New York, on the day its clocks go back
  '2011-12-30T09:58:00Z', // Apia leaves out the 30th
  '2025-12-31T23:58:00Z',
  '2024-02-29T23:59:30Z',
].map((text) => Date.parse(text));

// --- the world -------------------------------------------------------------------------------------------

/** A peer from its being added to a device to its being removed. Its counters are its bytes. */
interface Life {
  readonly id: number;
  rx: bigint;
  tx: bigint;
  /** Nanoseconds, by the host's wall clock when it was made; 0n is never. */
  handshake: bigint;
  /** True time of it. */
  handshakeAt: bigint;
}

export interface SeenLife {
  readonly life: number;
  readonly rx: bigint;
  readonly tx: bigint;
  readonly handshake: bigint;
}

/** What one reading of the device shows, and what is true of it. */
export interface Reading {
  readonly bootId: string;
  readonly instance: string | null;
  readonly publicKey: string | null;
  readonly monotonic: bigint;
  readonly wall: number;
  /** In the order of the reply. */
  readonly peers: readonly (readonly [publicKey: string, seen: SeenLife])[];
  /** How often the host's clock had been set. */
  readonly clockSets: number;
}

const NS = 1_000_000n;

export class World {
  readonly #peers = new Map<string, Life>();
  #lives = 0;
  #devices = 1;
  #boots = 1;
  #keys = 1;
  /** True time, nanoseconds: never goes back, not even over a reboot. */
  #now = 0n;
  #bootedAt: bigint;
  /** Wall clock less true time, milliseconds. */
  #clock: number;
  #clockSets = 0;

  constructor(wall: number, upMs = 5_000) {
    this.#clock = wall;
    this.#bootedAt = -BigInt(upMs) * NS;
  }

  get clockSets(): number {
    return this.#clockSets;
  }

  get wall(): number {
    return this.#clock + Number(this.#now / NS);
  }

  has(publicKey: string): boolean {
    return this.#peers.has(publicKey);
  }

  wait(ms: number): void {
    // An odd number of nanoseconds: nothing may depend on whole milliseconds.
    this.#now += BigInt(ms) * NS + 137n;
  }

  traffic(publicKey: string, rx: bigint, tx: bigint): void {
    const life = this.#peers.get(publicKey);
    if (!life) return;
    life.rx += rx;
    life.tx += tx;
  }

  handshake(publicKey: string): void {
    const life = this.#peers.get(publicKey);
    if (!life || (life.handshake > 0n && this.#now - life.handshakeAt < 1_000n * NS)) return;
    life.handshake = BigInt(this.#clock) * NS + this.#now;
    life.handshakeAt = this.#now;
  }

  add(publicKey: string): void {
    if (this.#peers.has(publicKey)) return;
    this.#lives += 1;
    this.#peers.set(publicKey, { id: this.#lives, rx: 0n, tx: 0n, handshake: 0n, handshakeAt: 0n });
  }

  remove(publicKey: string): void {
    this.#peers.delete(publicKey);
  }

  /** The device is made anew, with these peers at zero. */
  recreate(peers: readonly string[]): void {
    this.#devices += 1;
    this.#peers.clear();
    for (const publicKey of peers) this.add(publicKey);
  }

  reboot(peers: readonly string[], downMs: number): void {
    this.wait(downMs);
    this.#boots += 1;
    this.#bootedAt = this.#now - 2_000n * NS;
    this.recreate(peers);
  }

  setClock(byMs: number): void {
    this.#clock += byMs;
    this.#clockSets += 1;
  }

  rekey(): void {
    this.#keys += 1;
  }

  get publicKeys(): string[] {
    return [...this.#peers.keys()];
  }

  read(turn = 0): Reading {
    const peers = [...this.#peers].map(
      ([key, { id, rx, tx, handshake }]) => [key, { life: id, rx, tx, handshake }] as const,
    );
    if (turn % 2 === 1) peers.reverse();
    return {
      bootId: `boot-${String(this.#boots).padStart(4, '0')}`,
      instance: `device-${String(this.#devices)}`,
      publicKey: `key-${String(this.#keys)}`,
      monotonic: this.#now - this.#bootedAt,
      wall: this.wall,
      peers: [...peers.slice(turn % (peers.length + 1)), ...peers.slice(0, turn % (peers.length + 1))],
      clockSets: this.#clockSets,
    };
  }
}

// --- its true books --------------------------------------------------------------------------------------

export interface TrueEpoch {
  readonly publicKey: string;
  readonly cause: Cause;
  readonly startedAt: number;
  readonly unobservedMs: number;
  endedAt: number | null;
  rx: bigint;
  tx: bigint;
}

export interface Bytes {
  readonly rx: bigint;
  readonly tx: bigint;
}

export interface TrueGain extends Bytes {
  readonly began: Cause | null;
}

interface Running {
  seen: SeenLife;
  epoch: TrueEpoch;
}

interface Facts {
  last: Reading | null;
  running: Map<string, Running>;
  /** Unobserved time before a peer stopped. */
  gaps: Map<string, number>;
  epochs: TrueEpoch[];
  /** By `peer|month`, `peer|minute`; a month also without a byte. */
  months: Map<string, Bytes>;
  minutes: Map<string, Bytes>;
  totals: Map<string, Bytes>;
  month: string | null;
  /** How often a peer was replaced without a trace (ACCOUNTING.md: "What nobody can know"). */
  disguised: number;
}

const NONE: Bytes = { rx: 0n, tx: 0n };

/** What the books must say. `commit` and `rollback` are the database's. */
export class Truth {
  readonly zone: string;
  #facts: Facts = {
    last: null,
    running: new Map(),
    gaps: new Map(),
    epochs: [],
    months: new Map(),
    minutes: new Map(),
    totals: new Map(),
    month: null,
    disguised: 0,
  };
  #committed: Facts;

  constructor(zone: string) {
    this.zone = zone;
    this.#committed = structuredClone(this.#facts);
  }

  get facts(): Readonly<Facts> {
    return this.#facts;
  }

  commit(): void {
    this.#committed = structuredClone(this.#facts);
  }

  rollback(): void {
    this.#facts = structuredClone(this.#committed);
  }

  /** A sample reaches the accountant. */
  take(reading: Reading): 'stale' | 'empty' | Map<string, TrueGain> {
    const { last, running } = this.#facts;
    if (reading.bootId === last?.bootId && reading.monotonic <= last.monotonic) return 'stale';
    if (reading.peers.length === 0 && (reading.publicKey === null || running.size > 0)) return 'empty';

    const elapsed = last ? elapsedMs(last, reading) : 0;
    const gains = new Map<string, TrueGain>();
    for (const [publicKey, now] of reading.peers) {
      const before = running.get(publicKey);
      const began = this.#beginning(before, now, reading);
      const gain = bytesOf(before, now, began);
      if (began)
        this.#begin(
          publicKey,
          now,
          began,
          reading,
          before ? elapsed : (this.#facts.gaps.get(publicKey) ?? 0),
        );
      const entry = running.get(publicKey);
      if (!entry) throw new Error('the model is wrong');
      entry.seen = now;
      this.#book(entry.epoch, reading.wall, gain);
      gains.set(publicKey, { ...gain, began });
    }
    const shown = new Set(reading.peers.map(([publicKey]) => publicKey));
    for (const publicKey of [...running.keys()]) if (!shown.has(publicKey)) this.#stop(publicKey, elapsed);
    this.#facts.last = reading;
    this.#facts.month = monthOf(reading.wall, this.zone);
    return gains;
  }

  /** The server itself removes a peer, right after a sample. */
  retire(publicKey: string): void {
    if (this.#facts.running.has(publicKey)) this.#stop(publicKey, 0);
  }

  /** A peer goes with its usage. */
  forget(publicKey: string): void {
    const facts = this.#facts;
    facts.running.delete(publicKey);
    facts.gaps.delete(publicKey);
    facts.totals.delete(publicKey);
    facts.epochs = facts.epochs.filter((epoch) => epoch.publicKey !== publicKey);
    for (const map of [facts.months, facts.minutes]) {
      for (const key of [...map.keys()]) if (key.startsWith(`${publicKey}|`)) map.delete(key);
    }
  }

  total(publicKey: string): Bytes {
    return this.#facts.totals.get(publicKey) ?? NONE;
  }

  #beginning(before: Running | undefined, now: SeenLife, reading: Reading): Cause | null {
    const { last } = this.#facts;
    if (!last) return 'FIRST_SEEN';
    if (!before) return 'ADDED';
    if (before.seen.life === now.life) return null;
    // Another life. How a sample can tell, in the order of A7:
    if (reading.bootId !== last.bootId) return 'REBOOT';
    if (reading.instance !== last.instance) return 'DEVICE_RECREATED';
    if (before.seen.handshake > 0n && now.handshake === 0n) return 'HANDSHAKE_WENT_BACK';
    if (now.rx < before.seen.rx || now.tx < before.seen.tx) return 'COUNTER_FELL';
    this.#facts.disguised += 1;
    return null;
  }

  #begin(publicKey: string, seen: SeenLife, cause: Cause, reading: Reading, unobservedMs: number): void {
    const { running, epochs, gaps } = this.#facts;
    if (running.has(publicKey)) this.#stop(publicKey, 0);
    gaps.delete(publicKey);
    const epoch: TrueEpoch = {
      publicKey,
      cause,
      startedAt: reading.wall,
      unobservedMs: cause === 'FIRST_SEEN' ? 0 : unobservedMs,
      endedAt: null,
      rx: 0n,
      tx: 0n,
    };
    epochs.push(epoch);
    running.set(publicKey, { seen, epoch });
  }

  #stop(publicKey: string, gapMs: number): void {
    const { running, gaps, last } = this.#facts;
    const entry = running.get(publicKey);
    if (!entry || !last) return;
    // A clock set back: an epoch does not end before it began.
    entry.epoch.endedAt = Math.max(last.wall, entry.epoch.startedAt);
    running.delete(publicKey);
    gaps.set(publicKey, gapMs);
  }

  #book(epoch: TrueEpoch, wall: number, gain: Bytes): void {
    const { publicKey } = epoch;
    const { months, minutes, totals } = this.#facts;
    epoch.rx += gain.rx;
    epoch.tx += gain.tx;
    add(totals, publicKey, gain);
    add(months, `${publicKey}|${monthOf(wall, this.zone)}`, gain);
    if (gain.rx > 0n || gain.tx > 0n) add(minutes, `${publicKey}|${String(Math.floor(wall / 60_000))}`, gain);
  }
}

function bytesOf(before: Running | undefined, now: SeenLife, began: Cause | null): Bytes {
  if (began === 'FIRST_SEEN') return NONE;
  // A life's counters are all its bytes. Those of the same life were counted up to where it was last seen.
  if (began || !before) return { rx: now.rx, tx: now.tx };
  return { rx: now.rx - before.seen.rx, tx: now.tx - before.seen.tx };
}

function add(map: Map<string, Bytes>, key: string, { rx, tx }: Bytes): void {
  const sum = map.get(key) ?? NONE;
  map.set(key, { rx: sum.rx + rx, tx: sum.tx + tx });
}

/** True time between two readings; over a reboot only the wall clock tells, and it tells no time backwards. */
export function elapsedMs(before: Reading, after: Reading): number {
  if (before.bootId === after.bootId) return Number(after.monotonic - before.monotonic) / 1e6;
  return Math.max(0, after.wall - before.wall);
}

// --- the calendar, by Intl -------------------------------------------------------------------------------

const formats = new Map<string, Intl.DateTimeFormat>();

/** `[YYYY-MM-DD, minutes after the local hour]` */
function local(at: number, zone: string): [date: string, minute: number] {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formats.set(zone, format);
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const part = (name: Intl.DateTimeFormatPartTypes): string => parts.get(name) ?? '';
  return [`${part('year')}-${part('month')}-${part('day')}`, Number(part('minute'))];
}

const months = new Map<string, string>();

export function monthOf(at: number, zone: string): string {
  const key = `${zone}|${String(Math.floor(at / 60_000))}`;
  let month = months.get(key);
  if (month === undefined) {
    month = local(at, zone)[0].slice(0, 7);
    months.set(key, month);
  }
  return month;
}

/** Start of the local hour, minutes since the epoch; for zones that shift by whole hours. */
export function hourOf(minute: number, zone: string): number {
  return minute - local(minute * 60_000, zone)[1];
}

/** The first minute of the local day: by looking for it. */
export function dayOf(minute: number, zone: string): number {
  const date = local(minute * 60_000, zone)[0];
  let start = hourOf(minute, zone);
  // No zone's clock changes in between quarters of an hour.
  while (local((start - 15) * 60_000, zone)[0] === date) start -= 15;
  return start;
}

// --- histories -------------------------------------------------------------------------------------------

export const PEERS = ['anna', 'bert', 'cleo', 'dora'] as const;

export type Event =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'traffic'; readonly peer: string; readonly rx: bigint; readonly tx: bigint }
  | { readonly kind: 'handshake' | 'add' | 'remove'; readonly peer: string }
  /** Removed and added again at once, and grown since. */
  | {
      readonly kind: 'replace';
      readonly peer: string;
      readonly rx: bigint;
      readonly tx: bigint;
      readonly shake: boolean;
    }
  | {
      readonly kind: 'recreate';
      readonly peers: readonly string[];
      readonly grown: bigint;
      readonly shake: boolean;
    }
  | {
      readonly kind: 'reboot';
      readonly peers: readonly string[];
      readonly downMs: number;
      readonly clockMs: number;
      readonly grown: bigint;
    }
  | { readonly kind: 'clock'; readonly ms: number }
  | { readonly kind: 'rekey' | 'failed' }
  /** A sample is read and reaches the accountant. */
  | { readonly kind: 'sample'; readonly turn: number }
  /** A sample is read and gets lost, or reaches the accountant later (`late`). */
  | { readonly kind: 'read' }
  /** The nth last reading reaches the accountant, again or for the first time. */
  | { readonly kind: 'late'; readonly back: number }
  | { readonly kind: 'empty'; readonly keyed: boolean };

const peer = fc.constantFrom(...PEERS);
const some = fc.subarray([...PEERS]);
const bytes = fc.oneof(
  { weight: 5, arbitrary: fc.bigInt(0n, 3_000n) },
  { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 50n) },
);
const grown = fc.oneof(fc.constant(0n), fc.bigInt(1n, 100_000n), fc.constant(2n ** 52n));
const HOUR = 3_600_000;
const clockMs = fc.constantFrom(-HOUR, HOUR, 24 * HOUR, -24 * HOUR, -20 * 24 * HOUR, 35 * 24 * HOUR, -40_000);

const quiet: readonly fc.WeightedArbitrary<Event>[] = [
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('traffic' as const), peer, rx: bytes, tx: bytes }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('handshake' as const), peer }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.oneof(
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 5_000, max: 200_000 }),
        fc.constant(3 * 24 * HOUR),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'rekey' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'failed' as const }) },
];

const resets: readonly fc.WeightedArbitrary<Event>[] = [
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('add' as const, 'remove' as const), peer }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('replace' as const),
      peer,
      rx: grown,
      tx: grown,
      shake: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('recreate' as const), peers: some, grown, shake: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('reboot' as const),
      peers: some,
      downMs: fc.integer({ min: 1_000, max: 600_000 }),
      clockMs: fc.oneof(fc.constant(0), clockMs),
      grown,
    }),
  },
];

const clocks: readonly fc.WeightedArbitrary<Event>[] = [
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('clock' as const), ms: clockMs }) },
];

const samples: readonly fc.WeightedArbitrary<Event>[] = [
  { weight: 9, arbitrary: fc.record({ kind: fc.constant('sample' as const), turn: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'read' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('late' as const), back: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('empty' as const), keyed: fc.boolean() }) },
];

export interface Mix {
  readonly resets?: boolean;
  readonly clocks?: boolean;
}

export function events(mix: Mix = {}): fc.WeightedArbitrary<Event>[] {
  return [
    ...quiet,
    ...samples,
    ...(mix.resets === false ? [] : resets),
    ...(mix.clocks === false ? [] : clocks),
  ];
}

export function histories(mix: Mix = {}, maxLength = 60): fc.Arbitrary<Event[]> {
  return fc.array(fc.oneof(...events(mix)), { minLength: 3, maxLength, size: 'max' });
}

export const beginnings = fc.record({
  zone: fc.constantFrom(...ZONES),
  wall: fc.constantFrom(...STARTS),
  peers: some,
});

/** A world and its accountant's true books, played event by event. */
export class Play {
  readonly world: World;
  readonly truth: Truth;
  readonly #readings: Reading[] = [];

  constructor(start: { readonly zone: string; readonly wall: number; readonly peers: readonly string[] }) {
    this.world = new World(start.wall);
    this.truth = new Truth(start.zone);
    for (const publicKey of start.peers) {
      this.world.add(publicKey);
      this.world.traffic(publicKey, 1_000n, 2_000n);
      this.world.handshake(publicKey);
    }
  }

  /** @returns the reading that reaches the accountant with this event, if one does */
  step(event: Event): Reading | null {
    const { world } = this;
    switch (event.kind) {
      case 'wait':
        world.wait(event.ms);
        return null;
      case 'traffic':
        world.traffic(event.peer, event.rx, event.tx);
        return null;
      case 'handshake':
        world.handshake(event.peer);
        return null;
      case 'add':
        world.add(event.peer);
        return null;
      case 'remove':
        world.remove(event.peer);
        return null;
      case 'replace':
        if (!world.has(event.peer)) return null;
        world.remove(event.peer);
        world.add(event.peer);
        world.traffic(event.peer, event.rx, event.tx);
        if (event.shake) world.handshake(event.peer);
        return null;
      case 'recreate':
        world.recreate(event.peers);
        this.#grow(event.peers, event.grown, event.shake);
        return null;
      case 'reboot':
        if (event.clockMs !== 0) this.#setClock(event.clockMs);
        world.reboot(event.peers, event.downMs);
        this.#grow(event.peers, event.grown, true);
        return null;
      case 'clock':
        this.#setClock(event.ms);
        return null;
      case 'rekey':
        world.rekey();
        return null;
      case 'failed':
        return null;
      case 'sample':
        world.wait(3);
        return this.#read(event.turn);
      case 'read':
        world.wait(3);
        this.#read(0);
        return null;
      case 'late': {
        const reading = this.#readings.at(-1 - event.back) ?? null;
        // Within one boot only: nobody reads a host's device before its reboot and tells of it after.
        const lastBoot = this.truth.facts.last?.bootId;
        return reading && (lastBoot === undefined || reading.bootId >= lastBoot) ? reading : null;
      }
      case 'empty':
        world.wait(3);
        return { ...world.read(), publicKey: event.keyed ? 'key' : null, peers: [] };
    }
  }

  #read(turn: number): Reading {
    const reading = this.world.read(turn);
    this.#readings.push(reading);
    return reading;
  }

  /**
   * At most one setting of the clock between two counted samples: of two that cancel each other no sample
   * shows anything, and a handshake in between carries a time that nobody can place (see the report).
   */
  #setClock(ms: number): void {
    const { last } = this.truth.facts;
    if (!last || last.clockSets === this.world.clockSets) this.world.setClock(ms);
  }

  #grow(peers: readonly string[], bytes: bigint, shake: boolean): void {
    this.world.wait(1_500);
    for (const publicKey of peers) {
      this.world.traffic(publicKey, bytes, bytes / 3n);
      if (shake) this.world.handshake(publicKey);
    }
  }
}
