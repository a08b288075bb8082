/** Wires a whole server: database, collector, changes of peers, API. */
import path from 'node:path';
import { Calendar } from './accounting/calendar.ts';
import { Collector } from './collector.ts';
import { systemClock, type Clock } from './collector/clock.ts';
import { ConfigError, type Config } from './config.ts';
import { firstRunToken, openDataDir } from './data-dir.ts';
import { EventHub } from './events.ts';
import { createHttpServer } from './http.ts';
import { Metrics } from './http/metrics.ts';
import type { Logger } from './log.ts';
import { Peers } from './peers.ts';
import type { Services } from './schema/context.ts';
import { Database } from './store/database.ts';
import { bootId } from './wireguard/boot.ts';
import { WireGuardError } from './wireguard/errors.ts';

export interface AppOptions {
  readonly log: Logger;
  /** False: kernel devices are left alone. */
  readonly kernel?: boolean;
  readonly simulated?: boolean;
  readonly clock?: Clock;
}

export interface App {
  readonly url: string;
  /** Null where the setting gave it. */
  readonly madeToken: string | null;
  readonly services: Services;
  /** A last sample, sockets closed with 1001, the database closed. */
  stop(): Promise<void>;
}

/** @throws ConfigError with one line for the person who starts it */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { log } = options;
  openDataDir(config.dataDir);
  const madeToken = config.adminToken === null ? firstRunToken(config.dataDir) : null;
  const adminToken = config.adminToken ?? madeToken ?? '';
  const clock = options.clock ?? systemClock(bootId());
  const db = await openDatabase(config);
  const calendar = new Calendar(config.zone);
  const events = new EventHub();
  const metrics = new Metrics();
  const collector = new Collector(
    {
      ...config,
      kernel: options.kernel ?? true,
      simulated: options.simulated ?? false,
    },
    { db, calendar, events, clock, log, metrics },
  );
  const peers = new Peers(collector, events, {
    db,
    configDir: config.configDir,
    log,
    now: () => clock.wall(),
  });
  const services: Services = { db, events, collector, peers, calendar, now: () => clock.wall() };
  const http = createHttpServer(services, {
    adminToken,
    log,
    metrics,
    simulated: options.simulated ?? false,
  });
  try {
    const url = await http.listen(config.port, config.host);
    await collector.start();
    return {
      url,
      madeToken,
      services,
      stop: async () => {
        await collector.stop();
        events.close();
        await http.close();
        await db.close();
      },
    };
  } catch (error) {
    await http.close();
    await db.close();
    throw startError(error, config);
  }
}

async function openDatabase(config: Config): Promise<Database> {
  try {
    return await Database.open(config.databaseUrl);
  } catch (error) {
    const why = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
    const file = path.resolve(config.databaseUrl.replace(/^file:/, ''));
    throw new ConfigError(
      `DATABASE_URL: ${file} cannot be opened: ${why}. It was left as it is; put a backup in its place or move it away.`,
    );
  }
}

function startError(error: unknown, config: Config): unknown {
  if (error instanceof WireGuardError) return new ConfigError(`WG_SOCKET_DIR: ${error.message}`);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new ConfigError(`PORT: ${String(config.port)} is in use by another program`);
  if (code === 'EACCES') return new ConfigError(`PORT: no right to listen on ${String(config.port)}`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new ConfigError(`HOST: ${config.host} is no address of this host`);
  }
  return error;
}
