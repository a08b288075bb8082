import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKey } from './keys.ts';
import { SimulatedDevice } from './simulator.ts';
import { TrafficModel } from './simulator-traffic.ts';
import { canonicalNetwork, isEndpoint } from './values.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2025, 4, 5, 9);
const model = new TrafficModel({ seed: 7 });

describe('TrafficModel', () => {
  it('has 40 distinct people’s devices by default, sound in every part', () => {
    const { peers } = model;
    expect(peers).toHaveLength(40);
    for (const field of ['publicKey', 'name'] as const)
      expect(new Set(peers.map((peer) => peer[field])).size).toBe(40);
    expect(new Set(peers.flatMap((peer) => peer.allowedIPs)).size).toBe(80);
    expect(new Set(peers.map((peer) => peer.kind)).size).toBeGreaterThanOrEqual(5);
    for (const peer of peers) {
      expect(isKey(peer.publicKey)).toBe(true);
      expect(peer.name).toMatch(/^[A-Za-z0-9 ]+ – [A-Za-z]+$/);
      expect(peer.email).toMatch(/^[a-z0-9]+@example\.com$/);
      for (const network of peer.allowedIPs) expect(canonicalNetwork(network)).toBe(network);
      for (let day = 0; day < 20; day++) {
        expect(model.endpoint(peer.index, START + day * DAY)).toSatisfy(isEndpoint);
      }
    }
    expect(new TrafficModel({ count: 250 }).peers).toHaveLength(250);
    expect(() => new TrafficModel({ count: 251 })).toThrow(RangeError);
  });

  it('is the same under the same seed, and another under another', () => {
    const bytes = (seed: number): string =>
      new TrafficModel({ seed, count: 10 }).peers
        .map((peer) => {
          const { received, sent } = new TrafficModel({ seed, count: 10 }).plausibleMonth(
            peer.index,
            2025,
            5,
          );
          return `${peer.publicKey} ${received} ${sent}`;
        })
        .join();
    expect(bytes(3)).toBe(bytes(3));
    expect(bytes(3)).not.toBe(bytes(4));
  });

  it('adds up: adjoining intervals are the whole, to the byte', () => {
    fc.assert(
      fc.property(
        fc.nat(39),
        fc.array(fc.integer({ min: 0, max: 3 * DAY }), { minLength: 3, maxLength: 6 }),
        (index, offsets) => {
          const times = offsets.map((offset) => START + offset).sort((one, other) => one - other);
          let received = 0n;
          let sent = 0n;
          for (let at = 1; at < times.length; at++) {
            const part = model.bytesBetween(index, times[at - 1]!, times[at]!);
            expect(part.received >= 0n && part.sent >= 0n).toBe(true);
            received += part.received;
            sent += part.sent;
          }
          expect(model.bytesBetween(index, times[0]!, times.at(-1)!)).toEqual({ received, sent });
        },
      ),
    );
  });

  it('has a history whose buckets sum up to the month', () => {
    for (const index of [0, 36, 37]) {
      const buckets = model.plausibleHistory(index, Date.UTC(2025, 4, 1), Date.UTC(2025, 5, 1));
      const sum = (field: 'received' | 'sent'): bigint =>
        buckets.reduce((total, bucket) => total + bucket[field], 0n);
      expect({ received: sum('received'), sent: sum('sent') }).toEqual(model.plausibleMonth(index, 2025, 5));
    }
  });

  it('is quiet at night, downloads more than it uploads, except for backups', () => {
    const at = (hours: number): bigint => {
      let bytes = 0n;
      for (const peer of model.peers.filter((one) => one.kind === 'phone' || one.kind === 'laptop')) {
        for (let day = 0; day < 14; day++) {
          const midnight = Date.UTC(2025, 4, 5 + day);
          bytes += model.bytesBetween(
            peer.index,
            midnight + hours * HOUR,
            midnight + (hours + 3) * HOUR,
          ).sent;
        }
      }
      return bytes;
    };
    expect(at(14)).toBeGreaterThan(at(2) * 4n);
    for (const peer of model.peers) {
      const { received, sent } = model.plausibleMonth(peer.index, 2025, 5);
      expect(received > 0n && sent > 0n).toBe(true);
      if (peer.kind === 'backup') expect(received).toBeGreaterThan(sent);
      else expect(sent).toBeGreaterThan(received);
    }
  });

  it('moves a device’s counters, handshakes and endpoints as time passes', () => {
    const device = new SimulatedDevice({ name: 'wg0', socketDir: '/nowhere' });
    const live = new TrafficModel({ seed: 7 });
    live.attach(device, START, START - DAY);
    expect(device.peers).toHaveLength(40);
    for (const peer of live.peers) {
      const { received, sent } = model.bytesBetween(peer.index, START - DAY, START);
      expect(device.peer(peer.publicKey)).toMatchObject({ rx: received, tx: sent });
    }
    const gone = live.peers[3]!.publicKey;
    let handshakes = 0;
    const last = new Map(device.peers.map((peer) => [peer.publicKey, peer.latestHandshake]));
    let backwards = 0;
    for (let second = 5; second <= 4 * 3600; second += 5) {
      if (second === 100) device.removePeer(gone);
      const now = START + second * 1000;
      live.advance(now);
      live.advance(now - 5000);
      for (const peer of device.peers) {
        const before = last.get(peer.publicKey)!;
        if (peer.latestHandshake > before) handshakes++;
        // Neither back in time nor ahead of it.
        if (peer.latestHandshake < before || peer.latestHandshake > BigInt(now) * 1_000_000n + 100n)
          backwards++;
        last.set(peer.publicKey, peer.latestHandshake);
      }
      if (second % 3600 === 0) {
        const online = device.peers.filter(
          (peer) => BigInt(now) * 1_000_000n - peer.latestHandshake < 180_000_000_000n,
        ).length;
        expect(online).toBeGreaterThan(2);
        expect(online).toBeLessThan(39);
      }
    }
    expect(backwards).toBe(0);
    expect(handshakes).toBeGreaterThan(500);
    for (const peer of live.peers) {
      if (peer.publicKey === gone) continue;
      const { received, sent } = model.bytesBetween(peer.index, START - DAY, START + 4 * HOUR);
      expect(device.peer(peer.publicKey)).toMatchObject({ rx: received, tx: sent });
    }
  });

  it('lets some join in the year before', () => {
    const until = Date.UTC(2026, 0, 1);
    const growing = new TrafficModel({ seed: 7, growthUntilMs: until });
    const late = growing.peers.filter((peer) => peer.addedMs !== -Infinity);
    expect(late.length).toBeGreaterThan(5);
    expect(late.length).toBeLessThan(30);
    for (const peer of late) {
      expect(growing.bytesBetween(peer.index, peer.addedMs - 60 * DAY, peer.addedMs)).toEqual({
        received: 0n,
        sent: 0n,
      });
      expect(growing.bytesBetween(peer.index, peer.addedMs, until + 90 * DAY).sent).toBeGreaterThan(0n);
    }
  });
});
