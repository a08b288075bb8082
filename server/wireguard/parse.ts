/**
 * A device's reply → {@link Device}. Strict: a reply that is cut off or not of the protocol is `GARBLED` as a
 * whole, since half a reply would pass for removed peers and fallen counters.
 * Source: https://www.wireguard.com/xplatform/ (`get=1`) and wg(8) (`show … dump`).
 *
 * Built for 10,000 peers a second: one pass over the bytes, no string and no regular expression a line.
 */
import { WireGuardError } from './errors.ts';
import { isKey, publicKeyOf } from './keys.ts';
import { counterAt, equalsIn, hexKeyAt, keyAt, lineEnd, numberAt } from './reply-bytes.ts';
import { ReplyCache, type PeerMemory } from './reply-cache.ts';
import type { Device, DevicePeer } from './types.ts';

/** Seconds after which nanoseconds no longer fit 63 bits: the year 2262. */
const MAX_SECONDS = 9_223_372_035;

const ZERO_KEY = `${'A'.repeat(43)}=`;

type Draft = { -readonly [Key in keyof DevicePeer]: DevicePeer[Key] };
const NO_NETWORKS: readonly string[] = [];

/**
 * @param name the device's name, for the result and for messages
 * @param reply the whole reply to `get=1`, up to and with the empty line
 * @param cache kept by a caller that reads again and again
 * @throws WireGuardError `GARBLED` (with the protocol key), or `REFUSED` for an errno other than 0
 */
export function parseUapi(
  name: string,
  reply: Buffer | string,
  cache: ReplyCache = new ReplyCache(),
): Device {
  const bytes = typeof reply === 'string' ? Buffer.from(reply) : reply;
  // For what is looked up; a piece of it is a view.
  const text = bytes.toString('latin1');
  const length = bytes.length;
  cache.begin();
  const peers: DevicePeer[] = [];
  let publicKey: string | null = null;
  let listenPort: number | null = null;
  let peer: Draft | null = null;
  let memory: PeerMemory | null = null;
  let seconds = 0;
  let nanoseconds = 0;

  for (let at = 0, end: number; at < length; at = end + 1) {
    end = lineEnd(bytes, at);
    if (end < 0) throw cutOff(name);
    const equals = equalsIn(bytes, at, end);
    if (equals < 0) throw garbled(name, undefined, 'a line has no "="');
    const from = equals + 1;
    const key = keyAt(bytes, at, equals);

    switch (key) {
      case 'errno': {
        if (end + 1 === length) throw cutOff(name);
        if (bytes[end + 1] !== 10 || end + 2 !== length)
          throw garbled(name, key, 'something follows the end');
        const errno = numberAt(bytes, bytes[from] === 45 ? from + 1 : from, end, 9_999_999_999);
        if (errno < 0) throw garbled(name, key);
        if (errno > 0) throw refusedByErrno(name, errno);
        if (peer) finish(peer, memory!, instant(seconds, nanoseconds));
        return { name, publicKey, listenPort, peers };
      }
      case 'private_key': {
        const kind = hexKeyAt(bytes, from, end);
        if (kind === null) throw garbled(name, key);
        // The key itself is used up here: nothing of the result or the cache refers to it.
        publicKey = kind === 'zero' ? null : publicKeyOf(text.substring(from, end));
        break;
      }
      case 'listen_port': {
        const port = numberAt(bytes, from, end, 65_535);
        if (port < 0) throw garbled(name, key);
        listenPort = port || null;
        break;
      }
      case 'public_key': {
        if (peer) finish(peer, memory!, instant(seconds, nanoseconds));
        seconds = nanoseconds = 0;
        memory = cache.peer(text.substring(from, end));
        if (memory === null || end - from !== 64) throw garbled(name, key);
        if (memory.seen) throw garbled(name, key, `peer ${memory.publicKey} comes twice`);
        memory.seen = true;
        peer = newPeer(memory.publicKey);
        // All zeros is nobody's key: such a peer can never have traffic, and must not stop the others' count.
        if (memory.publicKey !== ZERO_KEY) peers.push(peer);
        break;
      }
      case 'preshared_key': {
        const kind = hexKeyAt(bytes, from, end);
        if (!peer || kind === null) throw garbled(name, key);
        peer.hasPresharedKey = kind === 'key';
        break;
      }
      case 'endpoint': {
        const endpoint = memory?.endpoint(text, from, end) ?? null;
        if (!peer || endpoint === null) throw garbled(name, key);
        peer.endpoint = endpoint;
        break;
      }
      case 'allowed_ip':
        if (!memory?.addNetwork(text, from, end)) throw garbled(name, key);
        break;
      case 'rx_bytes':
      case 'tx_bytes': {
        const count = counterAt(bytes, from, end);
        if (!peer || count < 0n) throw garbled(name, key);
        if (key === 'rx_bytes') peer.rx = count;
        else peer.tx = count;
        break;
      }
      case 'last_handshake_time_sec':
        seconds = numberAt(bytes, from, end, MAX_SECONDS);
        if (!peer || seconds < 0) throw garbled(name, key);
        break;
      case 'last_handshake_time_nsec':
        nanoseconds = numberAt(bytes, from, end, 999_999_999);
        if (!peer || nanoseconds < 0) throw garbled(name, key);
        break;
      case 'persistent_keepalive_interval': {
        const keepalive = numberAt(bytes, from, end, 65_535);
        if (!peer || keepalive < 0) throw garbled(name, key);
        peer.persistentKeepalive = keepalive;
        break;
      }
      case null: // fwmark, protocol_version and what the protocol grows
    }
  }
  throw cutOff(name);
}

/**
 * `wg show NAME dump`: a line for the interface (private key, public key, port, fwmark), then one a peer (public
 * key, preshared key, endpoint, allowed IPs, handshake in whole seconds, rx, tx, keepalive), separated by tabs.
 * `key` of an error is the socket protocol's word for the field.
 * @throws WireGuardError `GARBLED`
 */
export function parseDump(name: string, text: string, cache: ReplyCache = new ReplyCache()): Device {
  let end = text.indexOf('\n');
  if (end < 0) throw cutOff(name);
  const [privateKey, ownKey, port, fwmark] = text.substring(0, end).split('\t');
  if (fwmark === undefined) throw garbled(name, undefined, 'the first line is not that of an interface');
  if (privateKey !== '(none)' && !isKey(privateKey!)) throw garbled(name, 'private_key');
  if (ownKey !== '(none)' && !isKey(ownKey!)) throw garbled(name, 'public_key');
  // Spelt anew: a piece of the dump would keep all of it alive.
  const publicKey = ownKey === '(none)' ? null : Buffer.from(ownKey!, 'base64').toString('base64');
  const listenPort = smallNumber(port!, 65_535);
  if (listenPort < 0) throw garbled(name, 'listen_port');

  cache.begin();
  const peers: DevicePeer[] = [];
  for (let at = end + 1; at < text.length; at = end + 1) {
    end = text.indexOf('\n', at);
    if (end < 0) throw cutOff(name);
    const [key, psk, endpoint, allowedIPs, handshake, rx, tx, keepalive] = text
      .substring(at, end)
      .split('\t');
    if (keepalive === undefined) throw garbled(name, undefined, 'a line has fewer than 8 fields');
    const memory = cache.peer(key!);
    if (memory === null || key!.length !== 44) throw garbled(name, 'public_key');
    if (memory.seen) throw garbled(name, 'public_key', `peer ${memory.publicKey} comes twice`);
    memory.seen = true;

    const peer = newPeer(memory.publicKey);
    if (psk !== '(none)' && !isKey(psk!)) throw garbled(name, 'preshared_key');
    peer.hasPresharedKey = psk !== '(none)';
    if (endpoint !== '(none)') {
      peer.endpoint = memory.endpoint(endpoint!, 0, endpoint!.length);
      if (peer.endpoint === null) throw garbled(name, 'endpoint');
    }
    if (allowedIPs !== '(none)') {
      for (const word of allowedIPs!.split(',')) {
        if (!memory.addNetwork(word, 0, word.length)) throw garbled(name, 'allowed_ip');
      }
    }
    const seconds = smallNumber(handshake!, MAX_SECONDS);
    if (seconds < 0) throw garbled(name, 'last_handshake_time_sec');
    finish(peer, memory, instant(seconds, 0));
    peer.rx = counter(rx!);
    if (peer.rx < 0n) throw garbled(name, 'rx_bytes');
    peer.tx = counter(tx!);
    if (peer.tx < 0n) throw garbled(name, 'tx_bytes');
    peer.persistentKeepalive = keepalive === 'off' ? 0 : smallNumber(keepalive, 65_535);
    if (peer.persistentKeepalive < 0) throw garbled(name, 'persistent_keepalive_interval');
    if (memory.publicKey !== ZERO_KEY) peers.push(peer);
  }
  return { name, publicKey, listenPort: listenPort || null, peers };
}

/** What the protocol leaves out is zero: the example at wireguard.com/xplatform has a peer without counters. */
function newPeer(publicKey: string): Draft {
  return {
    publicKey,
    hasPresharedKey: false,
    endpoint: null,
    allowedIPs: NO_NETWORKS,
    persistentKeepalive: 0,
    latestHandshake: 0n,
    rx: 0n,
    tx: 0n,
  };
}

/** At the end of a peer's lines: what may have come in pieces. */
function finish(peer: Draft, memory: PeerMemory, latestHandshake: bigint): void {
  peer.latestHandshake = latestHandshake;
  peer.allowedIPs = memory.networks();
}

/** Nanoseconds since the epoch. Zero seconds and zero nanoseconds alone mean never. */
function instant(seconds: number, nanoseconds: number): bigint {
  return seconds === 0 && nanoseconds === 0 ? 0n : BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
}

/** As {@link numberAt}, of a field of a dump. */
function smallNumber(text: string, max: number): number {
  const bytes = Buffer.from(text);
  return numberAt(bytes, 0, bytes.length, max);
}

function counter(text: string): bigint {
  const bytes = Buffer.from(text);
  return counterAt(bytes, 0, bytes.length);
}

/** The device answered with an error number: wireguard-go writes it negative, others positive. */
export function refusedByErrno(name: string, errno: number, key = 'errno'): WireGuardError {
  return new WireGuardError(
    'REFUSED',
    `${name}: the device answered with error ${Math.abs(errno)}${hint(errno)}`,
    {
      key,
    },
  );
}

function hint(errno: number): string {
  const words: Record<number, string> = { 5: 'EIO', 22: 'EINVAL', 71: 'EPROTO', 98: 'EADDRINUSE' };
  const word = words[Math.abs(errno)];
  return word === undefined ? '' : ` (${word})`;
}

function cutOff(name: string): WireGuardError {
  return new WireGuardError('GARBLED', `${name}: the device's reply is cut off before its end`);
}

/** Names the protocol key, never the value: it may be a secret. */
function garbled(
  name: string,
  key: string | undefined,
  why = 'its value is not of the protocol',
): WireGuardError {
  const where = key === undefined ? '' : ` at ${key}`;
  return new WireGuardError(
    'GARBLED',
    `${name}: the device's reply is garbled${where}: ${why}`,
    key === undefined ? {} : { key },
  );
}
