import {
  addressBits,
  formatAddress,
  formatNetwork,
  networkOf,
  parseNetwork,
  type Network,
} from '../wireguard/config-file-network.ts';

/** No address is left in one of the interface's subnets, or it has none at all (CONTRACT.md §2). */
export class AddressesExhausted extends Error {
  override readonly name = 'AddressesExhausted';
  readonly code = 'ADDRESSES_EXHAUSTED';
}

/** A wanted network that shares addresses with another peer's. */
export interface Overlap {
  /** Canonical. */
  readonly wanted: string;
  readonly publicKey: string;
  /** The other peer's network, canonical. */
  readonly allowedIP: string;
}

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * The lowest free address of each of the interface's subnets, as /32 and /128, in the interface's order. Left
 * out are an IPv4 subnet's network and broadcast address (not in a /31), IPv6's subnet-router anycast address
 * (RFC 4291 §2.6.1; not in a /127, RFC 6164), the interface's own addresses and all used networks. A used
 * default route takes no address.
 *
 * A subnet of one address (/32, /128) has no room by its nature: it is passed over, unless all are such.
 *
 * @param interfaceAddresses with their prefix: `10.8.0.1/24`.
 * @param used networks of all peers, disabled ones too; what is no network is passed over.
 * @throws AddressesExhausted
 */
export function nextFreeAddresses(interfaceAddresses: readonly string[], used: readonly string[]): string[] {
  const own = parseAll(interfaceAddresses);
  const subnets = new Map(
    own.map((network) => [`${network.family}/${network.prefix}/${network.first}`, network]),
  );
  const roomy = [...subnets.values()].filter((subnet) => subnet.first !== subnet.last);
  if (roomy.length === 0) {
    const why =
      own[0] === undefined
        ? 'The interface has no address, so none can be given out'
        : `${formatNetwork(own[0])} has a single address, the interface's own, so none can be given out`;
    throw new AddressesExhausted(
      `${why}: give allowedIPs, or give the interface a subnet such as 10.8.0.1/24.`,
    );
  }
  const taken = parseAll(used).filter((network) => network.prefix > 0);
  for (const { family, address } of own) taken.push(networkOf(family, address, addressBits(family)));

  return roomy.map((subnet) => {
    const free = nextFree(subnet, taken);
    // Another of the interface's subnets may hold it too.
    taken.push(networkOf(subnet.family, free, addressBits(subnet.family)));
    return `${formatAddress(subnet.family, free)}/${addressBits(subnet.family)}`;
  });
}

function nextFree(subnet: Network, taken: readonly Network[]): bigint {
  const pointToPoint = subnet.last - subnet.first === 1n;
  const first = pointToPoint ? subnet.first : subnet.first + 1n;
  const last = pointToPoint || subnet.family === 6 ? subnet.last : subnet.last - 1n;
  const ranges = taken
    .filter((one) => one.family === subnet.family && one.last >= first && one.first <= last)
    .sort(byFirst);

  let candidate = first;
  for (const range of ranges) {
    if (range.first > candidate) break;
    if (range.last >= candidate) candidate = range.last + 1n;
  }
  if (candidate <= last) return candidate;
  // Only now do the ranges cover all of it, without a gap.
  const count = last - first + 1n;
  throw new AddressesExhausted(
    `${formatNetwork(subnet)} has no free address: all ${count} are in use. ` +
      'Delete peers, give allowedIPs, or give the interface a larger subnet.',
  );
}

/**
 * The first wanted network that shares addresses with one of the other peers, or null. WireGuard sends to the
 * longest prefix, so another peer's default route (prefix 0) is only in the way of another default route; a
 * wanted default route is refused beside any address of its family, which it would seem to take over.
 *
 * @param others all other peers of the interface; what is no network is passed over.
 */
export function findOverlap(
  wanted: readonly string[],
  others: Iterable<{ readonly publicKey: string; readonly allowedIPs: readonly string[] }>,
): Overlap | null {
  const own = parseAll(wanted);
  const familyOf = (family: 4 | 6) => {
    const networks = own.filter((network) => network.family === family);
    return { networks, ranges: merged(networks) };
  };
  const families = { 4: familyOf(4), 6: familyOf(6) };

  for (const { publicKey, allowedIPs } of others) {
    for (const text of allowedIPs) {
      const other = parseNetwork(text);
      if (other === null) continue;
      const { networks, ranges } = families[other.family];
      if (!touches(ranges, other)) continue;
      const hit = networks.find(
        (one) => one.first <= other.last && other.first <= one.last && (other.prefix > 0 || one.prefix === 0),
      );
      if (hit) return { wanted: formatNetwork(hit), publicKey, allowedIP: formatNetwork(other) };
    }
  }
  return null;
}

function parseAll(texts: readonly string[]): Network[] {
  return texts.flatMap((text) => parseNetwork(text) ?? []);
}

function byFirst(a: Range, b: Range): number {
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
}

/** The same addresses as sorted ranges that have none in common. */
function merged(networks: readonly Network[]): Range[] {
  const ranges: Range[] = [];
  for (const { first, last } of [...networks].sort(byFirst)) {
    const before = ranges.at(-1);
    if (before === undefined || first > before.last) ranges.push({ first, last });
    // Of two networks that overlap, one holds the other; only from the same first address can that be the later.
    else if (last > before.last) ranges[ranges.length - 1] = { first, last };
  }
  return ranges;
}

function touches(ranges: readonly Range[], { first, last }: Range): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle];
    if (range === undefined || range.last < first) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range.first <= last;
}
