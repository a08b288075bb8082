/** Exact quantities as strict strings outside; wrong input is BAD_USER_INPUT. */
import { GraphQLError } from 'graphql';
import { isMonth } from '../accounting/calendar.ts';
import { builder } from './builder.ts';

const DECIMAL = /^(0|-?[1-9]\d*)$/;
/** RFC 3339, section 5.6: date, time and offset are all there. */
const RFC_3339 =
  /^(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

function bad(value: unknown, wanted: string): GraphQLError {
  const shown = (typeof value === 'string' ? JSON.stringify(value) : String(value)).slice(0, 80);
  return new GraphQLError(`${shown} is not ${wanted}.`, { extensions: { code: 'BAD_USER_INPUT' } });
}

export function parseDateTime(value: unknown): Date {
  const parts = typeof value === 'string' ? RFC_3339.exec(value) : null;
  const [text, day = ''] = parts ?? [];
  // JavaScript takes 30 February for 1 March.
  if (text === undefined || !new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)) {
    throw bad(value, 'an instant of RFC 3339 with an offset, such as "2026-01-31T12:00:00Z"');
  }
  return new Date(text.toUpperCase());
}

export function parseBigInt(value: unknown): bigint {
  if (typeof value !== 'string' || !DECIMAL.test(value))
    throw bad(value, 'a whole number as a decimal string');
  return BigInt(value);
}

export function parseYearMonth(value: unknown): string {
  if (typeof value !== 'string' || !isMonth(value)) throw bad(value, 'a month as YYYY-MM, such as "2026-01"');
  return value;
}

builder.scalarType('DateTime', {
  description: 'An instant, RFC 3339, UTC.',
  serialize: (value) => (typeof value === 'number' ? new Date(value) : value).toISOString(),
  parseValue: parseDateTime,
});

builder.scalarType('BigInt', {
  description: 'A count of bytes as a decimal string: exact at any size.',
  serialize: (value) => {
    if (typeof value !== 'bigint') throw new TypeError(`a count of bytes is a ${typeof value}, not a bigint`);
    return value.toString();
  },
  parseValue: parseBigInt,
});

builder.scalarType('YearMonth', {
  description: 'A calendar month, YYYY-MM.',
  serialize: (value) => value,
  parseValue: parseYearMonth,
});
