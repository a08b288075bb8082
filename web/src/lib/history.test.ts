import { beforeEach, describe, expect, it } from 'vitest';
import { History } from './history.ts';

const at = (seconds: number, rate = seconds) => ({
  at: seconds * 1000,
  receiveRate: rate,
  sendRate: rate * 10,
});

describe('History', () => {
  let history: History;
  beforeEach(() => {
    history = new History(60_000);
  });

  it('keeps the last span, oldest first', () => {
    for (let second = 0; second <= 100; second += 1) history.push(at(second), 500);
    const [times, received, sent] = history.columns;
    expect(times[0]).toBe(40);
    expect(times.at(-1)).toBe(100);
    expect(times).toHaveLength(61);
    expect(received[0]).toBe(40);
    expect(sent.at(-1)).toBe(1000);
  });

  it('takes the ticks of several interfaces as one sample', () => {
    history.push(at(1, 5), 500);
    history.push(at(1.02, 7), 500);
    history.push(at(2, 6), 500);
    expect(history.columns).toEqual([
      [1, 2],
      [7, 6],
      [70, 60],
    ]);
  });

  it('breaks the line once where nothing was seen', () => {
    history.break();
    history.push(at(1), 500);
    history.break();
    history.break();
    history.push(at(9), 500);
    expect(history.columns[0]).toEqual([1, 1.001, 9]);
    expect(history.columns[1]).toEqual([1, null, 9]);
  });

  it('begins anew where the clock was set back', () => {
    history.push(at(1000), 500);
    history.push(at(10), 500);
    expect(history.columns[0]).toEqual([10]);
  });
});
