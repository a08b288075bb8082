/** The books of an interface as last committed. */
import type { EpochCause, InterfaceState } from '../accounting/account.ts';
import type { Database } from './database.ts';
import { newBookPeer, type BookPeer, type MonthBook } from './tick.ts';

export interface LoadedInterface {
  readonly name: string;
  readonly gateway: string;
  readonly sequence: bigint;
  readonly openMinute: number;
  /** Null: never sampled. */
  readonly state: InterfaceState | null;
  /** The latest month that any of its peers has a row for. */
  readonly lastMonth: string | null;
}

export async function loadInterface(db: Database, id: number): Promise<LoadedInterface> {
  const row = await db.reader.interface.findUniqueOrThrow({ where: { id } });
  const { _max } = await db.reader.monthlyUsage.aggregate({
    where: { peer: { interfaceId: id } },
    _max: { yearMonth: true },
  });
  return {
    name: row.name,
    gateway: row.gateway,
    sequence: row.sequence,
    openMinute: row.openMinute,
    lastMonth: _max.yearMonth,
    state:
      row.monotonic === null
        ? null
        : {
            bootId: row.bootId,
            instance: row.instance,
            publicKey: row.publicKey === '' ? null : row.publicKey,
            monotonic: row.monotonic,
            wall: Number(row.lastCollectedAt ?? 0n),
            clock: Number(row.clock ?? 0n),
          },
  };
}

export async function loadPeers(db: Database, interfaceId: number): Promise<BookPeer[]> {
  const peers = await db.reader.peer.findMany({ where: { interfaceId }, include: { counters: true } });
  const open = await db.reader.counterEpoch.findMany({ where: { endedAt: null, peer: { interfaceId } } });
  const epochs = new Map(open.map((epoch) => [epoch.peerId, epoch]));
  return peers.map((row) => {
    const peer = newBookPeer(row.id, row.publicKey, row.registered);
    peer.deleted = row.deletedAt !== null;
    const counters = row.counters;
    if (!counters) return peer;
    const epoch = epochs.get(row.id);
    peer.endpoint = counters.endpoint;
    peer.receiveRate = counters.receiveRate;
    peer.sendRate = counters.sendRate;
    peer.openReceived = counters.openReceived;
    peer.openSent = counters.openSent;
    peer.state = {
      running: counters.running,
      rx: counters.rx,
      tx: counters.tx,
      handshake: counters.handshake,
      handshakeClock: Number(counters.handshakeClock),
      totalReceived: counters.totalReceived,
      totalSent: counters.totalSent,
      gapMs: Number(counters.gapMs),
      epoch: epoch
        ? {
            startedAt: Number(epoch.startedAt),
            cause: epoch.cause as EpochCause,
            unobservedMs: Number(epoch.unobservedMs),
            baseReceived: epoch.baseReceived,
            baseSent: epoch.baseSent,
          }
        : null,
    };
    return peer;
  });
}

export interface LoadedMonth {
  readonly current: Omit<MonthBook, 'peer' | 'month'> | null;
  /** Bytes of all months before. */
  readonly earlierReceived: bigint;
  readonly earlierSent: bigint;
}

/** By peer id: the row of one month, and what came before it. */
export async function loadMonths(
  db: Database,
  interfaceId: number,
  month: string,
): Promise<Map<number, LoadedMonth>> {
  const current = await db.reader.monthlyUsage.findMany({
    where: { yearMonth: month, peer: { interfaceId } },
  });
  const earlier = await db.reader.monthlyUsage.groupBy({
    by: ['peerId'],
    where: { yearMonth: { lt: month }, peer: { interfaceId } },
    _sum: { received: true, sent: true },
  });
  const found = new Map<number, LoadedMonth>();
  for (const { peerId, _sum } of earlier) {
    found.set(peerId, { current: null, earlierReceived: _sum.received ?? 0n, earlierSent: _sum.sent ?? 0n });
  }
  for (const row of current) {
    const before = found.get(row.peerId);
    found.set(row.peerId, {
      earlierReceived: before?.earlierReceived ?? 0n,
      earlierSent: before?.earlierSent ?? 0n,
      current: {
        received: row.received,
        sent: row.sent,
        accumulatedReceived: row.accumulatedReceived,
        accumulatedSent: row.accumulatedSent,
        lastReceived: row.lastReceived,
        lastSent: row.lastSent,
        lastUpdated: row.lastUpdated.getTime(),
      },
    });
  }
  return found;
}
