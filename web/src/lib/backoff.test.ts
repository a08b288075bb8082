import { expect, it } from 'vitest';
import { backOff } from './backoff.ts';

it('doubles up to ten seconds', () => {
  expect([0, 1, 2, 3, 9, 1e6].map((attempt) => backOff(attempt, 0))).toEqual([
    250, 500, 1000, 2000, 10_000, 10_000,
  ]);
});

it('spreads over the upper half', () => {
  expect(backOff(1e6, 0.999)).toBeGreaterThanOrEqual(5000);
  expect(backOff(0, 0.999)).toBeGreaterThanOrEqual(125);
});
