/**
 * The settings (CONTRACT.md §4), read from the environment once, at the start.
 * A bad value stops the start with one line that names the setting. Only the token is a secret.
 */
import { hostname } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { isZone } from './accounting/calendar.ts';

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** `file:` and a path. */
  readonly databaseUrl: string;
  readonly gateway: string;
  /** Null: all that are found. */
  readonly interfaces: readonly string[] | null;
  readonly socketDir: string;
  readonly configDir: string;
  /** What clients dial: a host, or host:port; null where nobody said. */
  readonly endpoint: string | null;
  readonly intervalMs: number;
  readonly zone: string;
  /** Null: made at the first start and kept in the data directory. */
  readonly adminToken: string | null;
  readonly logLevel: string;
  /** Minutes that history by the minute is kept. */
  readonly keepMinutes: number;
  /** Minutes that history by the hour is kept. */
  readonly keepHours: number;
}

/** One line for the person who starts the server; never a secret's value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const PLAIN = /^[^\s/\p{Cc}]+$/u;
const INTERFACE_NAME = /^[a-zA-Z0-9_=+.-]{1,15}$/;
const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+)(:\d{1,5})?$/;

/** A whole or fractional number written plainly: no `0x10`, no `1e3`, no blank. */
const decimal = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'is not a number')
  .transform(Number);

const hostPort = z
  .string()
  .regex(HOST_PORT, 'is neither a host nor host:port')
  .refine((text) => Number(/:(\d+)$/.exec(text)?.[1] ?? 1) <= 65_535, 'has a port over 65535')
  .refine((text) => !/:0+$/.test(text), 'has the port 0');

const settings = z.object({
  HOST: z.string().regex(PLAIN, 'is not a host name or address').default('127.0.0.1'),
  PORT: decimal
    .pipe(z.number().int('is not a whole number').max(65_535, 'is not a port: 0 to 65535'))
    .default(4000),
  WIREMETER_DATA_DIR: z.string().default('./data'),
  DATABASE_URL: z
    .string()
    .regex(/^(file:|postgres(ql)?:\/\/)/, 'is neither file:PATH nor postgresql://…')
    .refine((url) => url.startsWith('file:'), 'PostgreSQL is not supported by this version; use file:PATH')
    .optional(),
  REDIS_URL: z
    .string()
    .refine(() => false, 'Redis is not supported by this version; leave it unset')
    .optional(),
  GATEWAY: z
    .string()
    .regex(PLAIN, 'is empty or has blanks or a slash in it')
    .max(64, 'is too long')
    .optional(),
  WG_INTERFACE: z
    .string()
    .transform((list) => list.split(',').map((name) => name.trim()))
    .pipe(z.array(z.string().regex(INTERFACE_NAME, 'has a name that no interface can have')).min(1))
    .optional(),
  WG_SOCKET_DIR: z.string().default('/var/run/wireguard'),
  WG_CONFIG_DIR: z.string().default('/etc/wireguard'),
  WG_ENDPOINT: hostPort.optional(),
  SERVERURL: hostPort.optional(),
  SERVERPORT: decimal
    .pipe(z.number().int('is not a whole number').min(1, 'is not a port').max(65_535, 'is not a port'))
    .optional(),
  COLLECT_INTERVAL: decimal
    .pipe(z.number().min(0.05, 'is shorter than 0.05 seconds').max(86_400, 'is longer than a day'))
    .default(1),
  TZ: z.string().refine(isZone, 'is no time zone of the IANA database, such as Europe/Berlin').default('UTC'),
  WIREMETER_ADMIN_TOKEN: z
    .string()
    .min(32, 'is shorter than 32 characters')
    .regex(/^[\x21-\x7e]*$/, 'has blanks or characters that a header cannot carry')
    .optional(),
  LOG_LEVEL: z.enum(LEVELS, `is none of ${LEVELS.join(', ')}`).default('info'),
  KEEP_MINUTES: decimal.pipe(z.number().min(1, 'is less than an hour')).default(48),
  KEEP_HOURS: decimal.pipe(z.number().min(1, 'is less than a day')).default(90),
});

/** @throws ConfigError */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  // An empty variable is an unset one: what `docker-compose` passes for `NAME=`.
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = settings.safeParse(set);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ConfigError(`${String(issue?.path[0])}: ${issue?.message ?? 'is wrong'}`);
  }
  const env = parsed.data;
  const dataDir = path.resolve(env.WIREMETER_DATA_DIR);
  return {
    host: env.HOST,
    port: env.PORT,
    dataDir,
    databaseUrl: env.DATABASE_URL ?? `file:${path.join(dataDir, 'wiremeter.db')}`,
    gateway: env.GATEWAY ?? hostname(),
    interfaces: env.WG_INTERFACE?.join() === 'none' ? [] : (env.WG_INTERFACE ?? null),
    socketDir: path.resolve(env.WG_SOCKET_DIR),
    configDir: path.resolve(env.WG_CONFIG_DIR),
    endpoint: env.WG_ENDPOINT ?? serverEndpoint(env.SERVERURL, env.SERVERPORT),
    intervalMs: Math.round(env.COLLECT_INTERVAL * 1000),
    zone: env.TZ,
    adminToken: env.WIREMETER_ADMIN_TOKEN ?? null,
    logLevel: env.LOG_LEVEL,
    keepMinutes: Math.round(env.KEEP_MINUTES * 60),
    keepHours: Math.round(env.KEEP_HOURS * 24 * 60),
  };
}

/** As linuxserver/wireguard has it; its `auto` asks the internet, which we never do. */
function serverEndpoint(url: string | undefined, port: number | undefined): string | null {
  if (url === undefined || url === 'auto') return null;
  return port === undefined ? url : `${url}:${String(port)}`;
}
