import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireGuardError } from './errors.ts';
import { publicKeyOf, toBase64, toHex, ZERO_HEX } from './keys.ts';
import { parseDump, parseUapi } from './parse.ts';
import { ReplyCache } from './reply-cache.ts';
import { dumpSecrets, uapiSecrets } from './secrets.ts';
import type { Device, DevicePeer } from './types.ts';

const PRIVATE = 'e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a';
const PEER_A = 'b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33';
const PEER_B = '58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376';
const PSK = '188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52';

/** The example at https://www.wireguard.com/xplatform/, in full. */
const EXAMPLE = `private_key=${PRIVATE}
listen_port=12912
public_key=${PEER_A}
preshared_key=${PSK}
allowed_ip=192.168.4.4/32
endpoint=[abcd:23::33%2]:51820
public_key=${PEER_B}
tx_bytes=38333
rx_bytes=2224
allowed_ip=192.168.4.6/32
persistent_keepalive_interval=111
endpoint=182.122.22.19:3233
public_key=662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58
endpoint=5.152.198.39:51820
allowed_ip=192.168.4.10/32
allowed_ip=192.168.4.11/32
tx_bytes=1212111
rx_bytes=1929999999
protocol_version=1
errno=0

`;

function peerReply(lines: string): string {
  return `public_key=${PEER_A}\n${lines}errno=0\n\n`;
}

function failure(run: () => unknown): WireGuardError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(WireGuardError);
    return error as WireGuardError;
  }
  throw new Error('it did not fail');
}

describe('parseUapi', () => {
  it('reads the example of the protocol page', () => {
    const device = parseUapi('wg0', Buffer.from(EXAMPLE));
    expect(device).toMatchObject({ name: 'wg0', publicKey: publicKeyOf(PRIVATE), listenPort: 12912 });
    expect(device.peers).toHaveLength(3);
    expect(device.peers[0]).toEqual({
      publicKey: toBase64(PEER_A),
      hasPresharedKey: true,
      endpoint: '[abcd:23::33%2]:51820',
      allowedIPs: ['192.168.4.4/32'],
      persistentKeepalive: 0,
      latestHandshake: 0n,
      rx: 0n,
      tx: 0n,
    });
    expect(device.peers[1]).toMatchObject({
      rx: 2224n,
      tx: 38333n,
      persistentKeepalive: 111,
      hasPresharedKey: false,
    });
    expect(device.peers[2]).toMatchObject({
      rx: 1929999999n,
      allowedIPs: ['192.168.4.10/32', '192.168.4.11/32'],
    });
    expect(JSON.stringify(device, (_key, value: unknown) => String(value))).not.toContain(PRIVATE);
  });

  it('reads a device without key, port and peers', () => {
    expect(parseUapi('wg0', 'errno=0\n\n')).toEqual({
      name: 'wg0',
      publicKey: null,
      listenPort: null,
      peers: [],
    });
    expect(parseUapi('wg0', `private_key=${ZERO_HEX}\nlisten_port=0\nerrno=0\n\n`).publicKey).toBeNull();
  });

  it('is cut off at every byte but the last', () => {
    for (let end = 0; end < EXAMPLE.length; end++) {
      expect(failure(() => parseUapi('wg0', EXAMPLE.slice(0, end))).code).toBe('GARBLED');
    }
  });

  it('takes zero seconds and zero nanoseconds alone for never', () => {
    const at = (sec: number, nsec: number): bigint =>
      parseUapi('wg0', peerReply(`last_handshake_time_sec=${sec}\nlast_handshake_time_nsec=${nsec}\n`))
        .peers[0]!.latestHandshake;
    expect(at(0, 0)).toBe(0n);
    expect(at(0, 1)).toBe(1n);
    expect(at(1, 0)).toBe(1_000_000_000n);
    expect(at(1_700_000_000, 123_456_789)).toBe(1_700_000_000_123_456_789n);
  });

  it('keeps counters exact up to 2^63-1', () => {
    for (const count of [
      2n ** 53n + 1n,
      999_999_999_999_999n,
      1_000_000_000_000_000n,
      2n ** 62n + 1n,
      2n ** 63n - 1n,
    ]) {
      const [peer] = parseUapi('wg0', peerReply(`rx_bytes=${count}\ntx_bytes=7\n`)).peers;
      expect(peer).toMatchObject({ rx: count, tx: 7n });
    }
  });

  it.each([
    ['rx_bytes', '-1'],
    ['rx_bytes', ''],
    ['rx_bytes', '1.5'],
    ['rx_bytes', '1e3'],
    ['rx_bytes', ' 1'],
    ['tx_bytes', '9223372036854775808'],
    ['tx_bytes', '99999999999999999999999'],
    ['tx_bytes', '12345678901234567x'],
    ['last_handshake_time_sec', '-1'],
    ['last_handshake_time_sec', '9223372036855'],
    ['last_handshake_time_nsec', '1000000000'],
    ['persistent_keepalive_interval', '65536'],
    ['persistent_keepalive_interval', 'off'],
    ['endpoint', 'nowhere'],
    ['endpoint', '1.2.3.4:99999'],
    ['allowed_ip', '10.0.0.1'],
    ['allowed_ip', '10.0.0.1/33'],
    ['allowed_ip', 'x/8'],
    ['preshared_key', 'zz'],
    ['preshared_key', `${'0'.repeat(63)}g`],
    ['public_key', 'abc'],
    ['public_key', PEER_A],
    ['public_key', PEER_A.toUpperCase()],
    ['listen_port', '65536'],
    ['private_key', 'secret'],
  ])('is garbled at %s=%s, and says where', (key, value) => {
    const error = failure(() => parseUapi('wg0', peerReply(`${key}=${value}\n`)));
    expect(error).toMatchObject({ code: 'GARBLED', key });
    expect(error.message).toContain(key);
    if (key.startsWith('pr')) expect(error.message).not.toContain(value);
  });

  it.each([
    'rx_bytes=1',
    'allowed_ip=10.0.0.1/32',
    'endpoint=1.2.3.4:5',
    `preshared_key=${PSK}`,
    'last_handshake_time_sec=0',
  ])('is garbled where %s stands before any peer', (line) => {
    expect(failure(() => parseUapi('wg0', `${line}\nerrno=0\n\n`))).toMatchObject({
      code: 'GARBLED',
      key: line.split('=')[0],
    });
  });

  it('skips keys that it does not know, but not lines that are none', () => {
    expect(parseUapi('wg0', peerReply('new_thing=1=2\nfwmark=3\nrx_bytes=5\n')).peers[0]!.rx).toBe(5n);
    for (const line of ['rubbish', '']) {
      expect(failure(() => parseUapi('wg0', peerReply(`${line}\nrx_bytes=5\n`))).code).toBe('GARBLED');
    }
    expect(failure(() => parseUapi('wg0', `${EXAMPLE}more=1\n`)).code).toBe('GARBLED');
    expect(failure(() => parseUapi('wg0', 'errno=0\npublic_key=1\n\n')).code).toBe('GARBLED');
  });

  it('is refused by any other errno, whichever sign it has', () => {
    expect(failure(() => parseUapi('wg0', 'errno=-22\n\n'))).toMatchObject({ code: 'REFUSED', key: 'errno' });
    expect(failure(() => parseUapi('wg0', 'errno=5\n\n')).message).toBe(
      'wg0: the device answered with error 5 (EIO)',
    );
    expect(failure(() => parseUapi('wg0', 'errno=x\n\n')).code).toBe('GARBLED');
  });

  it('leaves out a peer whose key is all zeros: it is nobody', () => {
    const reply = `public_key=${ZERO_HEX}\nrx_bytes=1\npublic_key=${PEER_A}\nrx_bytes=5\nerrno=0\n\n`;
    expect(parseUapi('wg0', reply).peers.map((peer) => peer.rx)).toEqual([5n]);
  });

  it('keeps a bounded cache that changes nothing', () => {
    const cache = new ReplyCache(2);
    const first = parseUapi('wg0', EXAMPLE, cache);
    expect(parseUapi('wg0', EXAMPLE, cache)).toEqual(first);
    expect(parseUapi('wg0', EXAMPLE.replace(PEER_A, PEER_A.toUpperCase()), cache)).toEqual(first);
  });

  it('throws nothing but WireGuardError, whatever comes', () => {
    const lines = fc.array(
      fc.tuple(
        fc.constantFrom(
          ...EXAMPLE.split('\n').map((line) => line.split('=')[0]!),
          'last_handshake_time_sec',
          'x',
        ),
        fc.oneof(fc.string(), fc.constantFrom(PEER_A, PEER_B, ZERO_HEX, '0', '1', '10.0.0.0/8', '1.2.3.4:5')),
      ),
    );
    const likely = lines.map(
      (pairs) => `${pairs.map(([key, value]) => `${key}=${value}\n`).join('')}errno=0\n\n`,
    );
    const damaged = fc
      .tuple(fc.nat(EXAMPLE.length), fc.nat(EXAMPLE.length), fc.string({ maxLength: 3 }))
      .map(([a, b, insert]) => EXAMPLE.slice(0, Math.min(a, b)) + insert + EXAMPLE.slice(Math.max(a, b)));
    fc.assert(
      fc.property(fc.oneof(fc.string(), likely, damaged), (text) => {
        for (const reply of [text, Buffer.from(text)]) {
          try {
            parseUapi('wg0', reply);
          } catch (error) {
            expect(error).toBeInstanceOf(WireGuardError);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

const bytes32 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((bytes) => bytes.some((byte) => byte !== 0))
  .map((bytes) => Buffer.from(bytes).toString('base64'));
const count = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const anyPeer: fc.Arbitrary<DevicePeer> = fc.record({
  publicKey: bytes32,
  hasPresharedKey: fc.boolean(),
  endpoint: fc.constantFrom(null, '192.0.2.1:1', '[2001:db8::1]:65535', '[fe80::1%eth0]:51820'),
  allowedIPs: fc.array(fc.constantFrom('10.0.0.2/32', '0.0.0.0/0', 'fd00::/64', '::/0'), { maxLength: 3 }),
  persistentKeepalive: fc.nat(65_535),
  latestHandshake: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  rx: count,
  tx: count,
});
const anyDevice: fc.Arbitrary<Device> = fc.record({
  name: fc.constant('wg0'),
  publicKey: fc.constantFrom(null, publicKeyOf(PRIVATE)),
  listenPort: fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 65_535 })),
  peers: fc.uniqueArray(anyPeer, { selector: (peer) => peer.publicKey, maxLength: 5 }),
});

describe('what is printed is read again', () => {
  it('as a reply of the socket', () => {
    fc.assert(
      fc.property(anyDevice, (device) => {
        let text = device.publicKey === null ? '' : `private_key=${PRIVATE}\n`;
        if (device.listenPort !== null) text += `listen_port=${device.listenPort}\n`;
        for (const peer of device.peers) {
          text += `public_key=${toHex(peer.publicKey)}\npreshared_key=${peer.hasPresharedKey ? PSK : ZERO_HEX}\n`;
          if (peer.endpoint !== null) text += `endpoint=${peer.endpoint}\n`;
          text += `last_handshake_time_sec=${peer.latestHandshake / 1_000_000_000n}\n`;
          text += `last_handshake_time_nsec=${peer.latestHandshake % 1_000_000_000n}\n`;
          text += `tx_bytes=${peer.tx}\nrx_bytes=${peer.rx}\n`;
          text += `persistent_keepalive_interval=${peer.persistentKeepalive}\n`;
          for (const network of peer.allowedIPs) text += `allowed_ip=${network}\n`;
        }
        expect(parseUapi('wg0', `${text}errno=0\n\n`)).toEqual(device);
      }),
    );
  });

  it('as a dump of wg', () => {
    fc.assert(
      fc.property(anyDevice, (device) => {
        const whole = (peer: DevicePeer): DevicePeer => ({
          ...peer,
          latestHandshake: (peer.latestHandshake / 1_000_000_000n) * 1_000_000_000n,
        });
        expect(parseDump('wg0', dump(device))).toEqual({ ...device, peers: device.peers.map(whole) });
      }),
    );
  });
});

function dump(device: Device): string {
  const own = device.publicKey === null ? '(none)\t(none)' : `${toBase64(PRIVATE)}\t${device.publicKey}`;
  const peers = device.peers.map((peer) =>
    [
      peer.publicKey,
      peer.hasPresharedKey ? toBase64(PSK) : '(none)',
      peer.endpoint ?? '(none)',
      peer.allowedIPs.join(',') || '(none)',
      peer.latestHandshake / 1_000_000_000n,
      peer.rx,
      peer.tx,
      peer.persistentKeepalive || 'off',
    ].join('\t'),
  );
  return `${[`${own}\t${device.listenPort ?? 0}\toff`, ...peers].join('\n')}\n`;
}

describe('parseDump', () => {
  const good = dump(parseUapi('wg0', EXAMPLE));

  it('reads received before sent', () => {
    expect(parseDump('wg0', good)).toEqual(parseUapi('wg0', EXAMPLE));
    expect(parseDump('wg0', good).peers[1]).toMatchObject({ rx: 2224n, tx: 38333n });
  });

  it.each([
    ['nothing at all', '', undefined],
    ['no line end', 'x', undefined],
    ['another line first', 'rubbish\n', undefined],
    ['a short line', `${good}x\ty\n`, undefined],
    ['the last line cut', good.slice(0, -1), undefined],
    ['a peer twice', `${good}${good.split('\n')[1] ?? ''}\n`, 'public_key'],
    ['a counter', good.replace('2224', '-1'), 'rx_bytes'],
    ['a counter that is too large', good.replace('38333', '9223372036854775808'), 'tx_bytes'],
    ['the port', good.replace('12912', '70000'), 'listen_port'],
    ['a network', good.replace('192.168.4.11/32', ''), 'allowed_ip'],
    ['a handshake', good.replace(/\t0\t2224/, '\tx\t2224'), 'last_handshake_time_sec'],
    ['a preshared key', good.replace(toBase64(PSK), 'hunter2'), 'preshared_key'],
    ['the private key', good.replace(toBase64(PRIVATE), 'hunter2'), 'private_key'],
    ['the keepalive', good.replace('\t111\n', '\tno\n'), 'persistent_keepalive_interval'],
  ])('is garbled by %s', (_what, text, key) => {
    const error = failure(() => parseDump('wg0', text));
    expect(error).toMatchObject({ code: 'GARBLED', key });
    expect(error.message).not.toContain('hunter2');
  });

  it('throws nothing but WireGuardError, whatever comes', () => {
    const damaged = fc
      .tuple(
        fc.nat(good.length),
        fc.nat(good.length),
        fc.constantFrom('', '\t', '\n', 'x', '(none)', '-', ','),
      )
      .map(([a, b, insert]) => good.slice(0, Math.min(a, b)) + insert + good.slice(Math.max(a, b)));
    fc.assert(
      fc.property(fc.oneof(fc.string(), damaged), (text) => {
        try {
          parseDump('wg0', text);
        } catch (error) {
          expect(error).toBeInstanceOf(WireGuardError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('secrets', () => {
  it('are the same from both', () => {
    for (const secrets of [
      uapiSecrets('wg0', EXAMPLE),
      dumpSecrets('wg0', dump(parseUapi('wg0', EXAMPLE))),
    ]) {
      expect(secrets.privateKey?.reveal()).toBe(toBase64(PRIVATE));
      expect([...secrets.presharedKeys.keys()]).toEqual([toBase64(PEER_A)]);
      expect(secrets.presharedKeys.get(toBase64(PEER_A))?.reveal()).toBe(toBase64(PSK));
    }
    expect(uapiSecrets('wg0', 'errno=0\n\n')).toEqual({ privateKey: null, presharedKeys: new Map() });
  });

  it('are not read out of a reply that is cut off', () => {
    expect(failure(() => uapiSecrets('wg0', EXAMPLE.slice(0, -1))).code).toBe('GARBLED');
  });
});
