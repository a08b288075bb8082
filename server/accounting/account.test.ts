/** ACCOUNTING.md by example: each title begins with the rule it checks. */
import { describe, expect, test } from 'vitest';
import {
  account,
  elapsedMs,
  MAX_BYTES,
  removed,
  type InterfaceState,
  type Outcome,
  type PeerGain,
  type PeerState,
  type Sample,
} from './account.ts';

const NOON = Date.parse('2026-05-20T12:00:00Z');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const UP = 10 * HOUR;

/** `12:02` as a handshake, null is never. */
function clock(time: string | null): bigint {
  return time === null ? 0n : BigInt(Date.parse(`2026-05-20T${time}:00Z`)) * 1_000_000n;
}

type Row = readonly [publicKey: string, rx: bigint, tx: bigint, handshake: bigint];

interface Look {
  /** Milliseconds after noon, true time. */
  readonly at: number;
  readonly peers?: readonly Row[];
  /** What the wall clock is set off by, milliseconds. */
  readonly off?: number;
  readonly bootId?: string | null;
  readonly instance?: string | null;
  readonly publicKey?: string | null;
  /** Milliseconds since boot. */
  readonly up?: number;
}

function sampleOf({
  at,
  peers = [],
  off = 0,
  bootId = 'boot',
  instance = 'inode-1',
  publicKey = 'K',
  up = UP + at,
}: Look) {
  const sample: Sample = {
    bootId,
    instance,
    publicKey,
    monotonic: BigInt(up) * 1_000_000n,
    wall: NOON + at + off,
    peers: peers.map(([key, rx, tx, latestHandshake]) => ({ publicKey: key, rx, tx, latestHandshake })),
  };
  return sample;
}

/** The books of an interface after some samples. */
class Books {
  state: InterfaceState | null = null;
  readonly peers = new Map<string, PeerState>();

  constructor(...looks: readonly Look[]) {
    for (const look of looks) this.take(look);
  }

  take(look: Look): Outcome {
    const outcome = account(this.state, this.peers, sampleOf(look));
    if (outcome.kind === 'counted') {
      this.state = outcome.state;
      for (const gain of outcome.gains) this.peers.set(gain.publicKey, gain.state);
    }
    return outcome;
  }

  gain(look: Look, publicKey = 'anna'): Pick<PeerGain, 'received' | 'sent' | 'began'> & Partial<PeerGain> {
    const outcome = this.take(look);
    if (outcome.kind === 'ignored') throw new Error(`ignored: ${outcome.reason}`);
    return (
      outcome.gains.find((gain) => gain.publicKey === publicKey) ?? { received: 0n, sent: 0n, began: null }
    );
  }
}

const OLD: Row = ['anna', 500n, 900n, clock('12:00')];
const BEFORE: Look = { at: 0, peers: [OLD] };
const AT = 150 * SECOND;

describe('the table of ACCOUNTING.md', () => {
  test('A5 interface never seen: 0 / 0', () => {
    expect(new Books().gain(BEFORE)).toMatchObject({ received: 0n, sent: 0n, began: 'FIRST_SEEN' });
  });

  test('A6 interface known: 500 / 900', () => {
    const books = new Books({ at: -SECOND, peers: [] });
    expect(books.gain(BEFORE)).toMatchObject({ received: 500n, sent: 900n, began: 'ADDED' });
  });

  test.each<[rule: string, Partial<Look>, Row, received: bigint, sent: bigint, PeerGain['began']]>([
    ['A9 nothing special: 200 / 50', {}, ['anna', 700n, 950n, clock('12:00')], 200n, 50n, null],
    ['A7.4 rx fell: 480 / 990', {}, ['anna', 480n, 990n, clock('12:02')], 480n, 990n, 'COUNTER_FELL'],
    ['A7.4 tx fell: 700 / 899', {}, ['anna', 700n, 899n, clock('12:02')], 700n, 899n, 'COUNTER_FELL'],
    [
      'A7.2 new inode: 700 / 950',
      { instance: 'inode-2' },
      ['anna', 700n, 950n, clock('12:02')],
      700n,
      950n,
      'DEVICE_RECREATED',
    ],
    [
      'A7.1 new boot id: 700 / 950',
      { bootId: 'boot-2' },
      ['anna', 700n, 950n, clock('12:02')],
      700n,
      950n,
      'REBOOT',
    ],
    [
      'A7.3 no handshake any more: 700 / 950',
      {},
      ['anna', 700n, 950n, clock(null)],
      700n,
      950n,
      'HANDSHAKE_WENT_BACK',
    ],
    [
      'A8, A9 clock set back 1 h: 200 / 50',
      { off: -HOUR },
      ['anna', 700n, 950n, clock('11:02')],
      200n,
      50n,
      null,
    ],
  ])('%s', (_, look, row, received, sent, began) => {
    expect(new Books(BEFORE).gain({ at: AT, peers: [row], ...look })).toMatchObject({
      received,
      sent,
      began,
    });
  });
});

describe('what a sample is', () => {
  test('A2 without a key and without peers it is no sample, not even the first', () => {
    expect(new Books().take({ at: 0, publicKey: null })).toEqual({ kind: 'ignored', reason: 'empty' });
    expect(new Books(BEFORE).take({ at: AT, publicKey: null })).toEqual({ kind: 'ignored', reason: 'empty' });
  });

  test('A2 without peers where peers ran it is no sample, also of a new boot and a new device', () => {
    for (const look of [{}, { bootId: 'boot-2' }, { instance: 'inode-2' }]) {
      expect(new Books(BEFORE).take({ at: AT, ...look })).toEqual({ kind: 'ignored', reason: 'empty' });
    }
  });

  test('A2 after an empty reply the peer gains from where it was', () => {
    const books = new Books(BEFORE, { at: SECOND });
    expect(books.gain({ at: AT, peers: [['anna', 501n, 902n, clock('12:00')]] })).toMatchObject({
      received: 1n,
      sent: 2n,
      began: null,
    });
  });

  test('A2 without peers where this server removed the last one it is a sample', () => {
    const books = new Books(BEFORE);
    books.peers.set('anna', removed(books.peers.get('anna')!, NOON).state);
    expect(books.take({ at: AT })).toMatchObject({ kind: 'counted', gains: [] });
  });

  test('A3 equally old and older readings are stale within a boot, whatever their values and wall clock', () => {
    const books = new Books(BEFORE, { at: AT, peers: [['anna', 600n, 950n, clock('12:00')]] });
    for (const at of [AT, AT - 1, 0]) {
      expect(books.take({ at, off: 24 * HOUR, peers: [OLD] })).toEqual({ kind: 'ignored', reason: 'stale' });
    }
  });

  test('A3 the wall clock orders nothing: a sample with an earlier one counts', () => {
    const look: Look = { at: SECOND, off: -48 * HOUR, peers: [['anna', 600n, 900n, clock('12:00')]] };
    expect(new Books(BEFORE).gain(look)).toMatchObject({ received: 100n, sent: 0n, began: null });
  });

  test('A3 the monotonic clock of another boot orders nothing either', () => {
    const look: Look = {
      at: AT,
      up: SECOND,
      bootId: 'boot-2',
      peers: [['anna', 600n, 950n, clock('12:02')]],
    };
    expect(new Books(BEFORE).gain(look)).toMatchObject({ received: 600n, sent: 950n, began: 'REBOOT' });
  });

  test('A4 the same instance with a new key keeps its counters', () => {
    const look: Look = { at: AT, publicKey: 'K2', peers: [['anna', 600n, 950n, clock('12:00')]] };
    expect(new Books(BEFORE).gain(look)).toMatchObject({ received: 100n, sent: 50n, began: null });
  });

  test.each([
    [null, 'inode-1'],
    ['inode-1', null],
    [null, null],
  ])('A4 where an instance is not known (%s, then %s) a changed key stands in for it', (first, second) => {
    const row: Row = ['anna', 600n, 950n, clock('12:02')];
    const before = { ...BEFORE, instance: first };
    const rekeyed = new Books(before).gain({ at: AT, instance: second, publicKey: 'K2', peers: [row] });
    expect(rekeyed).toMatchObject({ received: 600n, sent: 950n, began: 'DEVICE_RECREATED' });
    const same = new Books(before).gain({ at: AT, instance: second, peers: [row] });
    expect(same).toMatchObject({ received: 100n, sent: 50n, began: null });
  });
});

describe('what a peer gains', () => {
  test('A5 only the very first sample is first sight: a peer in the second one is added', () => {
    const bert: Row = ['bert', 70n, 80n, 0n];
    expect(new Books(BEFORE).gain({ at: AT, peers: [OLD, bert] }, 'bert')).toMatchObject({
      received: 70n,
      sent: 80n,
      began: 'ADDED',
    });
  });

  test('A6 a removed peer that comes back counts in full, though its counters passed the old ones', () => {
    const bert: Row = ['bert', 0n, 0n, 0n];
    const books = new Books({ at: 0, peers: [OLD, bert] }, { at: SECOND, peers: [bert] });
    const back: Look = { at: AT, peers: [['anna', 700n, 950n, clock('12:02')], bert] };
    expect(books.gain(back)).toMatchObject({ received: 700n, sent: 950n, began: 'ADDED' });
  });

  test('A7 all peers of a device are reset together, also those whose counters rose', () => {
    const books = new Books({ at: 0, peers: [OLD, ['bert', 10n, 10n, 0n]] });
    const look: Look = {
      at: AT,
      instance: 'inode-2',
      peers: [
        ['anna', 501n, 901n, clock('12:01')],
        ['bert', 11n, 9n, 0n],
      ],
    };
    const outcome = books.take(look);
    expect(outcome.kind === 'counted' && outcome.gains).toMatchObject([
      { publicKey: 'anna', received: 501n, sent: 901n, began: 'DEVICE_RECREATED' },
      { publicKey: 'bert', received: 11n, sent: 9n, began: 'DEVICE_RECREATED' },
    ]);
  });

  test('A7 a reset to zero and nothing since gains nothing, and is a reset all the same', () => {
    expect(new Books(BEFORE).gain({ at: AT, peers: [['anna', 0n, 0n, 0n]] })).toMatchObject({
      received: 0n,
      sent: 0n,
      began: 'HANDSHAKE_WENT_BACK',
      ended: { cause: 'FIRST_SEEN', received: 0n, sent: 0n, endedAt: NOON },
    });
  });

  test('A7 the boot comes before the device, the device before the handshake, that before the counters', () => {
    const worst: Row = ['anna', 1n, 1n, 0n];
    const cause = (look: Partial<Look>) => new Books(BEFORE).gain({ at: AT, peers: [worst], ...look }).began;
    expect(cause({ bootId: 'boot-2', instance: 'inode-2' })).toBe('REBOOT');
    expect(cause({ instance: 'inode-2' })).toBe('DEVICE_RECREATED');
    expect(cause({})).toBe('HANDSHAKE_WENT_BACK');
  });

  test('A8 an older handshake under an unmoved clock went back', () => {
    const look: Look = { at: AT, peers: [['anna', 700n, 950n, clock('11:59')]] };
    expect(new Books(BEFORE).gain(look)).toMatchObject({
      received: 700n,
      sent: 950n,
      began: 'HANDSHAKE_WENT_BACK',
    });
  });

  test('A8 a clock that slews by less than half a second does not excuse an older handshake', () => {
    const look: Look = { at: AT, off: -400, peers: [['anna', 700n, 950n, clock('12:00') - 1n]] };
    expect(new Books(BEFORE).gain(look)).toMatchObject({ began: 'HANDSHAKE_WENT_BACK' });
  });

  test('A8 older by more than the clock was set back went back', () => {
    const look: Look = { at: AT, off: -HOUR, peers: [['anna', 700n, 950n, clock('10:59')]] };
    expect(new Books(BEFORE).gain(look)).toMatchObject({
      received: 700n,
      sent: 950n,
      began: 'HANDSHAKE_WENT_BACK',
    });
  });

  test('A8 the clock set back, the handshake seen many samples later', () => {
    const books = new Books(BEFORE);
    for (let n = 1; n <= 10; n += 1) books.take({ at: n * SECOND, off: -HOUR, peers: [OLD] });
    const look: Look = { at: AT, off: -HOUR, peers: [['anna', 700n, 950n, clock('11:02')]] };
    expect(books.gain(look)).toMatchObject({ received: 200n, sent: 50n, began: null });
  });

  test('A8 the clock set ahead by a day and, samples later, back', () => {
    const books = new Books(BEFORE);
    const day = 24 * HOUR;
    const ahead = clock('12:01') + BigInt(day) * 1_000_000n;
    books.take({ at: 90 * SECOND, off: day, peers: [['anna', 600n, 900n, ahead]] });
    books.take({ at: 91 * SECOND, peers: [['anna', 600n, 900n, ahead]] });
    expect(books.gain({ at: AT, peers: [['anna', 700n, 950n, clock('12:02')]] })).toMatchObject({
      received: 100n,
      sent: 50n,
      began: null,
    });
  });

  test('A8, §3.1 a handshake made while the clock was ahead, and first seen when it was right again, excuses the next', () => {
    const late: Row = ['anna', 500n, 900n, clock('13:00')];
    const next: Look = { at: AT, peers: [['anna', 700n, 950n, clock('12:02')]] };
    expect(new Books({ at: 0, peers: [late] }).gain(next)).toMatchObject({
      received: 200n,
      sent: 50n,
      began: null,
    });
    // Likewise after a reboot with a wrong hardware clock.
    const before: Look = { at: -HOUR, bootId: 'boot-1', peers: [['anna', 1n, 1n, 0n]] };
    const books = new Books(before, { at: 0, up: MINUTE, peers: [late] });
    expect(books.gain({ ...next, up: MINUTE + AT })).toMatchObject({
      received: 200n,
      sent: 50n,
      began: null,
    });
  });

  test('A8 a first handshake, and a newer one, never went back', () => {
    const books = new Books({ at: 0, peers: [['anna', 0n, 0n, 0n]] });
    expect(books.gain({ at: SECOND, peers: [['anna', 1n, 1n, clock('12:00')]] })).toMatchObject({
      began: null,
    });
    expect(books.gain({ at: AT, peers: [['anna', 2n, 2n, clock('12:01')]] })).toMatchObject({ began: null });
  });

  test('A9 a sample that shows nothing new changes no peer', () => {
    expect(new Books(BEFORE).take({ at: AT, peers: [OLD] })).toMatchObject({ kind: 'counted', gains: [] });
  });

  test('what nobody can know: replaced without a trace, it is taken for the same peer', () => {
    const look: Look = { at: AT, peers: [['anna', 700n, 950n, clock('12:02')]] };
    expect(new Books(BEFORE).gain(look)).toMatchObject({ received: 200n, sent: 50n, began: null });
  });
});

describe('where the bytes go', () => {
  test('A11 an epoch ends at the last sample that saw it; the next tells what was unobserved', () => {
    const books = new Books(BEFORE, { at: 10 * SECOND, peers: [['anna', 600n, 950n, clock('12:00')]] });
    expect(books.gain({ at: 13 * SECOND, peers: [['anna', 5n, 6n, clock('12:00')]] })).toMatchObject({
      ended: { cause: 'FIRST_SEEN', startedAt: NOON, endedAt: NOON + 10 * SECOND, received: 100n, sent: 50n },
      state: {
        epoch: { cause: 'COUNTER_FELL', startedAt: NOON + 13 * SECOND, unobservedMs: 3_000 },
        totalReceived: 105n,
        totalSent: 56n,
      },
    });
  });

  test('A11 over a reboot the wall clock tells the unobserved time, and never a negative one', () => {
    const row: Row = ['anna', 1n, 1n, 0n];
    const after = new Books(BEFORE).gain({ at: 40 * SECOND, up: 5 * SECOND, bootId: 'boot-2', peers: [row] });
    expect(after.state?.epoch?.unobservedMs).toBe(40_000);
    const back = new Books(BEFORE).gain({
      at: 40 * SECOND,
      off: -HOUR,
      up: 5 * SECOND,
      bootId: 'boot-2',
      peers: [row],
    });
    expect(back.state?.epoch?.unobservedMs).toBe(0);
  });

  test('A11 never seen before: nothing was unobserved', () => {
    const gain = new Books({ at: 0 }).gain({ at: AT, peers: [OLD] });
    expect(gain.state?.epoch).toMatchObject({ cause: 'ADDED', unobservedMs: 0 });
  });

  test("A12, A11 absent, it stops and keeps its totals; the time it vanished in is the next epoch's", () => {
    const bert: Row = ['bert', 0n, 0n, 0n];
    const books = new Books(
      { at: 0, peers: [['anna', 1n, 1n, 0n], bert] },
      { at: SECOND, peers: [['anna', 501n, 901n, 0n], bert] },
    );
    expect(books.gain({ at: 4 * SECOND, peers: [bert] })).toMatchObject({
      ended: { endedAt: NOON + SECOND, received: 500n, sent: 900n },
      state: { running: false, totalReceived: 500n, totalSent: 900n, epoch: null },
    });
    books.take({ at: 100 * SECOND, peers: [bert] });
    const back = books.gain({ at: AT, peers: [['anna', 3n, 4n, 0n], bert] });
    expect(back.state).toMatchObject({
      totalReceived: 503n,
      totalSent: 904n,
      epoch: { cause: 'ADDED', unobservedMs: 3_000 },
    });
  });

  test('A13, A11 removed by the server: the epoch ends at the last sample and nothing was unobserved', () => {
    const books = new Books(BEFORE, { at: SECOND, peers: [['anna', 600n, 1_000n, 0n]] });
    const { state, ended } = removed(books.peers.get('anna')!, NOON + SECOND);
    expect(ended).toMatchObject({ endedAt: NOON + SECOND });
    books.peers.set('anna', state);
    books.take({ at: AT, peers: [] });
    const back = books.gain({ at: AT + HOUR, peers: [['anna', 5n, 5n, 0n]] });
    expect(back.state?.epoch).toMatchObject({ cause: 'ADDED', unobservedMs: 0 });
  });

  test('A11 the server "removes" a peer that had vanished by itself: what passed then stays unobserved', () => {
    const bert: Row = ['bert', 0n, 0n, 0n];
    const books = new Books({ at: 0, peers: [OLD, bert] }, { at: 4 * SECOND, peers: [bert] });
    const { state, ended } = removed(books.peers.get('anna')!, NOON + 4 * SECOND);
    expect(ended).toBeNull();
    books.peers.set('anna', state);
    const back = books.gain({ at: AT, peers: [['anna', 3n, 4n, 0n], bert] });
    expect(back.state?.epoch).toMatchObject({ cause: 'ADDED', unobservedMs: 4_000 });
  });

  test('A11 a clock set back ends no epoch before it began', () => {
    const books = new Books(BEFORE, { at: SECOND, off: -HOUR, peers: [OLD] });
    const gain = books.gain({ at: 2 * SECOND, off: -HOUR, peers: [['anna', 1n, 1n, 0n]] });
    expect(gain.ended).toMatchObject({ startedAt: NOON, endedAt: NOON });
  });

  test('A17 a sum past 2^63 - 1 is refused, up to it is exact', () => {
    const books = new Books({ at: 0, peers: [] });
    const most = books.gain({ at: SECOND, peers: [['anna', MAX_BYTES - 7n, 7n, 0n]] });
    expect(most.received).toBe(9_223_372_036_854_775_800n);
    expect(() => books.take({ at: AT, peers: [['anna', MAX_BYTES - 6n, 7n, 0n]] })).toThrow(RangeError);
    expect(books.peers.get('anna')?.totalReceived).toBe(MAX_BYTES - 7n);
  });

  test('elapsedMs is the monotonic clock within a boot, whatever the wall clock', () => {
    const books = new Books(BEFORE);
    const { bootId, monotonic, wall } = sampleOf({ at: 1_500, off: -HOUR });
    expect(elapsedMs(books.state!, { bootId, monotonic, wall })).toBe(1_500);
  });
});
