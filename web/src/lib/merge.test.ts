import { describe, expect, it } from 'vitest';
import { standing } from './merge.ts';

const have = { transferRx: 1000n, transferTx: 5000n };

describe('standing of a tick against what was read', () => {
  it('next: it begins where the read ends', () => {
    expect(standing(have, { received: 10n, sent: 70n, transferRx: 1010n, transferTx: 5070n })).toBe('next');
    expect(standing(have, { received: 0n, sent: 70n, transferRx: 1000n, transferTx: 5070n })).toBe('next');
  });

  it('same: the read saw it', () => {
    expect(standing(have, { received: 10n, sent: 70n, transferRx: 1000n, transferTx: 5000n })).toBe('same');
  });

  it('same: a handshake alone brings no bytes', () => {
    expect(standing(have, { received: 0n, sent: 0n, transferRx: 900n, transferTx: 4000n })).toBe('same');
  });

  it('old: the read saw a later one too', () => {
    expect(standing(have, { received: 10n, sent: 70n, transferRx: 990n, transferTx: 4930n })).toBe('old');
    expect(standing(have, { received: 10n, sent: 0n, transferRx: 990n, transferTx: 5000n })).toBe('old');
  });

  it('next: counters that began anew count in full', () => {
    expect(standing(have, { received: 30n, sent: 40n, transferRx: 30n, transferTx: 40n })).toBe('next');
  });

  it('next: ticks were missed, the read to come settles it', () => {
    expect(standing(have, { received: 10n, sent: 70n, transferRx: 1500n, transferTx: 6000n })).toBe('next');
  });

  it('is exact beyond 2^53', () => {
    const big = 1n << 60n;
    expect(
      standing(
        { transferRx: big, transferTx: big },
        { received: 1n, sent: 1n, transferRx: big + 1n, transferTx: big + 1n },
      ),
    ).toBe('next');
  });
});
