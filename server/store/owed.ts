/**
 * What the next commit of an interface's books writes. A commit that fails leaves it all here, and later
 * samples add to it (ACCOUNTING.md A15).
 */
import type { Epoch, EndedEpoch, PeerState } from '../accounting/account.ts';
import type { Bucket } from '../accounting/calendar.ts';
import type { Device } from '../wireguard/types.ts';
import type { Transaction } from './database.ts';
import * as rows from './ledger-rows.ts';
import { searchTextOf, sortNameOf } from './peer-text.ts';
import type { BookPeer, MonthBook } from './tick.ts';

export interface EpochTurn {
  readonly peer: BookPeer;
  readonly ended: EndedEpoch | null;
  readonly began: Epoch | null;
}

interface ClosedMinute {
  readonly bucket: Bucket;
  readonly gains: Map<BookPeer, { readonly received: bigint; readonly sent: bigint }>;
}

/** Minutes owed before the oldest two are put together: memory stays bounded while a disk is full. */
const MINUTES = 120;

export class Owed {
  readonly peers = new Set<BookPeer>();
  readonly months = new Set<MonthBook>();
  /** Peers whose row is to be made, or brought to what the device shows. */
  readonly seen = new Set<BookPeer>();
  /** A new month began: nobody has bytes in it yet. */
  newMonth = false;
  /** One entry a sample: within one, epochs end before others begin. */
  #epochs: EpochTurn[][] = [];
  #minutes: ClosedMinute[] = [];
  /** Months before the last one that got bytes, with the peers that brought them. */
  readonly #late = new Map<string, Set<BookPeer>>();

  addEpochs(turns: EpochTurn[]): void {
    if (turns.length > 0) this.#epochs.push(turns);
  }

  addLate(month: string, peer: BookPeer): void {
    const peers = this.#late.get(month) ?? new Set();
    this.#late.set(month, peers.add(peer));
  }

  /** Takes the open minute of each peer. */
  closeMinute(bucket: Bucket, peers: Iterable<BookPeer>): void {
    const gains: ClosedMinute['gains'] = new Map();
    for (const peer of peers) {
      if (peer.openReceived === 0n && peer.openSent === 0n) continue;
      gains.set(peer, { received: peer.openReceived, sent: peer.openSent });
      peer.openReceived = peer.openSent = 0n;
      this.peers.add(peer);
    }
    if (gains.size > 0) this.#minutes.push({ bucket, gains });
    if (this.#minutes.length > MINUTES) this.#mergeOldest();
  }

  forget(peer: BookPeer): void {
    peer.forgotten = true;
    this.peers.delete(peer);
    this.seen.delete(peer);
    for (const month of this.months) if (month.peer === peer) this.months.delete(month);
  }

  /** One statement a table. New peers get their ids here; a rolled-back one gets another the next time. */
  async write(tx: Transaction, interfaceId: number, device: Device | null): Promise<void> {
    if (this.seen.size > 0) await this.#writeSeen(tx, interfaceId, device);
    if (this.newMonth) {
      await tx.$executeRaw`
        UPDATE peer_counters SET month_total = 0
        WHERE peer_id IN (SELECT id FROM peers WHERE interface_id = ${interfaceId})`;
    }
    for (const { bucket, gains } of this.#minutes) {
      const history = written(
        gains,
        ([peer]) => peer,
        ([, gain], id) => ({ id, ...gain }),
      );
      await rows.addHistory(tx, bucket, history);
    }
    const counters = written(this.peers, self, counterRow);
    if (counters.length > 0) await rows.writeCounters(tx, counters);
    const months = written(this.months, (month) => month.peer, monthRow);
    if (months.length > 0) await rows.writeMonths(tx, months);
    for (const [month, peers] of this.#late) {
      await rows.accumulateAgain(
        tx,
        written(peers, self, (_, id) => id),
        month,
      );
    }
    for (const turns of this.#epochs) {
      await rows.writeEpochs(
        tx,
        written(
          turns,
          (turn) => turn.peer,
          ({ ended, began }, id) => ({ id, ended, began }),
        ),
      );
    }
  }

  /** All of it was committed. */
  clear(): void {
    for (const peer of this.seen) peer.seen = null;
    this.peers.clear();
    this.months.clear();
    this.seen.clear();
    this.newMonth = false;
    this.#epochs = [];
    this.#minutes = [];
    this.#late.clear();
  }

  async #writeSeen(tx: Transaction, interfaceId: number, device: Device | null): Promise<void> {
    const shown = new Map((device?.peers ?? []).map((peer) => [peer.publicKey, peer]));
    const seen = [...this.seen].map((peer): rows.SeenPeer => {
      const settings = shown.get(peer.publicKey);
      const text = {
        publicKey: peer.publicKey,
        name: peer.seen?.name ?? null,
        email: null,
        allowedIPs: settings?.allowedIPs.join(', ') ?? '',
      };
      return {
        ...text,
        addedOn: peer.seen?.addedOn ?? 0,
        hasPresharedKey: settings?.hasPresharedKey ?? false,
        persistentKeepalive: settings?.persistentKeepalive ?? 0,
        registered: peer.registered,
        sortName: sortNameOf(text),
        searchText: searchTextOf(text),
      };
    });
    const ids = await rows.insertSeen(tx, interfaceId, seen);
    for (const peer of this.seen) peer.id = ids.get(peer.publicKey) ?? peer.id;
  }

  #mergeOldest(): void {
    const [oldest, next] = this.#minutes;
    if (!oldest || !next) return;
    for (const [peer, gain] of oldest.gains) {
      const sum = next.gains.get(peer) ?? { received: 0n, sent: 0n };
      next.gains.set(peer, { received: sum.received + gain.received, sent: sum.sent + gain.sent });
    }
    this.#minutes.shift();
  }
}

export function counterRow(peer: BookPeer, id: number, state: PeerState = peer.state): rows.CounterRow {
  return {
    id,
    state,
    endpoint: peer.endpoint,
    receiveRate: state.running ? peer.receiveRate : 0,
    sendRate: state.running ? peer.sendRate : 0,
    monthTotal: peer.month ? peer.month.received + peer.month.sent : 0n,
    openReceived: peer.openReceived,
    openSent: peer.openSent,
  };
}

function monthRow({ peer, ...month }: MonthBook, id: number): rows.MonthRow {
  return { id, publicKey: peer.publicKey, ...month };
}

function self(peer: BookPeer): BookPeer {
  return peer;
}

/** The rows of peers that have one in the database; a forgotten peer has none to write to. */
function written<T, R>(
  items: Iterable<T>,
  peer: (item: T) => BookPeer,
  row: (item: T, id: number) => R,
): R[] {
  const out: R[] = [];
  for (const item of items) {
    const { id, forgotten } = peer(item);
    if (id !== null && !forgotten) out.push(row(item, id));
  }
  return out;
}
