/** A year of plausible months behind the demo's device, by the same model that moves it. */
import type { Bucket, Calendar } from '../accounting/calendar.ts';
import { insertHistory } from '../store/bulk.ts';
import type { Database, Transaction } from '../store/database.ts';
import { searchTextOf, sortNameOf } from '../store/peer-text.ts';
import type { Bytes, TrafficModel, TrafficPeer } from '../wireguard/simulator-traffic.ts';

export interface Demo {
  readonly gateway: string;
  readonly name: string;
  readonly publicKey: string;
  readonly traffic: TrafficModel;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR_DAYS = 365;
const HOURS_DAYS = 90;
const MINUTES_HOURS = 6;

export async function seedYear(db: Database, calendar: Calendar, demo: Demo): Promise<void> {
  await db.write(async (tx) => {
    const { id } = await tx.interface.create({
      data: {
        gateway: demo.gateway,
        name: demo.name,
        publicKey: demo.publicKey,
        simulated: true,
        // As last sampled before a reboot: the first sample of the demo shows what a reset is.
        bootId: 'before the demo',
        monotonic: 0n,
        clock: BigInt(demo.now),
        lastCollectedAt: BigInt(demo.now),
      },
    });
    // All peers share the hours of the year: each is looked up once.
    const known = new Map<number, Bucket>();
    const bucketOf = (at: number): Bucket => {
      const bucket = known.get(at) ?? calendar.bucket(at);
      known.set(at, bucket);
      return bucket;
    };
    for (const peer of demo.traffic.peers) await seedPeer(tx, { calendar, bucketOf }, demo, id, peer);
  });
}

async function seedPeer(
  tx: Transaction,
  { calendar, bucketOf }: { calendar: Calendar; bucketOf: (at: number) => Bucket },
  demo: Demo,
  interfaceId: number,
  peer: TrafficPeer,
): Promise<void> {
  const { traffic, now } = demo;
  // Whole hours: those are the cheap and the aligned ones.
  const first = Math.floor(Math.max(peer.addedMs, now - YEAR_DAYS * DAY) / HOUR) * HOUR;
  const hours = traffic.plausibleHistory(peer.index, first, Math.floor(now / HOUR) * HOUR, HOUR);
  const rest = traffic.bytesBetween(peer.index, Math.floor(now / HOUR) * HOUR, now);
  const buckets = [...hours, { startMs: Math.floor(now / HOUR) * HOUR, ...rest }];
  const months = sumBy(buckets, (at) => bucketOf(at).month);
  const total = sum(buckets);

  const text = {
    publicKey: peer.publicKey,
    name: peer.name,
    email: peer.email,
    allowedIPs: peer.allowedIPs.join(', '),
  };
  const { id } = await tx.peer.create({
    data: {
      ...text,
      interfaceId,
      addedOn: new Date(first),
      hasPresharedKey: peer.presharedKey !== null,
      persistentKeepalive: peer.persistentKeepalive,
      sortName: sortNameOf(text),
      searchText: searchTextOf(text),
      counters: {
        create: {
          running: true,
          rx: total.received,
          tx: total.sent,
          totalReceived: total.received,
          totalSent: total.sent,
          total: total.received + total.sent,
        },
      },
      epochs: {
        create: {
          startedAt: BigInt(first),
          cause: 'FIRST_SEEN',
          baseReceived: 0n,
          baseSent: 0n,
        },
      },
    },
  });
  let accumulated: Bytes = { received: 0n, sent: 0n };
  const monthRows = [...months].map(([yearMonth, bytes]) => {
    accumulated = add(accumulated, bytes);
    return {
      peerId: id,
      yearMonth,
      publicKey: peer.publicKey,
      ...bytes,
      total: bytes.received + bytes.sent,
      accumulatedReceived: accumulated.received,
      accumulatedSent: accumulated.sent,
      lastReceived: accumulated.received,
      lastSent: accumulated.sent,
      lastUpdated: new Date(Math.min(now, calendar.monthStart(yearMonth) + 28 * DAY)),
    };
  });
  await tx.monthlyUsage.createMany({ data: monthRows });
  const recent = buckets.filter(({ startMs }) => startMs >= now - HOURS_DAYS * DAY);
  const minuteNow = Math.floor(now / MINUTE) * MINUTE;
  const minutes = traffic.plausibleHistory(peer.index, minuteNow - MINUTES_HOURS * HOUR, minuteNow, MINUTE);
  await insertHistory(tx, id, {
    minutes: sumBy(minutes, (at) => Math.floor(at / MINUTE)),
    hours: sumBy(recent, (at) => bucketOf(at).hour),
    days: sumBy(buckets, (at) => bucketOf(at).day),
  });
}

function sumBy<K>(buckets: readonly ({ startMs: number } & Bytes)[], key: (at: number) => K): Map<K, Bytes> {
  const sums = new Map<K, Bytes>();
  for (const { startMs, received, sent } of buckets) {
    const at = key(startMs);
    sums.set(at, add(sums.get(at) ?? { received: 0n, sent: 0n }, { received, sent }));
  }
  return sums;
}

function sum(buckets: readonly Bytes[]): Bytes {
  return buckets.reduce(add, { received: 0n, sent: 0n });
}

function add(a: Bytes, b: Bytes): Bytes {
  return { received: a.received + b.received, sent: a.sent + b.sent };
}
