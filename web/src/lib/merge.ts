/** Where a tick's counters stand against what was read: the page never counts a byte twice. */

/** A peer's counters, as last read or merged. */
export interface Counters {
  transferRx: bigint;
  transferTx: bigint;
}

/** What a tick says of a peer: the bytes it adds and the counters after it. */
export interface Gain extends Counters {
  received: bigint;
  sent: bigint;
}

/**
 * - `next`: its bytes come on top.
 * - `same`: the read has seen this very tick: the bytes are in already, the rates are news.
 * - `old`: the read was made after a later tick.
 */
export type Standing = 'next' | 'same' | 'old';

/**
 * Reading peers takes time while ticks go on, so a tick can be older than the read that it meets. The
 * counters tell: `counter - gain` is what the counter was before the tick. Only a reset (CONTRACT.md §3.2:
 * counters count in full) makes counters fall that are not old.
 */
export function standing(have: Counters, tick: Gain): Standing {
  const beforeRx = tick.transferRx - tick.received;
  const beforeTx = tick.transferTx - tick.sent;
  if (tick.received === 0n && tick.sent === 0n) return 'same';
  if (beforeRx === have.transferRx && beforeTx === have.transferTx) return 'next';
  if (tick.transferRx === have.transferRx && tick.transferTx === have.transferTx) return 'same';
  if (beforeRx === 0n && beforeTx === 0n) return 'next';
  return tick.transferRx <= have.transferRx && tick.transferTx <= have.transferTx ? 'old' : 'next';
}
