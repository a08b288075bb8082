import { describe, expect, it } from 'vitest';
import {
  compareNames,
  hostAddress,
  matchesSearch,
  peerLabel,
  pressColumn,
  shortKey,
  sortPeers,
  type PeerFacts,
  type PeerRow,
} from './peer.ts';

const peer = (facts: Partial<PeerFacts>): PeerFacts => ({
  publicKey: 'kPq3xM1mFfB0wJrVzL8nYtE5cGhA2sD4uXoRiKvQ9w8=',
  name: null,
  email: null,
  allowedIPs: [],
  endpoint: null,
  ...facts,
});

it('labels a peer by its name, else by its key', () => {
  expect(peerLabel(peer({ name: 'anna' }))).toBe('anna');
  expect(peerLabel(peer({ name: ' ' }))).toBe('kPq3xM1m…');
  expect(shortKey('abc')).toBe('abc');
});

it('hostAddress drops only a host prefix', () => {
  expect(
    ['10.8.0.2/32', 'fd00::2/128', '10.8.0.0/24', 'fd00::/64', '10.0.0.1', '10.0.0.1/132'].map(hostAddress),
  ).toEqual(['10.8.0.2', 'fd00::2', '10.8.0.0/24', 'fd00::/64', '10.0.0.1', '10.0.0.1/132']);
});

describe('matchesSearch', () => {
  const anna = peer({
    name: 'Anna',
    email: 'anna@example.org',
    allowedIPs: ['10.8.0.2/32'],
    endpoint: '198.51.100.7:51820',
  });

  it.each(['', '  ', 'anna', 'EXAMPLE', '10.8.0.2', '198.51', 'kPq3', 'anna 10.8'])('finds %j', (search) => {
    expect(matchesSearch(anna, search)).toBe(true);
  });

  it.each(['bob', 'anna bob', '10.8.0.3'])('passes over %j', (search) => {
    expect(matchesSearch(anna, search)).toBe(false);
  });
});

it('compareNames sorts as people count, nameless last', () => {
  const names = ['peer-10', null, 'Bert', 'peer-2', 'anna'];
  expect(
    names
      .map((name) => peer({ name }))
      .sort(compareNames)
      .map(({ name }) => name),
  ).toEqual(['anna', 'Bert', 'peer-2', 'peer-10', null]);
});

describe('sorting', () => {
  const row = (name: string, receiveRate: number, monthSent: bigint): PeerRow => ({
    ...peer({ name }),
    id: name,
    interfaceName: 'wg0',
    enabled: true,
    online: true,
    latestHandshake: null,
    receiveRate,
    sendRate: 0,
    monthReceived: 0n,
    monthSent,
    monthTotal: monthSent,
  });
  const rows = [row('carl', 5, 1n << 60n), row('anna', 0, 0n), row('bert', 5, (1n << 60n) + 1n)];
  const names = (...sort: Parameters<typeof sortPeers>) => sortPeers(...sort).map(({ name }) => name);

  it('a header turns its own column and starts another where people look first', () => {
    const byName = { key: 'name', descending: false } as const;
    expect(pressColumn(byName, 'name')).toEqual({ key: 'name', descending: true });
    expect(pressColumn(byName, 'sendRate')).toEqual({ key: 'sendRate', descending: true });
    expect(pressColumn({ key: 'sendRate', descending: true }, 'name')).toEqual(byName);
  });

  it('sorts by measure, exactly, equals by name', () => {
    expect(names(rows, { key: 'name', descending: true })).toEqual(['carl', 'bert', 'anna']);
    expect(names(rows, { key: 'receiveRate', descending: true })).toEqual(['bert', 'carl', 'anna']);
    expect(names(rows, { key: 'receiveRate', descending: false })).toEqual(['anna', 'bert', 'carl']);
    expect(names(rows, { key: 'monthTotal', descending: true })).toEqual(['bert', 'carl', 'anna']);
    expect(rows[0]?.name).toBe('carl');
  });
});
