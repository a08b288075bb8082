const RELATIVE = new Intl.RelativeTimeFormat('en', { style: 'narrow', numeric: 'always' });

/** WireGuard's REJECT_AFTER_TIME: a peer is online up to this age, so seconds are worth reading up to it. */
const SECONDS_UNTIL = 180;

/** `12s ago`; a time ahead of the clock counts as now. */
export function ageWords(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < SECONDS_UNTIL) return RELATIVE.format(-seconds, 'second');
  if (seconds < 3600) return RELATIVE.format(-Math.floor(seconds / 60), 'minute');
  if (seconds < 86_400) return RELATIVE.format(-Math.floor(seconds / 3600), 'hour');
  return RELATIVE.format(-Math.floor(seconds / 86_400), 'day');
}

/** A length of time without direction: `12 s`, `4 min`, `2 h`, `3 d`. */
export function spanWords(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const MONTH = new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric', timeZone: 'UTC' });

/** `2026-11` → `November 2026` */
export function monthName(month: string): string {
  const start = Date.parse(`${month}-01T00:00:00Z`);
  return Number.isNaN(start) ? month : MONTH.format(start);
}

const QUARTER_HOUR = 15 * 60 * 1000;

/**
 * Whether a month may have begun between the two instants. The page does not know the server's time zone,
 * but every offset in use is a multiple of a quarter of an hour, and so is the start of every month.
 */
export function crossesQuarterHour(before: number, after: number): boolean {
  return Math.floor(before / QUARTER_HOUR) !== Math.floor(after / QUARTER_HOUR);
}

/**
 * How far the server's clock is ahead of this one, in ms. Keeps the known offset while it is nearly right,
 * so that ages tick evenly whatever the network's delay does.
 */
export function adjustOffset(known: number, serverNow: number, localNow: number): number {
  const seen = serverNow - localNow;
  return Math.abs(seen - known) > 1500 ? seen : known;
}
