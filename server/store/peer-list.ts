/**
 * Which peers a list shows and in which order: one statement a page, in SQL, since the order reaches over
 * three tables and knows what "never" and "not running" mean.
 */
import type { Database } from './database.ts';
import { Prisma } from './generated/client.ts';
import {
  cut,
  encodeCursor,
  readWindow,
  wholePart,
  type Key,
  type PageArgs,
  type PageInfo,
} from './paging.ts';
import { ONLINE_NS } from './tick.ts';

export const PEER_ORDER_FIELDS = [
  'NAME',
  'ADDED_ON',
  'LATEST_HANDSHAKE',
  'RECEIVE_RATE',
  'SEND_RATE',
  'MONTH_TOTAL',
  'TOTAL',
] as const;

export interface PeerOrder {
  readonly field: (typeof PEER_ORDER_FIELDS)[number];
  readonly direction: 'ASC' | 'DESC';
}

export interface PeerFilter {
  readonly interfaceId?: number | undefined;
  /** Part of a name, e-mail, key, address or endpoint, in any case; no character is special. */
  readonly search?: string | null | undefined;
  readonly online?: boolean | null | undefined;
  readonly enabled?: boolean | null | undefined;
}

/** The moment that "online" and "this month" are meant at. */
export interface Moment {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly monthStart: number;
}

export interface PeerPage {
  readonly rows: readonly { readonly id: number; readonly cursor: string }[];
  readonly info: PageInfo;
}

const FROM = Prisma.sql`
  FROM peers p
  JOIN interfaces i ON i.id = p.interface_id
  LEFT JOIN peer_counters c ON c.peer_id = p.id`;

/** @throws Refusal BAD_USER_INPUT for a bad cursor or size */
export async function listPeers(
  db: Database,
  filter: PeerFilter,
  order: PeerOrder,
  args: PageArgs,
  moment: Moment,
): Promise<PeerPage> {
  const { field, direction } = order;
  const window = readWindow(args, `${field} ${direction}`);
  const by = ordering(order, moment);
  const ascending = (direction === 'ASC') !== window.backward;
  const conditions = [
    conditionsOf(filter, moment),
    window.after && beyond(by, window.after, direction === 'ASC'),
    window.before && beyond(by, window.before, direction === 'DESC'),
  ].filter((condition) => condition !== null);
  const way = ascending ? Prisma.sql`ASC` : Prisma.sql`DESC`;
  const read = await db.reader.$queryRaw<{ id: number | bigint; value: string | number }[]>`
    SELECT p.id AS id, ${by.shown} AS value ${FROM}
    WHERE ${Prisma.join(conditions, ' AND ')}
    ORDER BY ${by.value} ${way}, p.id ${way}
    LIMIT ${window.size + 1}`;
  const { rows, info } = cut(window, read);
  return {
    rows: rows.map(({ id, value }) => ({
      id: Number(id),
      cursor: encodeCursor(window.order, [value, Number(id)]),
    })),
    info,
  };
}

export async function countPeers(db: Database, filter: PeerFilter, moment: Moment): Promise<number> {
  const [row] = await db.reader.$queryRaw<{ count: number | bigint }[]>`
    SELECT count(*) AS count ${FROM} WHERE ${conditionsOf(filter, moment)}`;
  return Number(row?.count ?? 0);
}

interface Ordering {
  readonly value: Prisma.Sql;
  /** The value as it goes into a cursor: exact. */
  readonly shown: Prisma.Sql;
  readonly read: (part: string | number | undefined) => string | number | bigint;
}

function ordering({ field, direction }: PeerOrder, moment: Moment): Ordering {
  switch (field) {
    case 'NAME':
      // The column puts unnamed peers at its end; the other way round they stay there.
      return text(
        direction === 'ASC'
          ? Prisma.sql`p.sort_name`
          : Prisma.sql`CASE WHEN coalesce(p.name, '') = '' THEN '' ELSE p.sort_name END`,
      );
    case 'ADDED_ON':
      return text(Prisma.sql`p.added_on`);
    case 'LATEST_HANDSHAKE':
      // Never comes last, whichever way.
      return whole(
        direction === 'ASC'
          ? Prisma.sql`coalesce(nullif(c.handshake, 0), 9223372036854775807)`
          : Prisma.sql`coalesce(c.handshake, 0)`,
      );
    case 'RECEIVE_RATE':
      return rate(Prisma.sql`c.receive_rate`);
    case 'SEND_RATE':
      return rate(Prisma.sql`c.send_rate`);
    case 'MONTH_TOTAL':
      // The column is of the month of the interface's last sample.
      return whole(Prisma.sql`
        CASE WHEN i.last_collected_at >= ${BigInt(moment.monthStart)} THEN coalesce(c.month_total, 0) ELSE 0 END`);
    case 'TOTAL':
      return whole(Prisma.sql`coalesce(c.total, 0)`);
  }
}

function text(value: Prisma.Sql): Ordering {
  return { value, shown: Prisma.sql`CAST(${value} AS TEXT)`, read: String };
}

function whole(value: Prisma.Sql): Ordering {
  return { value, shown: Prisma.sql`CAST(${value} AS TEXT)`, read: wholePart };
}

/** As the API shows it: nothing flows through an interface that is not up. */
function rate(column: Prisma.Sql): Ordering {
  const value = Prisma.sql`CASE WHEN i.status = 'UP' AND c.running THEN ${column} ELSE 0.0 END`;
  return { value, shown: value, read: Number };
}

/** Rows after a key, in the order's own direction where `greater`. */
function beyond(by: Ordering, key: Key, greater: boolean): Prisma.Sql {
  const id = wholePart(key[1]);
  const sign = greater ? Prisma.sql`>` : Prisma.sql`<`;
  return Prisma.sql`(${by.value}, p.id) ${sign} (${by.read(key[0])}, ${id})`;
}

function conditionsOf({ interfaceId, search, online, enabled }: PeerFilter, { now }: Moment): Prisma.Sql {
  const conditions = [Prisma.sql`p.deleted_at IS NULL`];
  if (interfaceId !== undefined) conditions.push(Prisma.sql`p.interface_id = ${interfaceId}`);
  const sought = search?.trim().toLowerCase() ?? '';
  if (sought !== '') {
    conditions.push(Prisma.sql`
      (instr(p.search_text, ${sought}) > 0 OR instr(lower(coalesce(c.endpoint, '')), ${sought}) > 0)`);
  }
  if (typeof enabled === 'boolean') {
    conditions.push(enabled ? Prisma.sql`p.enabled` : Prisma.sql`NOT p.enabled`);
  }
  if (typeof online === 'boolean') {
    const since = BigInt(now) * 1_000_000n - ONLINE_NS;
    const isOnline = Prisma.sql`coalesce(c.running AND c.handshake > 0 AND c.handshake >= ${since}, false)`;
    conditions.push(online ? isOnline : Prisma.sql`NOT ${isOnline}`);
  }
  return Prisma.join(conditions, ' AND ');
}
