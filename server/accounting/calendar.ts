/** Months, days, hours and minutes of a moment (A10). Pure: the moment and the zone come in. */
import { DateTime, IANAZone } from 'luxon';

/** `YYYY-MM` */
export type Month = string;

const MINUTE_MS = 60_000;
const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

/** True for an IANA time zone that this runtime knows. */
export function isZone(zone: string): boolean {
  return IANAZone.isValidZone(zone);
}

export function isMonth(text: string): text is Month {
  return MONTH.test(text);
}

/** The month after (`by` > 0) or before another. */
export function addMonths(month: Month, by: number): Month {
  return DateTime.fromFormat(month, 'yyyy-MM', { zone: 'utc' }).plus({ months: by }).toFormat('yyyy-MM');
}

/** The history buckets and the month of a moment; starts are minutes since the Unix epoch. */
export interface Bucket {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: Month;
}

/** A calendar of one time zone. Remembers the last minute asked for: ticks ask for the same one again. */
export class Calendar {
  readonly zone: string;
  #last: Bucket | null = null;

  constructor(zone: string) {
    this.zone = zone;
  }

  /** @param at milliseconds since the Unix epoch */
  bucket(at: number): Bucket {
    const minute = Math.floor(at / MINUTE_MS);
    if (this.#last?.minute !== minute) {
      const local = DateTime.fromMillis(minute * MINUTE_MS, { zone: this.zone });
      this.#last = {
        minute,
        hour: minutes(local.startOf('hour')),
        day: minutes(firstOf(local.startOf('day'))),
        month: local.toFormat('yyyy-MM'),
      };
    }
    return this.#last;
  }

  month(at: number): Month {
    return this.bucket(at).month;
  }

  /** The first moment of a month, milliseconds since the Unix epoch. */
  monthStart(month: Month): number {
    return firstOf(DateTime.fromFormat(month, 'yyyy-MM', { zone: this.zone })).toMillis();
  }
}

function minutes(moment: DateTime): number {
  return Math.floor(moment.toMillis() / MINUTE_MS);
}

/** Where the clocks go back over midnight (Havana), midnight comes twice: the first one begins the day. */
function firstOf(start: DateTime): DateTime {
  const earlier = start.minus({ hours: 1 });
  return earlier.day === start.day ? earlier : start;
}
