import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ConfigFile } from './config-file.ts';
import { CHANGED, configPath, editConfig, readConfig, restoreConfig, writeConfig } from './config-store.ts';
import { WireGuardError } from './errors.ts';

const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const adding = (n: number) => (file: ConfigFile) =>
  file.addPeer({ publicKey: key(n), allowedIPs: [`10.0.0.${n}`] });
const refusal =
  (why: RegExp, changed = false) =>
  (error: unknown) =>
    error instanceof WireGuardError &&
    error.code === 'FILE' &&
    why.test(error.message) &&
    (error.key === CHANGED) === changed;

let root: string;
let dir: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiremeter-store-'));
  dir = join(root, 'etc');
  mkdirSync(dir);
  path = join(dir, 'wg0.conf');
});
afterEach(() => rmSync(root, { recursive: true }));
const noTemps = () => expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([]);

test('names cannot leave the directory', () => {
  for (const name of ['', '.', '..', '-a', '--', 'a/b', '../x', 'a\0', 'a\n', 'ä', 'sixteen-letters-'])
    expect(() => configPath('/etc/wireguard', name)).toThrow(WireGuardError);
  for (const name of ['wg0', 'a.b', '...', 'wg_0=+-', '.wg'])
    expect(configPath('/x', name)).toBe(`/x/${name}.conf`);
});

test('a missing file is null, also in a missing directory; a new one is 0600 in a 0700 directory', async () => {
  expect(await readConfig(dir, 'wg0')).toBeNull();
  const fresh = join(root, 'new');
  expect(await readConfig(fresh, 'wg0')).toBeNull();
  const edit = await editConfig(fresh, 'wg0', adding(1));
  expect(edit.before).toBeNull();
  expect(readFileSync(join(fresh, 'wg0.conf')).equals(edit.after)).toBe(true);
  expect(statSync(join(fresh, 'wg0.conf')).mode & 0o7777).toBe(0o600);
  expect(statSync(fresh).mode & 0o7777).toBe(0o700);
  expect(readdirSync(fresh)).toEqual(['wg0.conf']);
  await restoreConfig(fresh, 'wg0', edit);
  expect(readdirSync(fresh)).toEqual([]);
  await expect(editConfig(join(root, 'a', 'b'), 'wg0', adding(1))).rejects.toSatisfy(
    refusal(/above it is missing/),
  );
});

test('mode and owner stay', async () => {
  writeFileSync(path, '[Interface]\n');
  chmodSync(path, 0o640);
  const root = process.geteuid!() === 0;
  if (root) chownSync(path, 12, 34);
  await editConfig(dir, 'wg0', adding(1));
  const stat = statSync(path);
  expect(stat.mode & 0o7777).toBe(0o640);
  if (root) expect([stat.uid, stat.gid]).toEqual([12, 34]);
  noTemps();
});

test('a link stays and its target is replaced', async () => {
  const target = join(root, 'real.conf');
  writeFileSync(target, '[Interface]\n');
  symlinkSync('../real.conf', path);
  const edit = await editConfig(dir, 'wg0', adding(1));
  expect(lstatSync(path).isSymbolicLink() && readlinkSync(path)).toBe('../real.conf');
  expect(readFileSync(target).equals(edit.after)).toBe(true);
  await restoreConfig(dir, 'wg0', edit);
  expect(readFileSync(target, 'utf8')).toBe('[Interface]\n');
  expect(readdirSync(root).sort()).toEqual(['etc', 'real.conf']);
  rmSync(target);
  await expect(readConfig(dir, 'wg0')).rejects.toSatisfy(refusal(/link to nowhere/));
});

test('says what is wrong with what is no readable file', async () => {
  mkdirSync(path);
  await expect(readConfig(dir, 'wg0')).rejects.toSatisfy(refusal(/wg0\.conf .* is a directory/));
  await expect(editConfig(dir, 'wg0', adding(1))).rejects.toSatisfy(refusal(/is a directory/));
  execFileSync('mkfifo', [join(dir, 'pipe.conf')]);
  await expect(readConfig(dir, 'pipe')).rejects.toSatisfy(refusal(/no regular file/));
  writeFileSync(join(dir, 'big.conf'), '');
  truncateSync(join(dir, 'big.conf'), 16 * 1024 * 1024 + 1);
  await expect(readConfig(dir, 'big')).rejects.toSatisfy(refusal(/larger than 16 MiB/));
  await expect(readConfig(join(dir, 'big.conf'), 'wg0')).rejects.toSatisfy(refusal(/no directory/));
});

test('an edit that changes nothing writes nothing', async () => {
  writeFileSync(path, '[Interface]\n');
  const { ino, mtimeNs } = statSync(path, { bigint: true });
  await editConfig(dir, 'wg0', (file) => file);
  expect(statSync(path, { bigint: true })).toMatchObject({ ino, mtimeNs });
  await editConfig(dir, 'none', (file) => file);
  expect(existsSync(join(dir, 'none.conf'))).toBe(false);
});

test('another program that writes meanwhile loses nothing: the edit is made again on its bytes', async () => {
  writeFileSync(path, '[Interface]\n');
  let writes = 0;
  const onStep = (step: string) => {
    if (step === 'compare' && writes++ < 2)
      writeFileSync(path, `${readFileSync(path, 'utf8')}# other ${writes}\n`);
  };
  const edit = await editConfig(dir, 'wg0', adding(1), { onStep });
  expect(edit.before!.toString()).toBe('[Interface]\n# other 1\n# other 2\n');
  expect(readFileSync(path, 'utf8')).toMatch(/^\[Interface\]\n# other 1\n# other 2\n\n\[Peer\]\n/);
  const always = () => writeFileSync(path, `${Math.random()}`);
  await expect(editConfig(dir, 'wg0', adding(2), { onStep: always, attempts: 3 })).rejects.toSatisfy(
    refusal(/changed by another program/, true),
  );
  noTemps();
});

test('a file that another program made, or took away, meanwhile', async () => {
  const read = await readConfig(dir, 'wg0');
  expect(read).toBeNull();
  await editConfig(dir, 'tmp', adding(1));
  const { file, stamp } = (await readConfig(dir, 'tmp'))!;
  writeFileSync(path, 'other');
  await expect(writeConfig(dir, 'wg0', file, null)).rejects.toSatisfy(refusal(/changed/, true));
  const onStep = (step: string) => step === 'rename' && writeFileSync(join(dir, 'late.conf'), 'late');
  await expect(writeConfig(dir, 'late', file, null, { onStep })).rejects.toSatisfy(refusal(/changed/, true));
  expect(readFileSync(join(dir, 'late.conf'), 'utf8')).toBe('late');
  rmSync(join(dir, 'tmp.conf'));
  await expect(writeConfig(dir, 'tmp', file, stamp)).rejects.toSatisfy(refusal(/changed/, true));
  noTemps();
});

test('edits of one process at once all hold', async () => {
  await Promise.all(
    Array.from({ length: 8 }, (_, i) => editConfig(dir, 'wg0', adding(i + 1), { attempts: 20 })),
  );
  expect((await readConfig(dir, 'wg0'))!.file.peers).toHaveLength(8);
  noTemps();
});

test.each(['create', 'write', 'sync', 'compare', 'rename', 'sync-directory'])(
  'a failure at "%s" leaves the old file and no other',
  async (failing) => {
    const onStep = (step: string) => {
      if (step === failing) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    await expect(editConfig(dir, 'wg0', adding(1), { onStep })).rejects.toSatisfy(
      refusal(/disk is full: make room/),
    );
    expect(readdirSync(dir)).toEqual([]);
    writeFileSync(path, '[Interface]\n', { mode: 0o640 });
    chmodSync(path, 0o640);
    await expect(editConfig(dir, 'wg0', adding(1), { onStep })).rejects.toSatisfy(
      refusal(/disk is full: make room/),
    );
    expect(readFileSync(path, 'utf8')).toBe('[Interface]\n');
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    expect(readdirSync(dir)).toEqual(['wg0.conf']);
  },
);

test('restoring leaves what another program wrote since', async () => {
  writeFileSync(path, '[Interface]\n');
  const edit = await editConfig(dir, 'wg0', adding(1));
  await restoreConfig(dir, 'wg0', edit);
  expect(readFileSync(path, 'utf8')).toBe('[Interface]\n');
  await restoreConfig(dir, 'wg0', edit);
  writeFileSync(path, 'theirs');
  await expect(restoreConfig(dir, 'wg0', edit)).rejects.toSatisfy(refusal(/changed/, true));
  rmSync(path);
  await expect(restoreConfig(dir, 'wg0', edit)).rejects.toSatisfy(refusal(/changed/, true));
  const made = await editConfig(dir, 'wg0', adding(1));
  const onStep = () => writeFileSync(path, 'theirs');
  await expect(restoreConfig(dir, 'wg0', made, { onStep })).rejects.toSatisfy(refusal(/changed/, true));
  expect(readFileSync(path, 'utf8')).toBe('theirs');
});
