import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireGuardError } from './errors.ts';
import { generateKeyPair, generatePresharedKey, isKey, publicKeyOf, toBase64, toHex } from './keys.ts';

/** Alice's pair of RFC 7748 §6.1. */
const ALICE_PRIVATE = '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a';
const ALICE_PUBLIC = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';

describe('keys', () => {
  it('derives the public key of RFC 7748', () => {
    expect(publicKeyOf(ALICE_PRIVATE)).toBe(toBase64(ALICE_PUBLIC));
    expect(publicKeyOf(toBase64(ALICE_PRIVATE))).toBe(toBase64(ALICE_PUBLIC));
    expect(publicKeyOf(Buffer.from(ALICE_PRIVATE, 'hex'))).toBe(toBase64(ALICE_PUBLIC));
  });

  it('makes pairs that belong together, clamped as wg genkey does', () => {
    const { publicKey, privateKey } = generateKeyPair();
    expect(isKey(publicKey)).toBe(true);
    expect(publicKeyOf(privateKey)).toBe(publicKey);
    const bytes = Buffer.from(privateKey.reveal(), 'base64');
    expect(bytes[0]! & 7).toBe(0);
    expect(bytes[31]! & 0xc0).toBe(0x40);
    expect(isKey(generatePresharedKey().reveal())).toBe(true);
  });

  it('shows no secret when it is printed', () => {
    const { privateKey } = generateKeyPair();
    for (const text of [String(privateKey), JSON.stringify({ privateKey }), inspect(privateKey)]) {
      expect(text).not.toContain(privateKey.reveal());
    }
  });

  it('takes each 32 bytes in exactly one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        expect(isKey(text)).toBe(bytes.some((byte) => byte !== 0));
        expect(toBase64(toHex(text))).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const again = Buffer.from(text, 'base64');
        expect(isKey(text)).toBe(
          again.length === 32 && again.toString('base64') === text && again.some(Boolean),
        );
      }),
    );
  });

  it.each([
    ['all zeros', `${'A'.repeat(43)}=`],
    ['spare bits set', `${'B'.repeat(43)}=`],
    ['no padding', 'B'.repeat(44)],
    ['URL alphabet', `${'_'.repeat(42)}A=`],
    ['a line end', `${'B'.repeat(42)}A=\n`],
    ['too short', `${'B'.repeat(38)}A=`],
    ['empty', ''],
  ])('refuses %s', (_why, text) => {
    expect(isKey(text)).toBe(false);
  });

  it('does not repeat a bad key in its error', () => {
    for (const broken of [() => publicKeyOf('hunter2'), () => toHex('hunter2'), () => toBase64('hunter2')]) {
      expect(broken).toThrow(WireGuardError);
      expect(broken).not.toThrow(/hunter2/);
    }
  });
});
