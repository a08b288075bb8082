import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WireGuardError } from './errors.ts';
import { generateKeyPair, generatePresharedKey } from './keys.ts';
import { WgDriver } from './wg.ts';

const { publicKey: A } = generateKeyPair();
const { publicKey: B } = generateKeyPair();
const own = generateKeyPair();
const psk = generatePresharedKey();

let folder: string;
let wgPath: string;
let driver: WgDriver;

/** A `wg` that notes its arguments and its standard input, one JSON line a run, then does what `body` says. */
async function fakeWg(body: string): Promise<void> {
  const script = `#!${process.execPath}
const fs = require('node:fs');
const args = process.argv.slice(2);
let stdin = null;
if (args.includes('/dev/stdin')) stdin = fs.readFileSync('/dev/stdin', 'latin1');
const environment = Object.keys(process.env);
fs.appendFileSync(${JSON.stringify(join(folder, 'log'))}, JSON.stringify({ args, stdin, environment }) + '\\n');
${body}
`;
  await writeFile(wgPath, script);
  await chmod(wgPath, 0o755);
}

async function runs(): Promise<{ args: string[]; stdin: string | null; environment: string[] }[]> {
  const text = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Awaited<ReturnType<typeof runs>>[number]);
}

const dump =
  `${own.privateKey.reveal()}\t${own.publicKey}\t51820\toff\n` +
  `${A}\t${psk.reveal()}\t192.0.2.1:7\t10.0.0.2/32,fd00::2/128\t1700000000\t2\t1\t25\n`;
const printDump = `process.stdout.write(${JSON.stringify(dump)});`;

async function failure(promise: Promise<unknown>): Promise<WireGuardError> {
  const error = await promise.then(
    () => expect.unreachable('it did not fail'),
    (cause: unknown) => cause,
  );
  expect(error).toMatchObject({ name: 'WireGuardError' });
  return error as WireGuardError;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wiremeter-wg-'));
  wgPath = join(folder, 'wg');
  driver = new WgDriver({ name: 'wg0', wgPath, sysfsRoot: join(folder, 'net') });
});
afterEach(() => rm(folder, { recursive: true }));

describe('reading', () => {
  it('asks for a dump, in a small environment', async () => {
    await fakeWg(printDump);
    expect(await driver.read()).toEqual({
      name: 'wg0',
      publicKey: own.publicKey,
      listenPort: 51820,
      peers: [
        {
          publicKey: A,
          hasPresharedKey: true,
          endpoint: '192.0.2.1:7',
          allowedIPs: ['10.0.0.2/32', 'fd00::2/128'],
          persistentKeepalive: 25,
          latestHandshake: 1_700_000_000_000_000_000n,
          rx: 2n,
          tx: 1n,
        },
      ],
    });
    const [run] = await runs();
    expect(run!.args).toEqual(['show', 'wg0', 'dump']);
    expect(run!.environment).not.toContain('HOME');
    const secrets = await driver.secrets();
    expect(secrets.privateKey?.reveal()).toBe(own.privateKey.reveal());
    expect(secrets.presharedKeys.get(A)?.reveal()).toBe(psk.reveal());
  });

  it.each([
    ['Unable to access interface: No such device', 'NO_DEVICE', /wg0/],
    ['Unable to access interface: Protocol not supported', 'NO_DEVICE', /wg0/],
    ['Unable to access interface: Operation not permitted', 'NO_PERMISSION', /CAP_NET_ADMIN/],
    ['Unable to access interface: Permission denied', 'NO_PERMISSION', /CAP_NET_ADMIN/],
    ['Something else\nand more', 'REFUSED', /^wg0: Something else$/],
    ['', 'REFUSED', /ended with 1/],
  ])('maps %j', async (stderr, code, words) => {
    await fakeWg(`process.stderr.write(${JSON.stringify(stderr)}); process.exitCode = 1;`);
    const error = await failure(driver.read());
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
  });

  it('never repeats what looks like a key', async () => {
    const hex = Buffer.from(psk.reveal(), 'base64').toString('hex');
    await fakeWg(`console.error('Key is not valid: ${psk.reveal()} ${hex}'); process.exitCode = 1;`);
    const error = await failure(driver.read());
    expect(inspect(error, { depth: 9 })).not.toContain(psk.reveal());
    expect(inspect(error, { depth: 9 })).not.toContain(hex);
  });

  it('says what to install where there is no wg, and that it may not be run', async () => {
    const error = await failure(driver.read());
    expect(error).toMatchObject({ code: 'NO_TOOL', key: wgPath });
    expect(error.message).toContain('install wireguard-tools');
    await writeFile(wgPath, '', { mode: 0o644 });
    expect((await failure(driver.read())).code).toBe('NO_PERMISSION');
  });

  it('kills a wg that hangs or has no end', async () => {
    await fakeWg('setInterval(() => {}, 1000);');
    const quick = new WgDriver({ name: 'wg0', wgPath, deadlineMs: 300, maxBuffer: 100_000 });
    expect((await failure(quick.read())).code).toBe('TIMEOUT');
    await fakeWg(`const more = () => process.stdout.write('x'.repeat(65536), more); more();`);
    const patient = new WgDriver({ name: 'wg0', wgPath, maxBuffer: 100_000 });
    expect((await failure(patient.read())).code).toBe('GARBLED');
  });

  it('is garbled by half a dump', async () => {
    await fakeWg(`process.stdout.write(${JSON.stringify(dump.slice(0, -5))});`);
    expect((await failure(driver.read())).code).toBe('GARBLED');
  });
});

describe('configuring', () => {
  it('passes the preshared key on standard input, and never as an argument', async () => {
    await fakeWg('');
    await driver.configure([
      {
        kind: 'set',
        publicKey: A,
        presharedKey: psk,
        endpoint: '[2001:db8::1]:5',
        persistentKeepalive: 25,
        allowedIPs: ['10.0.0.9/24', 'fd00::9'],
      },
    ]);
    const [run] = await runs();
    expect(run).toMatchObject({
      args: [
        ...['set', 'wg0', 'peer', A, 'preshared-key', '/dev/stdin', 'endpoint', '[2001:db8::1]:5'],
        ...['persistent-keepalive', '25', 'allowed-ips', '10.0.0.0/24,fd00::9/128'],
      ],
      stdin: `${psk.reveal()}\n`,
    });
    expect(JSON.stringify([run!.args, run!.environment])).not.toContain(psk.reveal());
  });

  it('removes, clears and turns off', async () => {
    await fakeWg('');
    await driver.configure([
      { kind: 'remove', publicKey: A },
      { kind: 'set', publicKey: B, presharedKey: null, persistentKeepalive: 0, allowedIPs: [] },
    ]);
    expect((await runs()).map((run) => run.args)).toEqual([
      [
        ...['set', 'wg0', 'peer', A, 'remove', 'peer', B, 'preshared-key', '/dev/null'],
        ...['persistent-keepalive', '0', 'allowed-ips', ''],
      ],
    ]);
  });

  it('gives each preshared key a run of its own, and many changes few runs', async () => {
    await fakeWg('');
    const other = generatePresharedKey();
    await driver.configure([
      { kind: 'set', publicKey: A, presharedKey: psk },
      { kind: 'set', publicKey: B, presharedKey: other },
    ]);
    expect((await runs()).map((run) => run.stdin)).toEqual([`${psk.reveal()}\n`, `${other.reveal()}\n`]);
    await driver.configure(Array.from({ length: 250 }, () => ({ kind: 'remove', publicKey: A }) as const));
    expect(await runs()).toHaveLength(5);
  });

  it('leaves out a peer that is not there where only an existing one is meant', async () => {
    await fakeWg(`if (args[0] === 'show') ${printDump}`);
    await driver.configure([
      { kind: 'set', publicKey: A, updateOnly: true, persistentKeepalive: 1 },
      { kind: 'set', publicKey: B, updateOnly: true, persistentKeepalive: 1 },
    ]);
    expect((await runs()).map((run) => run.args)).toEqual([
      ['show', 'wg0', 'dump'],
      ['set', 'wg0', 'peer', A, 'persistent-keepalive', '1'],
    ]);
  });

  it('runs nothing for no changes, or for one that is not sound', async () => {
    await fakeWg('');
    await driver.configure([]);
    const bad = driver.configure([
      { kind: 'remove', publicKey: A },
      { kind: 'set', publicKey: B, allowedIPs: ['--help'] },
    ]);
    expect(await failure(bad)).toMatchObject({ code: 'REFUSED', key: 'allowed_ip' });
    expect(await runs()).toEqual([]);
  });

  it('names the peer that was refused, and leaves no file behind', async () => {
    await fakeWg(`console.error('Unable to modify interface: Invalid argument'); process.exitCode = 1;`);
    const error = await failure(driver.configure([{ kind: 'set', publicKey: A, presharedKey: psk }]));
    expect(error).toMatchObject({ code: 'REFUSED', key: A });
    expect(inspect(error, { depth: 9 })).not.toContain(psk.reveal());
  });

  it('cannot have a name that is an option', () => {
    for (const name of ['-h', '--help', '.', '..', 'a/b', '']) {
      expect(() => new WgDriver({ name, wgPath })).toThrow(expect.objectContaining({ code: 'NO_DEVICE' }));
    }
  });
});

describe('instance', () => {
  it('is the index and the sysfs inode', async () => {
    expect(await driver.instance()).toBeNull();
    const net = join(folder, 'net');
    await mkdir(join(folder, 'devices', 'wg0'), { recursive: true });
    await mkdir(net);
    await writeFile(join(folder, 'devices', 'wg0', 'ifindex'), '7\n');
    await symlink(join('..', 'devices', 'wg0'), join(net, 'wg0'));
    const first = await driver.instance();
    expect(first).toMatch(/^7:\d+$/);
    expect(await driver.instance()).toBe(first);
    // The same index again, as after a namespace was made anew: the directory is another.
    await mkdir(join(folder, 'devices', 'new'));
    await writeFile(join(folder, 'devices', 'new', 'ifindex'), '7\n');
    await rm(join(net, 'wg0'));
    await symlink(join('..', 'devices', 'new'), join(net, 'wg0'));
    expect(await driver.instance()).not.toBe(first);
  });
});
