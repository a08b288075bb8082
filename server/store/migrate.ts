/**
 * Migrations through Prisma's own schema engine as WebAssembly: no binary, nothing fetched.
 * The engine records what it applied in `_prisma_migrations`; a second call applies nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';

const SCHEMA = 'schema.prisma';

/** The folder that holds `schema.prisma` and `migrations/`, from source and from `dist/`. */
export const PRISMA_DIR = findUp('prisma');

const MIGRATIONS_DIR = path.join(PRISMA_DIR, 'migrations');
const EVERYTHING = { externalTables: [], externalEnums: [] };

/**
 * Applies what is missing, without the engine where nothing is: it wants the database for itself, and another
 * server may be at it.
 */
export async function migrateOnce(factory: SqlMigrationAwareDriverAdapterFactory): Promise<void> {
  const wanted = migrationNames();
  const applied = await appliedMigrations(factory);
  if (wanted.some((name) => !applied.has(name))) await migrate(factory);
}

async function appliedMigrations(factory: SqlMigrationAwareDriverAdapterFactory): Promise<Set<string>> {
  const connection = await factory.connect();
  const ask = (sql: string) => connection.queryRaw({ sql, args: [], argTypes: [] });
  try {
    const table = await ask(
      "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_prisma_migrations'",
    );
    if (table.rows.length === 0) return new Set();
    const { rows } = await ask('SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL');
    return new Set(rows.map(([name]) => String(name)));
  } finally {
    await connection.dispose();
  }
}

/** Applies what is missing. Resolves to the names of the migrations applied now. */
export function migrate(factory: SqlMigrationAwareDriverAdapterFactory): Promise<string[]> {
  return withEngine(factory, async (engine) => {
    const output = await engine.applyMigrations({ migrationsList: readMigrations(), filters: EVERYTHING });
    return output.appliedMigrationNames;
  });
}

/** The SQL that makes an empty database what `schema.prisma` says. */
export function diff(factory: SqlMigrationAwareDriverAdapterFactory): Promise<string> {
  return withEngine(factory, async (engine) => {
    const result = await engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files: [{ path: SCHEMA, content: readSchema() }] },
      script: true,
      exitCode: null,
      filters: EVERYTHING,
    });
    return result.stdout ?? '';
  });
}

/** Node has it; only the browser's types describe it. */
const wasm = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

interface WasmApi {
  instantiate(bytes: Buffer, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>;
}

let instantiated: Promise<void> | null = null;

/** The engine takes SQLite's exclusive lock and leaves its connections open: they are closed here. */
async function withEngine<T>(
  factory: SqlMigrationAwareDriverAdapterFactory,
  work: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  instantiated ??= instantiate();
  await instantiated;
  const opened: SqlDriverAdapter[] = [];
  const keep = async (adapter: Promise<SqlDriverAdapter>) => {
    opened.push(await adapter);
    return adapter;
  };
  const engine = await bindings.SchemaEngine.new(
    { datamodels: [[SCHEMA, readSchema()]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory({
      provider: factory.provider,
      adapterName: factory.adapterName,
      connect: () => keep(factory.connect()),
      connectToShadowDb: () => keep(factory.connectToShadowDb()),
    }),
  );
  try {
    return await work(engine);
  } finally {
    engine.free();
    for (const adapter of opened) await adapter.dispose();
  }
}

/** Node 20 cannot import `.wasm`; this is what the package's entry does with it. */
async function instantiate(): Promise<void> {
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const bytes = readFileSync(path.join(path.dirname(entry), 'schema_engine_bg.wasm'));
  const { instance } = await wasm.instantiate(bytes, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports['__wbindgen_start'] as () => void)();
}

function readSchema(): string {
  return readFileSync(path.join(PRISMA_DIR, SCHEMA), 'utf8');
}

function readMigrations(): MigrationList {
  return {
    baseDir: MIGRATIONS_DIR,
    lockfile: { path: 'migration_lock.toml', content: 'provider = "sqlite"\n' },
    shadowDbInitScript: '',
    migrationDirectories: migrationNames().map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(path.join(MIGRATIONS_DIR, name, 'migration.sql'), 'utf8') },
      },
    })),
  };
}

function migrationNames(): string[] {
  return readdirSync(MIGRATIONS_DIR, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

function findUp(name: string): string {
  let dir = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = path.join(dir, name);
    if (readdirSync(dir).includes(name) && readdirSync(candidate).includes(SCHEMA)) return candidate;
    const parent = path.dirname(dir);
    if (parent === dir)
      throw new Error(`the folder ${name}/ with ${SCHEMA} is missing from the installation`);
    dir = parent;
  }
}
