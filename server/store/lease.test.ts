/** A16: exactly one process accounts an interface. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  circumstancesOf,
  deviceOf,
  makeInterface,
  noNames,
  openDatabase,
  type TestDatabase,
} from '../../tests/support/books.ts';
import { World } from '../../tests/support/model.ts';
import { Calendar } from '../accounting/calendar.ts';
import type { Database } from './database.ts';
import {
  assertLease,
  isLease,
  LeaseKeeper,
  LeaseLost,
  thisProcess,
  type Holder,
  type Lease,
} from './lease.ts';
import { Ledger } from './ledger.ts';

const BEAT_MS = 1_000;
let opened: TestDatabase;
let interfaceId: number;
/** Nanoseconds. */
let now: bigint;

beforeAll(async () => {
  opened = await openDatabase();
});
afterAll(() => opened.close());
beforeEach(async () => {
  interfaceId = await makeInterface(opened.db);
  now = 1_000_000_000n;
});

function keeper(nonce: string, db: Database = opened.db, over: Partial<Holder> = {}): LeaseKeeper {
  return new LeaseKeeper(db, { ...thisProcess('boot', BEAT_MS, nonce), ...over }, () => now);
}

function later(ms: number): void {
  now += BigInt(ms) * 1_000_000n;
}

async function taken(claim: Promise<Lease | Holder>): Promise<Lease> {
  const claimed = await claim;
  if (!isLease(claimed)) throw new Error(`held by ${claimed.nonce}`);
  return claimed;
}

async function holder(claim: Promise<Lease | Holder>): Promise<string> {
  const claimed = await claim;
  if (isLease(claimed)) throw new Error('the lease was given away');
  return claimed.nonce;
}

describe('A16 LeaseKeeper', () => {
  test('of two keepers one holds, and the other learns who', async () => {
    await taken(keeper('a').claim(interfaceId));
    expect(await holder(keeper('b').claim(interfaceId))).toBe('a');
  });

  test('of many that claim at once exactly one holds', async () => {
    const claims = await Promise.all(['a', 'b', 'c', 'd'].map((nonce) => keeper(nonce).claim(interfaceId)));
    expect(claims.filter(isLease)).toHaveLength(1);
  });

  test('the token grows with every change of hands, also with one back to the same', async () => {
    const first = await taken(keeper('a').claim(interfaceId));
    const second = await taken(keeper('a').claim(interfaceId));
    expect(second.token).toBeGreaterThan(first.token);
    await expect(keeper('a').beat(first)).rejects.toThrow(LeaseLost);
  });

  test('a released lease is free, and what was released cannot take the next one', async () => {
    const a = await taken(keeper('a').claim(interfaceId));
    await keeper('a').release(a);
    const b = await taken(keeper('b').claim(interfaceId));
    await keeper('a').release(a);
    expect(await holder(keeper('c').claim(interfaceId))).toBe('b');
    await keeper('b').beat(b);
  });

  test('a holder that misses three beats is taken over, not before', async () => {
    const a = await taken(keeper('a').claim(interfaceId));
    const b = keeper('b');
    expect(await holder(b.claim(interfaceId))).toBe('a');
    later(3 * BEAT_MS);
    expect(await holder(b.claim(interfaceId))).toBe('a');
    later(1);
    await taken(b.claim(interfaceId));
    await expect(keeper('a').beat(a)).rejects.toThrow(LeaseLost);
  });

  test('the time counts from when the observer first saw the beat, however long the beat stood', async () => {
    await taken(keeper('a').claim(interfaceId));
    later(3_600_000);
    expect(await holder(keeper('b').claim(interfaceId))).toBe('a');
  });

  test('a live holder that beats is never taken over', async () => {
    const a = keeper('a');
    const lease = await taken(a.claim(interfaceId));
    const b = keeper('b');
    for (let n = 0; n < 20; n += 1) {
      expect(await holder(b.claim(interfaceId))).toBe('a');
      later(2_900);
      await a.beat(lease);
    }
  });

  test('a live holder that beats between the look and the claim is not taken over', async () => {
    const a = keeper('a');
    const lease = await taken(a.claim(interfaceId));
    // The beat comes after the challenger has read the row, and before it writes.
    let beaten = false;
    const db = {
      reader: opened.db.reader,
      write: async (work: Parameters<Database['write']>[0]) => {
        if (!beaten) await a.beat(lease);
        beaten = true;
        return opened.db.write(work);
      },
    } as Partial<Database> as Database;
    const b = keeper('b', db);
    expect(await holder(b.claim(interfaceId))).toBe('a');
    later(3 * BEAT_MS + 1);
    expect(await holder(b.claim(interfaceId))).toBe('a');
    await a.beat(lease);
  });

  test("the holder's own beat interval counts, not the observer's", async () => {
    await taken(keeper('slow', opened.db, { beatMs: 60_000 }).claim(interfaceId));
    const b = keeper('b');
    expect(await holder(b.claim(interfaceId))).toBe('slow');
    later(179_000);
    expect(await holder(b.claim(interfaceId))).toBe('slow');
    later(2_000);
    await taken(b.claim(interfaceId));
  });

  test('a dead process of this host is taken over at once, one of another host or container is not', async () => {
    const gone: Partial<Holder> = { pid: 999_999_999, startTicks: '1' };
    await taken(keeper('dead', opened.db, gone).claim(interfaceId));
    await taken(keeper('b').claim(interfaceId));
    for (const over of [
      { bootId: 'another' },
      { pidNamespace: 'pid:[1]' },
      { bootId: null },
      { startTicks: null },
    ]) {
      const id = await makeInterface(opened.db);
      await taken(keeper('far', opened.db, { ...gone, ...over }).claim(id));
      expect(await holder(keeper('b').claim(id))).toBe('far');
    }
  });

  test('a process number that another process has now is a dead holder', async () => {
    await taken(keeper('dead', opened.db, { startTicks: '1' }).claim(interfaceId));
    await taken(keeper('b').claim(interfaceId));
  });

  test('assertLease tells a held lease from a lost one, inside a transaction', async () => {
    const a = await taken(keeper('a').claim(interfaceId));
    await opened.db.write((tx) => assertLease(tx, a));
    await taken(keeper('a').claim(interfaceId));
    await expect(opened.db.write((tx) => assertLease(tx, a))).rejects.toThrow(LeaseLost);
  });

  test('a lost lease makes commit throw LeaseLost and write nothing', async () => {
    const world = new World(Date.parse('2026-05-20T12:00:00Z'));
    world.add('anna');
    const lease = await taken(keeper('a').claim(interfaceId));
    const ledger = await Ledger.load(opened.db, new Calendar('UTC'), lease);
    const tick = async (): Promise<void> => {
      world.wait(1_000);
      world.traffic('anna', 10n, 20n);
      const reading = world.read();
      await ledger.fold(deviceOf(reading), circumstancesOf(reading), noNames);
      await ledger.commit();
    };
    await tick();
    const all = () =>
      opened.db.reader.interface.findUniqueOrThrow({
        where: { id: interfaceId },
        include: { peers: { include: { counters: true, months: true, epochs: true } } },
      });
    await taken(keeper('a').claim(interfaceId));
    const before = await all();
    await expect(tick()).rejects.toThrow(LeaseLost);
    await expect(tick()).rejects.toThrow(LeaseLost);
    expect(await all()).toEqual(before);
  });

  test('each commit is a beat', async () => {
    const world = new World(0);
    world.add('anna');
    const b = keeper('b');
    const ledger = await Ledger.load(
      opened.db,
      new Calendar('UTC'),
      await taken(keeper('a').claim(interfaceId)),
    );
    for (let n = 0; n < 5; n += 1) {
      expect(await holder(b.claim(interfaceId))).toBe('a');
      later(2_900);
      world.wait(2_900);
      const reading = world.read();
      await ledger.fold(deviceOf(reading), circumstancesOf(reading), noNames);
      await ledger.commit();
    }
  });

  test('a holder killed with SIGKILL is taken over at once, by a claim of another process', async () => {
    const here = (file: string): string =>
      JSON.stringify(pathToFileURL(path.resolve(import.meta.dirname, file)).href);
    const script = `
      import { Database } from ${here('database.ts')};
      import { LeaseKeeper, thisProcess } from ${here('lease.ts')};
      const db = await Database.open(${JSON.stringify(opened.url)});
      const keeper = new LeaseKeeper(db, thisProcess('boot', ${String(BEAT_MS)}, 'child'), () => process.hrtime.bigint());
      console.log(JSON.stringify('token' in await keeper.claim(${String(interfaceId)})));
      setInterval(() => undefined, 1_000);`;
    const tsx = createRequire(import.meta.url).resolve('tsx');
    const args = ['--import', pathToFileURL(tsx).href, '--input-type=module', '--eval', script];
    const child = spawn(process.execPath, args, {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const closed = once(child, 'close');
    const said = await Promise.race([once(child.stdout, 'data'), closed.then(() => ['no word'])]);
    expect(String(said[0]).trim(), errors).toBe('true');
    expect(await holder(keeper('b').claim(interfaceId))).toBe('child');
    child.kill('SIGKILL');
    await closed;
    await taken(keeper('b').claim(interfaceId));
  });
});
