/**
 * The statements of a tick: one a table, whatever the number of peers (ACCOUNTING.md A14).
 * Rows travel as one JSON array; SQLite reads whole numbers in it exactly up to 2^63 - 1.
 */
import type { EndedEpoch, Epoch, PeerState } from '../accounting/account.ts';
import type { Bucket } from '../accounting/calendar.ts';
import type { Transaction } from './database.ts';

export interface CounterRow {
  readonly id: number;
  readonly state: PeerState;
  readonly endpoint: string | null;
  readonly receiveRate: number;
  readonly sendRate: number;
  readonly monthTotal: bigint;
  readonly openReceived: bigint;
  readonly openSent: bigint;
}

export interface MonthRow {
  readonly id: number;
  readonly publicKey: string;
  readonly month: string;
  readonly received: bigint;
  readonly sent: bigint;
  readonly accumulatedReceived: bigint;
  readonly accumulatedSent: bigint;
  readonly lastReceived: bigint;
  readonly lastSent: bigint;
  /** Milliseconds since the Unix epoch. */
  readonly lastUpdated: number;
}

export interface EpochRow {
  readonly id: number;
  readonly ended: EndedEpoch | null;
  readonly began: Epoch | null;
}

export interface HistoryRow {
  readonly id: number;
  readonly received: bigint;
  readonly sent: bigint;
}

/** A peer that nobody made through us: seen on the device. */
export interface SeenPeer {
  readonly publicKey: string;
  readonly name: string | null;
  readonly addedOn: number;
  readonly allowedIPs: string;
  readonly hasPresharedKey: boolean;
  readonly persistentKeepalive: number;
  /** True at the first sight of the interface: what is there then is taken in. */
  readonly registered: boolean;
  readonly sortName: string;
  readonly searchText: string;
}

/** Makes rows of peers seen on the device; answers their ids by public key. */
export async function insertSeen(
  tx: Transaction,
  interfaceId: number,
  peers: readonly SeenPeer[],
): Promise<Map<string, number>> {
  const json = JSON.stringify(
    peers.map((p) => [
      p.publicKey,
      p.name,
      iso(p.addedOn),
      p.allowedIPs,
      p.hasPresharedKey ? 1 : 0,
      p.persistentKeepalive,
      p.registered ? 1 : 0,
      p.sortName,
      p.searchText,
    ]),
  );
  // A peer whose usage was kept when it went comes back with it, and with its name where it has no new one.
  const rows = await tx.$queryRaw<{ id: number | bigint; public_key: string }[]>`
    INSERT INTO peers (interface_id, public_key, name, added_on, allowed_ips, has_preshared_key,
                       persistent_keepalive, enabled, registered, sort_name, search_text)
    SELECT ${interfaceId}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
           value ->> 5, 1, value ->> 6, value ->> 7, value ->> 8
    FROM json_each(${json}) WHERE true
    ON CONFLICT (interface_id, public_key) DO UPDATE SET
      name = coalesce(excluded.name, name),
      added_on = CASE WHEN deleted_at IS NULL THEN added_on ELSE excluded.added_on END,
      enabled = 1,
      registered = CASE WHEN deleted_at IS NULL THEN registered ELSE 0 END,
      -- It ends with the addresses: what stands before them belongs to the name that stays.
      search_text = CASE WHEN excluded.name IS NULL
        THEN substr(search_text, 1, length(search_text) - length(allowed_ips)) || lower(excluded.allowed_ips)
        ELSE excluded.search_text END,
      sort_name = CASE WHEN excluded.name IS NULL THEN sort_name ELSE excluded.sort_name END,
      deleted_at = NULL, allowed_ips = excluded.allowed_ips,
      has_preshared_key = excluded.has_preshared_key,
      persistent_keepalive = excluded.persistent_keepalive
    RETURNING id, public_key`;
  return new Map(rows.map((row) => [row.public_key, Number(row.id)]));
}

export async function writeCounters(tx: Transaction, rows: readonly CounterRow[]): Promise<void> {
  const json = array(rows, ({ id, state, ...row }) =>
    [
      id,
      state.running ? 1 : 0,
      state.rx,
      state.tx,
      state.handshake,
      Math.round(state.handshakeClock),
      JSON.stringify(row.endpoint),
      row.receiveRate,
      row.sendRate,
      state.totalReceived,
      state.totalSent,
      state.totalReceived + state.totalSent,
      row.monthTotal,
      row.openReceived,
      row.openSent,
      Math.round(state.gapMs),
    ].join(),
  );
  await tx.$executeRaw`
    INSERT INTO peer_counters (peer_id, running, rx, tx, handshake, handshake_clock, endpoint, receive_rate,
      send_rate, total_received, total_sent, total, month_total, open_received, open_sent, gap_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
      value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15
    FROM json_each(${json}) WHERE true
    ON CONFLICT (peer_id) DO UPDATE SET
      running = excluded.running, rx = excluded.rx, tx = excluded.tx, handshake = excluded.handshake,
      handshake_clock = excluded.handshake_clock, endpoint = excluded.endpoint,
      receive_rate = excluded.receive_rate, send_rate = excluded.send_rate,
      total_received = excluded.total_received, total_sent = excluded.total_sent, total = excluded.total,
      month_total = excluded.month_total, open_received = excluded.open_received,
      open_sent = excluded.open_sent, gap_ms = excluded.gap_ms`;
}

export async function writeMonths(tx: Transaction, rows: readonly MonthRow[]): Promise<void> {
  const json = array(rows, (row) =>
    [
      row.id,
      JSON.stringify(row.month),
      JSON.stringify(row.publicKey),
      row.received,
      row.sent,
      row.received + row.sent,
      row.accumulatedReceived,
      row.accumulatedSent,
      row.lastReceived,
      row.lastSent,
      JSON.stringify(iso(row.lastUpdated)),
    ].join(),
  );
  await tx.$executeRaw`
    INSERT INTO monthly_usage (peer_id, year_month, public_key, received, sent, total, accumulated_received,
      accumulated_sent, last_received, last_sent, last_updated)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
      value ->> 8, value ->> 9, value ->> 10
    FROM json_each(${json}) WHERE true
    ON CONFLICT (peer_id, year_month) DO UPDATE SET
      received = excluded.received, sent = excluded.sent, total = excluded.total,
      accumulated_received = excluded.accumulated_received, accumulated_sent = excluded.accumulated_sent,
      last_received = excluded.last_received, last_sent = excluded.last_sent,
      last_updated = excluded.last_updated`;
}

/** After bytes came to a month that is not the last one (a clock set back): later months hold them too (A10). */
export async function accumulateAgain(tx: Transaction, ids: readonly number[], month: string): Promise<void> {
  const json = JSON.stringify(ids);
  await tx.$executeRaw`
    UPDATE monthly_usage AS later SET
      accumulated_received = (SELECT sum(m.received) FROM monthly_usage m
        WHERE m.peer_id = later.peer_id AND m.year_month <= later.year_month),
      accumulated_sent = (SELECT sum(m.sent) FROM monthly_usage m
        WHERE m.peer_id = later.peer_id AND m.year_month <= later.year_month)
    WHERE later.year_month > ${month} AND later.peer_id IN (SELECT value FROM json_each(${json}))`;
}

export async function writeEpochs(tx: Transaction, rows: readonly EpochRow[]): Promise<void> {
  const ended = rows.flatMap(({ id, ended }) => (ended ? [{ id, ...ended }] : []));
  if (ended.length > 0) {
    const json = array(ended, (e) => [e.id, e.endedAt, e.received, e.sent].join());
    await tx.$executeRaw`
      UPDATE counter_epochs SET ended_at = e.value ->> 1, received = e.value ->> 2, sent = e.value ->> 3
      FROM json_each(${json}) AS e
      WHERE counter_epochs.peer_id = e.value ->> 0 AND counter_epochs.ended_at IS NULL`;
  }
  const began = rows.flatMap(({ id, began }) => (began ? [{ id, ...began }] : []));
  if (began.length > 0) {
    const json = array(began, (e) =>
      [
        e.id,
        e.startedAt,
        JSON.stringify(e.cause),
        Math.round(e.unobservedMs),
        e.baseReceived,
        e.baseSent,
      ].join(),
    );
    await tx.$executeRaw`
      INSERT INTO counter_epochs (peer_id, started_at, cause, unobserved_ms, base_received, base_sent)
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(${json})`;
  }
}

/** Adds a closed minute to the three resolutions. */
export async function addHistory(
  tx: Transaction,
  bucket: Bucket,
  rows: readonly HistoryRow[],
): Promise<void> {
  const json = array(rows, (row) => [row.id, row.received, row.sent].join());
  await tx.$executeRaw`
    INSERT INTO usage_minutes (peer_id, start, received, sent)
    SELECT value ->> 0, ${bucket.minute}, value ->> 1, value ->> 2 FROM json_each(${json}) WHERE true
    ON CONFLICT (peer_id, start) DO UPDATE SET received = received + excluded.received, sent = sent + excluded.sent`;
  await tx.$executeRaw`
    INSERT INTO usage_hours (peer_id, start, received, sent)
    SELECT value ->> 0, ${bucket.hour}, value ->> 1, value ->> 2 FROM json_each(${json}) WHERE true
    ON CONFLICT (peer_id, start) DO UPDATE SET received = received + excluded.received, sent = sent + excluded.sent`;
  await tx.$executeRaw`
    INSERT INTO usage_days (peer_id, start, received, sent)
    SELECT value ->> 0, ${bucket.day}, value ->> 1, value ->> 2 FROM json_each(${json}) WHERE true
    ON CONFLICT (peer_id, start) DO UPDATE SET received = received + excluded.received, sent = sent + excluded.sent`;
}

/** As Prisma's SQLite adapter writes a DateTime. */
export function iso(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '+00:00');
}

/** `[[…],[…]]`: JSON.stringify knows no bigint, and a number of it would be rounded. */
function array<T>(rows: readonly T[], row: (item: T) => string): string {
  return `[${rows.map((item) => `[${row(item)}]`).join()}]`;
}
