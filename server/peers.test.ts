import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { World, type Generated, type WorldOptions } from '../tests/support/world.ts';
import type { Stage } from './peers/change.ts';
import type { GeneratePeerInput } from './peers/generate.ts';
import { Refusal } from './refusal.ts';
import { generateKeyPair, publicKeyOf } from './wireguard/keys.ts';
import type { Fault } from './wireguard/simulator.ts';

let world: World;

afterEach(async () => {
  await world.close();
});

async function open(options: WorldOptions = {}): Promise<World> {
  world = await World.open(options);
  await world.tick();
  return world;
}

async function refusal(work: Promise<unknown>): Promise<Refusal> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Refusal)) throw new Error(`no refusal, but ${String(error)}`, { cause: error });
  expect(error.message).not.toMatch(/\n/);
  return error;
}

async function inSync(): Promise<boolean> {
  const report = await world.peers.sync({ fix: false, source: 'WIREGUARD' });
  expect(report.inconsistencies).toEqual([]);
  return report.inSync;
}

describe('generate', () => {
  it('makes the peer in the device, the file and the database, and gives its client a file', async () => {
    await open();
    const { publicKey, clientConfig, privateKey, presharedKey, peerId } = await world.generate({
      name: 'Ada',
      email: 'ada@example.com',
      dns: ['10.8.0.1', 'example.org'],
      mtu: 1380,
    });
    expect(clientConfig).toBe(
      `# Ada on wg0\n[Interface]\nPrivateKey = ${String(privateKey)}\nAddress = 10.8.0.2/32, fd00:8::2/128\n` +
        `DNS = 10.8.0.1, example.org\nMTU = 1380\n\n[Peer]\nPublicKey = ${String(world.device.publicKey)}\n` +
        `PresharedKey = ${String(presharedKey)}\nAllowedIPs = 0.0.0.0/0, ::/0\n` +
        `Endpoint = vpn.example.com:51820\nPersistentKeepalive = 25\n`,
    );
    expect(publicKeyOf(privateKey ?? '')).toBe(publicKey);
    const peer = world.device.peer(publicKey);
    expect([...peer.allowedIPs]).toEqual(['10.8.0.2/32', 'fd00:8::2/128']);
    expect(peer.persistentKeepalive).toBe(25);
    expect(Buffer.from(peer.presharedKeyHex, 'hex').toString('base64')).toBe(presharedKey);
    expect(world.file()).toBe(
      '[Interface]\nAddress = 10.8.0.1/24, fd00:8::1/64\nListenPort = 51820\n\n' +
        `[Peer]\n# friendly_name=Ada\nPublicKey = ${publicKey}\nPresharedKey = ${String(presharedKey)}\n` +
        'AllowedIPs = 10.8.0.2/32, fd00:8::2/128\nPersistentKeepalive = 25\n',
    );
    expect(await world.row(peerId)).toMatchObject({
      name: 'Ada',
      email: 'ada@example.com',
      allowedIPs: '10.8.0.2/32, fd00:8::2/128',
      hasPresharedKey: true,
      persistentKeepalive: 25,
      enabled: true,
      registered: true,
      deletedAt: null,
      addedOn: new Date(world.clock.wall()),
    });
    expect((await world.said()).map(({ kind, publicKey: key }) => [kind, key])).toEqual([
      ['ADDED', publicKey],
    ]);
    expect(await inSync()).toBe(true);
    // All of its traffic is new, and the next one gets the next addresses.
    world.device.transfer(publicKey, 300, 40);
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([300n, 40n]);
    expect((await world.generate()).allowedIPs).toEqual(['10.8.0.3/32', 'fd00:8::3/128']);
  });

  it('takes a key of the client and never sees its private half', async () => {
    await open();
    const { publicKey } = generateKeyPair();
    const made = await world.generate({ publicKey, presharedKey: false, persistentKeepalive: 0 });
    expect(made.publicKey).toBe(publicKey);
    expect(made.privateKey).toBeNull();
    expect(made.clientConfig).toContain('# PrivateKey = put');
    expect(made.clientConfig).not.toContain('PresharedKey');
    expect(made.clientConfig).not.toContain('PersistentKeepalive');
    expect(world.device.hasPresharedKey(publicKey)).toBe(false);
  });

  it('takes the addresses that are asked for, canonical', async () => {
    await open();
    const made = await world.generate({ allowedIPs: ['10.8.0.77', '192.168.7.0/24', 'FD00:8:0::77/128'] });
    expect(made.allowedIPs).toEqual(['10.8.0.77/32', '192.168.7.0/24', 'fd00:8::77/128']);
    expect([...world.device.peer(made.publicKey).allowedIPs]).toEqual(made.allowedIPs);
    expect(made.clientConfig).toContain('Address = 10.8.0.77/32, 192.168.7.0/24, fd00:8::77/128\n');
  });

  it('gives no address twice, also to many at once', async () => {
    await open();
    const made = await Promise.all(Array.from({ length: 20 }, () => world.generate()));
    const addresses = made.flatMap(({ allowedIPs }) => allowedIPs);
    expect(addresses).toHaveLength(40);
    expect(new Set(addresses).size).toBe(40);
    for (const { publicKey, allowedIPs } of made) {
      expect([...world.device.peer(publicKey).allowedIPs].sort()).toEqual([...allowedIPs].sort());
    }
    expect(await inSync()).toBe(true);
  });

  it('refuses what another peer has, wherever it has it', async () => {
    await open();
    const [device, file, row] = [generateKeyPair(), generateKeyPair(), await world.generate()];
    world.device.addPeer({ publicKey: device.publicKey, allowedIPs: ['10.8.0.50/32'] });
    world.editFile((now) => now.addPeer({ publicKey: file.publicKey, allowedIPs: ['10.8.0.60/32'] }));
    world.editFile((now) => now.removePeer(row.publicKey));
    world.device.removePeer(row.publicKey);
    world.device.addPeer({ allowedIPs: ['10.8.0.99/32'] });
    const off = await world.generate({ allowedIPs: ['10.8.0.70/32'] });
    await world.peers.update({ publicKey: off.publicKey, enabled: false });
    const before = await world.snapshot();

    const cases: [string, string, string][] = [
      ['10.8.0.50/32', '10.8.0.50/32', device.publicKey],
      ['10.8.0.48/29', '10.8.0.50/32', device.publicKey],
      ['10.8.0.60/32', '10.8.0.60/32', file.publicKey],
      [row.allowedIPs[0] ?? '', row.allowedIPs[0] ?? '', row.publicKey],
      ['10.8.0.70/32', '10.8.0.70/32', off.publicKey],
      ['10.8.0.1/32', "interface's own address", ''],
      ['fd00:8::1/128', "interface's own address", ''],
    ];
    for (const [wanted, words, key] of cases) {
      const error = await refusal(world.generate({ allowedIPs: [wanted] }));
      expect(error).toMatchObject({ code: 'CONFLICT', field: 'allowedIPs' });
      expect(error.message).toContain(words);
      expect(error.message).toContain(key);
    }
    for (const publicKey of [device, file, row, off].map((one) => one.publicKey)) {
      expect(await refusal(world.generate({ publicKey }))).toMatchObject({
        code: 'CONFLICT',
        field: 'publicKey',
      });
    }
    const own = world.device.publicKey;
    expect(await refusal(world.generate({ publicKey: own }))).toMatchObject({
      code: 'CONFLICT',
      field: 'publicKey',
    });
    expect(await world.snapshot()).toEqual(before);
    // And a free address is none of theirs.
    const free = await Promise.all(Array.from({ length: 5 }, () => world.generate()));
    expect(free.flatMap(({ allowedIPs }) => allowedIPs)).not.toContain(row.allowedIPs[0]);
  });

  it('says when no address is left', async () => {
    await open({ config: '[Interface]\nAddress = 10.8.0.1/30\n' });
    await world.generate();
    const before = await world.snapshot();
    expect((await refusal(world.generate())).code).toBe('ADDRESSES_EXHAUSTED');
    expect(await world.snapshot()).toEqual(before);
  });

  it('asks for addresses where the interface has none', async () => {
    await open({ config: '[Interface]\nListenPort = 51820\n' });
    expect(await refusal(world.generate())).toMatchObject({ code: 'BAD_USER_INPUT', field: 'allowedIPs' });
    expect((await world.generate({ allowedIPs: ['10.9.0.2'] })).allowedIPs).toEqual(['10.9.0.2/32']);
  });

  const bad: [keyof GeneratePeerInput, unknown][] = [
    ['name', ''],
    ['name', 'a\n[Peer]'],
    ['name', 'a\u0007'],
    ['name', 'x'.repeat(65)],
    ['email', 'nobody'],
    ['email', 'a@b.c\nx'],
    ['publicKey', 'short'],
    ['publicKey', `${'A'.repeat(43)}=`],
    ['allowedIPs', []],
    ['allowedIPs', ['10.8.0.5/24']],
    ['allowedIPs', ['10.8.0.300']],
    ['allowedIPs', ['224.0.0.5/32']],
    ['allowedIPs', ['10.8.0.5/32', '10.8.0.5']],
    ['allowedIPs', ['10.8.0.5/32\nPostUp = id']],
    ['clientAllowedIPs', []],
    ['clientAllowedIPs', ['10.0.0.1/8']],
    ['persistentKeepalive', -1],
    ['persistentKeepalive', 65_536],
    ['persistentKeepalive', 1.5],
    ['dns', ['not a server']],
    ['dns', ['1.1.1.1\nPostUp = id']],
    ['mtu', 100],
    ['mtu', 576], // IPv6 needs more
    ['mtu', 1e6],
  ];
  it('refuses each unusable field by its name, and changes nothing', async () => {
    await open();
    await world.addDevice('wg1', { config: '[Interface]\nAddress = 10.9.0.1/24\n' });
    const before = await world.snapshot();
    for (const [field, value] of bad) {
      const error = await refusal(world.generate({ [field]: value }));
      expect([field, value, error.code, error.field]).toEqual([field, value, 'BAD_USER_INPUT', field]);
    }
    expect((await refusal(world.generate({ interface: 'wg9' }))).code).toBe('NOT_FOUND');
    expect(await world.snapshot()).toEqual(before);
  });

  it('asks which interface is meant where there are several', async () => {
    await open({ interfaces: null });
    await world.addDevice('wg1', { config: '[Interface]\nAddress = 10.9.0.1/24\n' });
    await world.tick();
    const error = await refusal(world.generate());
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', field: 'interface' });
    expect(error.message).toContain('wg0, wg1');
    expect((await world.generate({ interface: 'gw/wg1' })).allowedIPs).toEqual(['10.9.0.2/32']);
  });

  it("makes a NAME.conf that keeps the device's key where there is none, for its owner alone", async () => {
    await open({ config: null });
    const { publicKey } = await world.generate({ allowedIPs: ['10.8.0.2/32'] });
    const text = world.file();
    expect(text).toMatch(/^\[Interface\]\nListenPort = 51820\nPrivateKey = (.+)\n\n\[Peer\]\n/);
    const key = /PrivateKey = (.+)/.exec(text)?.[1] ?? '';
    expect(publicKeyOf(key)).toBe(world.device.publicKey);
    expect(world.fileMode()).toBe(0o600);
    expect(statSync(world.configDir).mode & 0o777).toBe(0o700);
    expect(readdirSync(world.configDir)).toEqual(['wg0.conf']);
    expect(databaseBytes()).not.toContain(key);
    // Taken back with the peer, where the change fails.
    await world.peers.delete({ publicKey, keepUsageHistory: false });
    rmSync(world.configFile);
    world.onStage = failAt('store');
    await expect(world.generate({ allowedIPs: ['10.8.0.2/32'] })).rejects.toThrow('at store');
    expect(existsSync(world.configFile)).toBe(false);
  });

  it('keeps no secret in the database or in events', async () => {
    await open();
    const one = await world.generate({ name: 'Marker' });
    const two = await world.generate();
    await world.peers.update({ publicKey: one.publicKey, enabled: false });
    await world.peers.update({ publicKey: one.publicKey, enabled: true });
    await world.peers.delete({ publicKey: two.publicKey, keepUsageHistory: true });
    world.onStage = failAt('store');
    await expect(world.generate()).rejects.toThrow();
    const bytes = databaseBytes();
    expect(bytes).toContain('Marker'); // what is looked at is what was written
    const told = JSON.stringify([await world.said(), world.ticks], (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    for (const secret of [one.privateKey, one.presharedKey, two.privateKey, two.presharedKey]) {
      expect(secret).toHaveLength(44);
      const raw = Buffer.from(secret ?? '', 'base64');
      for (const form of [secret ?? '', raw.toString('hex'), raw.toString('latin1')]) {
        expect(bytes.includes(form)).toBe(false);
        expect(told.includes(form)).toBe(false);
      }
    }
  });
});

/** All that the database left on the disk. */
function databaseBytes(): string {
  return readdirSync(world.dir)
    .filter((name) => name.startsWith('wiremeter.db'))
    .map((name) => readFileSync(path.join(world.dir, name), 'latin1'))
    .join('');
}

describe('update', () => {
  it('renames one line of the file', async () => {
    const config =
      '# top\r\n[Interface]\r\nAddress = 10.8.0.1/24\r\n\r\n# mine\r\n[Peer]\r\n# friendly_name=Old\r\n' +
      `PublicKey = ${KEY}\r\nAllowedIPs=10.8.0.9/32 # desk\r\n\r\n# end`;
    world = await World.open({ config });
    world.device.addPeer({ publicKey: KEY, allowedIPs: ['10.8.0.9/32'] });
    await world.tick();
    await world.said();
    const before = world.device.sets;
    await world.peers.update({ publicKey: KEY, name: 'Bürgi', email: 'b@example.com' });
    expect(world.file()).toBe(config.replace('friendly_name=Old', 'friendly_name=Bürgi'));
    expect(await world.rowOf(KEY)).toMatchObject({
      name: 'Bürgi',
      email: 'b@example.com',
      sortName: expect.stringContaining('b') as string,
    });
    expect(world.device.sets).toBe(before); // nothing to do there
    expect((await world.said()).map(({ kind }) => kind)).toEqual(['UPDATED']);
    await world.peers.update({ publicKey: KEY, name: 'Bürgi' });
    expect(await world.said()).toEqual([]); // nothing changed
  });

  it('changes addresses and keepalive without a break for the peer', async () => {
    await open();
    const made = await world.generate();
    const other = await world.generate();
    world.device.transfer(made.publicKey, 10, 20);
    world.device.handshake(made.publicKey);
    await world.peers.update({
      publicKey: made.publicKey,
      allowedIPs: ['10.8.0.40', 'fd00:8::40'],
      persistentKeepalive: 0,
    });
    const peer = world.device.peer(made.publicKey);
    expect([...peer.allowedIPs]).toEqual(['10.8.0.40/32', 'fd00:8::40/128']);
    expect([peer.persistentKeepalive, peer.rx, peer.tx]).toEqual([0, 10n, 20n]);
    expect(peer.latestHandshake).toBeGreaterThan(0n);
    expect(Buffer.from(peer.presharedKeyHex, 'hex').toString('base64')).toBe(made.presharedKey);
    expect(world.file()).toContain('AllowedIPs = 10.8.0.40/32, fd00:8::40/128\n');
    expect(await inSync()).toBe(true);

    const before = await world.snapshot();
    for (const allowedIPs of [other.allowedIPs, ['10.8.0.0/24'], ['10.8.0.1/32']]) {
      const error = await refusal(world.peers.update({ publicKey: made.publicKey, allowedIPs }));
      expect(error).toMatchObject({ code: 'CONFLICT', field: 'allowedIPs' });
    }
    for (const [field, value] of [
      ['name', 'a\nb'],
      ['email', 'x'],
      ['allowedIPs', ['10.8.0.5/24']],
      ['persistentKeepalive', -1],
    ] as const) {
      const error = await refusal(world.peers.update({ publicKey: made.publicKey, [field]: value }));
      expect(error).toMatchObject({ code: 'BAD_USER_INPUT', field });
    }
    expect((await refusal(world.peers.update({ publicKey: KEY, name: 'x' }))).code).toBe('NOT_FOUND');
    expect(await world.snapshot()).toEqual(before);
  });

  it('switches off after a last sample, keeps usage and preshared key, and on again to the same bytes', async () => {
    await open();
    const first = await world.generate();
    const made = await world.generate();
    await world.generate();
    const bytes = world.file();
    world.device.transfer(made.publicKey, 1000, 2000);
    world.device.transfer(first.publicKey, 5, 6);
    await world.tick();
    // Right before it goes: seen by the last sample alone.
    world.onStage = (stage) => {
      if (stage === 'sample') world.device.transfer(made.publicKey, 7, 8);
    };
    await world.peers.update({ publicKey: made.publicKey, enabled: false });
    world.onStage = undefined;
    expect(world.device.hasPeer(made.publicKey)).toBe(false);
    expect(world.device.peer(first.publicKey).rx).toBe(5n);
    expect(world.file()).not.toBe(bytes);
    expect(world.file()).toMatch(new RegExp(`^#.*PresharedKey = ${escaped(made.presharedKey)}$`, 'm'));
    expect(await world.rowOf(made.publicKey)).toMatchObject({
      enabled: false,
      hasPresharedKey: true,
      deletedAt: null,
    });
    expect(await world.totals(made.publicKey)).toEqual([1007n, 2008n]);
    expect(await inSync()).toBe(true);
    await world.tick();

    await world.peers.update({ publicKey: made.publicKey, enabled: true });
    expect(world.file()).toBe(bytes);
    const peer = world.device.peer(made.publicKey);
    expect(Buffer.from(peer.presharedKeyHex, 'hex').toString('base64')).toBe(made.presharedKey);
    expect([...peer.allowedIPs]).toEqual(made.allowedIPs);
    expect(await inSync()).toBe(true);
    world.device.transfer(made.publicKey, 1, 1);
    await world.tick();
    expect(await world.totals(made.publicKey)).toEqual([1008n, 2009n]);
    const epochs = await world.db.reader.counterEpoch.findMany({ where: { peerId: made.peerId } });
    expect(epochs.map(({ cause, received }) => [cause, received])).toEqual([
      ['ADDED', 1007n],
      ['ADDED', null],
    ]);
    expect(Number(epochs[1]?.unobservedMs)).toBe(0);
  });

  it('keeps the running preshared key where the file lacked it or the whole peer', async () => {
    await open();
    const made = await world.generate();
    const gone = await world.generate();
    world.editFile((file) =>
      file.updatePeer(made.publicKey, { presharedKey: null }).removePeer(gone.publicKey),
    );
    for (const { publicKey, presharedKey } of [made, gone]) {
      await world.peers.update({ publicKey, enabled: false });
      expect(world.file()).toContain(`PresharedKey = ${String(presharedKey)}`);
      await world.peers.update({ publicKey, enabled: true });
      expect(Buffer.from(world.device.peer(publicKey).presharedKeyHex, 'hex').toString('base64')).toBe(
        presharedKey,
      );
    }
    expect(await inSync()).toBe(true);
  });

  it('does not switch on a peer whose preshared key is lost, or whose address is taken', async () => {
    await open();
    const lost = await world.generate();
    const moved = await world.generate();
    for (const { publicKey } of [lost, moved]) await world.peers.update({ publicKey, enabled: false });
    world.editFile((file) => file.removePeer(lost.publicKey));
    const [address = ''] = moved.allowedIPs;
    const stranger = world.device.addPeer({ allowedIPs: [address] });
    const before = await world.snapshot();
    for (const { publicKey } of [lost, moved]) {
      expect((await refusal(world.peers.update({ publicKey, enabled: true }))).code).toBe('CONFLICT');
    }
    expect([...stranger.allowedIPs]).toEqual([address]);
    expect({ ...(await world.snapshot()), peers: null }).toEqual({ ...before, peers: null });
  });

  it("refuses the interface's own address also where only the host knows it", async () => {
    await open({ config: '[Interface]\nListenPort = 51820\n' });
    const { publicKey } = await world.generate({ allowedIPs: ['10.8.0.2'] });
    await world.db.write((tx) => tx.interface.updateMany({ data: { addresses: '10.8.0.1/24' } }));
    expect((await refusal(world.peers.update({ publicKey, allowedIPs: ['10.8.0.1'] }))).code).toBe(
      'CONFLICT',
    );
  });
});

const KEY = generateKeyPair().publicKey;

function escaped(text: string | null): string {
  return (text ?? '').replace(/[+/]/g, '\\$&');
}

describe('delete', () => {
  it('takes a peer out of all three and its usage with it', async () => {
    await open();
    const bytes = world.file();
    const { publicKey, peerId } = await world.generate();
    world.device.transfer(publicKey, 10, 20);
    await world.tick(61_000);
    world.device.transfer(publicKey, 10, 20);
    await world.tick(61_000);
    await world.said();
    expect(await world.peers.delete({ publicKey, keepUsageHistory: false })).toEqual({
      deletedPublicKeys: [publicKey],
    });
    expect(world.device.peers).toEqual([]);
    expect(world.file()).toBe(bytes);
    expect(await rowsOf(peerId)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect((await world.said()).map(({ kind }) => kind)).toEqual(['REMOVED']);
    await world.tick(61_000);
    expect(world.health().status).toBe('UP');
    expect(await rowsOf(peerId)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect((await refusal(world.peers.delete({ publicKey, keepUsageHistory: false }))).code).toBe(
      'NOT_FOUND',
    );
  });

  it('keeps the usage where asked, up to the last byte, and goes on with it when the key comes back', async () => {
    await open();
    const { publicKey } = generateKeyPair();
    const { peerId } = await world.generate({ publicKey });
    world.device.transfer(publicKey, 1000, 2000);
    await world.tick();
    world.onStage = (stage) => {
      if (stage === 'sample') world.device.transfer(publicKey, 11, 22);
    };
    await world.peers.delete({ publicKey, keepUsageHistory: true });
    world.onStage = undefined;
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([1011n, 2022n]);
    expect((await world.rowOf(publicKey))?.deletedAt).not.toBeNull();
    expect((await refusal(world.peers.update({ publicKey, name: 'x' }))).code).toBe('NOT_FOUND');

    world.clock.pass(60_000);
    const again = await world.generate({ publicKey, name: 'Again' });
    expect(again.peerId).toBe(peerId);
    expect(await world.row(peerId)).toMatchObject({
      name: 'Again',
      deletedAt: null,
      registered: true,
      addedOn: new Date(world.clock.wall()),
    });
    world.device.transfer(publicKey, 5, 6);
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([1016n, 2028n]);
    const [month] = await world.db.reader.monthlyUsage.findMany({ where: { peerId } });
    expect(month).toMatchObject({ received: 1016n, sent: 2028n, accumulatedReceived: 1016n });
    expect(await inSync()).toBe(true);
  });

  it('takes all peers of an e-mail address, in whatever case, off several interfaces', async () => {
    await open({ interfaces: null });
    const wg1 = await world.addDevice('wg1', { config: '[Interface]\nAddress = 10.9.0.1/24\n' });
    await world.tick();
    const a = await world.generate({ interface: 'wg0', email: 'Ann@Example.com' });
    const b = await world.generate({ interface: 'wg0', email: 'ann@example.com' });
    const c = await world.generate({ interface: 'wg1', email: 'ANN@example.COM' });
    const other = await world.generate({ interface: 'wg0', email: 'joann@example.com' });
    // One of them out of reach: none of them goes.
    await wg1.stop();
    await world.collector.collect();
    const before = await world.snapshot();
    expect(
      (await refusal(world.peers.delete({ email: 'ann@example.com', keepUsageHistory: false }))).code,
    ).toBe('WIREGUARD_UNAVAILABLE');
    expect(await world.snapshot()).toEqual(before);
    await wg1.start();
    const { deletedPublicKeys } = await world.peers.delete({
      email: ' aNN@example.com',
      keepUsageHistory: false,
    });
    expect(deletedPublicKeys.sort()).toEqual([a, b, c].map(({ publicKey }) => publicKey).sort());
    expect(world.device.peers.map(({ publicKey }) => publicKey)).toEqual([other.publicKey]);
    expect(wg1.peers).toEqual([]);
    expect(
      (await refusal(world.peers.delete({ email: 'ann@example.com', keepUsageHistory: false }))).code,
    ).toBe('NOT_FOUND');
  });

  it('wants exactly one of key and e-mail', async () => {
    await open();
    for (const input of [{}, { publicKey: KEY, email: 'a@example.com' }]) {
      expect((await refusal(world.peers.delete({ ...input, keepUsageHistory: false }))).code).toBe(
        'BAD_USER_INPUT',
      );
    }
    expect((await refusal(world.peers.delete({ publicKey: KEY, keepUsageHistory: false }))).code).toBe(
      'NOT_FOUND',
    );
  });

  it('answers the slower of two requests NOT_FOUND', async () => {
    await open();
    for (const keepUsageHistory of [true, false]) {
      const { publicKey } = await world.generate();
      const results = await Promise.allSettled([
        world.peers.delete({ publicKey, keepUsageHistory }),
        world.peers.delete({ publicKey, keepUsageHistory }),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'NOT_FOUND' });
    }
  });
});

async function rowsOf(peerId: number): Promise<number[]> {
  const { reader } = world.db;
  const where = { peerId };
  return Promise.all([
    reader.peer.count({ where: { id: peerId } }),
    reader.peerCounters.count({ where }),
    reader.monthlyUsage.count({ where }),
    reader.counterEpoch.count({ where }),
    reader.usageMinute.count({ where }),
    reader.usageHour.count({ where }),
    reader.usageDay.count({ where }),
  ]);
}

function failAt(stage: Stage): (now: Stage) => void {
  return (now) => {
    if (now === stage) throw new Error(`a fault at ${stage}`);
  };
}

const STAGES = ['journal', 'file', 'sample', 'device', 'store'] as const;

interface Kind {
  readonly name: string;
  /** Whether a last sample is a part of it. */
  readonly samples: boolean;
  /** Before the state to come back to is noted. */
  readonly prepare?: (peers: Subject) => Promise<void>;
  readonly change: (peers: Subject) => Promise<unknown>;
}
interface Subject {
  readonly on: Generated;
  readonly off: Generated;
  readonly bystander: Generated;
}

const KINDS: readonly Kind[] = [
  { name: 'generate', samples: false, change: () => world.generate() },
  {
    name: 'update',
    samples: false,
    change: ({ on }) =>
      world.peers.update({
        publicKey: on.publicKey,
        name: 'New',
        allowedIPs: ['10.8.0.200'],
        persistentKeepalive: 9,
      }),
  },
  {
    name: 'disable',
    samples: true,
    change: ({ on }) => world.peers.update({ publicKey: on.publicKey, enabled: false }),
  },
  {
    name: 'enable',
    samples: false,
    change: ({ off }) => world.peers.update({ publicKey: off.publicKey, enabled: true }),
  },
  {
    name: 'delete',
    samples: true,
    change: ({ on }) => world.peers.delete({ publicKey: on.publicKey, keepUsageHistory: false }),
  },
  {
    name: 'delete, usage kept',
    samples: true,
    change: ({ on }) => world.peers.delete({ publicKey: on.publicKey, keepUsageHistory: true }),
  },
  {
    name: 'sync from the database',
    samples: true,
    prepare: async ({ on, off, bystander }) => {
      const [network = ''] = bystander.allowedIPs;
      world.device.addPeer({ publicKey: KEY, presharedKey: KEY, allowedIPs: ['10.8.0.240/32'], rx: 9n });
      world.device.addPeer({
        publicKey: on.publicKey,
        presharedKey: KEY,
        allowedIPs: [network, '10.8.0.201/32'],
      });
      world.editFile((file) =>
        file.updatePeer(on.publicKey, { friendlyName: 'Drift' }).enablePeer(off.publicKey),
      );
      await world.collector.collect();
    },
    change: () => world.peers.sync({ fix: true, source: 'DATABASE' }),
  },
  {
    name: 'sync from the file, one peer that takes the network of another',
    samples: false,
    prepare: async ({ on, bystander }) => {
      world.editFile((file) =>
        file.updatePeer(on.publicKey, {
          allowedIPs: [...on.allowedIPs, ...bystander.allowedIPs],
          presharedKey: null,
        }),
      );
      await world.collector.collect();
    },
    change: ({ on }) => world.peers.sync({ fix: true, source: 'CONFIG', publicKeys: [on.publicKey] }),
  },
];

/** One peer that runs, one that is off, one that no change is about: with counters, sessions and keys. */
async function people(): Promise<Subject> {
  const [on, off, bystander] = [await world.generate(), await world.generate(), await world.generate()];
  for (const { publicKey } of [on, off, bystander]) {
    world.device.transfer(publicKey, 1000, 2000);
    world.device.handshake(publicKey);
    world.device.peer(publicKey).endpoint = '192.0.2.1:1234';
  }
  await world.tick();
  await world.peers.update({ publicKey: off.publicKey, enabled: false });
  chmodSync(world.configFile, 0o640);
  return { on, off, bystander };
}

describe.each(KINDS)('$name that fails', ({ samples, prepare, change }) => {
  it('at any stage leaves device, file and database as they were', async () => {
    await open();
    const subject = await people();
    await prepare?.(subject);
    const { publicKey } = subject.bystander;
    const before = await world.snapshot({ counters: false });
    const bystander = { ...world.device.peer(publicKey) };
    const totals = await world.totals(publicKey);
    let failed = 0;
    for (const stage of STAGES) {
      await world.said();
      if (stage === 'sample' && !samples) continue;
      world.onStage = failAt(stage);
      await expect(change(subject)).rejects.toThrow(`a fault at ${stage}`);
      world.onStage = undefined;
      failed += 1;
      expect(await world.snapshot({ counters: false }), stage).toEqual(before);
      expect({ ...world.device.peer(publicKey) }, stage).toEqual(bystander);
      expect(
        (await world.said())
          .map(({ kind }) => kind)
          .filter((kind) => kind !== 'COUNTER_RESET' && kind !== 'CONNECTED' && kind !== 'DISCONNECTED'),
      ).toEqual([]);
      await world.tick();
    }
    expect(failed).toBe(samples ? 5 : 4);
    expect(await world.totals(publicKey)).toEqual(totals);
    // And the same change succeeds once nothing is in its way.
    await change(subject);
    expect(await world.snapshot({ counters: false })).not.toEqual(before);
  });

  it('by a device that refuses it, or whose answer is lost', async () => {
    await open({ deadlineMs: 300 });
    const subject = await people();
    await prepare?.(subject);
    const { publicKey } = subject.bystander;
    const before = await world.snapshot({ counters: false });
    const { rx, latestHandshake } = world.device.peer(publicKey);
    for (const fault of ['errno', 'close', 'truncate', 'garbage'] as const satisfies Fault[]) {
      world.device.setFault = fault;
      const sets = world.device.sets;
      const error = await refusal(change(subject));
      expect(error.code).toBe('WIREGUARD_UNAVAILABLE');
      expect(error.message).toContain('Nothing was changed.');
      world.device.setFault = null;
      expect(world.device.sets).toBeGreaterThan(sets);
      expect(await world.snapshot({ counters: false }), fault).toEqual(before);
      expect(world.device.peer(publicKey)).toMatchObject({ rx, latestHandshake });
      await world.tick();
    }
  });
});

describe('a change that cannot be made', () => {
  it('is refused while the device hangs, and nothing of it stays', async () => {
    await open({ deadlineMs: 150 });
    const { publicKey } = await world.generate();
    const before = await world.snapshot();
    world.device.setFault = 'hang';
    for (const change of [
      () => world.generate(),
      () => world.peers.update({ publicKey, enabled: false }),
      () => world.peers.delete({ publicKey, keepUsageHistory: false }),
    ]) {
      expect((await refusal(change())).code).toBe('WIREGUARD_UNAVAILABLE');
      expect(await world.snapshot()).toEqual(before);
    }
  });

  it('is refused without a device, with an unreadable NAME.conf, and with a folder in its place', async () => {
    await open();
    const { publicKey } = await world.generate();
    const before = await world.snapshot();
    const changes = [
      () => world.generate(),
      () => world.peers.update({ publicKey, name: 'New' }),
      () => world.peers.update({ publicKey, enabled: false }),
      () => world.peers.delete({ publicKey, keepUsageHistory: false }),
      () => world.peers.sync({ fix: true, source: 'DATABASE' }),
      () => world.peers.sync({ fix: false, source: 'WIREGUARD' }),
    ];
    await world.device.stop();
    for (const change of changes) {
      const { code, message } = await refusal(change());
      expect(code).toBe('WIREGUARD_UNAVAILABLE');
      expect(message).toContain('wg0');
    }
    expect(await world.snapshot()).toEqual(before);
    await world.device.start();

    const text = world.file();
    rmSync(world.configFile);
    mkdirSync(world.configFile);
    for (const change of changes) expect((await refusal(change())).code).toBe('WIREGUARD_UNAVAILABLE');
    rmSync(world.configFile, { recursive: true });
    writeFileSync(world.configFile, text, { mode: 0o600 });
    expect(await world.snapshot()).toEqual(before);

    if (process.getuid?.() !== 0) {
      chmodSync(world.configFile, 0o000);
      for (const change of changes) expect((await refusal(change())).code).toBe('WIREGUARD_UNAVAILABLE');
      chmodSync(world.configFile, 0o600);
    }
    expect(await world.snapshot()).toEqual(before);
    expect(await inSync()).toBe(true);
  });

  it('is settled by the next sample where the device went away in the middle of it', async () => {
    await open();
    const { on, off } = await people();
    // Where a client was last seen goes with its session.
    for (const peer of world.device.peers) peer.endpoint = null;
    const before = await world.snapshot({ counters: false });
    for (const change of [
      () => world.generate(),
      () => world.peers.update({ publicKey: on.publicKey, enabled: false }),
      () => world.peers.update({ publicKey: off.publicKey, enabled: true }),
      () => world.peers.delete({ publicKey: on.publicKey, keepUsageHistory: false }),
      () => world.peers.update({ publicKey: on.publicKey, allowedIPs: ['10.8.0.222'] }),
    ]) {
      world.onStage = async (stage) => {
        if (stage !== 'store') return;
        await world.device.stop();
        throw new Error('a fault at store');
      };
      await expect(change()).rejects.toThrow('a fault at store');
      world.onStage = undefined;
      await world.device.start();
      await world.tick();
      expect(await world.snapshot({ counters: false })).toEqual(before);
      expect(await inSync()).toBe(true);
    }
  });
});
