/** History in bulk, as the demo brings it: one statement a resolution and peer. */
import type { Transaction } from './database.ts';

/** Starts are minutes since the Unix epoch, as in the tables. */
export type Buckets = ReadonlyMap<number, { readonly received: bigint; readonly sent: bigint }>;

export async function insertHistory(
  tx: Transaction,
  peerId: number,
  buckets: { readonly minutes: Buckets; readonly hours: Buckets; readonly days: Buckets },
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO usage_minutes (peer_id, start, received, sent)
    SELECT ${peerId}, value ->> 0, value ->> 1, value ->> 2 FROM json_each(${json(buckets.minutes)})`;
  await tx.$executeRaw`
    INSERT INTO usage_hours (peer_id, start, received, sent)
    SELECT ${peerId}, value ->> 0, value ->> 1, value ->> 2 FROM json_each(${json(buckets.hours)})`;
  await tx.$executeRaw`
    INSERT INTO usage_days (peer_id, start, received, sent)
    SELECT ${peerId}, value ->> 0, value ->> 1, value ->> 2 FROM json_each(${json(buckets.days)})`;
}

/** By hand: JSON.stringify knows no bigint. */
function json(buckets: Buckets): string {
  return `[${Array.from(buckets, ([start, { received, sent }]) => `[${[start, received, sent].join()}]`).join()}]`;
}
