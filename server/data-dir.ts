/** The data directory: the database and the first-run token, for nobody else to read (0700, 0600). */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from './config.ts';

const TOKEN_FILE = 'admin-token';
/** Recognisable where it does not belong, by people and by secret scanners. */
const PREFIX = 'wm_';

/** Makes the directory where it is missing. @throws ConfigError */
export function openDataDir(dir: string): void {
  // Also for the database's own files beside it.
  process.umask(0o077);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (!statSync(dir).isDirectory()) throw new Error('it is not a directory');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`WIREMETER_DATA_DIR: ${dir} cannot be made: ${why}`);
  }
}

/** Where the administrator's token is kept when no setting gives it. */
export function tokenFile(dir: string): string {
  return path.join(dir, TOKEN_FILE);
}

/** The token of an earlier start, or a new one: 256 random bits. @throws ConfigError */
export function firstRunToken(dir: string): string {
  const file = tokenFile(dir);
  const token = PREFIX + randomBytes(32).toString('base64url');
  try {
    // 'wx': of two servers that start at once, one makes it and the other reads it.
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx' });
    return token;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new ConfigError(`WIREMETER_DATA_DIR: ${file} cannot be written: ${(error as Error).message}`);
    }
  }
  const kept = readFileSync(file, 'utf8').trim();
  if (kept.length >= 32) return kept;
  throw new ConfigError(
    `WIREMETER_ADMIN_TOKEN: ${file} holds no token of 32 characters or more; delete the file`,
  );
}
