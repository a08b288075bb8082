const FIRST = 250;
const LONGEST = 10_000;

/**
 * How long to wait before another attempt, in ms: doubles from a quarter of a second to ten seconds, with
 * up to half of it taken off at random, so that a thousand pages do not come back in one instant.
 *
 * @param attempt 0 for the first  @param random in [0, 1)
 */
export function backOff(attempt: number, random: number = Math.random()): number {
  const most = Math.min(LONGEST, FIRST * 2 ** Math.min(attempt, 16));
  return Math.round(most * (1 - random / 2));
}
