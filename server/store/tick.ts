/** The books' shapes in memory, and the tick that is pushed once they are committed. */
import { elapsedMs, NEVER_SEEN, type InterfaceState, type PeerState } from '../accounting/account.ts';
import type { PeerTraffic, Tick } from '../events.ts';
import type { Device } from '../wireguard/types.ts';

/** WireGuard's REJECT_AFTER_TIME, nanoseconds. */
export const ONLINE_NS = 180n * 1_000_000_000n;

/** One peer in the books of an interface. */
export interface BookPeer {
  /** Null until its row is written. */
  id: number | null;
  readonly publicKey: string;
  /** False: seen on the device, taken in by nobody. */
  registered: boolean;
  /** Gone, with its usage kept. */
  deleted: boolean;
  /** Gone with its usage: nothing is written for it any more. */
  forgotten: boolean;
  state: PeerState;
  endpoint: string | null;
  /** Bytes a second over the last tick. */
  receiveRate: number;
  sendRate: number;
  /** Bytes in the minute under way. */
  openReceived: bigint;
  openSent: bigint;
  online: boolean;
  /** The month under way, null before its first sample. */
  month: MonthBook | null;
  /** Bytes of the months before it, where the calendar did not simply go on; else null. */
  earlierReceived: bigint | null;
  earlierSent: bigint | null;
  /** Set while its row is to be written from what the device shows. */
  seen: { readonly name: string | null; readonly addedOn: number } | null;
  /** The device's settings as last written, for a peer that nobody took in. */
  settings: string | null;
}

export interface MonthBook {
  readonly peer: BookPeer;
  readonly month: string;
  received: bigint;
  sent: bigint;
  accumulatedReceived: bigint;
  accumulatedSent: bigint;
  lastReceived: bigint;
  lastSent: bigint;
  /** Milliseconds since the Unix epoch. */
  lastUpdated: number;
}

/** What a commit gives: the tick to push, and what happened to peers in it, by public key. */
export interface Committed {
  readonly tick: Tick;
  /** Appeared by themselves. */
  readonly added: readonly string[];
  /** Their counters began anew. */
  readonly resets: readonly string[];
  readonly turned: readonly { readonly publicKey: string; readonly online: boolean }[];
}

/** What was folded since the last commit, for the tick that comes of it. */
export interface Fold {
  at: number;
  device: Device | null;
  received: bigint;
  sent: bigint;
  readonly changed: Map<BookPeer, { readonly received: bigint; readonly sent: bigint }>;
  readonly added: BookPeer[];
  readonly resets: BookPeer[];
  readonly turned: BookPeer[];
}

export function emptyFold(): Fold {
  return {
    at: 0,
    device: null,
    received: 0n,
    sent: 0n,
    changed: new Map(),
    added: [],
    resets: [],
    turned: [],
  };
}

export function touch(fold: Fold, peer: BookPeer, received = 0n, sent = 0n): void {
  const sum = fold.changed.get(peer);
  fold.changed.set(peer, { received: (sum?.received ?? 0n) + received, sent: (sum?.sent ?? 0n) + sent });
  fold.received += received;
  fold.sent += sent;
}

export function newBookPeer(id: number | null, publicKey: string, registered: boolean): BookPeer {
  return {
    id,
    publicKey,
    registered,
    deleted: false,
    forgotten: false,
    state: NEVER_SEEN,
    endpoint: null,
    receiveRate: 0,
    sendRate: 0,
    openReceived: 0n,
    openSent: 0n,
    online: false,
    month: null,
    earlierReceived: null,
    earlierSent: null,
    seen: null,
    settings: null,
  };
}

/** The latest handshake is at most 180 s old. @param wall milliseconds since the Unix epoch */
export function isOnline(state: Pick<PeerState, 'running' | 'handshake'>, wall: number): boolean {
  return state.running && state.handshake > 0n && BigInt(wall) * 1_000_000n - state.handshake <= ONLINE_NS;
}

export function conclude(
  of: { readonly name: string; readonly gateway: string },
  fold: Fold,
  before: InterfaceState | null,
  state: InterfaceState,
  sequence: bigint,
  onlinePeers: number,
): Committed {
  const ms = before ? elapsedMs(before, state) : 0;
  const peers: PeerTraffic[] = [];
  for (const [peer, { received, sent }] of fold.changed) {
    if (peer.forgotten) continue;
    peers.push({
      publicKey: peer.publicKey,
      received,
      sent,
      receiveRate: peer.receiveRate,
      sendRate: peer.sendRate,
      transferRx: peer.state.rx,
      transferTx: peer.state.tx,
      latestHandshake: peer.state.handshake,
      endpoint: peer.endpoint,
      online: peer.online,
    });
  }
  const tick = {
    sequence: Number(sequence),
    at: state.wall,
    intervalMs: Math.round(ms),
    interface: of.name,
    gateway: of.gateway,
    received: fold.received,
    sent: fold.sent,
    receiveRate: ms > 0 ? (Number(fold.received) * 1000) / ms : 0,
    sendRate: ms > 0 ? (Number(fold.sent) * 1000) / ms : 0,
    onlinePeers,
    peers,
  };
  return {
    tick,
    added: fold.added.map((peer) => peer.publicKey),
    resets: fold.resets.map((peer) => peer.publicKey),
    turned: fold.turned.map((peer) => ({ publicKey: peer.publicKey, online: peer.online })),
  };
}
