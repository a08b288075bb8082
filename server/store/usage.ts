/** Bytes by month, as queries read them. */
import { Refusal } from '../refusal.ts';
import type { Database } from './database.ts';
import type { MonthlyUsage, Peer, Prisma } from './generated/client.ts';
import {
  cut,
  encodeCursor,
  readWindow,
  wholePart,
  type Key,
  type PageArgs,
  type PageInfo,
} from './paging.ts';

/** A peer's month. The peer may be gone: its name and usage are kept. */
export interface UsageRow {
  readonly peer: Peer;
  readonly month: string;
  readonly received: bigint;
  readonly sent: bigint;
  readonly accumulatedReceived: bigint;
  readonly accumulatedSent: bigint;
  readonly lastReceived: bigint;
  readonly lastSent: bigint;
  readonly lastUpdated: Date;
}

/** Both ends belong to it; an open end is null. */
export interface MonthRange {
  readonly from: string | null;
  readonly to: string | null;
}

export interface UsageFilter {
  readonly months: MonthRange;
  readonly interfaceId?: number | undefined;
  readonly publicKey?: string | undefined;
  readonly email?: string | undefined;
}

export interface UsagePage {
  readonly rows: readonly { readonly usage: UsageRow; readonly cursor: string }[];
  readonly info: PageInfo;
}

export interface TotalRow {
  readonly month: string;
  readonly received: bigint;
  readonly sent: bigint;
  readonly peers: number;
}

const ORDER = 'USAGE';

/** @throws Refusal BAD_USER_INPUT where it ends before it begins */
export function monthRange(from: string | null | undefined, to: string | null | undefined): MonthRange {
  if (from && to && from > to) {
    throw new Refusal('BAD_USER_INPUT', `from (${from}) is after to (${to}).`, { field: 'from' });
  }
  return { from: from ?? null, to: to ?? null };
}

export function inRange({ from, to }: MonthRange): Prisma.StringFilter {
  return { ...(from === null ? {} : { gte: from }), ...(to === null ? {} : { lte: to }) };
}

export function usageRow(peer: Peer, row: MonthlyUsage): UsageRow {
  const { yearMonth, ...figures } = row;
  return { ...figures, peer, month: yearMonth };
}

/** Largest total first. */
export async function listUsage(db: Database, filter: UsageFilter, args: PageArgs): Promise<UsagePage> {
  const window = readWindow(args, ORDER);
  const where = await whereOf(db, filter);
  const read = await db.reader.monthlyUsage.findMany({
    where: window.after ? { AND: [where, after(window.after)] } : where,
    include: { peer: true },
    orderBy: [{ total: 'desc' }, { yearMonth: 'desc' }, { peerId: 'desc' }],
    take: window.size + 1,
  });
  const { rows, info } = cut(window, read);
  return {
    rows: rows.map(({ peer, ...row }) => ({
      usage: usageRow(peer, row),
      cursor: encodeCursor(ORDER, [String(row.total), row.yearMonth, row.peerId]),
    })),
    info,
  };
}

export async function countUsage(db: Database, filter: UsageFilter): Promise<number> {
  return db.reader.monthlyUsage.count({ where: await whereOf(db, filter) });
}

/** One row a month that anyone has usage in, oldest first. */
export async function monthlyTotals(
  db: Database,
  months: MonthRange,
  interfaceId: number | undefined,
): Promise<TotalRow[]> {
  const rows = await db.reader.monthlyUsage.groupBy({
    by: ['yearMonth'],
    where: await whereOf(db, { months, interfaceId }),
    _sum: { received: true, sent: true },
    _count: { peerId: true },
    orderBy: { yearMonth: 'asc' },
  });
  return rows.map(({ yearMonth, _sum, _count }) => ({
    month: yearMonth,
    received: _sum.received ?? 0n,
    sent: _sum.sent ?? 0n,
    peers: _count.peerId,
  }));
}

function after(key: Key): Prisma.MonthlyUsageWhereInput {
  const total = wholePart(key[0]);
  const yearMonth = String(key[1]);
  const peerId = Number(wholePart(key[2]));
  return {
    OR: [
      { total: { lt: total } },
      { total, yearMonth: { lt: yearMonth } },
      { total, yearMonth, peerId: { lt: peerId } },
    ],
  };
}

async function whereOf(db: Database, filter: UsageFilter): Promise<Prisma.MonthlyUsageWhereInput> {
  const { interfaceId, publicKey, email } = filter;
  return {
    yearMonth: inRange(filter.months),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(interfaceId === undefined ? {} : { peer: { interfaceId } }),
    ...(email === undefined ? {} : { peerId: { in: await idsOfEmail(db, email) } }),
  };
}

/** Equal in any case, beyond ASCII too, which SQLite's own folding leaves out. */
async function idsOfEmail(db: Database, email: string): Promise<number[]> {
  const sought = email.toLowerCase();
  const candidates = await db.reader.$queryRaw<{ id: number | bigint; email: string | null }[]>`
    SELECT id, email FROM peers WHERE instr(search_text, ${sought}) > 0`;
  return candidates.filter((row) => row.email?.toLowerCase() === sought).map((row) => Number(row.id));
}
