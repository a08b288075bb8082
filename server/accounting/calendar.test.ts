/** A10: the calendar, against Intl's (tests/support/model.ts). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dayOf, hourOf, monthOf, STARTS, ZONES } from '../../tests/support/model.ts';
import { addMonths, Calendar, isMonth, isZone } from './calendar.ts';

/** Zones whose clocks change at midnight have days that begin at one, or have two midnights. */
const MIDNIGHT = ['America/Havana', 'Asia/Beirut', 'Africa/Cairo', 'America/Sao_Paulo'] as const;

const moments = fc.oneof(
  fc.integer({ min: Date.parse('2010-01-01T00:00:00Z'), max: Date.parse('2035-01-01T00:00:00Z') }),
  fc
    .tuple(fc.constantFrom(...STARTS), fc.integer({ min: -2 * 86_400_000, max: 2 * 86_400_000 }))
    .map(([a, b]) => a + b),
);

function expectTrue(zone: string, at: number, calendar = new Calendar(zone)): void {
  const minute = Math.floor(at / 60_000);
  expect({ zone, at, ...calendar.bucket(at) }).toEqual({
    zone,
    at,
    minute,
    hour: hourOf(minute, zone),
    day: dayOf(minute, zone),
    month: monthOf(at, zone),
  });
}

describe('A10 Calendar', () => {
  test.each(ZONES)('minute, hour, day and month in %s are the true ones', (zone) => {
    const calendar = new Calendar(zone);
    fc.assert(
      fc.property(moments, (at) => {
        expectTrue(zone, at, calendar);
      }),
      { numRuns: 300 },
    );
  });

  test.each(MIDNIGHT)('minute, hour, day and month in %s, whose clocks change at midnight', (zone) => {
    fc.assert(
      fc.property(moments, (at) => {
        expectTrue(zone, at);
      }),
      { numRuns: 200 },
    );
  });

  test('a month begins at the local midnight', () => {
    expect(new Calendar('Europe/Berlin').bucket(Date.parse('2026-03-31T21:59:59.999Z')).month).toBe(
      '2026-03',
    );
    expect(new Calendar('Europe/Berlin').bucket(Date.parse('2026-03-31T22:00:00Z')).month).toBe('2026-04');
    expect(new Calendar('America/New_York').bucket(Date.parse('2026-11-01T03:59:59Z')).month).toBe('2026-10');
    expect(new Calendar('America/New_York').bucket(Date.parse('2026-11-01T04:00:00Z')).month).toBe('2026-11');
    expect(new Calendar('Asia/Kolkata').bucket(Date.parse('2026-10-31T18:30:00Z')).month).toBe('2026-11');
  });

  test('the hour that comes twice is two hours', () => {
    const calendar = new Calendar('Europe/Berlin');
    const first = calendar.bucket(Date.parse('2026-10-25T00:30:00Z')).hour;
    const second = calendar.bucket(Date.parse('2026-10-25T01:30:00Z')).hour;
    expect(second - first).toBe(60);
  });

  test('days have 23 and 25 hours where the clocks change, and Apia had no 30 December 2011', () => {
    const starts = (zone: string, from: string, hours: number): number[] => {
      const calendar = new Calendar(zone);
      const days = Array.from(
        { length: hours },
        (_, h) => calendar.bucket(Date.parse(from) + h * 3_600_000).day,
      );
      return [...new Set(days)].map((day, index, all) => day - (all[index - 1] ?? day)).slice(1);
    };
    expect(starts('Europe/Berlin', '2026-03-28T00:00:00Z', 72)).toEqual([1_440, 1_380, 1_440].slice(0, 3));
    expect(starts('Europe/Berlin', '2026-10-24T00:00:00Z', 72)).toEqual([1_440, 1_500, 1_440].slice(0, 3));
    expect(new Set(starts('Pacific/Apia', '2011-12-28T00:00:00Z', 96))).toEqual(new Set([1_440]));
  });

  test('the day whose midnight comes twice is one day (Havana, 1 November 2026)', () => {
    const calendar = new Calendar('America/Havana');
    const first = Date.parse('2026-11-01T04:00:00Z');
    const days = [0, 30, 60, 90, 150, 600].map((minute) => calendar.bucket(first + minute * 60_000).day);
    expect(new Set(days)).toEqual(new Set([first / 60_000]));
  });

  test.each([...ZONES, ...MIDNIGHT])('monthStart is the first moment of each month in %s', (zone) => {
    const calendar = new Calendar(zone);
    for (let month = '2010-01'; month < '2030-01'; month = addMonths(month, 1)) {
      const start = calendar.monthStart(month);
      expect([month, monthOf(start, zone), monthOf(start - 1, zone)]).toEqual([
        month,
        month,
        addMonths(month, -1),
      ]);
    }
  });

  test('addMonths, isMonth, isZone', () => {
    expect(addMonths('2026-01', -1)).toBe('2025-12');
    expect(addMonths('2026-12', 13)).toBe('2028-01');
    expect(['2026-13', '2026-1', '2026-00', '26-01', ' 2026-01'].filter(isMonth)).toEqual([]);
    expect(isMonth('2026-09')).toBe(true);
    expect([isZone('Europe/Berlin'), isZone('Mars/Olympus')]).toEqual([true, false]);
  });
});
