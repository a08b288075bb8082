/**
 * WireGuard keys: Curve25519 (RFC 7748) by node:crypto, in the three spellings in use:
 * base64 (wg(8), files, this server), hex (the socket protocol) and 32 raw bytes.
 */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { WireGuardError } from './errors.ts';
import { Secret } from './types.ts';

/** DER head of a PKCS #8 X25519 private key (RFC 8410 §7); the 32 bytes of the key follow. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** 43 digits, the last of which carries four bits only: so each key has exactly one spelling. */
const CANONICAL = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const ZERO_BASE64 = `${'A'.repeat(43)}=`;
const HEX = /^[0-9a-fA-F]{64}$/;

/** 64 zeros: the protocol's word for "no such key". */
export const ZERO_HEX = '0'.repeat(64);

/**
 * Whether `text` is a key in canonical base64: 32 bytes, 44 characters, and the only spelling of those bytes.
 * False for all zeros, which WireGuard reads as "none".
 */
export function isKey(text: string): boolean {
  return text.length === 44 && CANONICAL.test(text) && text !== ZERO_BASE64;
}

/** A new key pair, clamped as `wg genkey` does it. The public key is base64. */
export function generateKeyPair(): { publicKey: string; privateKey: Secret } {
  const bytes = randomBytes(32);
  bytes[0]! &= 248;
  bytes[31] = (bytes[31]! & 127) | 64;
  return { publicKey: publicKeyOf(bytes), privateKey: new Secret(bytes.toString('base64')) };
}

/** A new preshared key: 32 random bytes, base64, as `wg genpsk` makes them. */
export function generatePresharedKey(): Secret {
  return new Secret(randomBytes(32).toString('base64'));
}

/**
 * The public key (base64) that belongs to a private key, given as base64, hex or 32 bytes.
 * @throws WireGuardError `REFUSED` where it is no key; the message does not repeat it.
 */
export function publicKeyOf(privateKey: string | Uint8Array | Secret): string {
  const bytes = privateBytes(privateKey instanceof Secret ? privateKey.reveal() : privateKey);
  const der = Buffer.concat([PKCS8_X25519, bytes]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  der.fill(0);
  // The raw public key is the tail of its SubjectPublicKeyInfo (RFC 8410 §4).
  return key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
}

/**
 * base64 → lower-case hex. All zeros pass: they are how a preshared key is cleared.
 * @throws WireGuardError `REFUSED`
 */
export function toHex(base64: string): string {
  if (!CANONICAL.test(base64)) throw notAKey();
  return Buffer.from(base64, 'base64').toString('hex');
}

/**
 * Hex of either case → base64.
 * @throws WireGuardError `REFUSED`
 */
export function toBase64(hex: string): string {
  if (!HEX.test(hex)) throw notAKey();
  return Buffer.from(hex, 'hex').toString('base64');
}

function privateBytes(key: string | Uint8Array): Uint8Array {
  if (typeof key !== 'string') {
    if (key.length !== 32) throw notAKey();
    return key;
  }
  return Buffer.from(HEX.test(key) ? key : toHex(key), 'hex');
}

function notAKey(): WireGuardError {
  return new WireGuardError('REFUSED', 'not a WireGuard key: 32 bytes in base64 (44 characters) are needed');
}
