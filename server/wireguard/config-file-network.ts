import { isIP } from 'node:net';
import { Address4, Address6 } from 'ip-address';

/** An IP network as numbers, for comparing. An address with host bits keeps them in `address`. */
export interface Network {
  readonly family: 4 | 6;
  /** 0 to 32 or 128. */
  readonly prefix: number;
  /** The address as it was written, host bits included. */
  readonly address: bigint;
  /** The lowest and the highest address of the network, both inside it. */
  readonly first: bigint;
  readonly last: bigint;
}

const PREFIX = /^(?:0|[1-9][0-9]{0,2})$/;

/** The bits of an address of this family: 32 or 128. */
export function addressBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * `address` or `address/prefix`; a bare address is a /32 or /128. Null for everything else: short and
 * octal IPv4 forms, zone ids, masks written as addresses, blanks.
 */
export function parseNetwork(text: string): Network | null {
  const slash = text.indexOf('/');
  const host = slash < 0 ? text : text.slice(0, slash);
  const family = isIP(host);
  if ((family !== 4 && family !== 6) || host.includes('%')) return null;
  const bits = addressBits(family);
  let prefix: number = bits;
  if (slash >= 0) {
    const written = text.slice(slash + 1);
    if (!PREFIX.test(written)) return null;
    prefix = Number(written);
    if (prefix > bits) return null;
  }
  try {
    const address = (family === 4 ? new Address4(host) : new Address6(host)).bigInt();
    return networkOf(family, address, prefix);
  } catch {
    return null;
  }
}

/** The network of this prefix that holds `address`. */
export function networkOf(family: 4 | 6, address: bigint, prefix: number): Network {
  const hostBits = BigInt(addressBits(family) - prefix);
  const first = (address >> hostBits) << hostBits;
  return { family, prefix, address, first, last: first | ((1n << hostBits) - 1n) };
}

/** Canonical text of one address: dotted decimal, or compressed lower-case hex (RFC 5952). */
export function formatAddress(family: 4 | 6, address: bigint): string {
  return (family === 4 ? Address4.fromBigInt(address) : Address6.fromBigInt(address)).correctForm();
}

/** Canonical CIDR, host bits cleared, as `wg show` prints it: `10.8.0.2/32`. */
export function formatNetwork(network: Network): string {
  return `${formatAddress(network.family, network.first)}/${network.prefix}`;
}

/** {@link formatNetwork} of a text, or null where it is no network. */
export function canonicalNetwork(text: string): string | null {
  const network = parseNetwork(text);
  return network === null ? null : formatNetwork(network);
}

/** True where the two have an address in common. */
export function overlaps(a: Network, b: Network): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}
