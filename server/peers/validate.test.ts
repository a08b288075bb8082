import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNetwork } from '../wireguard/config-file-network.ts';
import {
  InputError,
  validAllowedIPs,
  validClientAllowedIPs,
  validDns,
  validEmail,
  validKeepalive,
  validMtu,
  validName,
  validPublicKey,
} from './validate.ts';

/** The message of the refusal; it must be one line and name the field. */
function refused(act: () => unknown, field: string): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect((error as Error).message).toMatch(/^[^\p{Cc}\p{Cf}\u2028\u2029]+\.$|\?$/u);
    return (error as Error).message;
  }
  throw new Error('not refused');
}

describe('name', () => {
  test.each([
    [' Alice ', 'Alice'],
    ['Zoe\u0308', 'Zoë'],
    ['日本', '日本'],
    ['👩‍👩‍👧', '👩‍👩‍👧'],
    ['😀'.repeat(64), '😀'.repeat(64)],
    ['<b>&"\'', '<b>&"\''],
  ])('%j is %j', (given, wanted) => expect(validName(given)).toBe(wanted));
  test.each([
    ['', /empty/],
    ['  \u00a0', /empty/],
    ['x'.repeat(65), /65 characters: give at most 64/],
    ['a\nPostUp = x', /line break/],
    ['a\u0000', /control/],
    ['a\u0085b', /control/],
    ['a\u2028b', /line break/],
    ['\u202egnp.exe', /direction/],
    ['a\u2066b', /direction/],
    ['\ud800', /surrogate/],
    ['\u200b', /seen/],
  ])('%j is refused', (given, why) => expect(refused(() => validName(given), 'name')).toMatch(why));
});

test('email', () => {
  expect(validEmail(' Alice+x@mail.Example.com ')).toBe('Alice+x@mail.Example.com');
  const long = `${'a'.repeat(60)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.com`;
  for (const bad of [
    '',
    'alice',
    'a b@c.de',
    'a@b',
    'a@b.de\nx',
    'a@b..de',
    '@b.de',
    'a@b.de,c@d.ef',
    '<a@b.de>',
    long,
  ])
    refused(() => validEmail(bad), 'email');
});

test('public key', () => {
  const key = Buffer.alloc(32, 200).toString('base64');
  expect(validPublicKey(key)).toBe(key);
  const loose = `${key.slice(0, 42)}${String.fromCharCode(key.charCodeAt(42) + 1)}=`;
  for (const bad of [
    '',
    key.slice(0, -1),
    ` ${key}`,
    `${key}\n`,
    loose,
    Buffer.alloc(31, 1).toString('base64'),
    'x'.repeat(44),
  ])
    refused(() => validPublicKey(bad), 'publicKey');
  expect(refused(() => validPublicKey(Buffer.alloc(32).toString('base64')), 'publicKey')).toMatch(
    /all zeros/,
  );
});

describe('allowedIPs', () => {
  test('are made canonical', () => {
    expect(
      validAllowedIPs([' 10.8.0.5', '10.9.0.0/16', 'FD00:0:0:0::5', '2001:DB8::/32', '64:ff9b::1.2.3.4']),
    ).toEqual(['10.8.0.5/32', '10.9.0.0/16', 'fd00::5/128', '2001:db8::/32', '64:ff9b::102:304/128']);
    expect(validAllowedIPs(['0.0.0.0/0', '::/0'])).toEqual(['0.0.0.0/0', '::/0']);
  });
  test.each([
    [['10.8.0.5/24'], /did you mean 10\.8\.0\.5\/32 or 10\.8\.0\.0\/24\?/],
    [['fd00::5/64'], /did you mean fd00::5\/128 or fd00::\/64\?/],
    [['0.0.0.0'], /did you mean 0\.0\.0\.0\/0\?/],
    [['::'], /did you mean ::\/0\?/],
    [[], /at least 1/],
    [Array.from({ length: 65 }, (_, i) => `10.0.0.${i}`), /at most 64/],
    [['10.8.0.5', '10.8.0.5/32'], /10\.8\.0\.5\/32 is given twice/],
    [['10.8.0.0/24', '10.8.0.5'], /overlap/],
    [['::ffff:10.8.0.5'], /IPv4 form/],
    [['::ffff:a08:5/128'], /IPv4 form/],
    [['fe80::1%eth0'], /zone/],
    [['224.0.0.1'], /multicast/],
    [['ff02::1/128'], /multicast/],
    [['10.8.5'], /no network/],
    [['010.8.0.5'], /no network/],
    [['0x0a.8.0.5'], /no network/],
    [['10.8.0.0/255.255.255.0'], /no network/],
    [['10.8.0.0/33'], /no network/],
    [['10.8.0.0/'], /no network/],
    [['10.8.0.0/08'], /no network/],
    [['10.8.0.5/32\nPostUp = x'], /no network/],
    [['10.8.0.5; reboot'], /no network/],
    [['1::2::3'], /no network/],
    [['\u202e'], /no network/],
  ])('%j are refused', (given, why) => {
    expect(refused(() => validAllowedIPs(given), 'allowedIPs')).toMatch(why);
  });
});

test('clientAllowedIPs may overlap, and repeats are dropped', () => {
  expect(validClientAllowedIPs(['0.0.0.0/0', '10.0.0.0/8', '0.0.0.0/0', '::/0'])).toEqual([
    '0.0.0.0/0',
    '10.0.0.0/8',
    '::/0',
  ]);
  expect(refused(() => validClientAllowedIPs(['10.8.0.1/24']), 'clientAllowedIPs')).toMatch(/did you mean/);
  refused(() => validClientAllowedIPs([]), 'clientAllowedIPs');
  refused(() => validClientAllowedIPs(Array(257).fill('::/0')), 'clientAllowedIPs');
});

test('dns', () => {
  expect(validDns([])).toEqual([]);
  expect(validDns(['1.1.1.1', '2606:4700::1111', ' Corp.Example.ORG. ', 'lan', '_x.y'])).toEqual([
    '1.1.1.1',
    '2606:4700::1111',
    'corp.example.org',
    'lan',
    '_x.y',
  ]);
  for (const bad of [
    '',
    '1.1.1',
    '1.1.1.1/32',
    'a b',
    'a,b',
    '-a',
    'a-',
    'a..b',
    'a:b',
    'a;b',
    '$(x)',
    'a\n',
    'é',
    'x'.repeat(64),
  ])
    if (bad !== 'a\n') refused(() => validDns([bad]), 'dns');
  refused(() => validDns(Array(9).fill('1.1.1.1')), 'dns');
});

test('mtu and keepalive', () => {
  expect([validMtu(576), validMtu(65535), validMtu(1280, { ipv6: true })]).toEqual([576, 65535, 1280]);
  expect(refused(() => validMtu(1279, { ipv6: true }), 'mtu')).toMatch(/1280/);
  for (const bad of [575, 65536, 1400.5, Number.NaN, -1]) refused(() => validMtu(bad), 'mtu');
  expect([validKeepalive(0), validKeepalive(65535)]).toEqual([0, 65535]);
  for (const bad of [-1, 65536, 0.5, Number.NaN]) refused(() => validKeepalive(bad), 'persistentKeepalive');
});

test('what is taken for an address is one for the operating system too, and the canonical text reads the same', () => {
  const part = fc.constantFrom(
    ':',
    '::',
    '.',
    '0',
    '1',
    '00',
    'f',
    'ffff',
    '255',
    '256',
    '10',
    '/',
    '%',
    ' ',
    'g',
  );
  const address = fc.oneof(
    fc.array(part, { maxLength: 16 }).map((parts) => parts.join('')),
    fc.ipV4(),
    fc.ipV6(),
  );
  fc.assert(
    fc.property(address, (text) => {
      const network = parseNetwork(text);
      if (!text.includes('/') && !text.includes('%')) expect(network !== null).toBe(isIP(text) !== 0);
      if (network === null) return;
      const client = validClientAllowedIPs.bind(null, [text]);
      try {
        const [canonical] = client();
        expect(parseNetwork(canonical!)).toEqual(network);
        expect(validClientAllowedIPs([canonical!])).toEqual([canonical]);
        expect(
          new URL(
            `http://${network.family === 4 ? canonical!.split('/')[0] : `[${canonical!.split('/')[0]}]`}`,
          ).hostname,
        ).toBe(network.family === 4 ? canonical!.split('/')[0] : `[${canonical!.split('/')[0]}]`);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
    }),
    { numRuns: 2000 },
  );
});
