/** Where device, file and database differ, and what each source makes of it (CONTRACT.md §2, SyncSource). */
import { rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { HEAD, World, type Generated } from '../../tests/support/world.ts';
import { generateKeyPair, generatePresharedKey } from '../wireguard/keys.ts';
import { Secret } from '../wireguard/types.ts';
import type { SyncReport, SyncSource } from './sync.ts';

let world: World;

afterEach(async () => {
  await world.close();
});

function hex(key: string | null): string {
  return Buffer.from(key ?? '', 'base64').toString('hex');
}

function look(source: SyncSource = 'WIREGUARD'): Promise<SyncReport> {
  return world.peers.sync({ fix: false, source });
}

/** What is found, as `who KIND`. */
function found(report: SyncReport, fixed?: boolean): string[] {
  return report.inconsistencies
    .filter((one) => fixed === undefined || one.fixed === fixed)
    .map(({ publicKey, kind }) => `${who(publicKey)} ${kind}`)
    .sort();
}

const names = new Map<string, string>();
function who(publicKey: string): string {
  return names.get(publicKey) ?? publicKey;
}

type Name = (typeof NAMES)[number];
const NAMES = [
  'ok',
  'd',
  'f',
  'r',
  'df',
  'dr',
  'fr',
  'ips',
  'keep',
  'psk',
  'name',
  'offRuns',
  'fileOff',
] as const;
const STRANGERS = new Set<Name>(['d', 'f', 'df']);
const RUNNING_PSK = generatePresharedKey();
const STRANGE_PSK = generatePresharedKey();

/** One peer for each kind of drift, named after where it is: d device, f file, r the database's rows. */
async function drifted(): Promise<
  Record<Name, Pick<Generated, 'publicKey' | 'allowedIPs' | 'presharedKey'>>
> {
  world = await World.open();
  await world.tick();
  names.clear();
  const all: Partial<Record<Name, Pick<Generated, 'publicKey' | 'allowedIPs' | 'presharedKey'>>> = {};
  for (const [i, name] of NAMES.entries()) {
    const allowedIPs = [`10.8.0.${String(20 + i)}/32`];
    all[name] = STRANGERS.has(name)
      ? { publicKey: generateKeyPair().publicKey, allowedIPs, presharedKey: STRANGE_PSK.reveal() }
      : await world.generate({ name, allowedIPs, presharedKey: name !== 'r' });
    names.set(all[name].publicKey, name);
  }
  const peers = all as Record<Name, Pick<Generated, 'publicKey' | 'allowedIPs' | 'presharedKey'>>;
  await world.peers.update({ publicKey: peers.offRuns.publicKey, enabled: false });

  const { device } = world;
  for (const name of ['d', 'df', 'offRuns'] as const) {
    const { publicKey, allowedIPs, presharedKey } = peers[name];
    device.addPeer({ publicKey, allowedIPs, presharedKey: presharedKey ?? '', persistentKeepalive: 25 });
  }
  for (const name of ['r', 'fr'] as const) device.removePeer(peers[name].publicKey);
  world.device.peer(peers.ips.publicKey).allowedIPs.clear();
  device.addPeer({ publicKey: peers.ips.publicKey, allowedIPs: ['10.8.0.200/32'] });
  device.addPeer({ publicKey: peers.psk.publicKey, presharedKey: RUNNING_PSK });
  world.editFile((file) => {
    const added = (['f', 'df'] as const).reduce((now, name) => {
      const { publicKey, allowedIPs } = peers[name];
      return now.addPeer({ publicKey, allowedIPs, presharedKey: STRANGE_PSK, persistentKeepalive: 25 });
    }, file);
    return added
      .removePeer(peers.r.publicKey)
      .removePeer(peers.dr.publicKey)
      .updatePeer(peers.keep.publicKey, { persistentKeepalive: 99 })
      .updatePeer(peers.name.publicKey, { friendlyName: 'other' })
      .disablePeer(peers.fileOff.publicKey);
  });
  for (const { publicKey } of device.peers) {
    device.transfer(publicKey, 1000, 2000);
    device.handshake(publicKey);
  }
  await world.tick();
  await world.said();
  return peers;
}

const DRIFT = [
  'd MISSING_IN_CONFIG',
  'd MISSING_IN_DATABASE',
  'df MISSING_IN_DATABASE',
  'dr MISSING_IN_CONFIG',
  'f MISSING_IN_DATABASE',
  'f MISSING_ON_INTERFACE',
  'fileOff SETTINGS_DIFFER',
  'fr MISSING_ON_INTERFACE',
  'ips SETTINGS_DIFFER',
  'keep SETTINGS_DIFFER',
  'name SETTINGS_DIFFER',
  'offRuns SETTINGS_DIFFER',
  'psk SETTINGS_DIFFER',
  'r MISSING_IN_CONFIG',
  'r MISSING_ON_INTERFACE',
];

/** Where each peer is, as `device file row`; `+` on, `-` off, `.` not there. */
async function places(peers: Record<Name, { readonly publicKey: string }>): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  const file = (await import('../wireguard/config-file.ts')).parseConfigFile(Buffer.from(world.file()));
  for (const name of NAMES) {
    const { publicKey } = peers[name];
    const row = await world.rowOf(publicKey);
    const inFile = file.peer(publicKey);
    const taken = row?.deletedAt === null && row.registered;
    out[name] =
      (world.device.hasPeer(publicKey) ? '+' : '.') +
      (inFile ? (inFile.enabled ? '+' : '-') : '.') +
      (taken ? (row.enabled ? '+' : '-') : '.');
  }
  return out;
}

describe('sync', () => {
  it('finds each kind of drift, says whose it is, and changes nothing by looking', async () => {
    const peers = await drifted();
    const before = await world.snapshot();
    for (const source of ['WIREGUARD', 'DATABASE', 'CONFIG'] as const) {
      const report = await look(source);
      expect(found(report)).toEqual(DRIFT);
      expect(report).toMatchObject({
        inSync: false,
        fixedCount: 0,
        peersOnInterface: 11 - 1,
        peersInDatabase: 10,
        peersInConfig: 10,
      });
      for (const { publicKey, message, fixed, interface: name } of report.inconsistencies) {
        const named = !STRANGERS.has(who(publicKey) as Name);
        expect(message).toContain(named ? who(publicKey) : publicKey);
        expect(message).not.toContain(RUNNING_PSK.reveal());
        expect([fixed, name]).toEqual([false, 'wg0']);
      }
    }
    expect(await world.snapshot()).toEqual(before);
    const words = Object.fromEntries(
      (await look()).inconsistencies.map(({ publicKey, message }) => [who(publicKey), message]),
    );
    expect(words['ips']).toContain('10.8.0.200/32 (interface), 10.8.0.27/32 (database), 10.8.0.27/32 (file)');
    expect(words['keep']).toContain('keepalive 25 (interface), 25 (database), 99 (file)');
    expect(words['psk']).toContain('preshared keys of interface and file differ');
    expect(words['name']).toContain('name (database), other (file)');
    expect(words['offRuns']).toContain('disabled in the database, but runs');
    expect(words['fileOff']).toContain('disabled in the file, but runs');
    expect(peers.ok.publicKey).toBeDefined();
  });

  it('WIREGUARD: what runs is right; what stands in the file alone stays there, unfixed', async () => {
    const peers = await drifted();
    const device = (await world.snapshot()).device;
    const report = await world.peers.sync({ fix: true, source: 'WIREGUARD' });
    // Nothing is done to the device.
    expect((await world.snapshot()).device).toEqual(device);
    expect(await places(peers)).toEqual({
      ok: '+++',
      d: '+++',
      f: '.+.',
      r: '...',
      df: '+++',
      dr: '+++',
      fr: '.+.',
      ips: '+++',
      keep: '+++',
      psk: '+++',
      name: '+++',
      offRuns: '+++',
      fileOff: '+++',
    });
    const unfixed = [
      'f MISSING_IN_DATABASE',
      'f MISSING_ON_INTERFACE',
      'fr MISSING_IN_DATABASE',
      'fr MISSING_ON_INTERFACE',
    ];
    expect(found(report, false)).toEqual(unfixed);
    expect(report).toMatchObject({ inSync: false, fixedCount: DRIFT.length - 3 });
    expect(found(await look())).toEqual(unfixed);
    const { ips, keep, psk, name, r } = peers;
    expect(await world.rowOf(ips.publicKey)).toMatchObject({ allowedIPs: '10.8.0.200/32' });
    expect(world.file()).toContain('AllowedIPs = 10.8.0.200/32');
    expect(await world.rowOf(keep.publicKey)).toMatchObject({ persistentKeepalive: 25 });
    expect(world.file()).not.toContain('PersistentKeepalive = 99');
    expect(world.file()).toContain(`PublicKey = ${psk.publicKey}\nPresharedKey = ${RUNNING_PSK.reveal()}\n`);
    expect(world.file()).toContain(`# friendly_name=name\nPublicKey = ${name.publicKey}`);
    // It left the database, and its usage stays.
    expect(await world.rowOf(r.publicKey)).toMatchObject({ name: 'r' });
    expect((await world.rowOf(r.publicKey))?.deletedAt).not.toBeNull();
    const events = (await world.said()).map(({ kind, publicKey }) => `${who(publicKey)} ${kind}`).sort();
    expect(events).toContain('r REMOVED');
    expect(events).toContain('d UPDATED');
    expect(events.filter((event) => event.startsWith('ok '))).toEqual([]);
  });

  it('DATABASE: device and file follow it, and what it does not know leaves both', async () => {
    const peers = await drifted();
    const rows = (await world.snapshot()).peers;
    const report = await world.peers.sync({ fix: true, source: 'DATABASE' });
    expect(await places(peers)).toEqual({
      ok: '+++',
      d: '...',
      f: '...',
      r: '+++',
      df: '...',
      dr: '+++',
      fr: '+++',
      ips: '+++',
      keep: '+++',
      psk: '+++',
      name: '+++',
      offRuns: '.--',
      fileOff: '+++',
    });
    expect(report).toMatchObject({ inSync: true, fixedCount: DRIFT.length });
    expect(found(await look())).toEqual([]);
    const { ips, psk, fr, dr, offRuns, d, df, ok } = peers;
    const strangers = [d, df].map(({ publicKey }) => publicKey);
    const known = (await world.db.reader.peer.findMany()).filter(
      ({ publicKey }) => !strangers.includes(publicKey),
    );
    expect(known).toEqual((rows as typeof known).filter(({ publicKey }) => !strangers.includes(publicKey)));
    expect([...world.device.peer(ips.publicKey).allowedIPs]).toEqual(ips.allowedIPs);
    expect(world.device.peer(psk.publicKey).presharedKeyHex).toBe(hex(psk.presharedKey));
    expect(world.device.peer(fr.publicKey).presharedKeyHex).toBe(hex(fr.presharedKey));
    expect(world.file()).toContain(`PublicKey = ${dr.publicKey}\nPresharedKey = ${String(dr.presharedKey)}`);
    expect(world.file()).toContain(String(offRuns.presharedKey));
    // Whoever runs goes on: counters and sessions stay.
    for (const { publicKey } of [ok, ips, psk, dr]) {
      expect(world.device.peer(publicKey)).toMatchObject({ rx: 1000n, tx: 2000n });
      expect(world.device.peer(publicKey).latestHandshake).toBeGreaterThan(0n);
    }
    // A last sample was taken of those that went.
    expect(await world.totals(d.publicKey)).toEqual([1000n, 2000n]);
  });

  it('DATABASE: a preshared key that it does not know of leaves both, one it knows of stays', async () => {
    world = await World.open();
    await world.tick();
    const none = await world.generate({ presharedKey: false });
    const some = await world.generate();
    world.device.addPeer({ publicKey: none.publicKey, presharedKey: STRANGE_PSK });
    world.editFile((file) =>
      file
        .updatePeer(none.publicKey, { presharedKey: STRANGE_PSK })
        .updatePeer(some.publicKey, { presharedKey: null }),
    );
    await world.tick();
    expect((await look()).inconsistencies.map(({ kind }) => kind)).toEqual([
      'SETTINGS_DIFFER',
      'SETTINGS_DIFFER',
    ]);
    expect((await world.peers.sync({ fix: true, source: 'DATABASE' })).inSync).toBe(true);
    expect(world.device.hasPresharedKey(none.publicKey)).toBe(false);
    expect(world.file()).not.toContain(STRANGE_PSK.reveal());
    expect(world.device.peer(some.publicKey).presharedKeyHex).toBe(hex(some.presharedKey));
    expect(world.file()).toContain(`PresharedKey = ${String(some.presharedKey)}`);
  });

  it('CONFIG: device and database follow it, and nothing running is cut off that it has', async () => {
    const peers = await drifted();
    const bytes = world.file();
    const report = await world.peers.sync({ fix: true, source: 'CONFIG' });
    expect(world.file()).toBe(bytes);
    expect(await places(peers)).toEqual({
      ok: '+++',
      d: '...',
      f: '+++',
      r: '...',
      df: '+++',
      dr: '...',
      fr: '+++',
      ips: '+++',
      keep: '+++',
      psk: '+++',
      name: '+++',
      offRuns: '.--',
      fileOff: '.--',
    });
    expect(report).toMatchObject({ inSync: true, fixedCount: DRIFT.length });
    expect(found(await look())).toEqual([]);
    const { ok, df, ips, keep, psk, name, f, fr, fileOff } = peers;
    for (const { publicKey } of [ok, df, ips, keep, psk, name]) {
      expect(world.device.peer(publicKey)).toMatchObject({ rx: 1000n, tx: 2000n });
      expect(world.device.peer(publicKey).latestHandshake).toBeGreaterThan(0n);
    }
    expect(world.device.peer(keep.publicKey).persistentKeepalive).toBe(99);
    expect(await world.rowOf(keep.publicKey)).toMatchObject({ persistentKeepalive: 99 });
    expect(await world.rowOf(name.publicKey)).toMatchObject({
      name: 'other',
      email: expect.stringContaining('@') as string,
    });
    expect(await world.rowOf(fileOff.publicKey)).toMatchObject({
      enabled: false,
      email: expect.stringContaining('@') as string,
    });
    expect(world.device.peer(psk.publicKey).presharedKeyHex).toBe(hex(psk.presharedKey));
    expect(world.device.peer(f.publicKey).presharedKeyHex).toBe(hex(STRANGE_PSK.reveal()));
    expect(world.device.peer(fr.publicKey).presharedKeyHex).toBe(hex(fr.presharedKey));
  });

  it('looks at the peers that are named alone', async () => {
    const peers = await drifted();
    const before = await places(peers);
    const publicKeys = [peers.ips.publicKey, peers.d.publicKey];
    const looked = await world.peers.sync({ fix: false, source: 'DATABASE', publicKeys });
    expect(found(looked)).toEqual(DRIFT.filter((one) => /^(ips|d) /.test(one)));
    expect(looked).toMatchObject({
      inSync: false,
      peersOnInterface: 10,
      peersInDatabase: 10,
      peersInConfig: 10,
    });
    const fixed = await world.peers.sync({ fix: true, source: 'DATABASE', publicKeys });
    expect(fixed).toMatchObject({ inSync: true, fixedCount: 3 });
    expect(await places(peers)).toEqual({ ...before, d: '...' });
    expect(found(await look())).toEqual(DRIFT.filter((one) => !/^(ips|d) /.test(one)));
    expect((await world.peers.sync({ fix: false, source: 'DATABASE', publicKeys: [] })).inSync).toBe(true);
  });

  it('CONFIG without a file is refused, and the file made from what runs is whole', async () => {
    world = await World.open();
    await world.tick();
    const { publicKey } = await world.generate();
    rmSync(world.configFile);
    const before = await world.snapshot();
    await expect(world.peers.sync({ fix: true, source: 'CONFIG' })).rejects.toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
    });
    expect(await world.snapshot()).toEqual(before);
    expect((await world.peers.sync({ fix: true, source: 'WIREGUARD' })).inSync).toBe(true);
    expect(world.fileMode()).toBe(0o600);
    expect(world.file()).toMatch(/^\[Interface\]\nListenPort = 51820\nPrivateKey = .{44}\n/);
    expect(world.file()).toContain(publicKey);
  });

  it('takes out peers that were all removed by hand, which no sample could tell from a fault', async () => {
    world = await World.open();
    await world.tick();
    const { publicKey, presharedKey } = await world.generate();
    world.device.transfer(publicKey, 10, 20);
    await world.tick();
    world.device.removePeer(publicKey);
    await expect(world.tick()).rejects.toThrow('`sync` with `fix`');
    expect(world.health().status).toBe('UNREADABLE');
    expect(found(await look())).toHaveLength(1);
    // The one way …
    expect((await world.peers.sync({ fix: true, source: 'DATABASE' })).inSync).toBe(true);
    expect(world.device.peer(publicKey).presharedKeyHex).toBe(hex(presharedKey));
    world.device.transfer(publicKey, 1, 2);
    await world.tick();
    expect(world.health().status).toBe('UP');
    expect(await world.totals(publicKey)).toEqual([11n, 22n]);
    // … and the other.
    world.device.removePeer(publicKey);
    await expect(world.tick()).rejects.toThrow();
    await world.peers.sync({ fix: true, source: 'WIREGUARD' });
    await world.tick();
    expect(world.health().status).toBe('UP');
    expect((await world.rowOf(publicKey))?.deletedAt).not.toBeNull();
    expect(await world.totals(publicKey)).toEqual([11n, 22n]);
    // A reply without a key is no word of the device on its peers.
    await world.generate();
    world.device.fault = 'empty';
    await expect(world.peers.sync({ fix: true, source: 'WIREGUARD' })).rejects.toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
    });
    world.device.fault = null;
    expect(await world.db.reader.peer.findMany({ where: { deletedAt: null } })).toHaveLength(1);
  });

  it('fixes none of several interfaces where one is out of reach', async () => {
    world = await World.open({ interfaces: null });
    const wg1 = await world.addDevice('wg1', { config: HEAD });
    await world.tick();
    const stranger = world.device.addPeer({ allowedIPs: ['10.8.0.9/32'] }).publicKey;
    await world.tick();
    await wg1.stop();
    const before = await world.snapshot();
    await expect(world.peers.sync({ fix: true, source: 'DATABASE' })).rejects.toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
    });
    expect(await world.snapshot()).toEqual(before);
    await world.peers.sync({ fix: true, source: 'DATABASE', interface: 'wg0' });
    expect(world.device.hasPeer(stranger)).toBe(false);
  });
});

describe('an interface whose only peer was removed by hand', () => {
  it('takes a new peer, although its empty reply is no sample', async () => {
    world = await World.open();
    await world.tick();
    const { publicKey } = await world.generate({ name: 'first' });
    world.device.removePeer(publicKey);
    const { publicKey: second } = await world.generate({ name: 'second' });
    expect(world.device.peers.map((peer) => peer.publicKey)).toEqual([second]);
    expect(await look()).toMatchObject({ inconsistencies: [{ kind: 'MISSING_ON_INTERFACE', publicKey }] });
  });
});

describe('sync, whatever the drift', () => {
  const psk = fc.constantFrom('own', 'other', 'none');
  const side = fc.record({ psk, keepalive: fc.constantFrom(0, 25), extra: fc.boolean() });
  const peer = fc.record({
    row: fc.constantFrom('on', 'off', 'none'),
    rowKey: fc.boolean(),
    device: fc.option(side),
    file: fc.option(fc.record({ of: side, enabled: fc.boolean(), name: fc.constantFrom('a', 'b', null) })),
  });
  const sources = ['WIREGUARD', 'DATABASE', 'CONFIG'] as const;

  it('a fix leaves nothing to fix, and the next one changes no byte', { timeout: 120_000 }, async () => {
    world = await World.open();
    await world.tick();
    let next = 1;
    const other = generatePresharedKey();
    const drift = fc.array(peer, { minLength: 1, maxLength: 5 });
    const property = fc.asyncProperty(drift, fc.constantFrom(...sources), async (peers, source) => {
      // Nobody is there yet.
      for (const { publicKey } of world.device.peers) world.device.removePeer(publicKey);
      writeFileSync(world.configFile, HEAD);
      await world.peers.sync({ fix: true, source: 'CONFIG' });
      // One that is off and in no file is nothing to put right.
      const left = await world.db.reader.peer.findMany({ where: { deletedAt: null } });
      for (const { publicKey } of left) await world.peers.delete({ publicKey, keepUsageHistory: false });
      expect(await look()).toMatchObject({ inSync: true, peersInDatabase: 0 });

      for (const { row, rowKey, device, file } of peers) {
        next += 1;
        const own = `10.${String(next >> 8)}.${String(next & 255)}.`;
        const made =
          row === 'none'
            ? { publicKey: generateKeyPair().publicKey, presharedKey: generatePresharedKey().reveal() }
            : await world.generate({ name: 'a', allowedIPs: [`${own}1/32`], presharedKey: rowKey });
        const { publicKey } = made;
        if (row === 'off') await world.peers.update({ publicKey, enabled: false });
        world.device.removePeer(publicKey);
        world.editFile((now) => now.removePeer(publicKey));
        const settings = (of: { psk: string; keepalive: number; extra: boolean }) => {
          const key = of.psk === 'own' ? made.presharedKey : of.psk === 'other' ? other.reveal() : null;
          return {
            publicKey,
            allowedIPs: of.extra ? [`${own}1/32`, `${own}8/30`] : [`${own}1/32`],
            persistentKeepalive: of.keepalive,
            ...(key === null ? {} : { presharedKey: new Secret(key) }),
          };
        };
        if (device)
          world.device.addPeer({ ...settings(device), rx: 77n, tx: 88n, latestHandshake: 5_000_000_000n });
        if (file) {
          const friendlyName = file.name;
          world.editFile((now) => now.addPeer({ ...settings(file.of), friendlyName, enabled: file.enabled }));
        }
      }
      if (world.device.peers.length > 0) await world.tick();
      const running = world.device.peers.map(({ publicKey }) => publicKey);
      const bytes = world.file();

      const report = await world.peers.sync({ fix: true, source });
      const after = await world.snapshot();
      const again = await look(source);
      if (source === 'WIREGUARD') {
        // What does not run and stands in the file is what may be left.
        for (const { publicKey } of again.inconsistencies) {
          expect(running).not.toContain(publicKey);
          expect(bytes).toContain(publicKey);
        }
        expect(world.device.peers.map(({ publicKey }) => publicKey)).toEqual(running);
      } else {
        expect(again.inconsistencies).toEqual([]);
        expect(report.inSync).toBe(true);
      }
      if (source === 'CONFIG') expect(world.file()).toBe(bytes);
      // Whoever ran and still runs never stopped.
      for (const { publicKey, rx, latestHandshake } of world.device.peers) {
        if (running.includes(publicKey)) expect([rx, latestHandshake]).toEqual([77n, 5_000_000_000n]);
      }
      const second = await world.peers.sync({ fix: true, source });
      expect(second.fixedCount).toBe(0);
      expect(await world.snapshot()).toEqual(after);
    });
    await fc.assert(property, { numRuns: 25, endOnFailure: true });
  });
});
