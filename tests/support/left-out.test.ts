import { afterEach, expect, test, vi } from 'vitest';
import { formatLeftOut, toolsNamed } from './left-out.ts';
import { describeMissing, type Tool } from './tools.ts';

const MISSING: Tool = {
  name: 'iperf3',
  missing: 'no iperf3 on PATH',
  cure: 'apt-get install iperf3',
  path: null,
};

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

test('a note and a title name their tools', () => {
  expect(toolsNamed(`${describeMissing(MISSING)}; needs redis (nothing listens): cure`)).toEqual([
    'redis',
    'iperf3',
  ]);
  expect(toolsNamed('the store [needs postgres, redis] holds')).toEqual(['postgres', 'redis']);
  expect(toolsNamed('a peer needs an address')).toEqual([]);
});

test('the list says how many, why, the cure, and which', () => {
  const titles = Array.from({ length: 12 }, (_, index) => `a.test.ts › ${index}`);
  const lines = formatLeftOut(new Map([[MISSING, titles]])).split('\n');
  expect(lines[1]).toBe('  12 × needs iperf3 (no iperf3 on PATH): apt-get install iperf3');
  expect(lines).toHaveLength(2 + 10 + 1);
  expect(lines.at(-1)).toBe('      and 2 more');
  expect(formatLeftOut(new Map())).toBe('No test was left out for want of a tool.');
});

test('a missing program skips the test, and fails it under CI', async () => {
  vi.stubEnv('PATH', '/nowhere');
  const { requireTool } = await import('./tools.ts');
  const skip = vi.fn();
  vi.stubEnv('CI', '');
  await requireTool({ skip } as never, 'chromium');
  expect(skip).toHaveBeenCalledWith('needs chromium (no chromium on PATH): apt-get install chromium');
  vi.stubEnv('CI', 'true');
  await expect(requireTool({ skip } as never, 'chromium')).rejects.toThrow('apt-get install chromium');
  expect(skip).toHaveBeenCalledTimes(1);
});
