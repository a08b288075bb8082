/** The migrations: applied once, by one, and to what `schema.prisma` says. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Database } from './database.ts';
import { diff, migrate, PRISMA_DIR } from './migrate.ts';

let folder: string;
let url: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'wiremeter-migrate-'));
  url = `file:${path.join(folder, 'wiremeter.db')}`;
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function adapter(): PrismaBetterSqlite3 {
  return new PrismaBetterSqlite3({ url, timeout: 5_000 });
}

/** Tables, columns, indexes and foreign keys as SQLite tells them. */
function shape(db: Sqlite.Database): Record<string, unknown> {
  const tables = db
    .prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '_prisma_migrations' ORDER BY name`,
    )
    .pluck()
    .all() as string[];
  return Object.fromEntries(
    tables.map((table) => {
      const indexes = db.pragma(`index_list(${table})`) as { name: string; unique: number }[];
      return [
        table,
        {
          columns: db.pragma(`table_info(${table})`),
          foreignKeys: db.pragma(`foreign_key_list(${table})`),
          indexes: indexes
            .map(({ name, unique }) => ({ name, unique, columns: db.pragma(`index_info(${name})`) }))
            .sort((a, b) => (a.name < b.name ? -1 : 1)),
        },
      ];
    }),
  );
}

describe('migrate', () => {
  test('a second call applies nothing', async () => {
    const first = await migrate(adapter());
    expect(first.length).toBeGreaterThan(0);
    expect(await migrate(adapter())).toEqual([]);
  });

  test('leaves no connection behind: another one may write at once', async () => {
    await migrate(adapter());
    const db = new Sqlite(path.join(folder, 'wiremeter.db'), { timeout: 0 });
    expect(() => db.exec('BEGIN EXCLUSIVE; COMMIT')).not.toThrow();
    db.close();
  });

  test('the migrated database is what schema.prisma says, table by table', async () => {
    await migrate(adapter());
    const migrated = new Sqlite(path.join(folder, 'wiremeter.db'));
    const meant = new Sqlite(':memory:');
    meant.exec(await diff(new PrismaBetterSqlite3({ url: ':memory:' })));
    expect(Object.keys(shape(meant)).length).toBeGreaterThan(8);
    expect(shape(migrated)).toEqual(shape(meant));
    migrated.close();
  });

  test('every model of schema.prisma has its table', async () => {
    await migrate(adapter());
    const db = new Sqlite(path.join(folder, 'wiremeter.db'));
    const models = [
      ...readFileSync(path.join(PRISMA_DIR, 'schema.prisma'), 'utf8').matchAll(/@@map\("(\w+)"\)/g),
    ];
    expect(Object.keys(shape(db))).toEqual(models.map(([, table = '']) => table).sort());
    db.close();
  });
});

describe('Database.open', () => {
  test('opens a database again, after it was closed', async () => {
    const first = await Database.open(url);
    await first.write((tx) => tx.interface.create({ data: { gateway: 'gw', name: 'wg0' } }));
    await first.close();
    const second = await Database.open(url);
    expect(await second.reader.interface.count()).toBe(1);
    expect(await second.writeProblem()).toBeNull();
    await second.close();
  });

  test('opens a database that a server has open, and both write', async () => {
    const server = await Database.open(url);
    const other = await Database.open(url);
    await server.write((tx) => tx.interface.create({ data: { gateway: 'gw', name: 'wg0' } }));
    await other.write((tx) => tx.interface.create({ data: { gateway: 'gw', name: 'wg1' } }));
    expect(await server.reader.interface.count()).toBe(2);
    await other.close();
    await server.close();
  });

  test('two processes open a new database at once', { timeout: 60_000 }, async () => {
    const script = `
      import { Database } from ${JSON.stringify(pathToFileURL(path.resolve(import.meta.dirname, 'database.ts')).href)};
      const db = await Database.open(${JSON.stringify(url)});
      const problem = await db.writeProblem();
      await db.close();
      if (problem !== null) throw new Error(problem);`;
    const tsx = createRequire(import.meta.url).resolve('tsx');
    const codes = await Promise.all(
      [1, 2].map(async () => {
        const args = ['--import', pathToFileURL(tsx).href, '--input-type=module', '--eval', script];
        const child = spawn(process.execPath, args, {
          cwd: import.meta.dirname,
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        let errors = '';
        child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
        const [code] = (await once(child, 'close')) as [number | null];
        return code === 0 ? 0 : errors;
      }),
    );
    expect(codes).toEqual([0, 0]);
    const db = await Database.open(url);
    expect(await db.writeProblem()).toBeNull();
    await db.close();
  });

  test('a transaction that fails leaves nothing, and the reader never sees half of one', async () => {
    const db = await Database.open(url);
    const half = db.write(async (tx) => {
      await tx.interface.create({ data: { gateway: 'gw', name: 'wg0' } });
      expect(await db.reader.interface.count()).toBe(0);
      throw new Error('planned');
    });
    await expect(half).rejects.toThrow('planned');
    expect(await db.reader.interface.count()).toBe(0);
    await db.close();
  });
});
