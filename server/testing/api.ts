/** A whole API over a database of its own: what the tests of schema and http ask through the real entrance. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { pino, type Logger } from 'pino';
import { Calendar } from '../accounting/calendar.ts';
import type { Collector, InterfaceHealth } from '../collector.ts';
import { EventHub } from '../events.ts';
import { createHttpServer, type HttpOptions, type HttpServer } from '../http.ts';
import type { Peers } from '../peers.ts';
import type { Services } from '../schema/context.ts';
import { Database } from '../store/database.ts';
import type { Prisma } from '../store/generated/client.ts';
import { searchTextOf, sortNameOf } from '../store/peer-text.ts';

export const TOKEN = 'test-token-of-the-administrator-0123456789';

/** What the answers mean by now. */
export const NOW = Date.parse('2026-03-15T12:00:30.000Z');

export interface Answer {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { message: string; extensions?: Record<string, unknown>; path?: unknown[] }[];
}

export interface ApiOptions extends Partial<HttpOptions> {
  readonly zone?: string;
  readonly peers?: Partial<Peers>;
  readonly collect?: Collector['collect'];
}

export class Api {
  readonly db: Database;
  readonly events: EventHub;
  readonly services: Services;
  readonly http: HttpServer;
  readonly url: string;
  /** Lines of the log, as JSON. */
  readonly logged: string[];
  readonly clock: { now: number };
  health: InterfaceHealth[] = [];
  readonly #dir: string;

  private constructor(
    parts: Pick<Api, 'db' | 'events' | 'services' | 'http' | 'url' | 'logged' | 'clock'>,
    dir: string,
  ) {
    this.db = parts.db;
    this.events = parts.events;
    this.services = parts.services;
    this.http = parts.http;
    this.url = parts.url;
    this.logged = parts.logged;
    this.clock = parts.clock;
    this.#dir = dir;
  }

  static async open({ zone = 'UTC', peers, collect, ...options }: ApiOptions = {}): Promise<Api> {
    const dir = await mkdtemp(path.join(tmpdir(), 'wiremeter-api-'));
    const db = await Database.open(`file:${path.join(dir, 'wiremeter.db')}`);
    const events = new EventHub();
    const clock = { now: NOW };
    const logged: string[] = [];
    const log: Logger = pino({ level: 'info' }, { write: (line) => logged.push(line) });
    let api: Api | null = null;
    const services: Services = {
      db,
      events,
      collector: {
        collect: collect ?? (() => Promise.resolve({ collectedAt: clock.now, interfaces: 1, peers: 2 })),
        health: () => api?.health ?? [],
      } as unknown as Collector,
      peers: (peers ?? {}) as Peers,
      calendar: new Calendar(zone),
      now: () => clock.now,
    };
    const http = createHttpServer(services, { adminToken: TOKEN, log, webDir: null, ...options });
    const url = await http.listen(0, '127.0.0.1');
    api = new Api({ db, events, services, http, url, logged, clock }, dir);
    return api;
  }

  fetch(where: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${where}`, { redirect: 'manual', ...init });
  }

  async ask(query: string, variables: Record<string, unknown> = {}): Promise<Answer> {
    const response = await this.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as Answer;
  }

  /** The data of an answer without errors. */
  async data<T = Record<string, never>>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
    const { data, errors } = await this.ask(query, variables);
    if (errors) throw new Error(JSON.stringify(errors));
    return data as T;
  }

  /** The code, field and message of the one error of an answer. */
  async refusal(
    query: string,
    variables: Record<string, unknown> = {},
  ): Promise<{ code: unknown; field: unknown; message: string }> {
    const { errors = [] } = await this.ask(query, variables);
    const [error] = errors;
    if (!error || errors.length > 1)
      throw new Error(`${String(errors.length)} errors: ${JSON.stringify(errors)}`);
    return { code: error.extensions?.['code'], field: error.extensions?.['field'], message: error.message };
  }

  async close(): Promise<void> {
    this.events.close();
    await this.http.close();
    await this.db.close();
    await rm(this.#dir, { recursive: true });
  }

  addInterface(data: Partial<Prisma.InterfaceUncheckedCreateInput> = {}): Promise<number> {
    return this.db.write(async (tx) => {
      const row = { gateway: 'gw', name: 'wg0', status: 'UP', lastCollectedAt: BigInt(NOW), ...data };
      return (await tx.interface.create({ data: row })).id;
    });
  }

  /** @returns its id */
  addPeer(
    interfaceId: number,
    publicKey: string,
    peer: Partial<Prisma.PeerUncheckedCreateInput> = {},
    counters: Partial<Prisma.PeerCountersUncheckedCreateInput> | null = {},
  ): Promise<number> {
    return this.db.write(async (tx) => {
      const text = { publicKey, name: null, email: null, allowedIPs: '', ...peer };
      const row = await tx.peer.create({
        data: {
          interfaceId,
          addedOn: new Date('2026-01-01T00:00:00Z'),
          sortName: sortNameOf(text),
          searchText: searchTextOf(text),
          ...text,
        },
      });
      if (counters) await tx.peerCounters.create({ data: { peerId: row.id, running: true, ...counters } });
      return row.id;
    });
  }

  addMonth(
    peerId: number,
    publicKey: string,
    yearMonth: string,
    received: bigint,
    sent: bigint,
    more: Partial<Prisma.MonthlyUsageUncheckedCreateInput> = {},
  ): Promise<unknown> {
    return this.db.write((tx) =>
      tx.monthlyUsage.create({
        data: {
          peerId,
          publicKey,
          yearMonth,
          received,
          sent,
          total: received + sent,
          accumulatedReceived: received,
          accumulatedSent: sent,
          lastReceived: 0n,
          lastSent: 0n,
          lastUpdated: new Date(NOW),
          ...more,
        },
      }),
    );
  }
}

/** The SQL that is run meanwhile, on whatever connection. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const prototype = BetterSqlite3.prototype as { prepare: (sql: string) => unknown };
  const { prepare } = prototype;
  const seen: string[] = [];
  prototype.prepare = function (sql) {
    seen.push(sql);
    return prepare.call(this, sql);
  };
  try {
    await work();
  } finally {
    prototype.prepare = prepare;
  }
  return seen;
}
