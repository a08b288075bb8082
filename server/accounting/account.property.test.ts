/** `account` against a model that knows the truth (tests/support/model.ts). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  beginnings,
  histories,
  PEERS,
  Play,
  type Event,
  type Reading,
  type TrueEpoch,
} from '../../tests/support/model.ts';
import { account, type InterfaceState, type Outcome, type PeerState } from './account.ts';

/** Keeps what `account` says, and nothing else. */
class Accountant {
  state: InterfaceState | null = null;
  readonly peers = new Map<string, PeerState>();
  readonly epochs: TrueEpoch[] = [];

  take(reading: Reading): Outcome {
    const peers = reading.peers.map(([publicKey, { rx, tx, handshake }]) => {
      return { publicKey, rx, tx, latestHandshake: handshake };
    });
    const outcome = account(this.state, this.peers, { ...reading, peers });
    if (outcome.kind === 'ignored') return outcome;
    this.state = outcome.state;
    for (const { publicKey, state, ended, began } of outcome.gains) {
      this.peers.set(publicKey, state);
      if (ended) {
        const open = this.epochs.find((epoch) => epoch.publicKey === publicKey && epoch.endedAt === null);
        if (!open) throw new Error('an epoch ended that never began');
        open.endedAt = ended.endedAt;
        open.rx = ended.received;
        open.tx = ended.sent;
      }
      if (began && state.epoch) {
        const { cause, startedAt, unobservedMs } = state.epoch;
        expect(cause).toBe(began);
        this.epochs.push({ publicKey, cause, startedAt, unobservedMs, endedAt: null, rx: 0n, tx: 0n });
      }
    }
    return outcome;
  }

  /** Ended epochs as they were ended, open ones with what they have so far. */
  ledger(publicKey: string): TrueEpoch[] {
    const state = this.peers.get(publicKey);
    return this.epochs
      .filter((epoch) => epoch.publicKey === publicKey)
      .map((epoch) => {
        if (epoch.endedAt !== null || !state?.epoch) return epoch;
        const rx = state.totalReceived - state.epoch.baseReceived;
        const tx = state.totalSent - state.epoch.baseSent;
        return { ...epoch, rx, tx };
      });
  }
}

function exact(epoch: TrueEpoch): TrueEpoch {
  return { ...epoch, unobservedMs: Math.round(epoch.unobservedMs * 1e3) / 1e3 };
}

function play(
  start: ConstructorParameters<typeof Play>[0],
  history: readonly Event[],
  each?: (outcome: Outcome) => void,
) {
  const game = new Play(start);
  const accountant = new Accountant();
  for (const event of history) {
    const reading = game.step(event);
    if (!reading) continue;
    const before = { state: accountant.state, peers: new Map(accountant.peers) };
    const outcome = accountant.take(reading);
    const truth = game.truth.take(reading);
    each?.(outcome);
    if (outcome.kind === 'ignored') {
      expect(outcome.reason).toBe(truth);
      expect(accountant.state).toBe(before.state);
      expect(accountant.peers).toEqual(before.peers);
      continue;
    }
    if (typeof truth === 'string') throw new Error(`counted a sample that is ${truth}`);
    const told = new Map(outcome.gains.map((gain) => [gain.publicKey, gain]));
    for (const [publicKey, { rx, tx, began }] of truth) {
      const gain = told.get(publicKey);
      expect([publicKey, gain?.received ?? 0n, gain?.sent ?? 0n, gain?.began ?? null]).toEqual([
        publicKey,
        rx,
        tx,
        began,
      ]);
    }
    for (const gain of outcome.gains)
      if (!truth.has(gain.publicKey)) expect(gain.received + gain.sent).toBe(0n);
  }
  return { game, accountant };
}

describe('account, against the truth', () => {
  test('A5 to A9, A11: gains, causes, epochs and unobserved times are those of the true history', () => {
    fc.assert(
      fc.property(beginnings, histories(), (start, history) => {
        const { game, accountant } = play(start, history);
        for (const publicKey of PEERS) {
          const state = accountant.peers.get(publicKey);
          const { rx, tx } = game.truth.total(publicKey);
          expect([state?.totalReceived ?? 0n, state?.totalSent ?? 0n]).toEqual([rx, tx]);
          const epochs = accountant.ledger(publicKey);
          expect(epochs.map(exact)).toEqual(
            game.truth.facts.epochs.filter((epoch) => epoch.publicKey === publicKey).map(exact),
          );
          expect(epochs.reduce((sum, epoch) => sum + epoch.rx, 0n)).toBe(rx);
          expect(epochs.reduce((sum, epoch) => sum + epoch.tx, 0n)).toBe(tx);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('no gain is ever negative, and no epoch ends before it began', () => {
    fc.assert(
      fc.property(beginnings, histories(), (start, history) => {
        play(start, history, (outcome) => {
          if (outcome.kind === 'ignored') return;
          for (const { received, sent, ended } of outcome.gains) {
            expect(received >= 0n && sent >= 0n).toBe(true);
            if (ended)
              expect(ended.endedAt >= ended.startedAt && ended.received >= 0n && ended.sent >= 0n).toBe(true);
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  test('A3: any reading delivered again, at any later time, changes nothing', () => {
    fc.assert(
      fc.property(beginnings, histories(), (start, history) => {
        const game = new Play(start);
        const accountant = new Accountant();
        const counted: Reading[] = [];
        for (const event of history) {
          const reading = game.step(event);
          if (!reading) continue;
          const outcome = accountant.take(reading);
          game.truth.take(reading);
          if (outcome.kind === 'counted') counted.push(reading);
          for (const old of counted.filter(({ bootId }) => bootId === accountant.state?.bootId)) {
            const before = accountant.state;
            expect(accountant.take(old)).toEqual({ kind: 'ignored', reason: 'stale' });
            expect(accountant.state).toBe(before);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('the order of the peers in a reply does not matter', () => {
    const turn = (event: Event): Event =>
      event.kind === 'sample' ? { ...event, turn: event.turn + 1 } : event;
    fc.assert(
      fc.property(beginnings, histories(), (start, history) => {
        const one = play(start, history).accountant;
        const other = play(start, history.map(turn)).accountant;
        const sorted = (of: Accountant) => [...of.peers].sort(([a], [b]) => (a < b ? -1 : 1));
        expect(sorted(other)).toEqual(sorted(one));
      }),
      { numRuns: 300 },
    );
  });

  test('without a reset, samples between the first and the last change no total', () => {
    fc.assert(
      fc.property(beginnings, histories({ resets: false }), (start, history) => {
        const first: Event = { kind: 'sample', turn: 0 };
        const whole = play(start, [first, ...history, first]).accountant;
        const sparse = play(start, [first, ...history.filter(isNoSample), first]).accountant;
        expect(totals(sparse)).toEqual(totals(whole));
      }),
      { numRuns: 500 },
    );
  });

  test('over resets, more samples see at least as many bytes', () => {
    fc.assert(
      fc.property(
        beginnings,
        histories({ clocks: false }),
        fc.infiniteStream(fc.boolean()),
        (start, history, coins) => {
          // Clocks stay, and no reply lies: fewer samples then show the same things, but later.
          const honest = history
            .filter((event) => !['empty', 'late', 'failed'].includes(event.kind))
            .map(still);
          const sparse = honest.filter((event) => isNoSample(event) || coins.next().value === true);
          const more = totals(play(start, honest).accountant);
          for (const [publicKey, [rx, tx]] of totals(play(start, sparse).accountant)) {
            const [moreRx, moreTx] = more.get(publicKey) ?? [0n, 0n];
            expect(
              moreRx >= rx && moreTx >= tx,
              `${publicKey}: ${String([moreRx, moreTx])} < ${String([rx, tx])}`,
            ).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('A7: both directions count together, however unequal they are', () => {
    const counter = fc.bigInt(0n, 1_000n);
    fc.assert(
      fc.property(counter, counter, counter, counter, (oldRx, oldTx, rx, tx) => {
        fc.pre(rx < oldRx || tx < oldTx);
        const accountant = new Accountant();
        const game = new Play({ zone: 'UTC', wall: 0, peers: [] });
        const sample = (a: bigint, b: bigint, at: bigint): Reading => ({
          ...game.world.read(),
          monotonic: at,
          peers: [['anna', { life: 1, rx: a, tx: b, handshake: 7n }]],
        });
        accountant.take(sample(oldRx, oldTx, 1n));
        const outcome = accountant.take(sample(rx, tx, 2n));
        expect(outcome.kind === 'counted' && outcome.gains).toMatchObject([
          { received: rx, sent: tx, began: 'COUNTER_FELL' },
        ]);
      }),
    );
  });
});

function isNoSample({ kind }: Event): boolean {
  return kind !== 'sample' && kind !== 'read' && kind !== 'late' && kind !== 'empty';
}

function still(event: Event): Event {
  return event.kind === 'reboot' ? { ...event, clockMs: 0 } : event;
}

function totals(of: Accountant): Map<string, [bigint, bigint]> {
  const sorted = [...of.peers].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    sorted.map(([publicKey, { totalReceived, totalSent }]) => [publicKey, [totalReceived, totalSent]]),
  );
}
