import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateKeyPair, toHex, ZERO_HEX } from './keys.ts';
import { SimulatedDevice } from './simulator.ts';
import { UapiDriver } from './uapi.ts';

const own = generateKeyPair();
const { publicKey: A } = generateKeyPair();
const { publicKey: B } = generateKeyPair();
const a = toHex(A);
const b = toHex(B);

let socketDir: string;
let device: SimulatedDevice;
let driver: UapiDriver;

beforeEach(async () => {
  socketDir = await mkdtemp(join(tmpdir(), 'wiremeter-sim-'));
  device = new SimulatedDevice({
    name: 'wg0',
    socketDir,
    privateKey: own.privateKey,
    clock: () => 1_700_000_000_123,
  });
  await device.start();
  driver = new UapiDriver({ name: 'wg0', socketDir });
});
afterEach(async () => {
  await device.stop();
  await rm(socketDir, { recursive: true });
});

/** What the device says to raw requests, until it has ended `replies` replies or hung up. */
function ask(text: string, replies = 1): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = createConnection({ path: device.path });
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.split('\n\n').length > replies) socket.end();
    });
    socket.on('close', () => resolve(answer));
    socket.write(text);
  });
}

const set = (...lines: string[]): Promise<string> =>
  ask(`set=1\n${lines.map((line) => `${line}\n`).join('')}\n`);

describe('the protocol', () => {
  it('answers get and set on one connection, in turn', async () => {
    const answer = await ask(`set=1\npublic_key=${a}\nallowed_ip=10.0.0.2/32\n\nget=1\n\n`, 2);
    expect(answer).toBe(
      `errno=0\n\nprivate_key=${toHex(own.privateKey.reveal())}\nlisten_port=51820\npublic_key=${a}\n` +
        `preshared_key=${ZERO_HEX}\nprotocol_version=1\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\n` +
        `tx_bytes=0\nrx_bytes=0\npersistent_keepalive_interval=0\nallowed_ip=10.0.0.2/32\nerrno=0\n\n`,
    );
  });

  it('gives a network to one peer alone, whatever its host bits', async () => {
    await set(`public_key=${a}`, 'allowed_ip=10.0.0.7/24', 'allowed_ip=FD00:0::1/64', `public_key=${b}`);
    expect([...device.peer(A).allowedIPs]).toEqual(['10.0.0.0/24', 'fd00::/64']);
    await set(`public_key=${b}`, 'allowed_ip=10.0.0.0/24');
    expect([...device.peer(A).allowedIPs]).toEqual(['fd00::/64']);
    expect([...device.peer(B).allowedIPs]).toEqual(['10.0.0.0/24']);
    await set(
      `public_key=${b}`,
      'remove=true',
      `public_key=${a}`,
      'replace_allowed_ips=true',
      'allowed_ip=10.0.0.0/24',
    );
    expect([...device.peer(A).allowedIPs]).toEqual(['10.0.0.0/24']);
  });

  it('makes a peer at public_key, unless update_only follows', async () => {
    await set(`public_key=${a}`, 'update_only=true', 'allowed_ip=10.0.0.2/32');
    expect(device.peers).toHaveLength(0);
    await set(`public_key=${a}`);
    await set(`public_key=${a}`, 'update_only=true', 'persistent_keepalive_interval=5');
    expect(device.peer(A).persistentKeepalive).toBe(5);
  });

  it('is no peer of itself', async () => {
    expect(await set(`public_key=${toHex(own.publicKey)}`, 'allowed_ip=10.0.0.2/32')).toBe('errno=0\n\n');
    expect(device.peers).toHaveLength(0);
    await set(`public_key=${a}`, `public_key=${b}`);
    const other = generateKeyPair();
    device.addPeer({ publicKey: other.publicKey });
    await set(`private_key=${toHex(other.privateKey.reveal())}`, 'listen_port=7');
    expect(device).toMatchObject({ publicKey: other.publicKey, listenPort: 7 });
    expect(device.peers.map((peer) => peer.publicKey)).toEqual([A, B]);
    await set(`private_key=${ZERO_HEX}`, 'replace_peers=true');
    expect(await driver.read()).toMatchObject({ publicKey: null, peers: [] });
  });

  it.each([
    'private_key=x',
    'listen_port=65536',
    'fwmark=-1',
    'replace_peers=false',
    'rx_bytes=1',
    'public_key=x',
    `public_key=${a}\nremove=yes`,
    `public_key=${a}\nupdate_only=1`,
    `public_key=${a}\npreshared_key=00`,
    `public_key=${a}\nendpoint=example.com:1`,
    `public_key=${a}\npersistent_keepalive_interval=65536`,
    `public_key=${a}\nreplace_allowed_ips=false`,
    `public_key=${a}\nallowed_ip=10.0.0.1`,
    `public_key=${a}\nallowed_ip=10.0.0.1/33`,
    `public_key=${a}\nprotocol_version=2`,
    `public_key=${a}\nlisten_port=1`,
  ])('refuses %j as invalid', async (lines) => {
    expect(await set(lines)).toBe('errno=-22\n\n');
  });

  it('carries out what comes before a bad line', async () => {
    expect(await set(`public_key=${a}`, 'rubbish', `public_key=${b}`)).toBe('errno=-71\n\n');
    expect(device.peers.map((peer) => peer.publicKey)).toEqual([A]);
    expect(await ask('get=1\nmore=1\n\n')).toBe('errno=-22\n\n');
    expect(await ask('put=1\n\n')).toBe('');
  });
});

describe('steering', () => {
  it('adds bytes, sets counters and shakes hands', async () => {
    device.addPeer({ publicKey: A, rx: 1n, tx: 2n });
    device.transfer(A, 10, 100n);
    device.handshake(A);
    expect((await driver.read()).peers[0]).toMatchObject({
      rx: 11n,
      tx: 102n,
      latestHandshake: 1_700_000_000_123_000_000n,
    });
    device.setCounters(A, 3, 4n);
    device.handshake(A, 5n);
    expect((await driver.read()).peers[0]).toMatchObject({ rx: 3n, tx: 4n, latestHandshake: 5n });
    device.removePeer(A);
    expect(() => device.peer(A)).toThrow(TypeError);
  });

  it('starts again with what it had, and is made anew with nothing', async () => {
    device.addPeer({ publicKey: A, rx: 1n, tx: 2n, latestHandshake: 3n, allowedIPs: ['10.0.0.2'] });
    await device.stop();
    await device.start();
    await device.start();
    expect((await driver.read()).peers[0]).toMatchObject({ rx: 1n, latestHandshake: 3n });
    await device.recreate();
    expect((await driver.read()).peers).toMatchObject([
      { rx: 0n, tx: 0n, latestHandshake: 0n, allowedIPs: ['10.0.0.2/32'] },
    ]);
    await device.recreate({ keepPeers: false });
    expect((await driver.read()).peers).toEqual([]);
    await device.stop();
    expect(await readdir(socketDir)).toEqual([]);
    await device.recreate();
    expect(device.running).toBe(true);
  });

  it('hangs up on those who wait when it stops', async () => {
    device.fault = 'hang';
    const asking = expect(driver.read()).rejects.toMatchObject({ code: 'GARBLED' });
    while (device.gets === 0) await new Promise((resolve) => setImmediate(resolve));
    await device.stop();
    await asking;
  });

  it('runs the hook before it answers', async () => {
    device.addPeer({ publicKey: A });
    device.onGet = async () => {
      await Promise.resolve();
      device.transfer(A, 1, 2);
    };
    await driver.read();
    expect((await driver.read()).peers[0]).toMatchObject({ rx: 2n, tx: 4n });
    expect(device).toMatchObject({ gets: 2, sets: 0 });
  });

  it('loses the reply of a change that was made, and makes none that it refuses', async () => {
    const change = [{ kind: 'set', publicKey: A } as const];
    device.setFault = 'errno';
    await expect(driver.configure(change)).rejects.toMatchObject({ code: 'REFUSED', key: A });
    expect(device.peers).toHaveLength(0);
    device.setFault = 'close';
    await expect(driver.configure(change)).rejects.toMatchObject({ code: 'GARBLED' });
    expect(device.peers).toHaveLength(1);
  });
});
