/** The books in a real SQLite file against a model that knows the truth, over kills and failing commits. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  circumstancesOf,
  deviceOf,
  expectedBooks,
  Flaky,
  loadLedger,
  makeInterface,
  noNames,
  openDatabase,
  readBooks,
  type Failing,
  type TestDatabase,
} from '../../tests/support/books.ts';
import { beginnings, events, PEERS, Play, type Event, type Reading } from '../../tests/support/model.ts';
import { Calendar } from '../accounting/calendar.ts';
import { LeaseLost } from './lease.ts';
import { Ledger } from './ledger.ts';

let opened: TestDatabase;

beforeAll(async () => {
  opened = await openDatabase();
});

afterAll(() => opened.close());

type Act =
  | Event
  /** A sample that is folded and not committed. */
  | { readonly kind: 'fold' }
  /** The process dies now, and another one loads the books. */
  | { readonly kind: 'kill' }
  | { readonly kind: 'failing'; readonly how: Failing; readonly times: number }
  | { readonly kind: 'disable' | 'enable' | 'delete' | 'bury'; readonly peer: string };

const peer = fc.constantFrom(...PEERS);
const small = fc.bigInt(1n, 999n);
const DAY = 86_400_000;

const acts = fc.array(
  fc.oneof(
    ...events(),
    // Months change often here, forwards and backwards.
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('clock' as const),
        ms: fc.constantFrom(-20 * DAY, 35 * DAY, -35 * DAY, 70 * DAY),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('traffic' as const), peer, rx: small, tx: small }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'fold' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'kill' as const }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('failing' as const),
        how: fc.constantFrom<Failing>('before', 'inside', 'inside', 'after'),
        times: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('disable' as const, 'enable' as const, 'delete' as const, 'bury' as const),
        peer,
      }),
    },
  ),
  { minLength: 5, maxLength: 45, size: 'max' },
);

/** One server after another, over one database. */
class Run {
  readonly game: Play;
  readonly flaky = new Flaky(opened.db);
  readonly #interfaceId: number;
  readonly #zone: string;
  #ledger: Ledger;
  /** Clock settings since the last commit: a kill makes one window of all of them (see `Play`). */
  #clockSets = 0;

  private constructor(game: Play, interfaceId: number, ledger: Ledger, zone: string) {
    this.game = game;
    this.#interfaceId = interfaceId;
    this.#ledger = ledger;
    this.#zone = zone;
  }

  static async start(start: ConstructorParameters<typeof Play>[0]): Promise<Run> {
    const interfaceId = await makeInterface(opened.db);
    const game = new Play(start);
    const run = new Run(game, interfaceId, await loadLedger(opened.db, interfaceId, start.zone), start.zone);
    await run.#load();
    return run;
  }

  async act(act: Act): Promise<void> {
    if (setsClock(act) && this.game.world.clockSets > this.#clockSets) {
      if (act.kind === 'reboot') this.game.step({ ...act, clockMs: 0 });
      return;
    }
    switch (act.kind) {
      case 'fold': {
        const reading = this.game.step({ kind: 'sample', turn: 0 });
        if (reading) await this.#fold(reading);
        return;
      }
      case 'kill':
        this.flaky.plan.length = 0;
        return this.#kill();
      case 'failing':
        for (let n = 0; n < act.times; n += 1) this.flaky.plan.push(act.how);
        return;
      case 'disable':
        return this.#retire(act.peer, false);
      case 'bury':
        return this.#retire(act.peer, true);
      case 'enable':
        return this.#enable(act.peer);
      case 'delete':
        return this.#delete(act.peer);
      default:
        return this.#play(act);
    }
  }

  async #play(event: Event): Promise<void> {
    const reading = this.game.step(event);
    if (reading && (await this.#fold(reading))) await this.#commit();
  }

  /** All that is still owed gets committed, and the books are compared. */
  async finish(): Promise<void> {
    this.flaky.plan.length = 0;
    await this.#sample();
    await this.#kill();
    expect(await readBooks(opened.db, this.#interfaceId, this.#zone)).toEqual(expectedBooks(this.game.truth));
  }

  /** @returns whether the sample counts */
  async #fold(reading: Reading): Promise<boolean> {
    const troubled = this.flaky.plan.length > 0 || this.#ambiguous;
    try {
      const ignored = await this.#ledger.fold(deviceOf(reading), circumstancesOf(reading), noNames);
      const truth = this.game.truth.take(reading);
      expect(ignored).toBe(typeof truth === 'string' ? truth : null);
      return ignored === null;
    } catch (error) {
      // The clock crossed a month's end while something is owed that cannot be written: no sample.
      if (!troubled || !this.#isExpected(error)) throw error;
      await this.#afterFailure(error);
      return false;
    }
  }

  async #commit(): Promise<boolean> {
    const troubled = this.flaky.plan.length > 0 || this.#ambiguous;
    try {
      await this.#ledger.commit();
      return true;
    } catch (error) {
      if (!troubled || !this.#isExpected(error)) throw error;
      await this.#afterFailure(error);
      return false;
    }
  }

  /** A write was committed and reported as failed. */
  #ambiguous = false;

  #isExpected(error: unknown): boolean {
    return error instanceof LeaseLost ? this.#ambiguous : (error as Error).message.startsWith('planned');
  }

  async #afterFailure(error: unknown): Promise<void> {
    if (error instanceof LeaseLost) await this.#kill();
    else if ((error as Error).message.includes('nobody was told')) this.#ambiguous = true;
  }

  async #kill(): Promise<void> {
    this.#ledger = await loadLedger(opened.db, this.#interfaceId, this.#zone);
    this.game.truth.rollback();
    await this.#load();
  }

  async #load(): Promise<void> {
    this.#ambiguous = false;
    this.flaky.onCommit = () => undefined;
    const real = this.#ledger;
    this.#ledger = await Ledger.load(this.flaky.db, new Calendar(this.#zone), real.lease);
    this.flaky.onCommit = () => {
      this.game.truth.commit();
      this.#clockSets = this.game.world.clockSets;
    };
  }

  /** A13, as a change takes it: it must be committed, else there is no change. */
  async #sample(): Promise<boolean> {
    const reading = this.game.step({ kind: 'sample', turn: 0 });
    return reading !== null && (await this.#fold(reading)) && (await this.#commit());
  }

  async #retire(publicKey: string, bury: boolean): Promise<void> {
    if (!(await this.#sample()) || this.flaky.plan.length > 0 || !this.game.world.has(publicKey)) return;
    const row = { interfaceId_publicKey: { interfaceId: this.#interfaceId, publicKey } };
    this.game.truth.retire(publicKey);
    const done = await this.flaky.db.write(async (tx) => {
      const then = await this.#ledger.retire(tx, publicKey);
      await tx.peer.update({ where: row, data: bury ? { deletedAt: new Date() } : { enabled: false } });
      return then;
    });
    done();
    if (bury) this.#ledger.bury(publicKey);
    this.game.world.remove(publicKey);
  }

  async #enable(publicKey: string): Promise<void> {
    if (!(await this.#sample()) || this.flaky.plan.length > 0 || this.game.world.has(publicKey)) return;
    const where = { interfaceId_publicKey: { interfaceId: this.#interfaceId, publicKey } };
    const { id } = await this.flaky.db.write((tx) =>
      tx.peer.upsert({
        where,
        create: {
          interfaceId: this.#interfaceId,
          publicKey,
          addedOn: new Date(),
          sortName: '',
          searchText: '',
        },
        update: { enabled: true, deletedAt: null, registered: true },
      }),
    );
    this.#ledger.register({ id, publicKey });
    this.game.world.add(publicKey);
  }

  async #delete(publicKey: string): Promise<void> {
    if (!(await this.#sample()) || this.flaky.plan.length > 0 || !this.game.world.has(publicKey)) return;
    const interfaceId = this.#interfaceId;
    this.game.truth.forget(publicKey);
    await this.flaky.db.write(async (tx) => {
      const peer = await tx.peer.findUniqueOrThrow({
        where: { interfaceId_publicKey: { interfaceId, publicKey } },
      });
      for (const table of ['usageMinute', 'usageHour', 'usageDay'] as const) {
        await (tx[table] as typeof tx.usageDay).deleteMany({ where: { peerId: peer.id } });
      }
      await tx.peer.delete({ where: { id: peer.id } });
    });
    this.#ledger.forget(publicKey);
    this.game.world.remove(publicKey);
  }
}

function setsClock(act: Act): boolean {
  return act.kind === 'clock' || (act.kind === 'reboot' && act.clockMs !== 0);
}

describe('Ledger, against the truth', () => {
  test('A10 to A16: totals, epochs, months, running sums and history are exact over kills, failing commits and set clocks', async () => {
    await fc.assert(
      fc.asyncProperty(beginnings, acts, async (start, history) => {
        const run = await Run.start(start);
        for (const act of history) await run.act(act);
        await run.finish();
      }),
      { numRuns: 30, interruptAfterTimeLimit: 20_000 },
    );
  });
});
