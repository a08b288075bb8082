/**
 * Traffic for the demo: people with devices, days and nights, sessions, roaming. All of it is a function of the seed and the
 * time, so that a year of history and the live counters are of one piece: what the history says about an hour is what the
 * live device transferred in it, to the byte.
 *
 * An hour is the unit. Its bytes come from the peer's kind, the time of day and noise; inside it they are spread over cells
 * of five seconds of a session. Hours are in UTC, shifted by `utcOffsetHours` for the rhythm of the day alone.
 */
import { publicKeyOf } from './keys.ts';
import { hash, unit } from './simulator-random.ts';
import { makePeople, type Person } from './simulator-people.ts';
import { CELL, HOUR, Rhythm, type HourShape } from './simulator-rhythm.ts';
import type { SimulatedDevice } from './simulator.ts';
import { Secret } from './types.ts';

export interface TrafficOptions {
  /** Anything; 1 by default. Equal seeds, equal traffic. */
  readonly seed?: number;
  /** 40 by default; at most 250. */
  readonly count?: number;
  /** The day's rhythm is that of UTC plus this; 0 by default. */
  readonly utcOffsetHours?: number;
  /**
   * Two in five peers joined in the year before this instant (ms), and have no traffic before. Undefined: all were there
   * ever since.
   */
  readonly growthUntilMs?: number;
}

/** A person's device: what the demo's database and its simulated interface know about it. */
export interface TrafficPeer extends Person {
  readonly index: number;
  readonly publicKey: string;
  readonly presharedKey: Secret | null;
  readonly allowedIPs: readonly string[];
  readonly persistentKeepalive: number;
  /** ms since the epoch; -Infinity for those that were there ever since. */
  readonly addedMs: number;
}

/** Bytes; `received` is the peer's upload. */
export interface Bytes {
  readonly received: bigint;
  readonly sent: bigint;
}

const YEAR = 365 * 24 * HOUR;
/** How far back the last session is looked for: one that is older is as good as never. */
const LOOK_BACK_HOURS = 24 * 21;

export class TrafficModel {
  readonly peers: readonly TrafficPeer[];
  readonly #seed: number;
  readonly #rhythm: Rhythm;
  readonly #hours: (HourShape | undefined)[] = [];
  readonly #lastSessions: ({ hour: number; endMs: number | null } | undefined)[] = [];
  #device: SimulatedDevice | null = null;
  #nowMs = 0;

  constructor(options: TrafficOptions = {}) {
    this.#seed = options.seed ?? 1;
    const count = options.count ?? 40;
    if (!Number.isInteger(count) || count < 1 || count > 250) throw new RangeError('count must be 1 to 250');
    this.peers = makePeople(this.#seed, count).map((person, index) => this.#makePeer(person, index, options));
    this.#rhythm = new Rhythm(this.#seed, options.utcOffsetHours ?? 0, this.peers);
  }

  /**
   * Gives the device these peers, with the counters of a device that has been up since `upSinceMs` (by default since now:
   * zero). {@link advance} goes on from `nowMs`.
   */
  attach(device: SimulatedDevice, nowMs: number, upSinceMs: number = nowMs): void {
    this.#device = device;
    this.#nowMs = nowMs;
    for (const peer of this.peers) {
      if (peer.addedMs > nowMs) continue;
      const { received, sent } = this.bytesBetween(peer.index, upSinceMs, nowMs);
      const { publicKey, allowedIPs, persistentKeepalive, presharedKey } = peer;
      device.addPeer({
        publicKey,
        allowedIPs,
        persistentKeepalive,
        rx: received,
        tx: sent,
        ...(presharedKey ? { presharedKey } : {}),
      });
      this.#touch(device, peer.index, nowMs);
    }
  }

  /**
   * Lets the attached device's traffic pass from the last call up to `nowMs`: counters, handshakes, endpoints. A peer that is not in the
   * device (deleted, disabled) transfers nothing. A time that is not later changes nothing.
   */
  advance(nowMs: number): void {
    const device = this.#device;
    if (!device || nowMs <= this.#nowMs) return;
    for (const peer of this.peers) {
      if (!device.hasPeer(peer.publicKey)) continue;
      const { received, sent } = this.bytesBetween(peer.index, this.#nowMs, nowMs);
      device.transfer(peer.publicKey, received, sent);
      this.#touch(device, peer.index, nowMs);
    }
    this.#nowMs = nowMs;
  }

  /** Bytes in [startMs, endMs). Pure: adjoining intervals add up exactly. */
  bytesBetween(index: number, startMs: number, endMs: number): Bytes {
    if (endMs <= startMs) return { received: 0n, sent: 0n };
    const first = Math.floor(startMs / HOUR);
    const last = Math.floor(endMs / HOUR);
    const [skippedReceived, skippedSent] = this.#within(index, startMs);
    // Sums stay far below 2^53 (a peer's year is some 10^13 bytes).
    let received = -skippedReceived;
    let sent = -skippedSent;
    for (let hour = first; hour < last; hour++) {
      const whole = this.#rhythm.total(index, hour);
      received += whole[0];
      sent += whole[1];
    }
    const [endReceived, endSent] = this.#within(index, endMs);
    return { received: BigInt(received + endReceived), sent: BigInt(sent + endSent) };
  }

  /** Bytes in a calendar month in UTC. @param month 1 to 12 */
  plausibleMonth(peerIndex: number, year: number, month: number): Bytes {
    return this.bytesBetween(peerIndex, Date.UTC(year, month - 1, 1), Date.UTC(year, month, 1));
  }

  /** Buckets of `stepMs` from `startMs` up to `endMs`, oldest first; those without traffic are left out. */
  plausibleHistory(
    peerIndex: number,
    startMs: number,
    endMs: number,
    stepMs: number = HOUR,
  ): ({ readonly startMs: number } & Bytes)[] {
    if (!(stepMs > 0)) throw new RangeError('stepMs must be more than 0');
    const buckets: ({ startMs: number } & Bytes)[] = [];
    for (let at = startMs; at < endMs; at += stepMs) {
      const bytes = this.bytesBetween(peerIndex, at, Math.min(at + stepMs, endMs));
      if (bytes.received > 0n || bytes.sent > 0n) buckets.push({ startMs: at, ...bytes });
    }
    return buckets;
  }

  /** ms since the epoch of the last handshake at `atMs`: every 120 s or so in a session; null where there was none for weeks. */
  latestHandshake(index: number, atMs: number): number | null {
    const now = this.#shape(index, Math.floor(atMs / HOUR));
    if (now.shares && atMs >= now.startMs)
      return this.#handshakeBy(index, Math.min(atMs, now.endMs), now.startMs);
    const end = this.#lastSessionEnd(index, now.hour);
    return end === null ? null : this.#handshakeBy(index, end, end - HOUR / 12);
  }

  /** Where the peer is at `atMs`, host:port. Phones and laptops move between a home and mobile networks. */
  endpoint(index: number, atMs: number): string {
    const { kind } = this.peers[index]!;
    const roams = kind === 'phone' || kind === 'laptop' || kind === 'tablet';
    const spell = roams ? Math.floor(atMs / (3 * HOUR)) : 0;
    const out = roams && unit(hash(this.#seed, index, spell, 11)) < (kind === 'phone' ? 0.5 : 0.15);
    const place = hash(this.#seed, index, out ? spell : 0, 12);
    const port =
      1024 + (hash(this.#seed, index, roams ? spell : Math.floor(atMs / (72 * HOUR)), 13) % 64_000);
    if (out) return `198.51.100.${1 + (place % 254)}:${port}`; // A mobile network (RFC 5737).
    if (place % 5 === 0)
      return `[2001:db8:${(place >>> 8)
        .toString(16)
        .slice(-4)
        .replace(/^0+(?=.)/, '')}::1]:${port}`;
    return `203.0.113.${1 + (place % 254)}:${port}`;
  }

  #makePeer(person: Person, index: number, options: TrafficOptions): TrafficPeer {
    const key = (salt: number): Buffer => {
      const bytes = Buffer.alloc(32);
      for (let at = 0; at < 8; at++) bytes.writeUInt32LE(hash(this.#seed, index, at, salt), at * 4);
      return bytes;
    };
    const joined = unit(hash(this.#seed, index, 0, 3));
    const until = options.growthUntilMs;
    return {
      ...person,
      index,
      publicKey: publicKeyOf(key(1)),
      presharedKey: index % 5 === 4 ? null : new Secret(key(2).toString('base64')),
      allowedIPs: [`10.86.0.${index + 2}/32`, `fd86::${(index + 2).toString(16)}/128`],
      persistentKeepalive: person.kind === 'TV' ? 0 : 25,
      addedMs:
        until === undefined || joined >= 0.4
          ? -Infinity
          : Math.floor((until - (joined / 0.4) * YEAR) / HOUR) * HOUR,
    };
  }

  #touch(device: SimulatedDevice, index: number, nowMs: number): void {
    const { publicKey } = this.peers[index]!;
    const handshake = this.latestHandshake(index, nowMs);
    const ns = handshake === null ? 0n : BigInt(Math.floor(handshake)) * 1_000_000n + BigInt(index + 1);
    const peer = device.peer(publicKey);
    if (handshake === null || ns <= peer.latestHandshake) return;
    device.handshake(publicKey, ns);
    peer.endpoint = this.endpoint(index, handshake);
  }

  /** Each peer has its own beat, so that they do not all shake hands at once. */
  #handshakeBy(index: number, atMs: number, sessionStartMs: number): number {
    const period = 120_000 + (hash(this.#seed, index, 0, 21) % 4000);
    const phase = hash(this.#seed, index, 0, 22) % period;
    return Math.max(sessionStartMs, Math.floor((atMs - phase) / period) * period + phase);
  }

  #lastSessionEnd(index: number, beforeHour: number): number | null {
    const known = this.#lastSessions[index];
    if (known?.hour === beforeHour) return known.endMs;
    let endMs: number | null = null;
    for (let hour = beforeHour - 1; hour > beforeHour - LOOK_BACK_HOURS && endMs === null; hour--) {
      if (this.#rhythm.isActive(index, hour)) endMs = this.#rhythm.shape(index, hour).endMs;
    }
    this.#lastSessions[index] = { hour: beforeHour, endMs };
    return endMs;
  }

  /** Bytes from the start of the hour of `atMs` up to it. */
  #within(index: number, atMs: number): readonly [number, number] {
    const hour = Math.floor(atMs / HOUR);
    const into = atMs - hour * HOUR;
    if (into === 0) return [0, 0];
    const shape = this.#shape(index, hour);
    if (!shape.shares) return [0, 0];
    const cell = Math.floor(into / CELL);
    const before = cell === 0 ? 0 : shape.shares[cell - 1]!;
    const share = before + (shape.shares[cell]! - before) * ((into - cell * CELL) / CELL);
    return [Math.floor(shape.received * share), Math.floor(shape.sent * share)];
  }

  /** The hour's shape: the last one of each peer is kept, since live traffic asks for it every second. */
  #shape(index: number, hour: number): HourShape {
    const known = this.#hours[index];
    return known?.hour === hour ? known : (this.#hours[index] = this.#rhythm.shape(index, hour));
  }
}
