/** A process that dies between two stages of a change, and the one that comes after it. */
import { afterEach, describe, expect, it } from 'vitest';
import { World, type Generated } from '../../tests/support/world.ts';
import type { Stage } from './change.ts';

const open: World[] = [];

afterEach(async () => {
  const [first, ...later] = open.splice(0).reverse();
  for (const world of later) await world.db.close();
  await first?.close();
});

async function start(): Promise<World> {
  const world = await World.open();
  open.push(world);
  await world.tick();
  return world;
}

/** As after a kill -9 at that stage: what is under way never goes on. */
async function killAt(world: World, stage: Stage, change: () => Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    world.onStage = (now) => {
      if (now !== stage) return undefined;
      resolve();
      return new Promise<void>(() => undefined);
    };
    change().then(() => {
      reject(new Error(`the change has no stage ${stage}`));
    }, reject);
  });
}

/** The next process on the same folder. Nobody beats for the dead one any more. */
async function restart(dead: World): Promise<World> {
  await dead.db.write((tx) => tx.interface.updateMany({ data: { leaseOwner: null } }));
  await dead.abandon();
  const { dir, clock, device } = dead;
  const world = await World.open({ dir, clock, device });
  open.push(world);
  return world;
}

async function agree(world: World): Promise<void> {
  const report = await world.peers.sync({ fix: false, source: 'WIREGUARD' });
  expect(report.inconsistencies).toEqual([]);
  expect(report).toMatchObject({
    inSync: true,
    peersInDatabase: report.peersInConfig,
  });
  expect(await world.db.reader.pendingChange.count()).toBe(0);
}

interface Case {
  readonly name: string;
  readonly stages: readonly Stage[];
  readonly alone?: boolean;
  readonly change: (world: World, peer: Generated, off: Generated) => Promise<unknown>;
  readonly after: 'as before' | 'gone' | 'off';
  readonly usage?: 'gone';
}

const WITH_SAMPLE = ['file', 'sample', 'device', 'store'] as const;
const WITHOUT = ['file', 'device', 'store'] as const;

const CASES: readonly Case[] = [
  { name: 'generate', stages: WITHOUT, change: (world) => world.generate(), after: 'as before' },
  {
    name: 'update',
    stages: WITHOUT,
    change: (world, { publicKey }) =>
      world.peers.update({ publicKey, name: 'New', allowedIPs: ['10.8.0.200'], persistentKeepalive: 7 }),
    after: 'as before',
  },
  {
    name: 'enable',
    stages: WITHOUT,
    change: (world, _, { publicKey }) => world.peers.update({ publicKey, enabled: true }),
    after: 'as before',
  },
  {
    name: 'disable',
    stages: WITH_SAMPLE,
    change: (world, { publicKey }) => world.peers.update({ publicKey, enabled: false }),
    after: 'off',
  },
  {
    name: 'disable of the only peer',
    stages: WITH_SAMPLE,
    alone: true,
    change: (world, { publicKey }) => world.peers.update({ publicKey, enabled: false }),
    after: 'off',
  },
  {
    name: 'delete',
    stages: WITH_SAMPLE,
    change: (world, { publicKey }) => world.peers.delete({ publicKey, keepUsageHistory: false }),
    after: 'gone',
    usage: 'gone',
  },
  {
    name: 'delete of the only peer, usage kept',
    stages: WITH_SAMPLE,
    alone: true,
    change: (world, { publicKey }) => world.peers.delete({ publicKey, keepUsageHistory: true }),
    after: 'gone',
  },
];

describe.each(CASES)('a kill in $name', ({ stages, alone, change, after, usage }) => {
  it.each(stages)('before %s leaves nothing half done', async (stage) => {
    const dead = await start();
    const peer = await dead.generate();
    const off = alone ? peer : await dead.generate();
    const bystander = alone ? null : await dead.generate();
    for (const one of new Set([peer, off, bystander])) {
      if (!one) continue;
      dead.device.transfer(one.publicKey, 1000, 2000);
      dead.device.handshake(one.publicKey);
    }
    await dead.tick();
    if (!alone) await dead.peers.update({ publicKey: off.publicKey, enabled: false });
    const before = await dead.snapshot({ counters: false });
    await killAt(dead, stage, () => change(dead, peer, off));

    const world = await restart(dead);
    await world.tick();
    expect(world.health()).toMatchObject({ status: 'UP', accounting: 'here' });
    if (after === 'as before') expect(await world.snapshot({ counters: false })).toEqual(before);
    if (after !== 'as before') expect(world.device.hasPeer(peer.publicKey)).toBe(false);
    if (after === 'off') {
      expect(await world.rowOf(peer.publicKey)).toMatchObject({ enabled: false, deletedAt: null });
      expect(world.file()).toContain(`PresharedKey = ${String(peer.presharedKey)}`);
    }
    if (after === 'gone') expect(world.file()).not.toContain(peer.publicKey);
    if (usage === 'gone') expect(await world.rowOf(peer.publicKey)).toBeNull();
    else expect(await world.totals(peer.publicKey)).toEqual([1000n, 2000n]);
    // What the change was not about never noticed.
    if (bystander) expect(world.device.peer(bystander.publicKey)).toMatchObject({ rx: 1000n, tx: 2000n });
    await agree(world);
    expect((await world.said()).filter(({ kind }) => kind === 'ADDED')).toEqual([]);
    // And what is off can be switched on again, with its key.
    if (after === 'off') {
      await world.peers.update({ publicKey: peer.publicKey, enabled: true });
      const hex = Buffer.from(peer.presharedKey ?? '', 'base64').toString('hex');
      expect(world.device.peer(peer.publicKey).presharedKeyHex).toBe(hex);
      await agree(world);
    }
  });
});

describe('a kill in sync', () => {
  it('leaves drift that the same sync settles', async () => {
    for (const stage of WITH_SAMPLE) {
      const dead = await start();
      const [a, b] = [await dead.generate(), await dead.generate()];
      const stranger = dead.device.addPeer({ allowedIPs: ['10.8.0.99/32'] }).publicKey;
      dead.device.addPeer({ publicKey: a.publicKey, allowedIPs: ['10.8.0.88/32'], persistentKeepalive: 1 });
      dead.editFile((file) => file.removePeer(b.publicKey));
      await dead.tick();
      await killAt(dead, stage, () => dead.peers.sync({ fix: true, source: 'DATABASE' }));
      const world = await restart(dead);
      await world.tick();
      expect(await world.db.reader.pendingChange.count()).toBe(0);
      await world.peers.sync({ fix: true, source: 'DATABASE' });
      expect(world.device.hasPeer(stranger)).toBe(false);
      expect([...world.device.peer(a.publicKey).allowedIPs].sort()).toEqual([...a.allowedIPs].sort());
      expect(world.file()).toContain(b.publicKey);
      await agree(world);
    }
  });
});

describe('a kill in sync from the file', () => {
  it('leaves the file as its editor wrote it', async () => {
    for (const stage of ['file', 'sample', 'device', 'store'] as const) {
      const dead = await start();
      const [a, b, c] = [await dead.generate(), await dead.generate(), await dead.generate()];
      dead.editFile((file) =>
        file
          .updatePeer(a.publicKey, { friendlyName: 'Edited', allowedIPs: ['10.8.0.77/32'] })
          .disablePeer(b.publicKey)
          .removePeer(c.publicKey),
      );
      const bytes = dead.file();
      await killAt(dead, stage, () => dead.peers.sync({ fix: true, source: 'CONFIG' }));
      const world = await restart(dead);
      await world.tick();
      expect(world.file()).toBe(bytes);
      await world.peers.sync({ fix: true, source: 'CONFIG' });
      expect(world.file()).toBe(bytes);
      expect(world.device.peers.map(({ publicKey }) => publicKey)).toEqual([a.publicKey]);
      expect(await world.rowOf(a.publicKey)).toMatchObject({ name: 'Edited', allowedIPs: '10.8.0.77/32' });
      await agree(world);
    }
  });
});

describe('what is unfinished', () => {
  it('is settled once the device can be read, where it cannot at the start', async () => {
    const dead = await start();
    const [peer, other] = [await dead.generate(), await dead.generate()];
    await killAt(dead, 'store', () =>
      dead.peers.delete({ publicKey: peer.publicKey, keepUsageHistory: true }),
    );
    await dead.device.stop();
    const world = await restart(dead);
    await expect(world.tick()).rejects.toThrow('no device');
    expect(world.health().status).toBe('DOWN');
    await world.device.start();
    await world.tick();
    expect(world.device.peers.map(({ publicKey }) => publicKey)).toEqual([other.publicKey]);
    await agree(world);
  });

  it('is settled before the next change', async () => {
    const dead = await start();
    await dead.generate();
    await killAt(dead, 'store', () => dead.generate());
    expect(dead.device.peers).toHaveLength(2);
    const world = await restart(dead);
    await world.collector.collect();
    const made = await world.generate();
    expect(made.allowedIPs).toEqual(['10.8.0.3/32', 'fd00:8::3/128']); // the one that was taken back
    await agree(world);
  });

  it('is never finished where the answer was that it failed', async () => {
    const world = await start();
    const [peer] = [await world.generate(), await world.generate()];
    const before = await world.snapshot({ counters: false });
    // The device goes, and the database takes nothing any more: neither the change nor its undoing.
    const { write } = world.db;
    world.onStage = (stage) => {
      if (stage !== 'store') return undefined;
      world.db.write = () => Promise.reject(new Error('disk full'));
      return world.device.stop();
    };
    const deleted = world.peers.delete({ publicKey: peer.publicKey, keepUsageHistory: false });
    await expect(deleted).rejects.toThrow('disk full');
    world.onStage = undefined;
    world.db.write = write;
    await world.device.start();
    await world.tick();
    expect(await world.snapshot({ counters: false })).toEqual(before);
    await agree(world);
  });

  it('survives the next kill as well', async () => {
    const first = await start();
    const peer = await first.generate();
    await killAt(first, 'store', () => first.peers.update({ publicKey: peer.publicKey, enabled: false }));
    await first.device.stop();
    const second = await restart(first);
    await expect(second.tick()).rejects.toThrow();
    const third = await restart(second);
    await third.device.start();
    await third.tick();
    expect(await third.rowOf(peer.publicKey)).toMatchObject({ enabled: false });
    await agree(third);
  });
});
