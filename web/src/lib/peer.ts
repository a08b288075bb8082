/** What the table of peers needs to know of one. */
export interface PeerFacts {
  readonly publicKey: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly allowedIPs: readonly string[];
  readonly endpoint: string | null;
}

/** The start of a key is enough to tell peers apart: `kPq3…`. */
export function shortKey(publicKey: string): string {
  return publicKey.length > 10 ? `${publicKey.slice(0, 8)}…` : publicKey;
}

/** A peer's name; where it has none, its shortened key. */
export function peerLabel(peer: Pick<PeerFacts, 'name' | 'publicKey'>): string {
  return peer.name?.trim() || shortKey(peer.publicKey);
}

/** `10.8.0.2/32` → `10.8.0.2`: a host's own prefix says nothing. */
export function hostAddress(allowedIP: string): string {
  return allowedIP.replace(/^([\d.]+)\/32$/, '$1').replace(/^([\da-fA-F:.]*:[\da-fA-F:.]*)\/128$/, '$1');
}

/** Whether each word of `search` is in the name, email, key, an address or the endpoint; case does not matter. */
export function matchesSearch(peer: PeerFacts, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const text = [peer.name, peer.email, peer.publicKey, ...peer.allowedIPs, peer.endpoint]
    .join('\n')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

const NAMES = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** Named peers first, `peer-2` before `peer-10`; the key settles the rest, so that the order is one. */
export function compareNames(a: PeerFacts, b: PeerFacts): number {
  if (!a.name !== !b.name) return a.name ? -1 : 1;
  return NAMES.compare(peerLabel(a), peerLabel(b)) || (a.publicKey < b.publicKey ? -1 : 1);
}

/** What the table shows of a peer. Rates in bytes a second; `received` is the peer's upload, `sent` its download. */
export interface PeerRow extends PeerFacts {
  readonly id: string;
  readonly interfaceName: string;
  readonly enabled: boolean;
  readonly online: boolean;
  /** ms since 1970; null is never. */
  readonly latestHandshake: number | null;
  readonly receiveRate: number;
  readonly sendRate: number;
  readonly monthReceived: bigint;
  readonly monthSent: bigint;
  readonly monthTotal: bigint;
}

const MEASURES = {
  latestHandshake: (peer: PeerRow) => peer.latestHandshake ?? 0,
  receiveRate: (peer: PeerRow) => peer.receiveRate,
  sendRate: (peer: PeerRow) => peer.sendRate,
  monthReceived: (peer: PeerRow) => peer.monthReceived,
  monthSent: (peer: PeerRow) => peer.monthSent,
  monthTotal: (peer: PeerRow) => peer.monthTotal,
};

export type SortKey = 'name' | keyof typeof MEASURES;

export interface Sort {
  readonly key: SortKey;
  readonly descending: boolean;
}

/** The next sort when a column's header is pressed: names begin at A, measures at the largest. */
export function pressColumn(sort: Sort, key: SortKey): Sort {
  return { key, descending: sort.key === key ? !sort.descending : key !== 'name' };
}

/** A sorted copy. Equals stand by name whichever way the rest is turned. */
export function sortPeers<Row extends PeerRow>(peers: readonly Row[], { key, descending }: Sort): Row[] {
  const turn = descending ? -1 : 1;
  if (key === 'name') return [...peers].sort((a, b) => turn * compareNames(a, b));
  const measure = MEASURES[key];
  return [...peers].sort((a, b) => {
    const [of, over] = [measure(a), measure(b)];
    return of === over ? compareNames(a, b) : of < over ? -turn : turn;
  });
}
