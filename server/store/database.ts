/**
 * The embedded database: one connection to read, one to write.
 * A transaction on a single SQLite connection is visible to every other query on it; two connections and
 * the write lock keep half a tick from being read, and an API write from being rolled back with a tick.
 */
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { Mutex } from 'async-mutex';
import { migrateOnce } from './migrate.ts';
import { PrismaClient, type Prisma } from './generated/client.ts';

export type Transaction = Prisma.TransactionClient;

/** Milliseconds that a statement waits for another process's lock: SQLite waits in our only thread. */
const LOCK_WAIT_MS = 200;
/** Another server's migrations may be under way. */
const MIGRATION_WAIT_MS = 10_000;
const TRANSACTION_MS = 30_000;

export class Database {
  /** For queries. Sees only what was committed. */
  readonly reader: PrismaClient;
  readonly #writer: PrismaClient;
  readonly #lock = new Mutex();

  private constructor(reader: PrismaClient, writer: PrismaClient) {
    this.reader = reader;
    this.#writer = writer;
  }

  /**
   * Opens the file, makes it where it is missing, and applies the missing migrations.
   * @param url `file:` and a path
   */
  static async open(url: string): Promise<Database> {
    const connect = (timeout: number) => new PrismaBetterSqlite3({ url, timeout });
    await migrateOnce(connect(MIGRATION_WAIT_MS));
    const writer = new PrismaClient({ adapter: connect(LOCK_WAIT_MS) });
    const reader = new PrismaClient({ adapter: connect(LOCK_WAIT_MS) });
    try {
      await writer.$queryRaw`PRAGMA journal_mode = WAL`;
      // Each commit reaches the disk: a power cut costs at most the tick under way.
      await writer.$executeRaw`PRAGMA synchronous = FULL`;
      await reader.$executeRaw`PRAGMA query_only = ON`;
      return new Database(reader, writer);
    } catch (error) {
      await writer.$disconnect();
      await reader.$disconnect();
      throw error;
    }
  }

  /** Runs all of `work` in one transaction, after those that were asked for before. */
  write<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#lock.runExclusive(() =>
      this.#writer.$transaction(work, { maxWait: TRANSACTION_MS, timeout: TRANSACTION_MS }),
    );
  }

  /** Null where the database takes writes, else why it does not. */
  async writeProblem(): Promise<string | null> {
    try {
      await this.write((tx) => tx.$executeRaw`UPDATE interfaces SET id = id WHERE id = -1`);
      return null;
    } catch (error) {
      return error instanceof Error ? lastLine(error.message) : String(error);
    }
  }

  async close(): Promise<void> {
    await this.#lock.waitForUnlock();
    await this.reader.$disconnect();
    await this.#writer.$disconnect();
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? text;
}
