import { describe, expect, it } from 'vitest';
import { axisRate, axisTop, exactBytes, formatBytes, formatRate, splitBytes, splitRate } from './bytes.ts';

describe('formatBytes', () => {
  it.each([
    [0n, '0 B'],
    [1023n, '1023 B'],
    [1024n, '1.00 KiB'],
    [1536n, '1.50 KiB'],
    [1n << 20n, '1.00 MiB'],
    [1n << 30n, '1.00 GiB'],
    [1n << 40n, '1.00 TiB'],
    [1n << 50n, '1.00 PiB'],
    [1n << 60n, '1.00 EiB'],
    [1n << 70n, '1.00 ZiB'],
    [1n << 80n, '1.00 YiB'],
    [1n << 90n, '1024.00 YiB'],
  ])('%s bytes', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('goes to the next unit where rounding would print 1024', () => {
    expect(formatBytes((1n << 20n) - 1n)).toBe('1.00 MiB');
    expect(formatBytes((1n << 60n) - 1n)).toBe('1.00 EiB');
    expect(formatBytes(1024n * 1023n + 512n, 1)).toBe('1023.5 KiB');
  });

  it('rounds half up, without floating point', () => {
    expect(formatBytes(1024n + 5n)).toBe('1.00 KiB');
    expect(formatBytes(1024n + 6n)).toBe('1.01 KiB');
    expect(formatBytes((1n << 60n) + (1n << 59n), 0)).toBe('2 EiB');
  });

  it('keeps number and unit apart', () => {
    expect(splitBytes(5n << 30n, 1)).toEqual({ value: '5.0', unit: 'GiB' });
  });
});

it('exactBytes shows each byte at 2^60 + 1', () => {
  expect(exactBytes((1n << 60n) + 1n)).toBe('1,152,921,504,606,846,977 bytes');
  expect(exactBytes(1n)).toBe('1 byte');
});

describe('rates', () => {
  it.each([
    [0, '0 B/s'],
    [0.4, '0 B/s'],
    [999.6, '1000 B/s'],
    [1023.7, '1.0 KiB/s'],
    [1_258_291, '1.2 MiB/s'],
    [-3, '0 B/s'],
    [Number.NaN, '0 B/s'],
    [Number.POSITIVE_INFINITY, '0 B/s'],
  ])('%d', (rate, text) => {
    expect(formatRate(rate)).toBe(text);
  });

  it('keeps number and unit apart', () => {
    expect(splitRate(1_258_291)).toEqual({ value: '1.2', unit: 'MiB/s' });
  });

  it('drops an empty decimal on an axis', () => {
    expect(axisRate(512 * 1024)).toBe('512 KiB/s');
    expect(axisRate(1.5 * 1024 * 1024)).toBe('1.5 MiB/s');
  });
});

it('axisTop leaves air and rests on few steps', () => {
  expect(axisTop(0)).toBe(1024);
  expect(axisTop(1024)).toBe(1536);
  expect(axisTop(1500)).toBe(2048);
  expect(axisTop(3e6)).toBe(4 * 1024 * 1024);
  for (let peak = 1; peak < 1e12; peak *= 1.37) expect(axisTop(peak)).toBeGreaterThanOrEqual(peak * 1.05);
});
