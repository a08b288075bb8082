/** The books in a real database file: opened for a test, played into, and read out again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Calendar } from '../../server/accounting/calendar.ts';
import { Database, type Transaction } from '../../server/store/database.ts';
import { isLease, LeaseKeeper, thisProcess, type Lease } from '../../server/store/lease.ts';
import { Ledger, type Circumstances } from '../../server/store/ledger.ts';
import type { Device, DevicePeer } from '../../server/wireguard/types.ts';
import { dayOf, hourOf, type Bytes, type Reading, type TrueEpoch } from './model.ts';

export interface TestDatabase {
  readonly db: Database;
  readonly url: string;
  close(): Promise<void>;
}

export async function openDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(path.join(tmpdir(), 'wiremeter-books-'));
  const url = `file:${path.join(folder, 'wiremeter.db')}`;
  const db = await Database.open(url);
  return {
    db,
    url,
    async close() {
      await db.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let interfaces = 0;

export async function makeInterface(db: Database): Promise<number> {
  interfaces += 1;
  const name = `wg${String(interfaces)}`;
  return (await db.write((tx) => tx.interface.create({ data: { gateway: 'gw', name } }))).id;
}

/** Always succeeds: the same process takes its own lease over. */
export async function claim(db: Database, interfaceId: number): Promise<Lease> {
  const keeper = new LeaseKeeper(db, thisProcess('boot', 1_000, 'books'), () => 0n);
  const claimed = await keeper.claim(interfaceId);
  if (!isLease(claimed)) throw new Error('somebody else holds the lease');
  return claimed;
}

export async function loadLedger(db: Database, interfaceId: number, zone: string): Promise<Ledger> {
  return Ledger.load(db, new Calendar(zone), await claim(db, interfaceId));
}

export type Failing = 'before' | 'inside' | 'after';

/** A database whose next writes can be made to fail. */
export class Flaky {
  readonly db: Database;
  /** How the next writes fail, one entry a write. */
  readonly plan: Failing[] = [];
  /** Called when a write was committed, whatever its caller is told. */
  onCommit: () => void = () => undefined;
  readonly #real: Database;

  constructor(real: Database) {
    this.#real = real;
    const { reader } = real;
    this.db = { reader, write: (work) => this.#write(work) } as Partial<Database> as Database;
  }

  async #write<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const failing = this.plan.shift();
    if (failing === 'before') throw new Error('planned: the disk is full');
    const result = await this.#real.write(async (tx) => {
      const done = await work(tx);
      if (failing === 'inside') throw new Error('planned: the disk is full in between');
      return done;
    });
    this.onCommit();
    if (failing === 'after') throw new Error('planned: committed, and nobody was told');
    return result;
  }
}

export function deviceOf(reading: Reading): Device {
  const peers = reading.peers.map(([publicKey, { rx, tx, handshake }]): DevicePeer => {
    return {
      publicKey,
      hasPresharedKey: false,
      endpoint: null,
      allowedIPs: [],
      persistentKeepalive: 0,
      latestHandshake: handshake,
      rx,
      tx,
    };
  });
  return { name: 'wg0', publicKey: reading.publicKey, listenPort: 51820, peers };
}

export function circumstancesOf({ bootId, instance, monotonic, wall }: Reading): Circumstances {
  return { bootId, instance, monotonic, wall };
}

export const noNames = () => Promise.resolve(new Map<string, string>());

// --- reading them out ------------------------------------------------------------------------------------

/** Everything that the database says of an interface, in the model's words. */
export interface Told {
  readonly totals: Record<string, Bytes>;
  readonly months: Record<string, Bytes>;
  readonly accumulated: Record<string, Bytes>;
  readonly minutes: Record<string, Bytes>;
  readonly hours: Record<string, Bytes>;
  readonly days: Record<string, Bytes>;
  readonly monthTotals: Record<string, bigint>;
  readonly epochs: readonly TrueEpoch[];
}

interface Span extends Bytes {
  readonly publicKey: string;
  readonly start: number;
}

export async function readBooks(db: Database, interfaceId: number, zone: string): Promise<Told> {
  const { reader } = db;
  const { openMinute } = await reader.interface.findUniqueOrThrow({ where: { id: interfaceId } });
  const peers = await reader.peer.findMany({
    where: { interfaceId },
    include: { counters: true, months: true, epochs: true },
  });
  const keyOf = new Map(peers.map((peer) => [peer.id, peer.publicKey]));
  const where = { peerId: { in: [...keyOf.keys()] } };
  const spans = (
    rows: readonly { peerId: number; start: number; received: bigint; sent: bigint }[],
  ): Span[] =>
    rows.map(({ peerId, start, received, sent }) => ({
      publicKey: keyOf.get(peerId) ?? '?',
      start,
      rx: received,
      tx: sent,
    }));
  const open = peers.flatMap(({ publicKey, counters }): Span[] =>
    counters && (counters.openReceived > 0n || counters.openSent > 0n)
      ? [{ publicKey, start: openMinute, rx: counters.openReceived, tx: counters.openSent }]
      : [],
  );
  const openIn = (startOf: (minute: number, zone: string) => number): Span[] =>
    open.map((span) => ({ ...span, start: startOf(span.start, zone) }));
  const monthOf = peers.flatMap(({ publicKey, months }) =>
    months.map((row) => ({ key: `${publicKey}|${row.yearMonth}`, ...row })),
  );
  const told: Told = {
    totals: record(
      peers.flatMap(({ publicKey, counters }) =>
        counters ? [[publicKey, { rx: counters.totalReceived, tx: counters.totalSent }] as const] : [],
      ),
    ),
    months: record(monthOf.map(({ key, received, sent }) => [key, { rx: received, tx: sent }])),
    accumulated: record(
      monthOf.map(({ key, accumulatedReceived, accumulatedSent }) => [
        key,
        { rx: accumulatedReceived, tx: accumulatedSent },
      ]),
    ),
    minutes: summed([...spans(await reader.usageMinute.findMany({ where })), ...open]),
    hours: summed([...spans(await reader.usageHour.findMany({ where })), ...openIn(hourOf)]),
    days: summed([...spans(await reader.usageDay.findMany({ where })), ...openIn(dayOf)]),
    monthTotals: Object.fromEntries(
      peers
        .flatMap(({ publicKey, counters }) => (counters ? [[publicKey, counters.monthTotal] as const] : []))
        .sort(byKey),
    ),
    epochs: peers
      .flatMap(({ publicKey, counters, epochs }) =>
        epochs.map((row): TrueEpoch => {
          const endedAt = row.endedAt === null ? null : Number(row.endedAt);
          return {
            publicKey,
            cause: row.cause as TrueEpoch['cause'],
            startedAt: Number(row.startedAt),
            unobservedMs: Number(row.unobservedMs),
            endedAt,
            rx: row.received ?? (counters?.totalReceived ?? 0n) - row.baseReceived,
            tx: row.sent ?? (counters?.totalSent ?? 0n) - row.baseSent,
          };
        }),
      )
      .sort(byPeer),
  };
  for (const row of monthOf)
    if (row.total !== row.received + row.sent) throw new Error('monthly_usage.total is wrong');
  for (const { counters } of peers) {
    if (counters && counters.total !== counters.totalReceived + counters.totalSent)
      throw new Error('peer_counters.total is wrong');
  }
  return told;
}

/** What the database must say, by the model. */
export function expectedBooks(truth: {
  readonly zone: string;
  readonly facts: {
    readonly epochs: readonly TrueEpoch[];
    readonly months: ReadonlyMap<string, Bytes>;
    readonly minutes: ReadonlyMap<string, Bytes>;
    readonly totals: ReadonlyMap<string, Bytes>;
    readonly month: string | null;
  };
}): Told {
  const { epochs, months, minutes, totals, month } = truth.facts;
  const spans = [...minutes].map(([key, bytes]): Span => {
    const [publicKey = '', minute] = key.split('|');
    return { publicKey, start: Number(minute), ...bytes };
  });
  const sums = new Map<string, Bytes>();
  const accumulated = [...months].sort(byKey).map(([key, { rx, tx }]) => {
    const [publicKey = ''] = key.split('|');
    const sum = sums.get(publicKey) ?? { rx: 0n, tx: 0n };
    const next = { rx: sum.rx + rx, tx: sum.tx + tx };
    sums.set(publicKey, next);
    return [key, next] as const;
  });
  const monthTotals = [...totals.keys()].map((publicKey) => {
    const { rx, tx } = months.get(`${publicKey}|${month ?? ''}`) ?? { rx: 0n, tx: 0n };
    return [publicKey, rx + tx] as const;
  });
  return {
    totals: record([...totals]),
    months: record([...months]),
    accumulated: record(accumulated),
    minutes: summed(spans),
    hours: summed(spans.map((span) => ({ ...span, start: hourOf(span.start, truth.zone) }))),
    days: summed(spans.map((span) => ({ ...span, start: dayOf(span.start, truth.zone) }))),
    monthTotals: Object.fromEntries(monthTotals.sort(byKey)),
    epochs: epochs.map((epoch) => ({ ...epoch, unobservedMs: Math.round(epoch.unobservedMs) })).sort(byPeer),
  };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Stable: a peer's epochs stay in their order. */
function byPeer(a: TrueEpoch, b: TrueEpoch): number {
  return byKey([a.publicKey, 0], [b.publicKey, 0]);
}

function record(rows: readonly (readonly [string, Bytes])[]): Record<string, Bytes> {
  return Object.fromEntries([...rows].sort(byKey));
}

function summed(spans: readonly Span[]): Record<string, Bytes> {
  const sums = new Map<string, Bytes>();
  for (const { publicKey, start, rx, tx } of spans) {
    const key = `${publicKey}|${String(start)}`;
    const sum = sums.get(key) ?? { rx: 0n, tx: 0n };
    sums.set(key, { rx: sum.rx + rx, tx: sum.tx + tx });
  }
  return record([...sums]);
}
