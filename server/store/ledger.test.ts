/** The books by example: each title begins with the rule of ACCOUNTING.md that it checks. */
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  claim,
  circumstancesOf,
  deviceOf,
  Flaky,
  makeInterface,
  noNames,
  openDatabase,
  type TestDatabase,
} from '../../tests/support/books.ts';
import { World, type Reading } from '../../tests/support/model.ts';
import { Calendar } from '../accounting/calendar.ts';
import type { DevicePeer } from '../wireguard/types.ts';
import { LeaseLost } from './lease.ts';
import { Ledger, type NameLookup } from './ledger.ts';

let opened: TestDatabase;
let flaky: Flaky;
let interfaceId: number;
let world: World;
let ledger: Ledger;

const NOON = Date.parse('2026-05-20T12:00:00Z');
const DAY = 86_400_000;

beforeAll(async () => {
  opened = await openDatabase();
});
afterAll(() => opened.close());
beforeEach(async () => {
  flaky = new Flaky(opened.db);
  interfaceId = await makeInterface(opened.db);
  world = new World(NOON);
  await restart();
});

/** As after a kill: what was not committed is gone. */
async function restart(): Promise<void> {
  ledger = await Ledger.load(flaky.db, new Calendar('UTC'), await claim(opened.db, interfaceId));
}

async function fold(
  reading: Reading = world.read(),
  names: NameLookup = noNames,
  settings: Partial<DevicePeer> = {},
) {
  const device = deviceOf(reading);
  const peers = device.peers.map((peer) => ({ ...peer, ...settings }));
  return ledger.fold({ ...device, peers }, circumstancesOf(reading), names);
}

async function tick(traffic: readonly [string, bigint, bigint][] = []) {
  world.wait(1_000);
  for (const [publicKey, rx, tx] of traffic) world.traffic(publicKey, rx, tx);
  await fold();
  return ledger.commit();
}

function row(publicKey = 'anna') {
  return opened.db.reader.peer.findUniqueOrThrow({
    where: { interfaceId_publicKey: { interfaceId, publicKey } },
    include: {
      counters: true,
      months: { orderBy: { yearMonth: 'asc' } },
      epochs: { orderBy: { id: 'asc' } },
    },
  });
}

async function total(publicKey = 'anna'): Promise<[bigint | undefined, bigint | undefined]> {
  const { counters } = await row(publicKey);
  return [counters?.totalReceived, counters?.totalSent];
}

async function months(publicKey = 'anna') {
  return (await row(publicKey)).months.map((month) => [
    month.yearMonth,
    month.received,
    month.accumulatedReceived,
  ]);
}

async function causes(publicKey = 'anna') {
  return (await row(publicKey)).epochs.map((epoch) => epoch.cause);
}

describe('what is taken in', () => {
  test('A5 first sight registers what is there, with its name; strangers that come later wait', async () => {
    world.add('anna');
    world.wait(1_000);
    await fold(world.read(), () => Promise.resolve(new Map([['anna', 'Anna']])));
    const first = await ledger.commit();
    // It was there: nothing was added.
    expect(first.added).toEqual([]);
    world.add('bert');
    const second = await tick([['bert', 70n, 80n]]);
    expect(second.added).toEqual(['bert']);
    expect(await row('anna')).toMatchObject({
      registered: true,
      name: 'Anna',
      counters: { totalReceived: 0n },
    });
    expect(await row('bert')).toMatchObject({
      registered: false,
      name: null,
      counters: { totalReceived: 70n, totalSent: 80n },
    });
    expect([await causes('anna'), await causes('bert')]).toEqual([['FIRST_SEEN'], ['ADDED']]);
  });

  test('A5 killed before the first commit, the next sample is first sight again', async () => {
    world.add('anna');
    world.traffic('anna', 5n, 5n);
    await fold();
    await restart();
    await tick([['anna', 5n, 5n]]);
    expect([await total(), await causes(), (await row()).registered]).toEqual([
      [0n, 0n],
      ['FIRST_SEEN'],
      true,
    ]);
  });

  test('A2, A3 an empty and a stale sample change nothing and commit nothing', async () => {
    world.add('anna');
    await tick();
    const old = world.read();
    await tick([['anna', 10n, 20n]]);
    const before = await row();
    expect(await fold(old)).toBe('stale');
    world.wait(1_000);
    expect(await fold({ ...world.read(), peers: [] })).toBe('empty');
    expect((await ledger.commit()).tick).toMatchObject({ received: 0n, sent: 0n, peers: [] });
    expect(await row()).toEqual(before);
  });

  test('a running peer without traffic has a row for its month', async () => {
    world.add('anna');
    await tick();
    world.wait(31 * DAY);
    await tick();
    expect(await months()).toEqual([
      ['2026-05', 0n, 0n],
      ['2026-06', 0n, 0n],
    ]);
  });

  test('a stranger is found by the addresses it has now', async () => {
    await fold();
    world.add('bert');
    world.wait(1_000);
    await fold(world.read(), noNames, { allowedIPs: ['10.0.0.2/32'] });
    await ledger.commit();
    world.wait(1_000);
    await fold(world.read(), noNames, { allowedIPs: ['10.9.9.9/32'] });
    await ledger.commit();
    const { allowedIPs, searchText } = await row('bert');
    expect([allowedIPs, searchText.includes('10.9.9.9'), searchText.includes('10.0.0.2')]).toEqual([
      '10.9.9.9/32',
      true,
      false,
    ]);
  });
});

describe('A10 months', () => {
  test('each gain is in the month of its sample; the running sum goes on', async () => {
    world = new World(Date.parse('2026-05-31T23:59:58Z'));
    world.add('anna');
    await tick();
    await tick([['anna', 10n, 0n]]);
    await tick([['anna', 5n, 0n]]);
    expect(await months()).toEqual([
      ['2026-05', 0n, 0n],
      ['2026-06', 15n, 15n],
    ]);
    expect((await row()).counters?.monthTotal).toBe(15n);
  });

  test.each([false, true])(
    "a clock set back over a month's end puts bytes there, and later running sums hold them (restart: %s)",
    async (kill) => {
      world = new World(Date.parse('2026-06-01T00:00:30Z'));
      world.add('anna');
      await tick();
      await tick([['anna', 100n, 0n]]);
      world.setClock(-DAY);
      if (kill) await restart();
      await tick([['anna', 7n, 0n]]);
      expect(await months()).toEqual([
        ['2026-05', 7n, 7n],
        ['2026-06', 100n, 107n],
      ]);
      expect((await row()).counters?.monthTotal).toBe(7n);
      world.setClock(DAY);
      if (kill) await restart();
      await tick([['anna', 1n, 0n]]);
      world.wait(31 * DAY);
      await tick([['anna', 2n, 0n]]);
      expect(await months()).toEqual([
        ['2026-05', 7n, 7n],
        ['2026-06', 101n, 108n],
        ['2026-07', 2n, 110n],
      ]);
      expect(await total()).toEqual([110n, 0n]);
    },
  );

  test('A10, A15 the clock set ahead again while bytes of the earlier month are owed: running sums hold them', async () => {
    world = new World(Date.parse('2026-06-01T00:00:30Z'));
    world.add('anna');
    await tick();
    await tick([['anna', 100n, 0n]]);
    world.setClock(-DAY);
    await tick();
    flaky.plan.push('inside');
    await expect(tick([['anna', 7n, 0n]])).rejects.toThrow('planned');
    world.setClock(DAY);
    await tick([['anna', 1n, 0n]]);
    await tick([['anna', 1n, 0n]]);
    expect(await months()).toEqual([
      ['2026-05', 7n, 7n],
      ['2026-06', 102n, 109n],
    ]);
  });

  test('what was owed and committed by a clock set back is told by the next tick', async () => {
    world = new World(Date.parse('2026-06-01T00:00:30Z'));
    world.add('anna');
    const { sequence } = (await tick()).tick;
    flaky.plan.push('before');
    world.recreate(['anna']);
    await expect(tick([['anna', 100n, 0n]])).rejects.toThrow('planned');
    world.setClock(-DAY);
    const told = await tick([['anna', 7n, 0n]]);
    expect([told.tick.sequence - sequence, told.tick.received, told.resets]).toEqual([1, 107n, ['anna']]);
  });
});

describe('A14 one transaction', () => {
  test('a kill before the commit leaves the state before, and the next sample gains from there', async () => {
    world.add('anna');
    await tick();
    world.traffic('anna', 10n, 20n);
    world.wait(1_000);
    await fold();
    expect(await total()).toEqual([0n, 0n]);
    await restart();
    await tick([['anna', 1n, 2n]]);
    expect(await total()).toEqual([11n, 22n]);
  });

  test('a kill after it has everything, and the same reading again counts nothing', async () => {
    world.add('anna');
    await tick();
    await tick([['anna', 10n, 20n]]);
    const reading = world.read();
    await restart();
    expect(await fold(reading)).toBe('stale');
    await tick();
    expect(await total()).toEqual([10n, 20n]);
  });

  test('a disk that fills up inside the transaction leaves nothing of it', async () => {
    world.add('anna');
    await tick();
    const before = await row();
    const size = await opened.db.write(async (tx) => {
      const [{ page_count: pages } = { page_count: 0n }] = await tx.$queryRaw<
        { page_count: bigint }[]
      >`PRAGMA page_count`;
      await tx.$queryRawUnsafe(`PRAGMA max_page_count = ${String(pages)}`);
      return pages;
    });
    for (let n = 0; n < 400; n += 1) world.add(`peer-${String(n)}`);
    await expect(tick([['anna', 10n, 20n]])).rejects.toThrow();
    expect(await row()).toEqual(before);
    await opened.db.write((tx) =>
      tx.$queryRawUnsafe(`PRAGMA max_page_count = ${String(Number(size) + 100_000)}`),
    );
    await tick([['anna', 1n, 2n]]);
    expect(await total()).toEqual([11n, 22n]);
  });
});

describe('A15 failed commits', () => {
  test.each(['before', 'inside'] as const)(
    'failing %s the work: counted once, in the month in which it was seen, over a reset',
    async (how) => {
      world = new World(Date.parse('2026-05-31T23:59:57Z'));
      world.add('anna');
      await tick();
      flaky.plan.push(how, how, how);
      await expect(tick([['anna', 100n, 10n]])).rejects.toThrow('planned');
      world.recreate(['anna', 'bert']);
      await expect(
        tick([
          ['anna', 200n, 20n],
          ['bert', 3n, 3n],
        ]),
      ).rejects.toThrow('planned');
      world.remove('bert');
      await expect(tick([['anna', 1n, 1n]])).rejects.toThrow('planned');
      const { tick: told } = await tick();
      expect(told).toMatchObject({ received: 304n, sent: 34n });
      expect(await total()).toEqual([301n, 31n]);
      expect(await total('bert')).toEqual([3n, 3n]);
      expect(await months()).toEqual([
        ['2026-05', 100n, 100n],
        ['2026-06', 201n, 301n],
      ]);
      expect(await causes()).toEqual(['FIRST_SEEN', 'DEVICE_RECREATED']);
      expect((await row('bert')).epochs).toMatchObject([{ cause: 'ADDED', received: 3n, sent: 3n }]);
      await restart();
      await tick();
      expect(await total()).toEqual([301n, 31n]);
    },
  );

  test('a database that another process holds locked', async () => {
    world.add('anna');
    await tick();
    const other = new Sqlite(opened.url.replace('file:', ''));
    other.exec('BEGIN IMMEDIATE');
    await expect(tick([['anna', 10n, 20n]])).rejects.toThrow();
    other.exec('COMMIT');
    other.close();
    await tick();
    expect(await total()).toEqual([10n, 20n]);
  });

  test('committed, and told that it failed: nothing is counted twice, and nothing gets lost', async () => {
    world.add('anna');
    await tick();
    flaky.plan.push('after');
    await expect(tick([['anna', 10n, 20n]])).rejects.toThrow('planned');
    await tick([['anna', 1n, 2n]]).catch(async (error: unknown) => {
      if (!(error instanceof LeaseLost)) throw error;
      await restart();
      await tick();
    });
    expect(await total()).toEqual([11n, 22n]);
  });

  test('three hours without a commit: memory stays bounded, and every byte is in the history', async () => {
    world.add('anna');
    await tick();
    for (let n = 0; n < 180; n += 1) {
      world.wait(60_000);
      world.traffic('anna', 1n, 2n);
      await fold();
    }
    await ledger.commit();
    world.wait(60_000);
    world.traffic('anna', 1n, 2n);
    await tick();
    const { id, counters } = await row();
    for (const table of ['usageMinute', 'usageHour', 'usageDay'] as const) {
      const rows = await (opened.db.reader[table] as typeof opened.db.reader.usageDay).findMany({
        where: { peerId: id },
      });
      const sum = rows.reduce((all, { received }) => all + received, counters?.openReceived ?? 0n);
      expect([table, sum]).toEqual([table, 181n]);
    }
    expect(await total()).toEqual([181n, 362n]);
  });
});

describe('A17 exact', () => {
  test('bytes past 2^53 stay exact through the database, up to 2^63 - 1 in all', async () => {
    world.add('anna');
    await tick();
    const most = 2n ** 62n + 1n;
    await tick([['anna', most, 2n ** 61n + 3n]]);
    await restart();
    await tick([['anna', 1n, 1n]]);
    expect(await total()).toEqual([most + 1n, 2n ** 61n + 4n]);
    expect((await row()).months).toMatchObject([{ received: most + 1n, total: most + 2n ** 61n + 5n }]);
    world.wait(1_000);
    world.traffic('anna', 2n ** 62n, 0n);
    await expect(fold()).rejects.toThrow(RangeError);
    await restart();
    expect(await total()).toEqual([most + 1n, 2n ** 61n + 4n]);
  });
});

describe('changes by our own hand', () => {
  async function retire(publicKey = 'anna'): Promise<void> {
    const done = await opened.db.write((tx) => ledger.retire(tx, publicKey));
    done();
    world.remove(publicKey);
  }

  test('A13, A11 retire ends the epoch at the last sample with nothing unobserved; register takes it up again', async () => {
    world.add('anna');
    await tick();
    await tick([['anna', 10n, 20n]]);
    const last = world.wall;
    await retire();
    world.wait(5_000);
    await tick();
    expect((await row()).counters).toMatchObject({ running: false, totalReceived: 10n });
    expect((await row()).epochs).toMatchObject([
      { cause: 'FIRST_SEEN', endedAt: BigInt(last), received: 10n, sent: 20n },
    ]);
    ledger.register({ id: (await row()).id, publicKey: 'anna' });
    world.add('anna');
    await tick([['anna', 3n, 4n]]);
    expect((await row()).epochs[1]).toMatchObject({ cause: 'ADDED', unobservedMs: 0n, baseReceived: 10n });
    expect([await total(), await months()]).toEqual([[13n, 24n], [['2026-05', 13n, 13n]]]);
  });

  test('A11 to retire a peer that had vanished by itself hides no unobserved time', async () => {
    world.add('anna');
    world.add('bert');
    await tick();
    world.remove('anna');
    world.wait(4_000);
    await tick();
    await retire();
    world.add('anna');
    await tick([['anna', 1n, 1n]]);
    expect(Number((await row()).epochs[1]?.unobservedMs)).toBe(5_000);
  });

  test('a change that is rolled back retires nobody', async () => {
    world.add('anna');
    await tick();
    const change = opened.db.write(async (tx) => {
      await ledger.retire(tx, 'anna');
      throw new Error('planned');
    });
    await expect(change).rejects.toThrow('planned');
    await tick([['anna', 10n, 20n]]);
    expect([await total(), await causes()]).toEqual([[10n, 20n], ['FIRST_SEEN']]);
    expect((await row()).epochs).toMatchObject([{ endedAt: null }]);
  });

  test('§3.5 retire and bury keep the usage; on the device again it is a stranger with its old usage', async () => {
    world.add('anna');
    await tick();
    await tick([['anna', 10n, 20n]]);
    await retire();
    await opened.db.write((tx) =>
      tx.peer.updateMany({ where: { interfaceId }, data: { deletedAt: new Date(NOON), name: 'Anna' } }),
    );
    ledger.bury('anna');
    world.wait(1_000);
    await tick();
    world.add('anna');
    const { added } = await tick([['anna', 1n, 1n]]);
    expect(added).toEqual(['anna']);
    expect(await row()).toMatchObject({ deletedAt: null, registered: false, name: 'Anna' });
    expect([await total(), await causes()]).toEqual([
      [11n, 21n],
      ['FIRST_SEEN', 'ADDED'],
    ]);
    await restart();
    await tick([['anna', 1n, 1n]]);
    expect(await total()).toEqual([12n, 22n]);
  });

  test('forget: gone with its usage, also what is still owed; a new one of its key begins at nothing', async () => {
    world.add('anna');
    world.add('bert');
    await tick();
    flaky.plan.push('inside');
    await expect(
      tick([
        ['anna', 10n, 20n],
        ['bert', 1n, 1n],
      ]),
    ).rejects.toThrow('planned');
    await opened.db.write(async (tx) => tx.peer.deleteMany({ where: { interfaceId, publicKey: 'anna' } }));
    ledger.forget('anna');
    world.remove('anna');
    const told = await tick([['bert', 1n, 1n]]);
    expect(told.tick.peers.map(({ publicKey }) => publicKey)).toEqual(['bert']);
    const { id } = await opened.db.write((tx) =>
      tx.peer.create({
        data: { interfaceId, publicKey: 'anna', addedOn: new Date(), sortName: '', searchText: '' },
      }),
    );
    ledger.register({ id, publicKey: 'anna' });
    world.add('anna');
    await tick([['anna', 5n, 6n]]);
    expect([await total('anna'), await causes('anna'), await total('bert')]).toEqual([
      [5n, 6n],
      ['ADDED'],
      [2n, 2n],
    ]);
  });

  test('a new peer whose first commit failed has its own row, not that of another made in between', async () => {
    world.add('anna');
    await tick();
    flaky.plan.push('inside');
    world.add('bert');
    await expect(tick([['bert', 1n, 1n]])).rejects.toThrow('planned');
    const { id } = await opened.db.write((tx) =>
      tx.peer.create({
        data: { interfaceId, publicKey: 'cleo', addedOn: new Date(), sortName: '', searchText: '' },
      }),
    );
    ledger.register({ id, publicKey: 'cleo' });
    world.add('cleo');
    await tick([['cleo', 7n, 7n]]);
    expect([await total('bert'), await total('cleo')]).toEqual([
      [1n, 1n],
      [7n, 7n],
    ]);
  });

  test('A11, A15 to retire a peer while its last sample is not committed is refused, or keeps the ledger right', async () => {
    world.add('anna');
    await tick();
    flaky.plan.push('inside');
    world.recreate(['anna']);
    await expect(tick([['anna', 10n, 20n]])).rejects.toThrow('planned');
    await retire().catch(() => undefined);
    world.add('bert');
    await tick();
    const { epochs, counters } = await row();
    expect([await total(), await months()]).toEqual([[10n, 20n], [['2026-05', 10n, 10n]]]);
    const open = epochs.filter(({ endedAt }) => endedAt === null);
    expect(open.length).toBe(counters?.running ? 1 : 0);
    const sum = epochs.reduce((all, epoch) => all + (epoch.received ?? 10n - epoch.baseReceived), 0n);
    expect(sum).toBe(10n);
  });
});

describe('the tick', () => {
  test('its sequence grows by one a commit, its bytes are those since the last commit', async () => {
    world.add('anna');
    const first = await tick();
    world.traffic('anna', 5n, 5n);
    world.wait(1_000);
    await fold();
    const second = await tick([['anna', 1n, 2n]]);
    expect(second.tick).toMatchObject({
      sequence: first.tick.sequence + 1,
      received: 6n,
      sent: 7n,
      intervalMs: 2_000,
    });
    await restart();
    expect((await tick()).tick.sequence).toBe(first.tick.sequence + 2);
  });

  test('it tells resets and who went on and off line', async () => {
    world.add('anna');
    await tick();
    world.handshake('anna');
    expect((await tick()).turned).toEqual([{ publicKey: 'anna', online: true }]);
    world.recreate(['anna']);
    expect(await tick()).toMatchObject({ resets: ['anna'], turned: [{ publicKey: 'anna', online: false }] });
  });
});
