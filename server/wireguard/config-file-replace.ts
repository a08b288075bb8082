import { randomBytes } from 'node:crypto';
import { constants, linkSync, lstatSync, readFileSync, renameSync, unlinkSync, type Stats } from 'node:fs';
import { lstat, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WireGuardError } from './errors.ts';

/** The file as it was read: what {@link writeConfig} expects still to find. */
export interface ConfigStamp {
  readonly bytes: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface StoreOptions {
  /** For tests: called before each step; what it throws is that step's failure. */
  readonly onStep?: (step: 'create' | 'write' | 'sync' | 'compare' | 'rename' | 'sync-directory') => void;
}

/** The `key` of the WireGuardError that says: another program wrote the file meanwhile. Read again, edit again. */
export const CHANGED = 'changed';

const MAX_BYTES = 16 * 1024 * 1024;
/** Bytes, mode and owner; null where there is no such file. @throws WireGuardError FILE */
export async function readStamp(path: string): Promise<ConfigStamp | null> {
  try {
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      refuseOdd(path, stat);
      const bytes = await handle.readFile();
      return { bytes, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      if (await lstat(path).catch(() => null))
        throw fileError(path, 'it is a link to nowhere: mend the link or remove it');
      return null;
    }
    throw readError(path, error);
  }
}

function refuseOdd(path: string, stat: Stats): void {
  if (stat.isDirectory()) throw fileError(path, 'it is a directory: move it away');
  if (!stat.isFile()) throw fileError(path, 'it is no regular file: move it away');
  if (stat.size > MAX_BYTES) throw fileError(path, 'it is larger than 16 MiB: check what wrote it');
}

/**
 * Writes `target` in one step if it is still as expected. `path` is what messages call it: the link's name,
 * where there is one. @throws WireGuardError FILE
 */
export async function replaceFile(
  path: string,
  target: string,
  bytes: Buffer,
  expected: ConfigStamp | null,
  { onStep }: StoreOptions,
): Promise<void> {
  const temp = join(dirname(target), `.wiremeter-${randomBytes(9).toString('hex')}.tmp`);
  let made = false;
  try {
    onStep?.('create');
    const handle = await open(temp, 'wx', 0o600);
    made = true;
    try {
      onStep?.('write');
      await handle.writeFile(bytes);
      if (expected !== null) {
        await keepOwner(handle, expected);
        await handle.chmod(expected.mode);
      }
      onStep?.('sync');
      await handle.sync();
    } finally {
      await handle.close();
    }
    onStep?.('compare');
    // Synchronous from here to the rename, so that no other edit of this process comes between.
    if (!isAs(target, expected)) throw changed(path);
    onStep?.('rename');
    if (expected === null) publishNew(temp, target, path);
    else renameSync(temp, target);
    made = false;
  } catch (error) {
    throw writeError(path, error);
  } finally {
    if (made) await unlink(temp).catch(() => undefined);
  }
}

/** As root the owner stays. Others may at most set a group of theirs, and otherwise cannot keep it. */
async function keepOwner(
  handle: { chown(uid: number, gid: number): Promise<void> },
  { uid, gid }: ConfigStamp,
) {
  if (process.geteuid?.() === 0) await handle.chown(uid, gid);
  else if (gid !== process.getegid?.())
    await handle.chown(process.geteuid?.() ?? uid, gid).catch(() => undefined);
}

/** A hard link fails where the name is taken, a rename would not. Not every file system has links. */
function publishNew(temp: string, target: string, path: string): void {
  try {
    linkSync(temp, target);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw changed(path, error);
    renameSync(temp, target);
    return;
  }
  unlinkSync(temp);
}

/** True where the file holds the expected bytes, or, for null, where there is none. */
export function isAs(target: string, expected: { bytes: Buffer } | null): boolean {
  try {
    if (expected === null) {
      lstatSync(target);
      return false;
    }
    return readFileSync(target).equals(expected.bytes);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return expected === null;
  }
}

export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems know no such thing.
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

const ADVICE: Record<string, string> = {
  EACCES: 'this process has no right to: run it as root, or give its user the right',
  EPERM: 'this process has no right to: run it as root, or give its user the right',
  EROFS: 'the file system is read-only: mount it writable, or set WG_CONFIG_DIR to another directory',
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the disk quota is used up: make room',
  EISDIR: 'it is a directory: move it away',
  ENOTDIR: 'a part of its path is no directory: check WG_CONFIG_DIR',
  ELOOP: 'its links go round in a circle: mend them',
  ENOENT: 'its directory is gone: create it',
};

export function fileError(path: string, why: string, cause?: unknown): WireGuardError {
  return new WireGuardError('FILE', `The configuration file ${path} cannot be used: ${why}.`, {
    key: path,
    cause,
  });
}

export function changed(path: string, cause?: unknown): WireGuardError {
  const message = `The configuration file ${path} was changed by another program meanwhile; its change was kept.`;
  return new WireGuardError('FILE', message, { key: CHANGED, cause });
}

export function readError(path: string, error: unknown): WireGuardError {
  return error instanceof WireGuardError ? error : failure('read', path, error);
}

export function writeError(path: string, error: unknown): WireGuardError {
  return error instanceof WireGuardError ? error : failure('written', path, error);
}

function failure(done: string, path: string, error: unknown): WireGuardError {
  const why = ADVICE[codeOf(error) ?? ''] ?? messageOf(error);
  return new WireGuardError('FILE', `The configuration file ${path} cannot be ${done}: ${why}.`, {
    key: path,
    cause: error,
  });
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
