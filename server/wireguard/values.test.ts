import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireGuardError } from './errors.ts';
import { generateKeyPair } from './keys.ts';
import { Secret, type PeerChange } from './types.ts';
import { canonicalNetwork, checkChanges, isEndpoint, isInterfaceName } from './values.ts';

describe('interface names', () => {
  it.each(['wg0', 'wg-home', 'a', 'Office_1.2', 'x=+', '123456789012345'])('takes %s', (name) => {
    expect(isInterfaceName(name)).toBe(true);
  });
  it.each([
    '',
    '-wg0',
    '--help',
    '.',
    '..',
    'wg/0',
    '../wg0',
    'wg 0',
    'wg0\n',
    '1234567890123456',
    'wg;0',
    'wgé',
  ])('refuses %j', (name) => {
    expect(isInterfaceName(name)).toBe(false);
  });
});

describe('networks', () => {
  it.each([
    ['10.0.0.2', '10.0.0.2/32'],
    ['10.0.0.77/24', '10.0.0.0/24'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['10.1.2.3/31', '10.1.2.2/31'],
    ['fd00::1', 'fd00::1/128'],
    ['FD00:0:0:0:0:0:0:ABCD/64', 'fd00::/64'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1/128'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1/128'],
    ['::/0', '::/0'],
    ['::1', '::1/128'],
  ])('%s is %s', (text, network) => {
    expect(canonicalNetwork(text)).toBe(network);
    expect(canonicalNetwork(network)).toBe(network);
  });
  it.each([
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1/33',
    '10.0.0.1/08',
    '10.0.0.1/',
    '10.0.0.1/-1',
    'fd00::/129',
  ])('refuses %j', (text) => {
    expect(canonicalNetwork(text)).toBeNull();
  });
  it.each([
    '10.0.0.1/8,10.0.0.2',
    '10.0.0.1\n',
    'fe80::1%eth0/64',
    ' 10.0.0.1',
    '10.0.0.1/8 ',
    '$(id)',
    '10.0.0.1/8;id',
  ])('refuses %j', (text) => {
    expect(canonicalNetwork(text)).toBeNull();
  });
  it('lets nothing through but digits, letters a to f, dots, colons and one slash', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (text) => {
        expect(canonicalNetwork(text) ?? '::/0').toMatch(/^[0-9a-f:.]+\/[0-9]+$/);
      }),
    );
  });
});

describe('endpoints', () => {
  it.each(['192.0.2.1:51820', '[2001:db8::1]:1', '[fe80::1%eth0]:65535'])('takes %s', (text) => {
    expect(isEndpoint(text)).toBe(true);
  });
  it.each([
    'example.com:51820',
    '192.0.2.1',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '2001:db8::1:51820',
    '[192.0.2.1]:1',
  ])('refuses %s', (text) => {
    expect(isEndpoint(text)).toBe(false);
  });
  it.each(['192.0.2.1:1\nremove=true', '-h:1', '[fe80::1%$(id)]:1', '999.0.2.1:1'])('refuses %j', (text) => {
    expect(isEndpoint(text)).toBe(false);
  });
});

describe('checkChanges', () => {
  const { publicKey } = generateKeyPair();
  it('makes networks canonical, and each stand once', () => {
    expect(
      checkChanges('wg0', [
        { kind: 'set', publicKey, allowedIPs: ['10.0.0.9/24', '10.0.0.1/24', 'FD00::1'] },
      ]),
    ).toEqual([{ kind: 'set', publicKey, allowedIPs: ['10.0.0.0/24', 'fd00::1/128'] }]);
  });
  it.each<[string, PeerChange]>([
    ['public_key', { kind: 'remove', publicKey: 'x\nreplace_peers=true' }],
    ['public_key', { kind: 'remove', publicKey: '--help' }],
    ['allowed_ip', { kind: 'set', publicKey, allowedIPs: ['10.0.0.1/32\nremove=true'] }],
    ['endpoint', { kind: 'set', publicKey, endpoint: 'example.com:1' }],
    ['persistent_keepalive_interval', { kind: 'set', publicKey, persistentKeepalive: 65_536 }],
    ['persistent_keepalive_interval', { kind: 'set', publicKey, persistentKeepalive: 1.5 }],
    ['persistent_keepalive_interval', { kind: 'set', publicKey, persistentKeepalive: Number.NaN }],
    ['preshared_key', { kind: 'set', publicKey, presharedKey: new Secret('hunter2') }],
  ])('refuses a bad %s', (key, change) => {
    try {
      checkChanges('wg0', [change]);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(WireGuardError);
      expect(error).toMatchObject({ code: 'REFUSED', key });
      expect((error as Error).message).not.toMatch(/hunter2|\n/);
    }
  });
});
