import type { PeerLineFragment, TrafficSubscription } from '../graphql/generated.ts';
import { standing, type Counters } from '../lib/merge.ts';
import type { PeerRow } from '../lib/peer.ts';

export type Tick = TrafficSubscription['traffic'];
type PeerTick = Tick['peers'][number];

/** A gateway's interface in one string; `/` is in neither name. */
export function interfaceKey(gateway: string, name: string): string {
  return `${gateway}/${name}`;
}

/** One peer: what was read of it, and on top what the ticks since then said. */
export class LivePeer implements PeerRow {
  readonly id: string;
  readonly publicKey: string;
  readonly interfaceKey: string;
  readonly interfaceName: string;
  #line: PeerLineFragment;
  #endpoint = $state.raw<string | null>(null);
  #online = $state.raw(false);
  #latestHandshake = $state.raw<number | null>(null);
  #receiveRate = $state.raw(0);
  #sendRate = $state.raw(0);
  #monthReceived = $state.raw(0n);
  #monthSent = $state.raw(0n);
  #counters: Counters = { transferRx: 0n, transferTx: 0n };

  constructor(line: PeerLineFragment) {
    this.#line = $state.raw(line);
    this.id = line.id;
    this.publicKey = line.publicKey;
    this.interfaceName = line.interface.name;
    this.interfaceKey = interfaceKey(line.interface.gateway, line.interface.name);
    this.read(line);
  }

  get name(): string | null {
    return this.#line.name;
  }
  get email(): string | null {
    return this.#line.email;
  }
  get allowedIPs(): readonly string[] {
    return this.#line.allowedIPs;
  }
  get enabled(): boolean {
    return this.#line.enabled;
  }
  get endpoint(): string | null {
    return this.#endpoint;
  }
  get online(): boolean {
    return this.#online;
  }
  /** ms since 1970; null is never. */
  get latestHandshake(): number | null {
    return this.#latestHandshake;
  }
  /** Bytes a second that the peer uploads. */
  get receiveRate(): number {
    return this.#receiveRate;
  }
  /** Bytes a second that the peer downloads. */
  get sendRate(): number {
    return this.#sendRate;
  }
  get monthReceived(): bigint {
    return this.#monthReceived;
  }
  get monthSent(): bigint {
    return this.#monthSent;
  }
  get monthTotal(): bigint {
    return this.#monthReceived + this.#monthSent;
  }

  /** Takes what a query said: the truth at its moment. */
  read(line: PeerLineFragment): void {
    this.#line = line;
    this.#endpoint = line.endpoint;
    this.#online = line.online;
    this.#latestHandshake = line.latestHandshake === null ? null : Date.parse(line.latestHandshake);
    this.#receiveRate = line.receiveRate;
    this.#sendRate = line.sendRate;
    this.#monthReceived = BigInt(line.currentMonth.received);
    this.#monthSent = BigInt(line.currentMonth.sent);
    this.#counters = { transferRx: BigInt(line.transferRx), transferTx: BigInt(line.transferTx) };
  }

  /** Merges a tick; whether its bytes were new. */
  merge(tick: PeerTick): boolean {
    const gain = {
      received: BigInt(tick.received),
      sent: BigInt(tick.sent),
      transferRx: BigInt(tick.transferRx),
      transferTx: BigInt(tick.transferTx),
    };
    const place = standing(this.#counters, gain);
    if (place === 'old') return false;
    this.#counters = gain;
    this.#endpoint = tick.endpoint;
    this.#online = tick.online;
    this.#latestHandshake = tick.latestHandshake === null ? null : Date.parse(tick.latestHandshake);
    this.#receiveRate = tick.receiveRate;
    this.#sendRate = tick.sendRate;
    if (place === 'same') return false;
    this.#monthReceived += gain.received;
    this.#monthSent += gain.sent;
    return true;
  }

  /** A tick without this peer: nothing moved. */
  rest(): void {
    this.#receiveRate = 0;
    this.#sendRate = 0;
  }
}

interface Bytes {
  readonly received: bigint;
  readonly sent: bigint;
}

/** A month's bytes over all peers, gone ones too. */
export interface MonthTotal extends Bytes {
  readonly month: string;
}

/** What one reading of peers brought, all its pages together. */
export interface PeersRead {
  readonly lines: readonly PeerLineFragment[];
  readonly totalCount: number;
  readonly month: MonthTotal | null;
}

/** The peers on show and this month's total, kept up to date from reads and ticks. */
export class Peers {
  #list = $state.raw<readonly LivePeer[]>([]);
  #totalCount = $state(0);
  #month = $state.raw<MonthTotal | null>(null);
  /** This month's bytes of peers that are not on the list: gone, or too many to list. */
  #unlisted: Bytes = { received: 0n, sent: 0n };
  readonly #byKey = new Map<string, LivePeer>();
  /** Ticks since the read under way began: they may be newer than what it brings. */
  #meanwhile: Tick[] | null = null;

  get list(): readonly LivePeer[] {
    return this.#list;
  }
  /** All that the server has, more than are shown where it has very many. */
  get totalCount(): number {
    return this.#totalCount;
  }
  get month(): MonthTotal | null {
    return this.#month;
  }
  get online(): number {
    return this.#list.reduce((count, peer) => count + Number(peer.online), 0);
  }

  /** A read begins: from here on ticks are kept for it. */
  expectRead(): void {
    this.#meanwhile = [];
  }

  /** The read failed: what is shown stays. */
  abandonRead(): void {
    this.#meanwhile = null;
  }

  finishRead({ lines, totalCount, month }: PeersRead): void {
    const seen = new Set<string>();
    const list: LivePeer[] = [];
    for (const line of lines) {
      const key = peerKey(interfaceKey(line.interface.gateway, line.interface.name), line.publicKey);
      // Pages are read one after another: a peer that was renamed between them can be on two.
      if (seen.has(key)) continue;
      seen.add(key);
      let peer = this.#byKey.get(key);
      if (peer?.id !== line.id) this.#byKey.set(key, (peer = new LivePeer(line)));
      else peer.read(line);
      list.push(peer);
    }
    const before = new Set(this.#list);
    const samePeers =
      list.length === totalCount &&
      list.length === this.#list.length &&
      list.every((peer) => before.has(peer));
    for (const key of this.#byKey.keys()) if (!seen.has(key)) this.#byKey.delete(key);
    this.#list = list;
    this.#totalCount = totalCount;
    this.#setMonth(month, samePeers);
    const ticks = this.#meanwhile ?? [];
    this.#meanwhile = null;
    for (const tick of ticks) this.#apply(tick);
  }

  /**
   * The server adds up the month before it reads the peers, so their sum can be ahead of its total. The sum
   * is exact; only what the unlisted peers have is taken from the total, and never less of it than was known.
   */
  #setMonth(total: MonthTotal | null, samePeers: boolean): void {
    if (total === null) {
      this.#month = null;
      return;
    }
    const known =
      samePeers && this.#month?.month === total.month ? this.#unlisted : { received: 0n, sent: 0n };
    const received = this.#list.reduce((sum, peer) => sum + peer.monthReceived, 0n);
    const sent = this.#list.reduce((sum, peer) => sum + peer.monthSent, 0n);
    this.#unlisted = {
      received: larger(known.received, total.received - received),
      sent: larger(known.sent, total.sent - sent),
    };
    this.#month = {
      month: total.month,
      received: this.#unlisted.received + received,
      sent: this.#unlisted.sent + sent,
    };
  }

  /** Merges a tick; whether it names a peer that is not here and should be. */
  merge(tick: Tick): boolean {
    this.#meanwhile?.push(tick);
    return this.#apply(tick) && this.#list.length >= this.#totalCount;
  }

  /** The interface cannot be read now: none of its peers has a rate. */
  rest(ofInterface: string): void {
    for (const peer of this.#list) if (peer.interfaceKey === ofInterface) peer.rest();
  }

  #apply(tick: Tick): boolean {
    const key = interfaceKey(tick.gateway, tick.interface);
    const moved = new Set<LivePeer>();
    let unknown = false;
    let received = 0n;
    let sent = 0n;
    for (const change of tick.peers) {
      const peer = this.#byKey.get(peerKey(key, change.publicKey));
      if (peer) moved.add(peer);
      else unknown = true;
      if (peer === undefined || peer.merge(change)) {
        received += BigInt(change.received);
        sent += BigInt(change.sent);
      }
    }
    for (const peer of this.#list) if (peer.interfaceKey === key && !moved.has(peer)) peer.rest();
    if (this.#month && (received > 0n || sent > 0n)) {
      const { month } = this.#month;
      this.#month = { month, received: this.#month.received + received, sent: this.#month.sent + sent };
    }
    return unknown;
  }
}

function peerKey(ofInterface: string, publicKey: string): string {
  return `${ofInterface} ${publicKey}`;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
