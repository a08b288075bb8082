/**
 * What history costs on disk: 10,000 peers of which 1,000 move bytes in every minute, as kept by default
 * (minutes for 48 hours, hours for 90 days, days for a year here).
 *
 *     npx tsx bench/history-disk.ts
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Database, type Transaction } from '../server/store/database.ts';

const PEERS = 10_000;
const ACTIVE = 1_000;
const START = 29_000_000;

const dir = mkdtempSync(path.join(tmpdir(), 'wm-disk-'));
const file = path.join(dir, 'wiremeter.db');
const db = await Database.open(`file:${file}`);

async function size(): Promise<number> {
  await db.write((tx) => tx.$executeRaw`UPDATE interfaces SET id = id WHERE id = -1`);
  const [row] = await db.reader.$queryRaw<{ bytes: bigint }[]>`
    SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size`;
  return Math.max(Number(row?.bytes ?? 0), statSync(file).size);
}

/** Buckets arrive in the order of time, as they do in life; each peer's bytes are some megabytes. */
async function fill(table: string, peers: number, buckets: number, step: number): Promise<number> {
  const before = await size();
  const chunk = Math.max(1, Math.floor(200_000 / peers));
  for (let from = 0; from < buckets; from += chunk) {
    const count = Math.min(chunk, buckets - from);
    await db.write((tx: Transaction) =>
      tx.$executeRawUnsafe(`
        WITH RECURSIVE p(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM p WHERE id < ${String(peers)}),
          b(n) AS (SELECT ${String(from)} UNION ALL SELECT n + 1 FROM b WHERE n < ${String(from + count - 1)})
        INSERT INTO ${table} SELECT p.id, ${String(START)} + b.n * ${String(step)}, abs(random()) % 5000000,
          abs(random()) % 50000000 FROM b, p`),
    );
  }
  return (await size()) - before;
}

const rows: [string, number, number][] = [
  ['minutes, 48 hours', ACTIVE * 48 * 60, await fill('usage_minutes', ACTIVE, 48 * 60, 1)],
  ['hours, 90 days', ACTIVE * 90 * 24, await fill('usage_hours', ACTIVE, 90 * 24, 60)],
  ['days, a year', PEERS * 365, await fill('usage_days', PEERS, 365, 1440)],
];
for (const [what, count, bytes] of rows) {
  const mib = (bytes / 2 ** 20).toFixed(0);
  console.log(
    `${what}: ${count.toLocaleString('en')} rows, ${mib} MiB, ${(bytes / count).toFixed(1)} bytes a row`,
  );
}
await db.close();
rmSync(dir, { recursive: true });
