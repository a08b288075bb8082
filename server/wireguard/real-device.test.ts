/**
 * Both drivers against real wireguard-go devices, in a network namespace of their own. Two of them, which shake hands: one
 * device alone has counters of zero, where a swap of received and sent would not show.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { access, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it, type TestContext } from 'vitest';
import { findDevices } from './discover.ts';
import { generateKeyPair, generatePresharedKey, toHex } from './keys.ts';
import type { Device, Driver } from './types.ts';
import { UapiDriver } from './uapi.ts';
import { WgDriver } from './wg.ts';

const SOCKETS = '/var/run/wireguard';
const run = promisify(execFile);
const names = [`wmt${process.pid}`, `wmu${process.pid}`] as const;
const namespace = `wmt${process.pid}`;

/** Why the test cannot run here; null where it can. */
function missing(): string | null {
  for (const tool of ['wireguard-go', 'wg', 'ip']) {
    if (spawnSync('sh', ['-c', 'command -v "$1"', 'sh', tool]).status !== 0) {
      return `${tool} is not installed: apt-get install wireguard-go wireguard-tools iproute2`;
    }
  }
  if (process.getuid?.() !== 0) return 'not root: a real device needs it';
  return null;
}

function need(context: TestContext): void {
  const why = missing();
  if (why === null) return;
  if (process.env.CI === 'true') throw new Error(why);
  console.log(`skipped: ${why}`);
  context.skip(why);
}

/** The same device read twice: handshakes of `wg` are in whole seconds, and the order of peers is nobody's promise. */
function comparable(device: Device): Device {
  const peers = device.peers.map((peer) => ({
    ...peer,
    allowedIPs: [...peer.allowedIPs].sort(),
    latestHandshake: peer.latestHandshake / 1_000_000_000n,
  }));
  return { ...device, peers: peers.sort((one, other) => (one.publicKey < other.publicKey ? -1 : 1)) };
}

async function until<T>(what: string, probe: () => Promise<T | null>): Promise<T> {
  for (let attempt = 0; attempt < 150; attempt++) {
    const found = await probe();
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it did not come: ${what}`);
}

async function withDevices(use: () => Promise<void>): Promise<void> {
  const children: ChildProcess[] = [];
  try {
    await run('ip', ['netns', 'add', namespace]);
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    for (const name of names) {
      children.push(
        spawn('ip', ['netns', 'exec', namespace, 'wireguard-go', '-f', name], {
          stdio: 'ignore',
          env: { ...process.env, WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'silent' },
        }),
      );
      await until(name, () =>
        access(`${SOCKETS}/${name}.sock`).then(
          () => true,
          () => null,
        ),
      );
      await run('ip', ['-n', namespace, 'link', 'set', name, 'up']);
    }
    await use();
  } finally {
    for (const child of children) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
    }
    await run('ip', ['netns', 'del', namespace]).catch(() => undefined);
    for (const name of names) await rm(`${SOCKETS}/${name}.sock`, { force: true });
  }
}

describe('real devices', () => {
  it('are read and set alike by both drivers', { timeout: 60_000 }, async (context) => {
    need(context);
    await withDevices(async () => {
      const [name, otherName] = names;
      const socket = new UapiDriver({ name, socketDir: SOCKETS });
      const tool = new WgDriver({ name });
      const other = new UapiDriver({ name: otherName, socketDir: SOCKETS });

      // A device that has just been made: no key, no peers.
      expect((await socket.read()).publicKey).toBeNull();
      expect(comparable(await tool.read())).toEqual(comparable(await socket.read()));

      const keys = [generateKeyPair(), generateKeyPair()] as const;
      const ports: number[] = [];
      for (const [index, driver] of [socket, other].entries()) {
        await setPrivateKey(driver.name, keys[index]!.privateKey.reveal());
        ports.push((await driver.read()).listenPort!);
      }
      expect((await socket.read()).publicKey).toBe(keys[0].publicKey);

      const spare = [generateKeyPair().publicKey, generateKeyPair().publicKey] as const;
      const psk = generatePresharedKey();
      await other.configure([
        { kind: 'set', publicKey: keys[0].publicKey, allowedIPs: ['10.9.0.1'], presharedKey: psk },
      ]);
      await tool.configure([
        {
          kind: 'set',
          publicKey: keys[1].publicKey,
          presharedKey: psk,
          allowedIPs: ['10.9.0.2', 'fd00:9:0:0:0:0:0:2/64'],
          endpoint: `127.0.0.1:${ports[1]}`,
          persistentKeepalive: 1,
        },
        {
          kind: 'set',
          publicKey: spare[0],
          presharedKey: generatePresharedKey(),
          allowedIPs: ['10.9.1.77/24'],
        },
      ]);
      await socket.configure([
        {
          kind: 'set',
          publicKey: spare[1],
          endpoint: '[2001:db8::1]:7',
          allowedIPs: ['10.9.2.0/24', '2001:db8:0:1:1:1:1:1'],
        },
      ]);

      // Keepalives make for unequal counters.
      await until('a handshake', async () => {
        const peer = (await socket.read()).peers.find((one) => one.publicKey === keys[1].publicKey)!;
        return peer.latestHandshake > 0n && peer.rx > 0n && peer.tx > peer.rx ? true : null;
      });
      await tool.configure([{ kind: 'set', publicKey: keys[1].publicKey, persistentKeepalive: 0 }]);
      const [bySocket, byTool] = await until('two equal reads in a row', async () => {
        const first = comparable(await socket.read());
        const between = comparable(await tool.read());
        return text(first) === text(comparable(await socket.read())) ? [first, between] : null;
      });
      expect(byTool).toEqual(bySocket);
      expect(bySocket.peers).toHaveLength(3);
      expect(bySocket.peers.find((peer) => peer.publicKey === spare[0])!.allowedIPs).toEqual(['10.9.1.0/24']);
      const far = comparable(await other.read()).peers[0]!;
      const near = bySocket.peers.find((peer) => peer.publicKey === keys[1].publicKey)!;
      expect([near.rx, near.tx]).toEqual([far.tx, far.rx]);

      const secrets = await Promise.all([socket.secrets(), tool.secrets()]);
      for (const one of secrets) {
        expect(one.privateKey!.reveal()).toBe(keys[0].privateKey.reveal());
        expect(one.presharedKeys.get(keys[1].publicKey)!.reveal()).toBe(psk.reveal());
        expect(one.presharedKeys.size).toBe(2);
      }

      await changesAreTheSame([socket, tool], keys[1].publicKey, spare[0]);
      expect(await findDevices({ socketDir: SOCKETS, only: [name], wg: true })).toEqual([
        { name, kind: 'socket' },
      ]);
      expect(await socket.instance()).toMatch(/^\d+:\d+:\d+$/);
    });
    await expect(new WgDriver({ name: names[0] }).read()).rejects.toMatchObject({ code: 'NO_DEVICE' });
  });
});

/** Each change by each driver in turn; the device must look the same after both. */
async function changesAreTheSame(
  drivers: readonly Driver[],
  publicKey: string,
  spare: string,
): Promise<void> {
  const absent = generateKeyPair().publicKey;
  for (const driver of drivers) {
    const peer = async (key: string): Promise<unknown> => {
      const devices = await Promise.all(drivers.map((one) => one.read()));
      const [first, second] = devices.map((device) =>
        comparable(device).peers.find((one) => one.publicKey === key),
      );
      expect(text(first)).toBe(text(second));
      return first;
    };
    await driver.configure([
      { kind: 'set', publicKey: spare, presharedKey: null, allowedIPs: [], persistentKeepalive: 9 },
    ]);
    expect(await peer(spare)).toMatchObject({
      hasPresharedKey: false,
      allowedIPs: [],
      persistentKeepalive: 9,
    });
    // The network goes from one peer to the other, as WireGuard has it.
    await driver.configure([
      { kind: 'set', publicKey: spare, allowedIPs: ['10.9.0.2/32'], presharedKey: generatePresharedKey() },
    ]);
    expect(await peer(spare)).toMatchObject({ hasPresharedKey: true, allowedIPs: ['10.9.0.2/32'] });
    await driver.configure([{ kind: 'set', publicKey, allowedIPs: ['10.9.0.2/32'] }]);
    expect(await peer(spare)).toMatchObject({ allowedIPs: [] });
    await driver.configure([{ kind: 'set', publicKey: absent, updateOnly: true, allowedIPs: ['10.9.0.9'] }]);
    expect(await peer(absent)).toBeUndefined();
    await driver.configure([{ kind: 'set', publicKey: absent, allowedIPs: ['10.9.0.9'] }]);
    expect(await peer(absent)).toMatchObject({ allowedIPs: ['10.9.0.9/32'] });
    await driver.configure([{ kind: 'remove', publicKey: absent }]);
    expect(await peer(absent)).toBeUndefined();
  }
}

/** Not in the drivers: Wiremeter never gives a device its key. */
async function setPrivateKey(name: string, privateKey: string): Promise<void> {
  const { createConnection } = await import('node:net');
  await new Promise<void>((resolve, reject) => {
    const connection = createConnection({ path: `${SOCKETS}/${name}.sock` }, () => {
      connection.write(`set=1\nprivate_key=${toHex(privateKey)}\n\n`);
    });
    connection.on('error', reject);
    connection.on('data', () => {
      connection.destroy();
      resolve();
    });
  });
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));
}
