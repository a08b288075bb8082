import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfigFile, type ConfigFile } from './config-file.ts';
import { WireGuardError } from './errors.ts';
import { Secret } from './types.ts';

/** Milliseconds of this process's own CPU time: what else the machine does must fail no test. */
const cpu = () => process.cpuUsage().user / 1000;

const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const [A, B, C] = [key(1), key(2), key(3)] as [string, string, string];
const PSK = key(99);
const file = (text: string) => parseConfigFile(Buffer.from(text, 'utf8'));
const text = (config: ConfigFile) => config.bytes().toString('utf8');

const HAND_WRITTEN = `# The gateway
[Interface]
Address = 10.8.0.1/24, fd00::1/64   # both
ListenPort = 51820
PrivateKey = ${key(7)}
PostUp = [ -z "$X" ] && iptables -A FORWARD -i %i -j ACCEPT # [Peer]
PostUp = echo "#" '[Peer]'
DNS = 1.1.1.1, example.org

# Alice, the boss
[Peer]
# friendly_name=Alice Ünïcödé
PublicKey = ${A}
  allowedips=10.8.0.2/32 , 10.8.0.3   # two
AllowedIPs = FD00::2/128
# PersistentKeepalive = 25

# Bob
[peer] # second
publickey=${B}
PresharedKey = ${PSK}
Endpoint = host.example:51820
PersistentKeepalive = OFF

# the end
`;

describe('reading', () => {
  test('reads peers and the interface', () => {
    const config = file(HAND_WRITTEN);
    expect(config.problems).toEqual([]);
    expect(config.peers).toMatchObject([
      {
        publicKey: A,
        friendlyName: 'Alice Ünïcödé',
        persistentKeepalive: 0,
        presharedKey: null,
        enabled: true,
      },
      { publicKey: B, friendlyName: null, allowedIPs: [], endpoint: 'host.example:51820', enabled: true },
    ]);
    expect(config.peer(A)!.allowedIPs).toEqual(['10.8.0.2/32', '10.8.0.3/32', 'fd00::2/128']);
    expect(config.peer(B)!.presharedKey!.reveal()).toBe(PSK);
    expect(config.interface).toMatchObject({
      addresses: ['10.8.0.1/24', 'fd00::1/64'],
      listenPort: 51820,
      dns: ['1.1.1.1', 'example.org'],
      mtu: null,
      saveConfig: false,
    });
    expect(config.interface.privateKey!.reveal()).toBe(key(7));
  });

  test('reads what wg reads: blanks inside words, and nothing that only looks like a section', () => {
    const config = file(`[ P e e r ]\nPublic Key = ${A}\nAllowed IPs = 10.0.0. 1\n[Peer] x\n# [Peer]\n`);
    expect(config.peers).toMatchObject([{ publicKey: A, allowedIPs: ['10.0.0.1/32'] }]);
    expect(config.problems).toEqual(['line 4: is no "key = value"']);
  });

  test('one key in two sections: as wg, the last AllowedIPs and the last of each other value', () => {
    const config = file(
      `[Peer]\nPublicKey=${A}\nAllowedIPs=10.0.0.1\nPersistentKeepalive=25\n[Peer]\nPublicKey=${A}\nAllowedIPs=10.0.0.2\n`,
    );
    expect(config.peers).toHaveLength(1);
    expect(config.peers[0]).toMatchObject({ allowedIPs: ['10.0.0.2/32'], persistentKeepalive: 25 });
    expect(config.problems).toEqual(['line 5: the peer of line 1 again: wg takes only these AllowedIPs']);
    expect(text(config.removePeer(A))).toBe('');
    expect(config.disablePeer(A).peers).toMatchObject([{ enabled: false, allowedIPs: ['10.0.0.2/32'] }]);
    expect(config.updatePeer(A, { allowedIPs: ['10.0.0.3'] }).peers[0]!.allowedIPs).toEqual(['10.0.0.3/32']);
  });

  test('problems name the line and never a value', () => {
    const secret = 'c2VjcmV0';
    const config = file(
      `PrivateKey = ${secret}\n[Interface]\nPrivateKey = ${secret}\nFoo = ${secret}\n[Peer]\nPresharedKey = ${secret}\n` +
        `[Peer]\nPublicKey = ${secret}\nAllowedIPs = ${secret}\n[Other]\n[Peer]\nPublicKey = ${A}\n`,
    );
    expect(config.peers).toMatchObject([{ publicKey: A }]);
    expect(config.problems.join()).not.toContain(secret);
    expect(config.problems.map((problem) => /^line (\d+): /.exec(problem)![1]).map(Number)).toEqual(
      expect.arrayContaining([1, 3, 4, 5, 6, 8, 9, 10]),
    );
    expect(text(config.removePeer(A))).toBe(text(config).replace(`[Peer]\nPublicKey = ${A}\n`, ''));
  });
});

describe('adding', () => {
  test('writes a section at the end, the name on the line after [Peer]', () => {
    const config = file('[Interface]\n').addPeer({
      publicKey: A,
      friendlyName: 'Zoë # [Peer]',
      allowedIPs: ['10.8.0.2', 'FD00::2/128'],
      presharedKey: new Secret(PSK),
      persistentKeepalive: 25,
      endpoint: '[2001:db8::1]:51820',
    });
    expect(text(config)).toBe(
      `[Interface]\n\n[Peer]\n# friendly_name=Zoë # [Peer]\nPublicKey = ${A}\nPresharedKey = ${PSK}\n` +
        `AllowedIPs = 10.8.0.2/32, fd00::2/128\nEndpoint = [2001:db8::1]:51820\nPersistentKeepalive = 25\n`,
    );
    expect(config.peers).toMatchObject([
      { friendlyName: 'Zoë # [Peer]', persistentKeepalive: 25, enabled: true },
    ]);
  });

  test.each([
    '',
    '\n',
    'x',
    'x\r',
    'x\r\n',
    'x\n\n\n',
    '[Interface]\r\n\r\n',
    '  ',
    '[Interface]\n# end',
    '\ufeffx\n \t',
  ])('adding and removing gives %j back', (start) => {
    const added = file(start).addPeer({ publicKey: A, allowedIPs: ['10.0.0.2'] });
    expect(added.peers).toHaveLength(1);
    expect(text(parseConfigFile(added.bytes()).removePeer(A))).toBe(start);
    const two = added.addPeer({ publicKey: B, allowedIPs: ['10.0.0.3'], enabled: false });
    expect(text(two.removePeer(A).removePeer(B))).toBe(start);
    expect(text(two.removePeer(B).removePeer(A))).toBe(start);
  });

  test('keeps the line ends of the file', () => {
    const added = text(
      file('[Interface]\r\nMTU = 1420\r\n').addPeer({ publicKey: A, allowedIPs: ['10.0.0.2'] }),
    );
    expect(added.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  });

  test('refuses what would break the file', () => {
    const config = file(HAND_WRITTEN);
    const add = (peer: object) => () => config.addPeer({ publicKey: C, allowedIPs: ['10.8.0.9'], ...peer });
    for (const bad of [
      { publicKey: A },
      { publicKey: 'x' },
      { friendlyName: 'a\nPostUp = reboot' },
      { friendlyName: 'a\u0085' },
      { friendlyName: '\ud800' },
      { allowedIPs: ['10.0.0.1/32\n[Peer]'] },
      { endpoint: 'a:1\nx' },
      { endpoint: 'a#b:1' },
      { presharedKey: new Secret('x') },
      { persistentKeepalive: 65536 },
    ]) {
      expect(add(bad)).toThrow(WireGuardError);
    }
    expect(() => config.updatePeer(C, {})).toThrow(/is not in the file/);
    expect(config.removePeer(C)).toBe(config);
  });
});

describe('changing', () => {
  test('changes only the lines of the keys: spelling, blanks and comments stay', () => {
    const config = file(HAND_WRITTEN).updatePeer(A, { allowedIPs: ['10.8.0.9/32'], friendlyName: 'Al' });
    expect(text(config)).toBe(
      HAND_WRITTEN.replace('10.8.0.2/32 , 10.8.0.3   # two', '10.8.0.9/32   # two')
        .replace('AllowedIPs = FD00::2/128\n', '')
        .replace('Alice Ünïcödé', 'Al'),
    );
  });

  test('adds lines after the last key, keepalive 0 removes its line, equal values change nothing', () => {
    const config = file(HAND_WRITTEN);
    const changed = config.updatePeer(A, { persistentKeepalive: 15, presharedKey: new Secret(PSK) });
    expect(text(changed)).toBe(
      HAND_WRITTEN.replace('FD00::2/128\n', `FD00::2/128\nPresharedKey = ${PSK}\nPersistentKeepalive = 15\n`),
    );
    expect(text(changed.updatePeer(A, { persistentKeepalive: 0, presharedKey: null }))).toBe(HAND_WRITTEN);
    const same = {
      allowedIPs: ['10.8.0.2', '10.8.0.3', 'fd00::2'],
      friendlyName: 'Alice Ünïcödé',
      persistentKeepalive: 0,
    };
    expect(text(config.updatePeer(A, same))).toBe(HAND_WRITTEN);
    expect(text(config.updatePeer(B, { friendlyName: 'Bob' }))).toBe(
      HAND_WRITTEN.replace('# second\n', '# second\n# friendly_name=Bob\n'),
    );
    expect(text(config.updatePeer(B, { persistentKeepalive: 0 }))).toBe(HAND_WRITTEN);
  });

  test('a disabled peer is commented out, keeps its secrets, and comes back byte for byte', () => {
    const disabled = file(HAND_WRITTEN).disablePeer(B);
    expect(text(disabled)).toContain(
      `\n# Bob\n#wiremeter-disabled# [peer] # second\n#wiremeter-disabled# publickey=`,
    );
    expect(disabled.peers).toMatchObject([
      { publicKey: A, enabled: true },
      { publicKey: B, enabled: false },
    ]);
    expect(disabled.peer(B)!.presharedKey!.reveal()).toBe(PSK);
    expect(text(disabled.enablePeer(B))).toBe(HAND_WRITTEN);
    expect(text(disabled.disablePeer(B))).toBe(text(disabled));
    expect(text(disabled.updatePeer(B, { persistentKeepalive: 5 }).enablePeer(B))).toBe(
      HAND_WRITTEN.replace('= OFF', '= 5'),
    );
    expect(text(disabled.removePeer(B))).toBe(text(file(HAND_WRITTEN).removePeer(B)));
  });

  test('a key line under a disabled peer belongs above it: neither is changed until it is moved', () => {
    const config = file(`[Peer]\nPublicKey=${A}\n`).addPeer({ publicKey: B, allowedIPs: [] }).disablePeer(B);
    const stray = file(`${text(config)}AllowedIPs = 10.0.0.1/32\n`);
    expect(stray.problems).toHaveLength(1);
    for (const edit of [
      () => stray.enablePeer(B),
      () => stray.disablePeer(A),
      () => stray.removePeer(A),
      () => stray.removePeer(B),
      () => stray.updatePeer(A, { persistentKeepalive: 1 }),
    ]) {
      expect(edit).toThrow(/line 6 stands below a disabled peer/);
    }
    expect(text(stray.updatePeer(B, { persistentKeepalive: 9 }))).toContain(
      'disabled# PersistentKeepalive = 9\nAllowedIPs',
    );
    const mtu = file(
      `[Interface]\n#wiremeter-disabled# [Peer]\n#wiremeter-disabled# PublicKey=${A}\nMTU = 1400\n`,
    );
    expect(mtu.interface.mtu).toBe(1400);
  });
});

describe('removing a hand-written peer', () => {
  test('takes the section and one empty line; comments around it stay', () => {
    expect(text(file(HAND_WRITTEN).removePeer(A))).toBe(
      HAND_WRITTEN.replace(/\[Peer\]\n# friendly_name[^]*PersistentKeepalive = 25\n/, ''),
    );
    expect(text(file(HAND_WRITTEN).removePeer(B))).toBe(HAND_WRITTEN.replace(/\[peer\][^]*OFF\n/, ''));
    expect(text(file(`[Interface]\n\n[Peer]\nPublicKey=${A}\n\n[Peer]\nPublicKey=${B}`).removePeer(A))).toBe(
      `[Interface]\n\n[Peer]\nPublicKey=${B}`,
    );
    expect(text(file(`[Interface]\n\n[Peer]\nPublicKey=${A}`).removePeer(A))).toBe('[Interface]');
  });

  test('markers of other tools around it stay', () => {
    const config = `[Interface]\n# BEGIN\n[Peer]\nPublicKey=${A}\n# END\n### Client b\n[Peer]\nPublicKey=${B}\n`;
    expect(text(file(config).removePeer(A))).toBe(
      `[Interface]\n# BEGIN\n# END\n### Client b\n[Peer]\nPublicKey=${B}\n`,
    );
  });
});

test('10,000 peers: reading and a thousand edits stay quick', () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => {
    const bytes = Buffer.alloc(32, 5);
    bytes.writeUInt32BE(i);
    return bytes.toString('base64');
  });
  const sections = keys.map(
    (publicKey, i) =>
      `\n[Peer]\n# friendly_name=p${i}\nPublicKey = ${publicKey}\nAllowedIPs = 10.0.${i >> 8}.${i & 255}/32\n`,
  );
  const bytes = Buffer.from(`[Interface]\n${sections.join('')}`);
  let start = cpu();
  let config = parseConfigFile(bytes);
  expect(config.peers).toHaveLength(10_000);
  const reading = cpu() - start;
  start = cpu();
  for (const publicKey of keys.slice(0, 500)) config = config.disablePeer(publicKey);
  for (const publicKey of keys.slice(0, 500)) config = config.removePeer(publicKey);
  const editing = cpu() - start;
  expect(config.peers).toHaveLength(9_500);
  if (process.env.SHOW_TIMES) console.log({ reading, editing });
  expect(reading).toBeLessThan(5_000);
  expect(editing).toBeLessThan(10_000);
});

const hasWgQuick = (() => {
  try {
    execFileSync('wg-quick', ['--help'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test.runIf(hasWgQuick)('wg-quick strip reads what was written', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wiremeter-config-'));
  try {
    const path = join(dir, 'wt0.conf');
    const config = file(HAND_WRITTEN)
      .addPeer({ publicKey: C, friendlyName: 'Cleo', allowedIPs: ['10.8.0.7'], persistentKeepalive: 25 })
      .disablePeer(B);
    writeFileSync(path, config.bytes(), { mode: 0o600 });
    const stripped = execFileSync('wg-quick', ['strip', path], { encoding: 'utf8' });
    expect(parseConfigFile(Buffer.from(stripped)).peers).toEqual(config.peers);
    expect(stripped).not.toContain('PostUp');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
