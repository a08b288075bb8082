import { afterEach, describe, expect, it } from 'vitest';
import { World, type WorldOptions } from '../tests/support/world.ts';
import type { Fault } from './wireguard/simulator.ts';

const open: World[] = [];

afterEach(async () => {
  const [first, ...later] = open.splice(0);
  for (const world of later) {
    await world.collector.stop();
    await world.db.close();
  }
  await first?.close();
});

async function start(options: WorldOptions = {}): Promise<World> {
  const world = await World.open(options);
  open.push(world);
  return world;
}

/** A peer with a session, there at the first sight of the interface. */
function peerOf(world: World, at = 1): string {
  const { publicKey } = world.device.addPeer({
    allowedIPs: [`10.8.0.${String(at + 1)}/32`],
    rx: 1000n,
    tx: 2000n,
  });
  world.device.handshake(publicKey);
  return publicKey;
}

async function ticksOf(world: World) {
  await world.said();
  return world.ticks.splice(0);
}

async function status(world: World): Promise<string> {
  const row = await world.db.reader.interface.findFirstOrThrow({ where: { name: 'wg0' } });
  expect(world.health().status).toBe(row.status);
  return row.status;
}

async function months(world: World, publicKey: string): Promise<[string, bigint, bigint][]> {
  const rows = await world.db.reader.monthlyUsage.findMany({
    where: { publicKey },
    orderBy: { yearMonth: 'asc' },
  });
  return rows.map((row) => [row.yearMonth, row.received, row.sent]);
}

describe('a read that fails', () => {
  it('is no sample: it shows as the status, counts nothing, deletes nothing, and is made up for', async () => {
    const world = await start({ interfaces: null, deadlineMs: 250 });
    const wg1 = await world.addDevice('wg1');
    const publicKey = peerOf(world);
    const elsewhere = wg1.addPeer({ allowedIPs: ['10.9.0.2/32'] }).publicKey;
    await world.tick();
    let total = 0n;
    const faults: Fault[] = ['truncate', 'garbage', 'hang', 'errno', 'close', 'huge', 'empty'];
    for (const fault of faults) {
      await ticksOf(world);
      const rows = await world.db.reader.peer.findMany();
      world.device.fault = fault;
      for (let i = 0; i < 2; i += 1) {
        world.device.transfer(publicKey, 7, 9);
        wg1.transfer(elsewhere, 1, 1);
        await world.tick();
        expect(await status(world), fault).toBe('UNREADABLE');
        expect(world.health().reason, fault).toMatch(/\w/);
        expect(world.health().reason, fault).not.toMatch(/\n/);
        expect(await world.totals(publicKey), fault).toEqual([total * 14n, total * 18n]);
      }
      const row = await world.db.reader.interface.findFirstOrThrow({ where: { name: 'wg0' } });
      expect(row.statusReason).toBe(world.health().reason);
      expect(await world.db.reader.peer.findMany()).toEqual(rows);
      expect((await ticksOf(world)).map((tick) => tick.interface)).toEqual(['wg1', 'wg1']);
      world.device.fault = null;
      await world.tick();
      total += 1n;
      expect(await status(world)).toBe('UP');
      expect(world.health().reason).toBeNull();
      expect(await world.totals(publicKey), fault).toEqual([total * 14n, total * 18n]);
    }
    expect(await world.totals(elsewhere)).toEqual([14n, 14n]);
    expect(
      (await world.said()).filter(({ kind }) => kind !== 'CONNECTED' && kind !== 'DISCONNECTED'),
    ).toEqual([]);
  });

  it('is refused with its reason where nothing could be read', async () => {
    const world = await start();
    peerOf(world);
    await world.tick();
    world.device.fault = 'errno';
    await expect(world.tick()).rejects.toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
      message: expect.stringContaining('wg0') as string,
    });
  });

  it('is DOWN for a device that is gone, and keeps its peers', async () => {
    const world = await start();
    const publicKey = peerOf(world);
    await world.tick();
    await world.device.stop();
    await expect(world.tick()).rejects.toMatchObject({ code: 'WIREGUARD_UNAVAILABLE' });
    expect(await status(world)).toBe('DOWN');
    expect((await world.rowOf(publicKey))?.deletedAt).toBeNull();
    expect(await world.totals(publicKey)).toEqual([0n, 0n]);
  });
});

describe('counters that began anew', () => {
  it('count in full after the device was made again, also past their old values', async () => {
    const world = await start();
    const publicKey = peerOf(world);
    await world.tick();
    world.device.transfer(publicKey, 10, 20);
    await world.tick();
    await world.said();
    await world.device.recreate();
    world.device.transfer(publicKey, 5000, 6000);
    world.device.handshake(publicKey);
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([5010n, 6020n]);
    expect((await world.said()).map(({ kind, publicKey: key }) => [kind, key])).toEqual([
      ['COUNTER_RESET', publicKey],
    ]);
    const epochs = await world.db.reader.counterEpoch.findMany({ orderBy: { id: 'asc' } });
    expect(epochs.map(({ cause, received, unobservedMs }) => [cause, received, unobservedMs])).toEqual([
      ['FIRST_SEEN', 10n, 0n],
      ['DEVICE_RECREATED', null, 1000n],
    ]);
  });

  it('count in full after the host booted again', async () => {
    const world = await start();
    const publicKey = peerOf(world);
    await world.tick();
    world.clock.boot = 'boot-2';
    world.clock.mono = 5_000_000_000n; // smaller than before
    world.device.setCounters(publicKey, 3000, 4000);
    await world.tick(30_000);
    expect(await world.totals(publicKey)).toEqual([3000n, 4000n]);
    expect((await world.said()).map(({ kind }) => kind)).toContain('COUNTER_RESET');
  });

  it('count in full where one fell or the handshake went back', async () => {
    const world = await start();
    const publicKey = peerOf(world);
    await world.tick();
    world.device.setCounters(publicKey, 999, 2500);
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([999n, 2500n]);
    world.device.setCounters(publicKey, 1999, 3500);
    world.device.handshake(publicKey, 0n);
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([2998n, 6000n]);
    expect(
      (await world.said()).map(({ kind }) => kind).filter((kind) => kind === 'COUNTER_RESET'),
    ).toHaveLength(2);
  });

  it('do not begin anew by a clock that was set', async () => {
    const world = await start();
    world.clock.now = Date.UTC(2026, 10, 30, 23, 59, 58);
    const publicKey = peerOf(world);
    await world.tick();
    world.device.transfer(publicKey, 1, 10);
    await world.tick(5000); // December
    world.clock.now -= 3_600_000; // November again
    world.device.transfer(publicKey, 2, 20);
    world.device.handshake(publicKey);
    await world.tick();
    world.clock.now += 3_600_000;
    world.device.transfer(publicKey, 4, 40);
    world.device.handshake(publicKey);
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([7n, 70n]);
    expect(await months(world, publicKey)).toEqual([
      ['2026-11', 2n, 20n],
      ['2026-12', 5n, 50n],
    ]);
    const december = await world.db.reader.monthlyUsage.findFirstOrThrow({ where: { yearMonth: '2026-12' } });
    expect([december.accumulatedReceived, december.accumulatedSent]).toEqual([7n, 70n]);
    expect((await world.said()).filter(({ kind }) => kind === 'COUNTER_RESET')).toEqual([]);
  });
});

describe('interfaces', () => {
  it('come and go where none is named', async () => {
    const world = await start({ interfaces: null });
    const publicKey = peerOf(world);
    await world.tick();
    expect(world.collector.health().map((one) => one.interface)).toEqual(['wg0']);
    const wg1 = await world.addDevice('wg1');
    const other = wg1.addPeer({ rx: 500n }).publicKey;
    expect(await world.collector.collect()).toMatchObject({ interfaces: 2, peers: 2 });
    await wg1.stop();
    wg1.transfer(other, 40, 0);
    world.device.transfer(publicKey, 3, 0);
    world.clock.pass(1000);
    expect(await world.collector.collect()).toMatchObject({ interfaces: 1, peers: 1 });
    expect(world.collector.health().map((one) => one.status)).toEqual(['UP', 'DOWN']);
    expect(await world.totals(publicKey)).toEqual([3n, 0n]);
    await wg1.start(); // a new socket: for all we know a new device
    await world.tick();
    expect(world.collector.health().map((one) => one.status)).toEqual(['UP', 'UP']);
    expect(await world.totals(other)).toEqual([540n, 0n]);
  });

  it('are the named ones alone, there or not', async () => {
    const world = await start({ interfaces: ['wg0', 'wg7'] });
    await world.addDevice('wg1');
    await world.tick();
    expect(world.collector.health().map(({ interface: name, status: is }) => [name, is])).toEqual([
      ['wg0', 'UP'],
      ['wg7', 'DOWN'],
    ]);
  });
});

describe('ticks', () => {
  it('grow by one each, over a restart too, and show what changed', async () => {
    const world = await start();
    const [a, b] = [peerOf(world, 1), peerOf(world, 2)];
    await world.tick();
    const [first] = await ticksOf(world);
    expect(first).toMatchObject({
      sequence: 1,
      received: 0n,
      interface: 'wg0',
      gateway: 'gw',
      onlinePeers: 2,
    });
    world.device.transfer(a, 300, 500);
    await world.tick(2000);
    await world.tick();
    world.device.peer(b).endpoint = '192.0.2.9:999';
    await world.tick();
    const [moved, rest, roamed] = await ticksOf(world);
    expect(moved).toMatchObject({
      sequence: 2,
      intervalMs: 2000,
      received: 300n,
      sent: 500n,
      at: world.clock.now - 2000,
    });
    expect(moved?.peers.map(({ publicKey }) => publicKey)).toEqual([a]);
    expect(moved?.peers[0]).toMatchObject({
      received: 300n,
      sent: 500n,
      transferRx: 1300n,
      transferTx: 2500n,
      online: true,
    });
    expect(moved?.receiveRate).toBeCloseTo(150, 3);
    expect(moved?.peers[0]?.sendRate).toBeCloseTo(250, 3);
    expect(rest).toMatchObject({ sequence: 3, received: 0n, sent: 0n, receiveRate: 0, peers: [] });
    expect(roamed?.sequence).toBe(4);
    expect(roamed?.peers.map(({ publicKey, endpoint }) => [publicKey, endpoint])).toEqual([
      [b, '192.0.2.9:999'],
    ]);

    world.device.transfer(a, 1, 1);
    await world.collector.stop(); // a last sample
    expect((await ticksOf(world)).map(({ sequence, received }) => [sequence, received])).toEqual([[5, 1n]]);
    const again = await start({ dir: world.dir, clock: world.clock, device: world.device });
    again.device.transfer(a, 10, 10);
    await again.tick();
    const [after] = await ticksOf(again);
    expect(after).toMatchObject({ sequence: 6, received: 10n, intervalMs: 1000 });
    expect(await again.totals(a)).toEqual([311n, 511n]);
  });

  it('tell who connects and who does not answer any more, by 180 seconds', async () => {
    const world = await start();
    const { publicKey } = world.device.addPeer();
    await world.tick();
    expect(await world.said()).toEqual([]);
    world.device.handshake(publicKey);
    await world.tick(180_000);
    expect((await world.said()).map(({ kind, publicKey: key }) => [kind, key])).toEqual([
      ['CONNECTED', publicKey],
    ]);
    await ticksOf(world);
    await world.tick(1000);
    expect((await world.said()).map(({ kind }) => kind)).toEqual(['DISCONNECTED']);
    const [tick] = await ticksOf(world);
    expect(tick).toMatchObject({ onlinePeers: 0 });
    expect(tick?.peers).toMatchObject([{ publicKey, online: false }]);
  });

  it('run by themselves on the grid of the clock', async () => {
    const world = await start();
    const publicKey = peerOf(world);
    world.clock.now += 400;
    await world.collector.start();
    expect((await ticksOf(world)).map(({ sequence }) => sequence)).toEqual([1]);
    const { gets: before } = world.device;
    for (const [round, [early, late]] of [
      [599, 1],
      [999, 1],
      [400, 700], // one that is late is one, and the next is on the grid again
      [899, 1],
    ].entries()) {
      world.device.transfer(publicKey, 1, 0);
      world.clock.run(early ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(world.device.gets - before).toBe(round);
      world.clock.run(late ?? 0);
      await expect.poll(() => world.ticks.length).toBe(round + 1);
      expect(world.device.gets - before).toBe(round + 1);
      expect(await world.totals(publicKey)).toEqual([BigInt(round + 1), 0n]);
      // It settles down to wait for the next.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await world.collector.stop();
    const { gets } = world.device;
    world.clock.run(10_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(world.device.gets).toBe(gets);
  });

  it('give a `collect` what moved before it was asked for, also while an earlier sample is committed', async () => {
    const world = await start();
    const publicKey = peerOf(world);
    await world.tick();
    const before = await world.totals(publicKey);
    world.clock.pass(1000);
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let reached = (): void => undefined;
    const committing = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const write = world.db.write.bind(world.db);
    world.db.write = (work) => {
      reached();
      return gate.then(() => write(work));
    };
    const first = world.collector.collect();
    await committing;
    world.device.transfer(publicKey, 1000, 1);
    world.clock.pass(1000);
    const second = world.collector.collect();
    open();
    await Promise.all([first, second]);
    expect(await world.totals(publicKey)).toEqual([before[0] + 1000n, before[1] + 1n]);
  });

  it('share a read with `collect` beside them', async () => {
    const world = await start();
    const publicKey = peerOf(world);
    await world.tick();
    world.device.transfer(publicKey, 5, 6);
    world.clock.pass(1000);
    const { gets } = world.device;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.device.onGet = () => held;
    const both = [world.collector.collect(), world.collector.collect(), world.collector.collect()];
    await expect.poll(() => world.device.gets).toBe(gets + 1);
    release();
    world.device.onGet = null;
    await Promise.all(both);
    expect(world.device.gets).toBe(gets + 1);
    expect(await world.totals(publicKey)).toEqual([5n, 6n]);
    expect((await ticksOf(world)).map(({ received }) => received)).toEqual([0n, 5n]);
  });
});

describe('a stranger', () => {
  it('is told of, listed and counted in full, and is drift until somebody takes it in', async () => {
    const world = await start();
    peerOf(world);
    await world.tick();
    await world.said();
    const { publicKey } = world.device.addPeer({ allowedIPs: ['10.8.0.66/32'], rx: 40n, tx: 50n });
    world.editFile((file) =>
      file.addPeer({ publicKey, allowedIPs: ['10.8.0.66/32'], friendlyName: 'Guest' }),
    );
    await world.tick();
    expect((await world.said()).map(({ kind, publicKey: key }) => [kind, key])).toEqual([
      ['ADDED', publicKey],
    ]);
    expect(await world.rowOf(publicKey)).toMatchObject({
      name: 'Guest',
      registered: false,
      allowedIPs: '10.8.0.66/32',
    });
    expect(await world.totals(publicKey)).toEqual([40n, 50n]);
    const about = { source: 'WIREGUARD', publicKeys: [publicKey] } as const;
    const report = await world.peers.sync({ fix: false, ...about });
    expect(report.inconsistencies.map(({ kind }) => kind)).toEqual(['MISSING_IN_DATABASE']);
    expect((await world.peers.sync({ fix: true, ...about })).inSync).toBe(true);
    expect(await world.rowOf(publicKey)).toMatchObject({ name: 'Guest', registered: true });
    world.device.transfer(publicKey, 1, 1);
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([41n, 51n]);
  });

  it('that went and came back is told of again, and goes on with its totals', async () => {
    const world = await start();
    peerOf(world);
    await world.tick();
    const { publicKey } = world.device.addPeer({ rx: 40n });
    await world.tick();
    world.device.removePeer(publicKey);
    await world.tick();
    world.device.addPeer({ publicKey, rx: 60n });
    await world.tick();
    expect(await world.totals(publicKey)).toEqual([100n, 0n]);
  });
});

describe('a second server on the same database', () => {
  it('serves reads, says so, and takes over when the first stops', async () => {
    const first = await start();
    const publicKey = peerOf(first);
    await first.tick();
    const second = await start({ dir: first.dir, clock: first.clock, device: first.device });
    first.device.transfer(publicKey, 10, 20);
    await expect(second.tick()).rejects.toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
      message: expect.stringContaining('another server') as string,
    });
    expect(second.health()).toMatchObject({
      accounting: 'elsewhere',
      reason: expect.stringContaining('serves reads') as string,
    });
    expect(first.health()).toMatchObject({ accounting: 'here', status: 'UP', reason: null });
    for (const change of [
      () => second.generate({ allowedIPs: ['10.8.0.50'] }),
      () => second.peers.delete({ publicKey, keepUsageHistory: false }),
      () => second.peers.sync({ fix: true, source: 'DATABASE' }),
    ]) {
      await expect(change()).rejects.toMatchObject({ code: 'WIREGUARD_UNAVAILABLE' });
    }
    expect(first.device.sets).toBe(0);
    await first.tick();
    expect(await second.totals(publicKey)).toEqual([10n, 20n]);
    first.device.transfer(publicKey, 1, 1);
    await first.collector.stop();
    first.device.transfer(publicKey, 100, 200);
    await second.tick();
    expect(second.health()).toMatchObject({ accounting: 'here', status: 'UP', reason: null });
    expect(await second.totals(publicKey)).toEqual([111n, 221n]);
    await second.generate({ allowedIPs: ['10.8.0.50'] });
  });

  it('takes over from one that hangs, which counts nothing more and says so', async () => {
    const first = await start();
    const publicKey = peerOf(first);
    await first.tick();
    const second = await start({ dir: first.dir, clock: first.clock, device: first.device });
    await expect(second.tick()).rejects.toThrow('another server');
    await expect(second.tick(2900)).rejects.toThrow('another server');
    first.device.transfer(publicKey, 10, 20);
    await second.tick(200);
    expect(await second.totals(publicKey)).toEqual([10n, 20n]);
    // The first wakes up.
    first.device.transfer(publicKey, 1, 2);
    await expect(first.tick()).rejects.toThrow('another server');
    await expect(first.tick()).rejects.toThrow('another server');
    expect(first.health()).toMatchObject({ accounting: 'elsewhere' });
    await expect(first.peers.delete({ publicKey, keepUsageHistory: false })).rejects.toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
    });
    await second.tick();
    expect(await second.totals(publicKey)).toEqual([11n, 22n]);
    expect((await ticksOf(second)).map(({ sequence }) => sequence)).toEqual([2, 3]);
    await first.collector.stop(); // has no lease to give back
    await second.tick();
    expect(second.health()).toMatchObject({ accounting: 'here', status: 'UP' });
  });

  it('in the middle of a change: the one that lost its lease undoes what it did', async () => {
    const first = await start();
    peerOf(first);
    await first.tick();
    const before = await first.snapshot();
    first.onStage = async (stage) => {
      if (stage === 'store')
        await first.db.write((tx) => tx.$executeRaw`UPDATE interfaces SET lease_token = lease_token + 1`);
    };
    await expect(first.generate()).rejects.toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
      message: expect.stringContaining('another server') as string,
    });
    expect(await first.snapshot()).toEqual(before);
  });
});
