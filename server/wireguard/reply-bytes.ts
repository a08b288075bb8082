/** The socket protocol's words and numbers, read straight from the bytes of a reply: no string a line. */

/** Keys that mean something to us. Length and first letter tell them apart: {@link keyAt} relies on it. */
const KEYS = [
  'errno',
  'private_key',
  'listen_port',
  'public_key',
  'preshared_key',
  'endpoint',
  'allowed_ip',
  'rx_bytes',
  'tx_bytes',
  'last_handshake_time_sec',
  'last_handshake_time_nsec',
  'persistent_keepalive_interval',
] as const;
export type ReplyKey = (typeof KEYS)[number];

const LONGEST = 32;
const LF = 10;
const EQUALS = 61;

/** By length and first letter. */
const TABLE: ({ key: ReplyKey; bytes: Buffer } | undefined)[] = new Array<undefined>(LONGEST * 256).fill(
  undefined,
);
for (const key of KEYS) TABLE[key.length * 256 + key.charCodeAt(0)] = { key, bytes: Buffer.from(key) };

const IS_HEX = new Uint8Array(256);
for (const digit of '0123456789abcdefABCDEF') IS_HEX[digit.charCodeAt(0)] = 1;

/** Where the line that starts at `at` ends: its LF, or -1. */
export function lineEnd(bytes: Buffer, at: number): number {
  for (; at < bytes.length; at++) if (bytes[at] === LF) return at;
  return -1;
}

/** Where the first `=` of [at, end) is, or -1. */
export function equalsIn(bytes: Buffer, at: number, end: number): number {
  for (; at < end; at++) if (bytes[at] === EQUALS) return at;
  return -1;
}

/** The key in [at, end), or null where it is none of ours. */
export function keyAt(bytes: Buffer, at: number, end: number): ReplyKey | null {
  const length = end - at;
  if (length === 0 || length >= LONGEST) return null;
  const entry = TABLE[length * 256 + bytes[at]!];
  if (entry === undefined) return null;
  for (let offset = 1; offset < length; offset++) {
    if (bytes[at + offset] !== entry.bytes[offset]) return null;
  }
  return entry.key;
}

/** A key of 64 hex digits in [from, end): whether it is one, and whether it is all zeros. */
export function hexKeyAt(bytes: Buffer, from: number, end: number): 'key' | 'zero' | null {
  if (end - from !== 64) return null;
  let other = 0;
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!;
    if (IS_HEX[byte] === 0) return null;
    other |= byte ^ 48;
  }
  return other === 0 ? 'zero' : 'key';
}

/** Decimal digits in [from, end) up to `max`, which is below 10^15; -1 for anything else. */
export function numberAt(bytes: Uint8Array, from: number, end: number, max: number): number {
  if (end === from || end - from > 15) return -1;
  let value = 0;
  for (let at = from; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value > max ? -1 : value;
}

/** Counters are signed 64-bit in the database and in most readers; no interface gets there. */
const MAX_COUNTER = 2n ** 63n - 1n;

/** A byte counter in [from, end), 0 to 2^63-1; -1n for anything else. */
export function counterAt(bytes: Buffer, from: number, end: number): bigint {
  if (end - from <= 15) return BigInt(numberAt(bytes, from, end, 999_999_999_999_999));
  if (end - from > 19) return -1n;
  const high = numberAt(bytes, from, end - 10, 999_999_999);
  const low = numberAt(bytes, end - 10, end, 9_999_999_999);
  if (high < 0 || low < 0) return -1n;
  const value = BigInt(high) * 10_000_000_000n + BigInt(low);
  return value > MAX_COUNTER ? -1n : value;
}
