import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfigFile } from '../wireguard/config-file.ts';
import { Secret } from '../wireguard/types.ts';
import { clientConfig, type ClientConfig } from './client-config.ts';

const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const FULL: ClientConfig = {
  privateKey: new Secret(key(8)),
  addresses: ['10.8.0.2/32', 'fd00::2/128'],
  dns: ['1.1.1.1', 'example.org'],
  mtu: 1420,
  serverPublicKey: key(2),
  presharedKey: new Secret(key(3)),
  clientAllowedIPs: ['0.0.0.0/0', '::/0'],
  endpoint: 'vpn.example.org:51820',
  persistentKeepalive: 25,
  name: 'Zoë [Peer]',
  interfaceName: 'wg0',
};
const BARE: ClientConfig = {
  ...FULL,
  privateKey: null,
  presharedKey: null,
  endpoint: null,
  mtu: null,
  dns: [],
  persistentKeepalive: 0,
};

test('writes a wg-quick file', () => {
  expect(clientConfig(FULL)).toBe(`# Zoë [Peer] on wg0
[Interface]
PrivateKey = ${key(8)}
Address = 10.8.0.2/32, fd00::2/128
DNS = 1.1.1.1, example.org
MTU = 1420

[Peer]
PublicKey = ${key(2)}
PresharedKey = ${key(3)}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = vpn.example.org:51820
PersistentKeepalive = 25
`);
});

test('says where the own private key and the unknown endpoint go', () => {
  const text = clientConfig(BARE);
  expect(text).toMatch(/^# PrivateKey = put the private key/m);
  expect(text).toMatch(/^# Endpoint = .*WG_ENDPOINT/m);
  expect(text).not.toMatch(/^(PrivateKey|PresharedKey|Endpoint|MTU|DNS|PersistentKeepalive)/m);
});

test('no value reaches past its line', () => {
  expect(clientConfig({ ...FULL, name: 'a\nPostUp = reboot' })).not.toMatch(/^PostUp/m);
  expect(() => clientConfig({ ...FULL, endpoint: 'a:1\nPostUp = reboot' })).toThrow(TypeError);
  expect(() => clientConfig({ ...FULL, dns: ['1.1.1.1 # x'] })).toThrow(TypeError);
  expect(() => clientConfig({ ...FULL, privateKey: new Secret('secret\n') })).toThrow(/^PrivateKey cannot/);
});

test.each([
  ['full', FULL],
  ['bare', BARE],
])('wg-quick reads the %s file', (_, config) => {
  const dir = mkdtempSync(join(tmpdir(), 'wiremeter-client-'));
  try {
    const path = join(dir, 'client.conf');
    writeFileSync(path, clientConfig(config), { mode: 0o600 });
    const parsed = parseConfigFile(Buffer.from(clientConfig(config)));
    expect(parsed.problems).toEqual([]);
    expect(parsed.interface).toMatchObject({ addresses: config.addresses, dns: config.dns, mtu: config.mtu });
    expect(parsed.peers).toMatchObject([
      { publicKey: key(2), allowedIPs: config.clientAllowedIPs, endpoint: config.endpoint },
    ]);
    let stripped: string;
    try {
      stripped = execFileSync('wg-quick', ['strip', path], { encoding: 'utf8' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    expect(stripped).not.toMatch(/^(Address|DNS|MTU)/m);
    expect(parseConfigFile(Buffer.from(stripped)).peers).toEqual(parsed.peers);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
