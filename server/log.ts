/** Structured logs: lines of JSON, readable text on a terminal. Secrets are never passed to them. */
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

export function createLogger(level: string): Logger {
  const options = {
    level,
    redact: ['authorization', 'cookie', 'token', '*.authorization', '*.cookie', '*.token', 'req.headers'],
  };
  if (!process.stderr.isTTY) return pino(options, pino.destination(2));
  return pino(
    options,
    pretty({ destination: 2, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', sync: true }),
  );
}
