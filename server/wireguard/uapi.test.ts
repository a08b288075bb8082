import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WireGuardError } from './errors.ts';
import { generateKeyPair, generatePresharedKey } from './keys.ts';
import { SimulatedDevice, type Fault } from './simulator.ts';
import { Secret } from './types.ts';
import { UapiDriver } from './uapi.ts';

const { publicKey: A } = generateKeyPair();
const { publicKey: B } = generateKeyPair();

let socketDir: string;
let device: SimulatedDevice;
let driver: UapiDriver;

beforeEach(async () => {
  socketDir = await mkdtemp(join(tmpdir(), 'wiremeter-uapi-'));
  device = new SimulatedDevice({ name: 'wg0', socketDir });
  await device.start();
  driver = new UapiDriver({ name: 'wg0', socketDir });
});
afterEach(async () => {
  await device.stop();
  await rm(socketDir, { recursive: true });
});

async function failure(promise: Promise<unknown>): Promise<WireGuardError> {
  const error = await promise.then(
    () => expect.unreachable('it did not fail'),
    (cause: unknown) => cause,
  );
  expect(error).toMatchObject({ name: 'WireGuardError' });
  return error as WireGuardError;
}

describe('reading', () => {
  it('tells received from sent, and all the rest', async () => {
    device.addPeer({
      publicKey: A,
      presharedKey: generatePresharedKey(),
      allowedIPs: ['10.0.0.2', 'fd00::2/64'],
      endpoint: '[2001:db8::1]:1234',
      persistentKeepalive: 25,
      latestHandshake: 1_700_000_000_000_000_001n,
      rx: 2n ** 60n + 1n,
      tx: 3n,
    });
    device.addPeer({ publicKey: B });
    expect(await driver.read()).toEqual({
      name: 'wg0',
      publicKey: device.publicKey,
      listenPort: 51820,
      peers: [
        {
          publicKey: A,
          hasPresharedKey: true,
          endpoint: '[2001:db8::1]:1234',
          allowedIPs: ['10.0.0.2/32', 'fd00::/64'],
          persistentKeepalive: 25,
          latestHandshake: 1_700_000_000_000_000_001n,
          rx: 2n ** 60n + 1n,
          tx: 3n,
        },
        expect.objectContaining({
          publicKey: B,
          hasPresharedKey: false,
          endpoint: null,
          latestHandshake: 0n,
        }),
      ],
    });
  });

  it('answers many at once, each on a connection of its own', async () => {
    device.addPeer({ publicKey: A, rx: 5n });
    const devices = await Promise.all(Array.from({ length: 50 }, () => driver.read()));
    expect(devices.every((one) => one.peers[0]?.rx === 5n)).toBe(true);
    expect(device.gets).toBe(50);
  });

  it('reads 10,000 peers', { timeout: 60_000 }, async () => {
    for (let index = 0; index < 10_000; index++) {
      const publicKey = Buffer.alloc(32, String(index + 1)).toString('base64');
      device.addPeer({
        publicKey,
        rx: BigInt(index),
        tx: 1n,
        allowedIPs: [`10.${index >> 8}.${index & 255}.1/32`],
      });
    }
    const { peers } = await driver.read();
    expect(peers).toHaveLength(device.peers.length);
    expect(peers.at(-1)).toMatchObject({ rx: 9999n, tx: 1n });
  });

  const faults: [Fault, string][] = [
    ['truncate', 'GARBLED'],
    ['garbage', 'GARBLED'],
    ['close', 'GARBLED'],
    ['huge', 'GARBLED'],
    ['hang', 'TIMEOUT'],
    ['errno', 'REFUSED'],
  ];
  it.each(faults)('a reply with the fault %s is %s, and the next one is good again', async (fault, code) => {
    const quick = new UapiDriver({ name: 'wg0', socketDir, deadlineMs: 200, maxReply: 1_000_000 });
    device.addPeer({ publicKey: A, rx: 1n });
    device.fault = fault;
    expect((await failure(quick.read())).code).toBe(code);
    device.fault = null;
    expect((await quick.read()).peers).toHaveLength(1);
  });

  it('an empty reply has neither key nor peers', async () => {
    device.fault = 'empty';
    expect(await driver.read()).toEqual({ name: 'wg0', publicKey: null, listenPort: null, peers: [] });
  });

  it('takes a reply that comes in pieces, and refuses bytes after its end', async () => {
    const server = createServer((socket) => {
      const pieces = ['', 'listen_', 'port=7\n', 'err', 'no=0\n', '\n'];
      socket.on('data', () => {
        const next = (): void => {
          const piece = pieces.shift();
          if (piece === undefined) return;
          socket.write(piece || 'fwmark=1\n', () => setImmediate(next));
        };
        next();
      });
    });
    server.listen(join(socketDir, 'wg1.sock'));
    await once(server, 'listening');
    const one = new UapiDriver({ name: 'wg1', socketDir });
    expect((await one.read()).listenPort).toBe(7);
    server.close();

    const chatty = createServer((socket) => socket.on('data', () => socket.write('errno=0\n\nmore=1\n')));
    chatty.listen(join(socketDir, 'wg2.sock'));
    await once(chatty, 'listening');
    expect((await failure(new UapiDriver({ name: 'wg2', socketDir }).read())).code).toBe('GARBLED');
    chatty.close();
  });
});

describe('a device that is not there', () => {
  it('has no file, or a file at which nobody listens', async () => {
    expect((await failure(new UapiDriver({ name: 'wg9', socketDir }).read())).code).toBe('NO_DEVICE');
    await writeFile(join(socketDir, 'wg8.sock'), '');
    const dead = await failure(new UapiDriver({ name: 'wg8', socketDir }).read());
    expect(dead).toMatchObject({ code: 'NO_DEVICE', key: join(socketDir, 'wg8.sock') });
    expect(
      (
        await failure(
          new UapiDriver({ name: 'wg8', socketDir: '/nowhere' }).configure([
            { kind: 'remove', publicKey: A },
          ]),
        )
      ).code,
    ).toBe('NO_DEVICE');
    await device.stop();
    expect((await failure(driver.read())).code).toBe('NO_DEVICE');
  });

  it('fails in words where the path is too long for a socket', async () => {
    const long = new UapiDriver({ name: 'wg0', socketDir: join(socketDir, 'x'.repeat(120)) });
    expect((await failure(long.read())).message).not.toBe('');
  });

  it('cannot have an impossible name', () => {
    for (const name of ['../wg0', '-x', '', '..', 'wg0/x']) {
      expect(() => new UapiDriver({ name, socketDir })).toThrow(
        expect.objectContaining({ code: 'NO_DEVICE' }),
      );
    }
  });

  it('may be there and not be ours', async (context) => {
    if (process.getuid?.() !== 0) {
      if (process.env.CI === 'true') throw new Error('the tests of permissions must run as root');
      context.skip('not root: another user can only be played by root');
    }
    await chmod(socketDir, 0o700);
    // Another user needs another process: this one's threads share their rights.
    const script = `
      import { UapiDriver } from ${JSON.stringify(new URL('uapi.ts', import.meta.url).pathname)};
      process.setuid(65534);
      const driver = new UapiDriver({ name: 'wg0', socketDir: ${JSON.stringify(socketDir)} });
      const errors = [];
      for (const run of [() => driver.read(), () => driver.instance()]) {
        await run().catch(({ code, message }) => errors.push({ code, message }));
      }
      console.log(JSON.stringify(errors));`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      script,
    ]);
    const errors = JSON.parse(stdout) as { code: string; message: string }[];
    expect(errors).toHaveLength(2);
    for (const error of errors) {
      expect(error.code).toBe('NO_PERMISSION');
      expect(error.message).toContain(device.path);
    }
  });
});

describe('configuring', () => {
  it('sets all of a peer, then changes part of it', async () => {
    const presharedKey = generatePresharedKey();
    await driver.configure([
      {
        kind: 'set',
        publicKey: A,
        allowedIPs: ['10.0.0.2/24', 'fd00::2'],
        persistentKeepalive: 25,
        presharedKey,
        endpoint: '192.0.2.1:1',
      },
      { kind: 'set', publicKey: B, allowedIPs: ['10.0.0.3'] },
    ]);
    expect((await driver.read()).peers).toMatchObject([
      {
        publicKey: A,
        hasPresharedKey: true,
        endpoint: '192.0.2.1:1',
        allowedIPs: ['10.0.0.0/24', 'fd00::2/128'],
      },
      { publicKey: B, hasPresharedKey: false, allowedIPs: ['10.0.0.3/32'] },
    ]);
    const secrets = await driver.secrets();
    expect(secrets.presharedKeys.get(A)?.reveal()).toBe(presharedKey.reveal());
    expect(secrets.presharedKeys.size).toBe(1);
    expect(inspect(secrets, { depth: 9 })).not.toContain(presharedKey.reveal());

    device.transfer(A, 5, 7);
    await driver.configure([
      { kind: 'set', publicKey: A, presharedKey: null, allowedIPs: [], persistentKeepalive: 0 },
    ]);
    expect((await driver.read()).peers[0]).toMatchObject({
      hasPresharedKey: false,
      allowedIPs: [],
      persistentKeepalive: 0,
      endpoint: '192.0.2.1:1',
      rx: 5n,
      tx: 7n,
    });
    expect(device.sets).toBe(2);
  });

  it('makes no peer where only an existing one is meant', async () => {
    await driver.configure([{ kind: 'set', publicKey: A, updateOnly: true, allowedIPs: ['10.0.0.2'] }]);
    expect(device.peers).toHaveLength(0);
  });

  it('removes a peer, and one that is not there', async () => {
    device.addPeer({ publicKey: A });
    await driver.configure([
      { kind: 'remove', publicKey: A },
      { kind: 'remove', publicKey: B },
    ]);
    expect(device.peers).toHaveLength(0);
  });

  it('asks nothing of the device for no changes, or for one that it cannot mean', async () => {
    await driver.configure([]);
    const bad = driver.configure([
      { kind: 'set', publicKey: A, allowedIPs: ['10.0.0.2'] },
      { kind: 'set', publicKey: B, allowedIPs: ['10.0.0.3/32\nremove=true'] },
    ]);
    expect(await failure(bad)).toMatchObject({ code: 'REFUSED', key: 'allowed_ip' });
    expect(device.sets).toBe(0);
  });

  const faults: [Fault, string][] = [
    ['truncate', 'GARBLED'],
    ['garbage', 'GARBLED'],
    ['close', 'GARBLED'],
    ['huge', 'GARBLED'],
    ['hang', 'TIMEOUT'],
    ['errno', 'REFUSED'],
  ];
  it.each(faults)('an answer with the fault %s is %s, without the secret', async (fault, code) => {
    const quick = new UapiDriver({ name: 'wg0', socketDir, deadlineMs: 200, maxReply: 1_000_000 });
    const presharedKey = generatePresharedKey();
    device.setFault = fault;
    const error = await failure(quick.configure([{ kind: 'set', publicKey: A, presharedKey }]));
    expect(error.code).toBe(code);
    const text = inspect(error, { depth: 9, showHidden: true });
    expect(text).not.toContain(presharedKey.reveal());
    expect(text).not.toContain(Buffer.from(presharedKey.reveal(), 'base64').toString('hex'));
  });

  it('does not repeat a secret that is no key', async () => {
    const error = await failure(
      driver.configure([{ kind: 'set', publicKey: A, presharedKey: new Secret('hunter2') }]),
    );
    expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
  });
});

describe('instance', () => {
  it('is another after the device was made anew, and the same after all else', async () => {
    const first = await driver.instance();
    expect(first).toMatch(/^\d+:\d+:\d+$/);
    await chmod(device.path, 0o777);
    device.addPeer({ publicKey: A });
    await driver.read();
    expect(await driver.instance()).toBe(first);
    const seen = new Set([first]);
    for (let round = 0; round < 5; round++) {
      await device.recreate();
      seen.add(await driver.instance());
    }
    expect(seen.size).toBe(6);
  });

  it('follows a link to the socket', async () => {
    await symlink(device.path, join(socketDir, 'link.sock'));
    expect(await new UapiDriver({ name: 'link', socketDir }).instance()).toBe(await driver.instance());
  });

  it('is null where there is none', async () => {
    await device.stop();
    expect(await driver.instance()).toBeNull();
  });
});
