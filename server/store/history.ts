/**
 * Traffic over time and the ledger behind the totals. Both are read for many peers by one statement, which
 * sees one committed state: a minute that closes meanwhile is in it once.
 */
import type { EpochCause } from '../accounting/account.ts';
import type { Calendar } from '../accounting/calendar.ts';
import type { Database } from './database.ts';
import { Prisma } from './generated/client.ts';

export const RESOLUTIONS = ['MINUTE', 'HOUR', 'DAY'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** From `from` to before `to`, milliseconds since the Unix epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly resolution: Resolution;
}

export interface UsageBucket {
  /** Milliseconds since the Unix epoch. */
  readonly start: number;
  readonly received: bigint;
  readonly sent: bigint;
}

export interface EpochRow {
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly cause: EpochCause;
  readonly unobservedMs: number;
  readonly received: bigint;
  readonly sent: bigint;
}

/** Minutes in a bucket; a day has an hour more or less where clocks change. */
const MINUTES: Readonly<Record<Resolution, number>> = { MINUTE: 1, HOUR: 60, DAY: 1440 };
const TABLES: Readonly<Record<Resolution, Prisma.Sql>> = {
  MINUTE: Prisma.sql`usage_minutes`,
  HOUR: Prisma.sql`usage_hours`,
  DAY: Prisma.sql`usage_days`,
};
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Fine enough for a chart, and kept for that long. */
export function defaultResolution(ms: number): Resolution {
  if (ms <= 6 * HOUR_MS) return 'MINUTE';
  return ms <= 14 * 24 * HOUR_MS ? 'HOUR' : 'DAY';
}

/** Buckets in a span, full or empty. */
export function bucketCount({ from, to, resolution }: Span): number {
  return Math.ceil((to - from) / (MINUTES[resolution] * MINUTE_MS));
}

/** By peer id, oldest first: the buckets with bytes that overlap the span, the minute under way among them. */
export async function readHistory(
  db: Database,
  calendar: Calendar,
  span: Span,
  peerIds: readonly number[],
): Promise<Map<number, UsageBucket[]>> {
  const ids = Prisma.join([...peerIds]);
  const first = startOf(calendar, span.from, span.resolution);
  const end = Math.ceil(span.to / MINUTE_MS);
  const rows = await db.reader.$queryRaw<HistoryRow[]>`
    SELECT peer_id, start, CAST(received AS TEXT) AS received, CAST(sent AS TEXT) AS sent, 0 AS is_open
    FROM ${TABLES[span.resolution]}
    WHERE peer_id IN (${ids}) AND start >= ${first} AND start < ${end}
    UNION ALL
    SELECT c.peer_id, i.open_minute, CAST(c.open_received AS TEXT), CAST(c.open_sent AS TEXT), 1
    FROM peer_counters c JOIN peers p ON p.id = c.peer_id JOIN interfaces i ON i.id = p.interface_id
    WHERE c.peer_id IN (${ids}) AND (c.open_received > 0 OR c.open_sent > 0)`;
  const found = new Map<number, Map<number, UsageBucket>>();
  for (const row of rows) {
    const minute = Number(row.start);
    const start = Number(row.is_open) === 1 ? startOf(calendar, minute * MINUTE_MS, span.resolution) : minute;
    if (start < first || start >= end) continue;
    add(found, Number(row.peer_id), start, BigInt(row.received), BigInt(row.sent));
  }
  return new Map(
    peerIds.map((id) => [id, [...(found.get(id)?.values() ?? [])].sort((a, b) => a.start - b.start)]),
  );
}

/** By peer id, newest first. An epoch that lasts has what the totals gained since it began. */
export async function readEpochs(
  db: Database,
  first: number,
  peerIds: readonly number[],
): Promise<Map<number, EpochRow[]>> {
  const rows = await db.reader.$queryRaw<RawEpoch[]>`
    SELECT * FROM (
      SELECT e.peer_id, CAST(e.started_at AS TEXT) AS started_at, CAST(e.ended_at AS TEXT) AS ended_at, e.cause,
        CAST(e.unobserved_ms AS TEXT) AS unobserved_ms,
        CAST(coalesce(e.received, c.total_received - e.base_received, 0) AS TEXT) AS received,
        CAST(coalesce(e.sent, c.total_sent - e.base_sent, 0) AS TEXT) AS sent,
        row_number() OVER (PARTITION BY e.peer_id ORDER BY e.id DESC) AS newest
      FROM counter_epochs e LEFT JOIN peer_counters c ON c.peer_id = e.peer_id
      WHERE e.peer_id IN (${Prisma.join([...peerIds])})
    ) AS ranked WHERE newest <= ${first} ORDER BY peer_id, newest`;
  const found = new Map<number, EpochRow[]>(peerIds.map((id) => [id, []]));
  for (const row of rows) {
    found.get(Number(row.peer_id))?.push({
      startedAt: Number(row.started_at),
      endedAt: row.ended_at === null ? null : Number(row.ended_at),
      cause: row.cause,
      unobservedMs: Number(row.unobserved_ms),
      received: BigInt(row.received),
      sent: BigInt(row.sent),
    });
  }
  return found;
}

interface HistoryRow {
  readonly peer_id: number | bigint;
  readonly start: number | bigint;
  readonly received: string;
  readonly sent: string;
  readonly is_open: number | bigint;
}

interface RawEpoch {
  readonly peer_id: number | bigint;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly cause: EpochCause;
  readonly unobserved_ms: string;
  readonly received: string;
  readonly sent: string;
}

/** The bucket of a moment, minutes since the Unix epoch. */
function startOf(calendar: Calendar, ms: number, resolution: Resolution): number {
  const { minute, hour, day } = calendar.bucket(ms);
  return { MINUTE: minute, HOUR: hour, DAY: day }[resolution];
}

function add(
  found: Map<number, Map<number, UsageBucket>>,
  peerId: number,
  minute: number,
  received: bigint,
  sent: bigint,
): void {
  const buckets = found.get(peerId) ?? new Map<number, UsageBucket>();
  found.set(peerId, buckets);
  const known = buckets.get(minute);
  buckets.set(minute, {
    start: minute * MINUTE_MS,
    received: (known?.received ?? 0n) + received,
    sent: (known?.sent ?? 0n) + sent,
  });
}
