import { unlinkSync } from 'node:fs';
import { chmod, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  CHANGED,
  changed,
  codeOf,
  fileError,
  isAs,
  messageOf,
  readError,
  readStamp,
  replaceFile,
  syncDirectory,
  writeError,
  type ConfigStamp,
  type StoreOptions,
} from './config-file-replace.ts';
import { parseConfigFile, type ConfigFile } from './config-file.ts';
import { WireGuardError } from './errors.ts';

export { CHANGED, type ConfigStamp, type StoreOptions } from './config-file-replace.ts';

/** What one edit did. `before` is null where the file did not exist. */
export interface ConfigEdit {
  readonly before: Buffer | null;
  readonly after: Buffer;
}

const NAME = /^(?![-.]{1,2}$|-)[a-zA-Z0-9_=+.-]{1,15}$/;

/** Where NAME.conf is. @throws WireGuardError FILE for a name that is no interface name, so none leaves `dir`. */
export function configPath(dir: string, name: string): string {
  if (!NAME.test(name)) {
    const why = 'it must be 1 to 15 of the characters a-z A-Z 0-9 _ = + . - and not begin with "-"';
    throw new WireGuardError('FILE', `The interface name ${JSON.stringify(name)} is not usable: ${why}.`, {
      key: name,
    });
  }
  return join(dir, `${name}.conf`);
}

/** Reads NAME.conf; null where there is none. @throws WireGuardError FILE where it cannot be read. */
export async function readConfig(
  dir: string,
  name: string,
): Promise<{ file: ConfigFile; stamp: ConfigStamp } | null> {
  const path = configPath(dir, name);
  const stamp = await readStamp(path);
  return stamp === null ? null : { file: parseConfigFile(stamp.bytes), stamp };
}

/**
 * Replaces NAME.conf in one step: written beside it, synced, renamed. Mode and owner stay; a new file gets
 * 0600, a new directory 0700. A link stays, and its target is replaced. Access lists and other extended
 * attributes do not come along. Whatever fails, the old file is there and no temporary one.
 *
 * Nothing in this process comes between comparing and renaming. Another process could, within microseconds:
 * the rename cannot be made conditional. A file that must not exist yet (`expected` null) is safe there too.
 *
 * @param expected the stamp that {@link readConfig} gave, or null where it gave null.
 * @throws WireGuardError FILE; with key {@link CHANGED} where the file is not as expected.
 */
export async function writeConfig(
  dir: string,
  name: string,
  file: ConfigFile,
  expected: ConfigStamp | null,
  options: StoreOptions = {},
): Promise<void> {
  const path = configPath(dir, name);
  if (expected === null) await makeDirectory(dir);
  const target =
    expected === null
      ? path
      : await realpath(path).catch((error: unknown) => {
          throw codeOf(error) === 'ENOENT' ? changed(path) : readError(path, error);
        });
  const bytes = file.bytes();
  await replaceFile(path, target, bytes, expected, options);
  try {
    options.onStep?.('sync-directory');
    await syncDirectory(dirname(target));
  } catch (error) {
    await undo(path, target, bytes, expected).catch((undoing: unknown) => {
      throw fileError(path, `it was written, but may not last: ${messageOf(undoing)}`, error);
    });
    throw writeError(path, error);
  }
}

async function undo(
  path: string,
  target: string,
  written: Buffer,
  before: ConfigStamp | null,
): Promise<void> {
  if (before !== null) await replaceFile(path, target, before.bytes, { ...before, bytes: written }, {});
  else if (isAs(target, { bytes: written })) unlinkSync(target);
}

async function makeDirectory(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: 0o700 });
    await chmod(dir, 0o700);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) === 'ENOENT')
      throw fileError(dir, 'the directory above it is missing: create it', error);
    throw writeError(dir, error);
  }
}

/**
 * Reads, edits and writes NAME.conf; where another program wrote it meanwhile, again from its bytes. A missing
 * file is an empty one to `edit`; an edit that changes no byte writes nothing.
 *
 * @param options.attempts how often before giving up, default 5.
 * @throws WireGuardError FILE, and whatever `edit` throws. The file is then as it was.
 */
export async function editConfig(
  dir: string,
  name: string,
  edit: (file: ConfigFile) => ConfigFile,
  options: StoreOptions & { readonly attempts?: number } = {},
): Promise<ConfigEdit> {
  for (let left = options.attempts ?? 5; ; left--) {
    const read = await readConfig(dir, name);
    const file = edit(read?.file ?? parseConfigFile(Buffer.alloc(0)));
    const before = read?.stamp.bytes ?? null;
    const after = file.bytes();
    if (after.equals(before ?? Buffer.alloc(0))) return { before, after };
    try {
      await writeConfig(dir, name, file, read?.stamp ?? null, options);
      return { before, after };
    } catch (error) {
      if (!(error instanceof WireGuardError && error.key === CHANGED) || left <= 1) throw error;
    }
  }
}

/**
 * Undoes one {@link editConfig}: the old bytes, or no file where it made it.
 * @throws WireGuardError FILE with key {@link CHANGED} where another program wrote the file since: it stays.
 */
export async function restoreConfig(
  dir: string,
  name: string,
  { before, after }: ConfigEdit,
  options: StoreOptions = {},
): Promise<void> {
  const path = configPath(dir, name);
  const now = await readStamp(path);
  if (now === null ? before === null : before !== null && now.bytes.equals(before)) return;
  if (before === null && after.length === 0) return;
  if (!now?.bytes.equals(after)) throw changed(path);
  if (before !== null) {
    await writeConfig(dir, name, parseConfigFile(before), now, options);
    return;
  }
  try {
    options.onStep?.('compare');
    if (!isAs(path, now)) throw changed(path);
    unlinkSync(path);
    await syncDirectory(dirname(path));
  } catch (error) {
    throw writeError(path, error);
  }
}
