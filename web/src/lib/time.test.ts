import { describe, expect, it } from 'vitest';
import { adjustOffset, ageWords, crossesQuarterHour, monthName, spanWords } from './time.ts';

describe('ageWords', () => {
  it.each([
    [-5000, '0s ago'],
    [0, '0s ago'],
    [999, '0s ago'],
    [12_400, '12s ago'],
    [179_999, '179s ago'],
    [180_000, '3m ago'],
    [3_600_000, '1h ago'],
    [86_400_000 * 3, '3d ago'],
  ])('%d ms', (age, words) => {
    // Versions of the locale data write `3m`, `3min` and `3 min`.
    expect(ageWords(age).replace(/^(\d+) ?([smhd])[a-z.]*/, '$1$2')).toBe(words);
  });
});

it('spanWords', () => {
  expect([0, 119_000, 120_000, 7_200_000, 200_000_000].map(spanWords)).toEqual([
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 d',
  ]);
});

it('monthName', () => {
  expect(monthName('2026-11')).toBe('November 2026');
  expect(monthName('2026-01')).toBe('January 2026');
  expect(monthName('?')).toBe('?');
});

it('crossesQuarterHour finds the start of a month in any zone', () => {
  const utc = Date.parse('2026-12-01T00:00:00Z');
  const kathmandu = Date.parse('2026-12-01T00:00:00+05:45');
  for (const start of [utc, kathmandu]) {
    expect(crossesQuarterHour(start - 1000, start)).toBe(true);
    expect(crossesQuarterHour(start, start + 1000)).toBe(false);
  }
});

it('adjustOffset keeps a good offset and takes a new one after a jump', () => {
  expect(adjustOffset(0, 1000, 1200)).toBe(0);
  expect(adjustOffset(0, 61_000, 1000)).toBe(60_000);
  expect(adjustOffset(60_000, 61_900, 1000)).toBe(60_000);
});
