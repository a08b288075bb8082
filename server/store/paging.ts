/**
 * Pages by keyset (Relay's cursor connections): a cursor holds what its row is ordered by, so that a page
 * costs the same wherever it begins, and rows that come and go move no page.
 */
import { Refusal } from '../refusal.ts';

export interface PageArgs {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

/** What a row is ordered by, its id last. Whole numbers beyond 2^53 are written as text. */
export type Key = readonly (string | number)[];

/** The rows to read: one more than `size`, from the end where `backward`. */
export interface Window {
  readonly size: number;
  readonly backward: boolean;
  readonly after: Key | null;
  readonly before: Key | null;
  /** Names the order in cursors. */
  readonly order: string;
  /** With `first` and `last` both: the last so many of the first. */
  readonly tail: number | null;
}

export interface PageInfo {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

const DEFAULT_SIZE = 100;
const MAX_SIZE = 1_000;

/**
 * @param order names the order: a cursor of another one is refused
 * @throws Refusal BAD_USER_INPUT
 */
export function readWindow(args: PageArgs, order: string): Window {
  const first = sizeOf('first', args.first);
  const last = sizeOf('last', args.last);
  return {
    size: first ?? last ?? DEFAULT_SIZE,
    backward: first === null && last !== null,
    after: decode('after', args.after, order),
    before: decode('before', args.before, order),
    order,
    tail: first !== null ? last : null,
  };
}

/** Cuts what was read, in reading order and one more than asked for, to the page. */
export function cut<T>(window: Window, read: readonly T[]): { readonly rows: T[]; readonly info: PageInfo } {
  const more = read.length > window.size;
  let rows = read.slice(0, window.size);
  if (window.backward) {
    rows.reverse();
    return { rows, info: { hasPreviousPage: more, hasNextPage: window.before !== null } };
  }
  let before = window.after !== null;
  if (window.tail !== null && rows.length > window.tail) {
    rows = rows.slice(rows.length - window.tail);
    before = true;
  }
  return { rows, info: { hasPreviousPage: before, hasNextPage: more } };
}

export function encodeCursor(order: string, key: Key): string {
  return Buffer.from(JSON.stringify([order, ...key])).toString('base64url');
}

function sizeOf(field: 'first' | 'last', value: number | null | undefined): number | null {
  if (value === null || value === undefined) return null;
  if (value < 0)
    throw new Refusal('BAD_USER_INPUT', `${field} is ${String(value)}; it must not be negative.`, { field });
  return Math.min(value, MAX_SIZE);
}

function decode(field: 'after' | 'before', cursor: string | null | undefined, order: string): Key | null {
  if (cursor === null || cursor === undefined) return null;
  const key = parse(cursor);
  if (key?.[0] !== order) {
    const message = `${field} is no cursor of this list and order: take one from its pageInfo or edges.`;
    throw new Refusal('BAD_USER_INPUT', message, { field });
  }
  return key.slice(1);
}

function parse(cursor: string): Key | null {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const plain =
      Array.isArray(key) && key.every((part) => typeof part === 'string' || typeof part === 'number');
    return plain ? key : null;
  } catch {
    return null;
  }
}

/** A whole number of a cursor. @throws Refusal BAD_USER_INPUT */
export function wholePart(part: string | number | undefined): bigint {
  const text = String(part);
  if (!/^-?\d{1,19}$/.test(text)) {
    throw new Refusal('BAD_USER_INPUT', 'The cursor was altered: take one from pageInfo or edges.', {
      field: 'after',
    });
  }
  return BigInt(text);
}
