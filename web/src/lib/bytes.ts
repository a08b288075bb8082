/** Byte counts and rates in IEC units (IEC 80000-13): 1 KiB is 1024 bytes. Counts are exact at any size. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'] as const;

/** A number and its unit, apart, so that a page can set them in different sizes. */
export interface Quantity {
  value: string;
  unit: string;
}

/** @param bytes not negative  @param digits decimals from KiB on; bytes have none */
export function splitBytes(bytes: bigint, digits = 2): Quantity {
  const ten = 10n ** BigInt(digits);
  let unit = 0;
  let scaled = bytes;
  // 1023.996 KiB would print as 1024.00 KiB: the rounded number decides whether the next unit is due.
  while (unit < UNITS.length - 1 && scaled >= (unit === 0 ? 1024n : 1024n * ten)) {
    unit += 1;
    const one = 1n << BigInt(10 * unit);
    scaled = (bytes * ten + one / 2n) / one;
  }
  const value = unit === 0 ? String(scaled) : fixed(scaled, digits);
  return { value, unit: UNITS[unit] as string };
}

function fixed(scaled: bigint, digits: number): string {
  if (digits === 0) return String(scaled);
  const text = String(scaled).padStart(digits + 1, '0');
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** `1.20 TiB` */
export function formatBytes(bytes: bigint, digits = 2): string {
  const { value, unit } = splitBytes(bytes, digits);
  return `${value} ${unit}`;
}

/** Every byte: `1,152,921,504,606,846,976 bytes`. */
export function exactBytes(bytes: bigint): string {
  return `${bytes.toLocaleString('en')} ${bytes === 1n ? 'byte' : 'bytes'}`;
}

/** @param perSecond bytes a second; what is negative or no number counts as 0 */
export function splitRate(perSecond: number, digits = 1): Quantity {
  const whole = Number.isFinite(perSecond) && perSecond > 0 ? BigInt(Math.round(perSecond)) : 0n;
  const { value, unit } = splitBytes(whole, digits);
  return { value, unit: `${unit}/s` };
}

/** `1.2 MiB/s` */
export function formatRate(perSecond: number, digits = 1): string {
  const { value, unit } = splitRate(perSecond, digits);
  return `${value} ${unit}`;
}

/** A rate on an axis: no decimals where there is nothing behind the point, `512 KiB/s`, `1.5 MiB/s`. */
export function axisRate(perSecond: number): string {
  const { value, unit } = splitRate(perSecond);
  return `${value.replace(/\.0$/, '')} ${unit}`;
}

/**
 * The upper end of an axis that holds `peak` with some air: 2^n or 1.5 · 2^n, at least 1 KiB/s, so that
 * the scale rests while the rate moves.
 */
export function axisTop(peak: number): number {
  let top = 1024;
  while (top < peak * 1.05) {
    if (top * 1.5 >= peak * 1.05) return top * 1.5;
    top *= 2;
  }
  return top;
}
