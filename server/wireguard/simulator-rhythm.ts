/**
 * Days and nights of the demo's peers: which hours have a session, how many bytes it moves, and how they lie in it. Pure.
 */
import type { DeviceKind } from './simulator-people.ts';
import { hash, unit } from './simulator-random.ts';

/** ms */
export const HOUR = 3_600_000;
export const CELL = 5000;
const CELLS = HOUR / CELL;

/** Megabytes of an active hour, received and sent, and how likely an hour is active by day, in the evening and at night. */
const KINDS: Record<DeviceKind, { up: number; down: number; day: number; evening: number; night: number }> = {
  phone: { up: 3, down: 24, day: 0.55, evening: 0.7, night: 0.06 },
  laptop: { up: 28, down: 190, day: 0.6, evening: 0.35, night: 0.02 },
  tablet: { up: 4, down: 70, day: 0.15, evening: 0.45, night: 0.01 },
  TV: { up: 14, down: 1500, day: 0.06, evening: 0.5, night: 0.02 },
  server: { up: 26, down: 60, day: 1, evening: 1, night: 1 },
  backup: { up: 2600, down: 34, day: 0, evening: 0, night: 0.42 },
};

export interface HourShape {
  readonly hour: number;
  readonly received: number;
  readonly sent: number;
  /** Share of the hour's bytes up to the end of each cell, 0 to 1; null in an hour without a session. */
  readonly shares: Float64Array | null;
  /** The session's part of this hour, ms since the epoch. */
  readonly startMs: number;
  readonly endMs: number;
}

export class Rhythm {
  readonly #seed: number;
  readonly #offset: number;
  readonly #peers: readonly { readonly kind: DeviceKind; readonly addedMs: number }[];

  /** @param utcOffsetHours the peers' local time */
  constructor(seed: number, utcOffsetHours: number, peers: readonly { kind: DeviceKind; addedMs: number }[]) {
    this.#seed = seed;
    this.#offset = utcOffsetHours;
    this.#peers = peers;
  }

  /** @param hour hours since the epoch */
  isActive(index: number, hour: number): boolean {
    const { kind, addedMs } = this.#peers[index]!;
    if (hour * HOUR < addedMs) return false;
    const local = hour + this.#offset;
    const hourOfDay = ((local % 24) + 24) % 24;
    const day = Math.floor(local / 24);
    const weekend = ((((day + 4) % 7) + 7) % 7) % 6 === 0; // Day 0 was a Thursday.
    const model = KINDS[kind];
    let chance = model.day;
    if (kind === 'backup') chance = hourOfDay >= 1 && hourOfDay < 4 ? model.night : 0;
    else if (hourOfDay < 7) chance = model.night;
    else if (hourOfDay >= 18 && hourOfDay < 23) chance = model.evening;
    if (kind === 'laptop' && weekend) chance *= 0.4;
    if (kind === 'TV' && weekend) chance *= 1.5;
    // Now and then somebody is away for a day.
    if (kind !== 'server' && unit(hash(this.#seed, index, day, 31)) < 0.08) return false;
    return unit(hash(this.#seed, index, hour, 32)) < chance;
  }

  /** Bytes of a whole hour, integers: received, sent. */
  total(index: number, hour: number): readonly [number, number] {
    if (!this.isActive(index, hour)) return [0, 0];
    const model = KINDS[this.#peers[index]!.kind];
    const person = 0.35 + 1.9 * unit(hash(this.#seed, index, 0, 41)) ** 2; // Some use far more than others.
    const noise = (salt: number): number => -Math.log(1 - unit(hash(this.#seed, index, hour, salt)) * 0.98);
    const both = person * (0.15 + noise(42)) * 1e6;
    return [
      Math.floor(both * model.up * (0.5 + unit(hash(this.#seed, index, hour, 43)))),
      Math.floor(both * model.down * (0.5 + unit(hash(this.#seed, index, hour, 44)))),
    ];
  }

  shape(index: number, hour: number): HourShape {
    const startOfHour = hour * HOUR;
    if (!this.isActive(index, hour)) {
      return { hour, received: 0, sent: 0, shares: null, startMs: startOfHour, endMs: startOfHour };
    }
    // A session begins and ends inside an hour, unless the hours around it have it too.
    const edge = (salt: number): number =>
      Math.floor(unit(hash(this.#seed, index, hour, salt)) * CELLS * 0.4);
    const first = this.isActive(index, hour - 1) ? 0 : edge(51);
    const last = this.isActive(index, hour + 1) ? CELLS : CELLS - edge(52);
    const shares = new Float64Array(CELLS);
    let sum = 0;
    for (let cell = 0; cell < CELLS; cell++) {
      // Long quiet stretches and short bursts: the cube of an even draw, louder in some minutes than in others.
      const minute = unit(hash(this.#seed, index, hour * 60 + Math.floor(cell / 12), 53));
      const burst = unit(hash(this.#seed, index, hour * CELLS + cell, 54));
      if (cell >= first && cell < last) sum += 0.02 + burst ** 3 * (0.2 + minute ** 2);
      shares[cell] = sum;
    }
    for (let cell = 0; cell < CELLS; cell++) shares[cell]! /= sum;
    const [received, sent] = this.total(index, hour);
    return {
      hour,
      received,
      sent,
      shares,
      startMs: startOfHour + first * CELL,
      endMs: startOfHour + last * CELL,
    };
  }
}
