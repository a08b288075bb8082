/**
 * The books of one interface: folds samples into memory and commits them in one transaction
 * (ACCOUNTING.md A10 to A17). Only the holder of the interface's lease has one. Its caller does one thing at a
 * time: what is folded during a commit would be taken for committed.
 */
import {
  account,
  elapsedMs,
  removed,
  type InterfaceState,
  type PeerGain,
  type PeerState,
} from '../accounting/account.ts';
import type { Bucket, Calendar } from '../accounting/calendar.ts';
import type { Device, DevicePeer } from '../wireguard/types.ts';
import { Refusal } from '../refusal.ts';
import type { Database, Transaction } from './database.ts';
import { LeaseLost, type Lease } from './lease.ts';
import { loadInterface, loadMonths, loadPeers, type LoadedInterface } from './ledger-load.ts';
import * as rows from './ledger-rows.ts';
import { counterRow, Owed, type EpochTurn } from './owed.ts';
import {
  conclude,
  emptyFold,
  isOnline,
  newBookPeer,
  touch,
  type BookPeer,
  type MonthBook,
  type Committed,
} from './tick.ts';

/** Where and when a sample was taken. */
export interface Circumstances {
  readonly bootId: string | null;
  readonly instance: string | null;
  /** Nanoseconds since boot. */
  readonly monotonic: bigint;
  /** Milliseconds since the Unix epoch. */
  readonly wall: number;
}

/** Names of peers that appear by themselves, by public key. Does not throw. */
export type NameLookup = () => Promise<ReadonlyMap<string, string>>;

export class Ledger {
  readonly lease: Lease;
  readonly name: string;
  readonly gateway: string;
  readonly #db: Database;
  readonly #calendar: Calendar;

  #state: InterfaceState | null;
  #sequence: bigint;
  /** The state at the last commit: a tick's interval counts from it. */
  #committed: InterfaceState | null;
  /** The state that the database holds. */
  #saved: InterfaceState | null;
  readonly #peers = new Map<string, BookPeer>();
  /** Their states again, as the arithmetic takes them. */
  readonly #states = new Map<string, PeerState>();
  /** Peers with a rate to bring back to zero. */
  readonly #active = new Set<BookPeer>();

  #month: string | null = null;
  /** The latest month that has rows: bytes before it come late. */
  #lastMonth: string | null;
  #open: Bucket | null;
  readonly #owed = new Owed();
  #fold = emptyFold();

  private constructor(db: Database, calendar: Calendar, lease: Lease, loaded: LoadedInterface) {
    this.#db = db;
    this.#calendar = calendar;
    this.lease = lease;
    this.name = loaded.name;
    this.gateway = loaded.gateway;
    this.#state = this.#committed = this.#saved = loaded.state;
    this.#sequence = loaded.sequence;
    this.#lastMonth = loaded.lastMonth;
    this.#open = loaded.openMinute > 0 ? calendar.bucket(loaded.openMinute * 60_000) : null;
  }

  /** Reads the books as last committed. */
  static async load(db: Database, calendar: Calendar, lease: Lease): Promise<Ledger> {
    const loaded = await loadInterface(db, lease.interfaceId);
    const ledger = new Ledger(db, calendar, lease, loaded);
    for (const peer of await loadPeers(db, lease.interfaceId)) {
      ledger.#adopt(peer);
      peer.online = isOnline(peer.state, loaded.state?.wall ?? 0);
      if (peer.receiveRate > 0 || peer.sendRate > 0) ledger.#active.add(peer);
    }
    return ledger;
  }

  /** The last counted sample's wall clock, milliseconds; null before the first. */
  get lastSampleAt(): number | null {
    return this.#state?.wall ?? null;
  }

  /**
   * Counts a sample in memory. Nothing of it is pushed before {@link commit}.
   * @returns why it was no sample, else null
   */
  async fold(device: Device, at: Circumstances, names: NameLookup): Promise<'stale' | 'empty' | null> {
    const bucket = this.#calendar.bucket(at.wall);
    const sample = { ...at, publicKey: device.publicKey, peers: device.peers };
    const outcome = account(this.#state, this.#states, sample);
    if (outcome.kind === 'ignored') return outcome.reason;

    // What can fail comes before the first change.
    if (bucket.month !== this.#month) await this.#enterMonth(bucket.month);
    const strangers = outcome.gains.some((gain) => !this.#peers.has(gain.publicKey));
    const known = strangers ? await names() : new Map<string, string>();

    if (this.#open && this.#open.minute !== bucket.minute) {
      this.#owed.closeMinute(this.#open, this.#peers.values());
    }
    this.#open = bucket;
    this.#fold.at = at.wall;
    this.#fold.device = device;
    const firstSight = this.#state === null;
    const seconds = this.#state ? elapsedMs(this.#state, sample) / 1000 : 0;
    const resting = new Set(this.#active);
    const turns: EpochTurn[] = [];
    for (const gain of outcome.gains) {
      const peer = this.#peers.get(gain.publicKey) ?? this.#discover(gain.publicKey, known, firstSight);
      resting.delete(peer);
      this.#apply(peer, gain, seconds);
      if (gain.ended || gain.began) {
        turns.push({ peer, ended: gain.ended, began: gain.began ? gain.state.epoch : null });
      }
      if (gain.began && gain.began !== 'FIRST_SEEN' && gain.began !== 'ADDED') this.#fold.resets.push(peer);
    }
    this.#owed.addEpochs(turns);
    for (const peer of resting) this.#rest(peer);
    for (const seen of device.peers) this.#look(seen);
    for (const peer of this.#peers.values()) this.#turn(peer, at.wall);
    this.#state = outcome.state;
    return null;
  }

  /**
   * Commits all that was folded since the last commit.
   * @throws LeaseLost, or the database's error: then all of it is still owed
   */
  async commit(): Promise<Committed> {
    const { state, online } = await this.#save(this.#sequence + 1n);
    const committed = conclude(this, this.#fold, this.#committed, state, this.#sequence, online);
    this.#committed = state;
    this.#fold = emptyFold();
    return committed;
  }

  /** Writes what is owed. The fold stays: its tick is told by the commit that follows. */
  async #save(sequence: bigint): Promise<{ state: InterfaceState; online: number }> {
    const state = this.#state;
    if (!state) throw new Error('nothing was sampled yet');
    let online = 0;
    for (const peer of this.#peers.values()) if (peer.online) online += 1;
    await this.#db.write(async (tx) => {
      const held = await this.#writeInterface(tx, state, sequence, online);
      if (held !== 1) throw new LeaseLost('another server accounts this interface now');
      await this.#owed.write(tx, this.lease.interfaceId, this.#fold.device);
    });
    this.#sequence = sequence;
    this.#saved = state;
    this.#owed.clear();
    return { state, online };
  }

  /** True while something that a sample saw is in memory alone. */
  get owes(): boolean {
    return this.#saved !== this.#state;
  }

  /** A peer that was made or taken in through us: its row is there, its counters begin with the next sample. */
  register(peer: { readonly id: number; readonly publicKey: string }): void {
    const known = this.#peers.get(peer.publicKey);
    if (!known) {
      this.#adopt(newBookPeer(peer.id, peer.publicKey, true));
      return;
    }
    known.registered = true;
    known.deleted = false;
  }

  /**
   * The peer stops running by our own hand, after a last sample (A13): written in the change's transaction.
   * @returns what to call once that is committed
   * @throws Refusal while a sample is owed: an epoch must not end before its beginning is written
   */
  async retire(tx: Transaction, publicKey: string): Promise<() => void> {
    const peer = this.#peers.get(publicKey);
    if (peer?.id == null || !this.#state) return () => undefined;
    if (this.owes) {
      throw new Refusal(
        'WIREGUARD_UNAVAILABLE',
        `The database does not take samples of ${this.name} now: try again.`,
      );
    }
    const { state, ended } = removed(peer.state, this.#state.wall);
    await rows.writeEpochs(tx, [{ id: peer.id, ended, began: null }]);
    await rows.writeCounters(tx, [counterRow(peer, peer.id, state)]);
    return () => {
      peer.state = state;
      this.#states.set(publicKey, state);
      this.#active.delete(peer);
      peer.receiveRate = peer.sendRate = 0;
      peer.online = false;
    };
  }

  /** Gone from the peers; its usage stays in the books. */
  bury(publicKey: string): void {
    const peer = this.#peers.get(publicKey);
    if (peer) peer.deleted = true;
  }

  /** Gone with its usage. */
  forget(publicKey: string): void {
    const peer = this.#peers.get(publicKey);
    if (!peer) return;
    this.#peers.delete(publicKey);
    this.#states.delete(publicKey);
    this.#active.delete(peer);
    this.#owed.forget(peer);
  }

  #adopt(peer: BookPeer): void {
    this.#peers.set(peer.publicKey, peer);
    this.#states.set(peer.publicKey, peer.state);
  }

  /** What is there at the first sight of the interface is taken in; what comes later waits for somebody to. */
  #discover(publicKey: string, names: ReadonlyMap<string, string>, firstSight: boolean): BookPeer {
    const peer = newBookPeer(null, publicKey, firstSight);
    this.#adopt(peer);
    this.#show(peer, names.get(publicKey) ?? null);
    return peer;
  }

  /** Its row is to be written from what the device shows. */
  #show(peer: BookPeer, name: string | null): void {
    peer.seen = { name, addedOn: this.#fold.at };
    this.#owed.seen.add(peer);
    // At the first sight nothing was added: it was there.
    if (this.#state !== null) this.#fold.added.push(peer);
  }

  #apply(peer: BookPeer, gain: PeerGain, seconds: number): void {
    peer.state = gain.state;
    this.#states.set(peer.publicKey, gain.state);
    peer.receiveRate = seconds > 0 ? Number(gain.received) / seconds : 0;
    peer.sendRate = seconds > 0 ? Number(gain.sent) / seconds : 0;
    if (gain.received > 0n || gain.sent > 0n) this.#active.add(peer);
    peer.openReceived += gain.received;
    peer.openSent += gain.sent;
    if (peer.deleted && gain.state.running) {
      peer.deleted = peer.registered = false;
      this.#show(peer, null);
    }
    if (gain.state.running) this.#addToMonth(peer, gain);
    this.#owed.peers.add(peer);
    touch(this.#fold, peer, gain.received, gain.sent);
  }

  #addToMonth(peer: BookPeer, { received, sent, state }: PeerGain): void {
    const month = this.#monthOf(peer, received, sent);
    month.received += received;
    month.sent += sent;
    month.accumulatedReceived += received;
    month.accumulatedSent += sent;
    month.lastReceived = state.rx;
    month.lastSent = state.tx;
    month.lastUpdated = this.#fold.at;
    this.#owed.months.add(month);
    if (this.#lastMonth !== null && month.month < this.#lastMonth) this.#owed.addLate(month.month, peer);
  }

  /** The peer's row of the month under way; a new one holds what came before `received` and `sent`. */
  #monthOf(peer: BookPeer, received: bigint, sent: bigint): MonthBook {
    peer.month ??= {
      peer,
      month: this.#month ?? '',
      received: 0n,
      sent: 0n,
      accumulatedReceived: peer.earlierReceived ?? peer.state.totalReceived - received,
      accumulatedSent: peer.earlierSent ?? peer.state.totalSent - sent,
      lastReceived: peer.state.rx,
      lastSent: peer.state.tx,
      lastUpdated: this.#fold.at,
    };
    return peer.month;
  }

  /** Nothing moved: its rate is zero. */
  #rest(peer: BookPeer): void {
    peer.receiveRate = peer.sendRate = 0;
    this.#active.delete(peer);
    this.#owed.peers.add(peer);
  }

  /** What a sample says of a peer beside its counters; and a row for the month, also without a byte in it. */
  #look(seen: DevicePeer): void {
    const peer = this.#peers.get(seen.publicKey);
    if (!peer) return;
    if (peer.endpoint !== seen.endpoint) {
      peer.endpoint = seen.endpoint;
      this.#owed.peers.add(peer);
      touch(this.#fold, peer);
    }
    if (!peer.month) {
      this.#owed.months.add(this.#monthOf(peer, 0n, 0n));
      this.#owed.peers.add(peer);
    }
    if (peer.registered) return;
    const settings = [seen.persistentKeepalive, seen.hasPresharedKey, ...seen.allowedIPs].join();
    if (peer.settings === settings) return;
    peer.settings = settings;
    peer.seen ??= { name: null, addedOn: this.#fold.at };
    this.#owed.seen.add(peer);
  }

  #turn(peer: BookPeer, wall: number): void {
    const online = isOnline(peer.state, wall);
    if (online === peer.online) return;
    peer.online = online;
    this.#fold.turned.push(peer);
    touch(this.#fold, peer);
  }

  async #enterMonth(month: string): Promise<void> {
    const goesOn = this.#month !== null && (this.#lastMonth === null || month > this.#lastMonth);
    if (!goesOn) await this.#loadMonth(month);
    for (const peer of goesOn ? this.#peers.values() : []) {
      peer.month = null;
      peer.earlierReceived = peer.earlierSent = null;
    }
    if (this.#lastMonth === null || month > this.#lastMonth) this.#lastMonth = month;
    this.#month = month;
    this.#owed.newMonth = true;
    for (const peer of this.#peers.values()) if (peer.month) this.#owed.peers.add(peer);
  }

  /** At the start, or when the clock was set over a month's end: what is owed goes first, so that what is read is true. */
  async #loadMonth(month: string): Promise<void> {
    if (this.owes) await this.#save(this.#sequence);
    const found = await loadMonths(this.#db, this.lease.interfaceId, month);
    for (const peer of this.#peers.values()) {
      const row = peer.id === null ? undefined : found.get(peer.id);
      peer.month = row?.current ? { peer, month, ...row.current } : null;
      peer.earlierReceived = row?.earlierReceived ?? 0n;
      peer.earlierSent = row?.earlierSent ?? 0n;
    }
  }

  #writeInterface(tx: Transaction, state: InterfaceState, sequence: bigint, online: number): Promise<number> {
    return tx.$executeRaw`
      UPDATE interfaces SET sequence = ${sequence}, status = 'UP', status_reason = NULL,
        public_key = ${state.publicKey ?? ''}, listen_port = ${this.#fold.device?.listenPort ?? null},
        last_collected_at = ${BigInt(state.wall)}, online_peers = ${online}, boot_id = ${state.bootId},
        instance = ${state.instance}, monotonic = ${state.monotonic}, clock = ${BigInt(Math.round(state.clock))},
        open_minute = ${this.#open?.minute ?? 0}, lease_beat = lease_beat + 1
      WHERE id = ${this.lease.interfaceId} AND lease_token = ${this.lease.token}
        AND sequence = ${this.#sequence}`;
  }
}
