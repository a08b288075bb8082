/** History is bounded: minutes and hours go when they are old, days stay. */
import type { Database } from './database.ts';

/** A sixtieth of the peers each minute: an hour goes round all of them, and no write is long. */
const SLICES = 60;

/**
 * @param now milliseconds since the Unix epoch
 * @param keep minutes that each resolution is kept
 */
export async function dropOldHistory(
  db: Database,
  now: number,
  keep: { readonly minutes: number; readonly hours: number },
): Promise<void> {
  const minute = Math.floor(now / 60_000);
  const slice = minute % SLICES;
  await db.write(async (tx) => {
    await tx.$executeRaw`
      DELETE FROM usage_minutes
      WHERE peer_id IN (SELECT id FROM peers WHERE id % ${SLICES} = ${slice}) AND start < ${minute - keep.minutes}`;
    await tx.$executeRaw`
      DELETE FROM usage_hours
      WHERE peer_id IN (SELECT id FROM peers WHERE id % ${SLICES} = ${slice}) AND start < ${minute - keep.hours}`;
  });
}
