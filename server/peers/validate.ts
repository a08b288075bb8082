import { z } from 'zod';
import {
  formatAddress,
  formatNetwork,
  networkOf,
  overlaps,
  parseNetwork,
  type Network,
} from '../wireguard/config-file-network.ts';

/**
 * A value that a user gave and that is not usable. `message` is one line that says what is wrong and what to
 * do; `field` is the input's name in the API (CONTRACT.md §2, BAD_USER_INPUT).
 */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly code = 'BAD_USER_INPUT';
  readonly field: string;

  constructor(field: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.field = field;
  }
}

const MULTICAST = [networkOf(4, 0xe0000000n, 4), networkOf(6, 0xff00n << 112n, 8)];
/** `::ffff:0:0/96` */
const MAPPED = networkOf(6, 0xffff00000000n, 96);
const EMAIL = z.email();
/** Characters that turn the direction of the text after them: a name could then show as another. */
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const DOMAIN_LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** The name without blanks around it, in Unicode form NFC: 1 to 64 characters. */
export function validName(value: string, field = 'name'): string {
  if (/\p{Cs}/u.test(value))
    throw new InputError(field, 'The name holds half a character (a lone surrogate): type it anew.');
  const name = value.normalize('NFC').trim();
  const length = Array.from(name).length;
  if (length === 0) throw new InputError(field, 'The name is empty: give 1 to 64 characters.');
  if (length > 64) throw new InputError(field, `The name has ${length} characters: give at most 64.`);
  if (/[\p{Cc}\u2028\u2029]/u.test(name)) {
    throw new InputError(field, 'The name holds a line break or another control character: take it out.');
  }
  if (BIDI.test(name))
    throw new InputError(field, 'The name holds a character that turns the text direction: take it out.');
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(name)) {
    throw new InputError(field, 'The name holds nothing that can be seen: give a letter or a digit.');
  }
  return name;
}

/** The address without blanks around it, in the case it was given. */
export function validEmail(value: string, field = 'email'): string {
  const email = value.trim();
  if (email.length > 254)
    throw new InputError(field, `The email address has ${email.length} characters: give at most 254.`);
  if (!EMAIL.safeParse(email).success) {
    throw new InputError(field, 'The email address is not usable: give one such as alice@example.com.');
  }
  return email;
}

/** A Curve25519 public key as `wg pubkey` prints it. */
export function validPublicKey(value: string, field = 'publicKey'): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== 32 || bytes.toString('base64') !== value) {
    throw new InputError(
      field,
      'The public key is not 32 bytes in base64: give the 44 characters that `wg pubkey` prints.',
    );
  }
  if (bytes.every((byte) => byte === 0)) {
    throw new InputError(
      field,
      'The public key is all zeros, which no private key has: give the one that `wg pubkey` prints.',
    );
  }
  return value;
}

/** A peer's own networks, canonical, in the given order: 1 to 64, none overlapping another. */
export function validAllowedIPs(values: readonly string[], field = 'allowedIPs'): string[] {
  countIn(values, 1, 64, 'networks', field);
  const networks = values.map((value) => {
    const network = validNetwork(value, field);
    if (
      MULTICAST.some(
        (range) =>
          range.family === network.family && range.prefix <= network.prefix && overlaps(range, network),
      )
    ) {
      throw new InputError(
        field,
        `${quote(value)} is a multicast address: give the peer an address of its own.`,
      );
    }
    if (network.first === 0n && network.prefix !== 0 && network.first === network.last) {
      const all = network.family === 4 ? '0.0.0.0/0' : '::/0';
      throw new InputError(field, `${quote(value)} is no host's address: did you mean ${all}?`);
    }
    return network;
  });
  for (const [i, network] of networks.entries()) {
    const other = networks.slice(0, i).find((one) => overlaps(one, network));
    if (other === undefined) continue;
    const [a, b] = [formatNetwork(other), formatNetwork(network)];
    throw new InputError(
      field,
      a === b ? `${a} is given twice: give it once.` : `${a} and ${b} overlap: give one of them.`,
    );
  }
  return networks.map(formatNetwork);
}

/** The networks that a client sends into the tunnel: 1 to 256. They may overlap; one given twice comes once. */
export function validClientAllowedIPs(values: readonly string[], field = 'clientAllowedIPs'): string[] {
  countIn(values, 1, 256, 'networks', field);
  return [...new Set(values.map((value) => formatNetwork(validNetwork(value, field))))];
}

/** Name servers (addresses) and search domains, as wg-quick's DNS key takes them: at most 8. */
export function validDns(values: readonly string[], field = 'dns'): string[] {
  countIn(values, 0, 8, 'entries', field);
  return values.map((value) => {
    const entry = value.trim().toLowerCase();
    const network = entry.includes('/') ? null : parseNetwork(entry);
    if (network !== null) return formatAddress(network.family, network.address);
    // wg-quick takes digits and dots, and whatever has a colon, for an address.
    const labels = entry.replace(/\.$/, '').split('.');
    const domain =
      !/^[0-9.]+$/.test(entry) && entry.length <= 253 && labels.every((label) => DOMAIN_LABEL.test(label));
    if (domain) return labels.join('.');
    throw new InputError(
      field,
      `${quote(value)} is neither an IP address nor a domain: give one such as 1.1.1.1 or example.org.`,
    );
  });
}

/** Bytes. WireGuard over IPv6, and IPv6 inside the tunnel, need 1280 (RFC 8200). */
export function validMtu(value: number, { ipv6 = false, field = 'mtu' } = {}): number {
  const least = ipv6 ? 1280 : 576;
  if (Number.isInteger(value) && value >= least && value <= 65535) return value;
  throw new InputError(
    field,
    `The MTU is not usable: give ${least} to 65535 bytes${ipv6 ? ', as IPv6 needs 1280' : ''}.`,
  );
}

/** Seconds; 0 is off. */
export function validKeepalive(value: number, field = 'persistentKeepalive'): number {
  if (Number.isInteger(value) && value >= 0 && value <= 65535) return value;
  throw new InputError(field, 'The persistent keepalive is not usable: give 0 (off) to 65535 seconds.');
}

function validNetwork(value: string, field: string): Network {
  const text = value.trim();
  const network = parseNetwork(text);
  if (network === null) {
    const hint = text.includes('%')
      ? 'a zone id (%…) means nothing to another host: leave it out'
      : 'give an address or a network such as 10.8.0.5/32, 10.8.0.0/24 or fd00::5/128';
    throw new InputError(field, `${quote(value)} is no network: ${hint}.`);
  }
  if (network.family === 6 && network.prefix >= MAPPED.prefix && overlaps(network, MAPPED)) {
    throw new InputError(
      field,
      `${quote(value)} is an IPv4 address written as IPv6: give it in the IPv4 form.`,
    );
  }
  if (network.address !== network.first) {
    const host = formatNetwork({
      ...network,
      first: network.address,
      prefix: network.family === 4 ? 32 : 128,
    });
    throw new InputError(
      field,
      `${quote(value)} is an address inside a network: did you mean ${host} or ${formatNetwork(network)}?`,
    );
  }
  return network;
}

function countIn(values: readonly string[], min: number, max: number, what: string, field: string): void {
  if (values.length < min)
    throw new InputError(field, `The list is empty: give at least ${min} of the ${what}.`);
  if (values.length > max)
    throw new InputError(field, `${values.length} ${what} are too many: give at most ${max}.`);
}

/** For a message: one line, short, with nothing in it that a terminal obeys. */
function quote(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value).replace(
    /[\u007f-\u009f\u2028\u2029]|\p{Cf}/gu,
    '\ufffd',
  );
}
