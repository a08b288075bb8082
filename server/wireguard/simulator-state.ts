/**
 * The inside of the simulated device: its peers, and the `get` and `set` of the socket protocol on them, with the semantics of
 * wireguard-go (device/uapi.go): a `set` is carried out line by line, and a bad line leaves what came before it.
 */
import { canonicalNetwork, isEndpoint } from './values.ts';
import { generateKeyPair, publicKeyOf, toBase64, toHex, ZERO_HEX } from './keys.ts';

/** One peer. Plain fields, so that tests read and steer them. */
export interface SimulatedPeer {
  readonly publicKey: string;
  readonly publicKeyHex: string;
  /** Hex; 64 zeros are none. */
  presharedKeyHex: string;
  endpoint: string | null;
  persistentKeepalive: number;
  /** Nanoseconds since the epoch; 0n is never. */
  latestHandshake: bigint;
  rx: bigint;
  tx: bigint;
  readonly allowedIPs: Set<string>;
}

const EINVAL = -22;
const EPROTO = -71;
const HEX = /^[0-9a-fA-F]{64}$/;

export class SimulatedState {
  readonly peers = new Map<string, SimulatedPeer>();
  listenPort: number;
  #privateKeyHex: string;
  #publicKey: string | null;
  /** Each network belongs to one peer at most. */
  readonly #owners = new Map<string, SimulatedPeer>();

  /** @param privateKey base64; a new one where there is none */
  constructor(privateKey?: string, listenPort = 51_820) {
    const key = privateKey ?? generateKeyPair().privateKey.reveal();
    this.#privateKeyHex = toHex(key);
    this.#publicKey = publicKeyOf(key);
    this.listenPort = listenPort;
  }

  /** base64; null without a private key. */
  get publicKey(): string | null {
    return this.#publicKey;
  }

  /** The peer of that key, made where there is none. */
  obtain(publicKey: string): SimulatedPeer {
    let peer = this.peers.get(publicKey);
    if (!peer) {
      peer = {
        publicKey,
        publicKeyHex: toHex(publicKey),
        presharedKeyHex: ZERO_HEX,
        endpoint: null,
        persistentKeepalive: 0,
        latestHandshake: 0n,
        rx: 0n,
        tx: 0n,
        allowedIPs: new Set(),
      };
      this.peers.set(publicKey, peer);
    }
    return peer;
  }

  remove(publicKey: string): void {
    const peer = this.peers.get(publicKey);
    if (!peer) return;
    this.clearAllowedIPs(peer);
    this.peers.delete(publicKey);
  }

  clearAllowedIPs(peer: SimulatedPeer): void {
    for (const network of peer.allowedIPs) this.#owners.delete(network);
    peer.allowedIPs.clear();
  }

  /** Takes the network from whoever had it, as WireGuard does. @param network canonical */
  allow(peer: SimulatedPeer, network: string): void {
    this.#owners.get(network)?.allowedIPs.delete(network);
    this.#owners.set(network, peer);
    peer.allowedIPs.add(network);
  }

  /** The reply to `get=1` without its `errno` line. */
  get(): string {
    let text = '';
    if (this.#privateKeyHex !== ZERO_HEX) text += `private_key=${this.#privateKeyHex}\n`;
    if (this.listenPort !== 0) text += `listen_port=${this.listenPort}\n`;
    for (const peer of this.peers.values()) {
      text += `public_key=${peer.publicKeyHex}\npreshared_key=${peer.presharedKeyHex}\nprotocol_version=1\n`;
      if (peer.endpoint !== null) text += `endpoint=${peer.endpoint}\n`;
      text += `last_handshake_time_sec=${peer.latestHandshake / 1_000_000_000n}\n`;
      text += `last_handshake_time_nsec=${peer.latestHandshake % 1_000_000_000n}\n`;
      text += `tx_bytes=${peer.tx}\nrx_bytes=${peer.rx}\npersistent_keepalive_interval=${peer.persistentKeepalive}\n`;
      for (const network of peer.allowedIPs) text += `allowed_ip=${network}\n`;
    }
    return text;
  }

  /** The lines after `set=1`, without the empty one. Returns the errno: 0 where all were carried out. */
  set(lines: readonly string[]): number {
    const cursor = new PeerCursor(this);
    for (const line of lines) {
      const equals = line.indexOf('=');
      if (equals < 0) return EPROTO;
      const key = line.slice(0, equals);
      const value = line.slice(equals + 1);
      let good: boolean;
      if (key === 'public_key') good = cursor.choose(value);
      else good = cursor.chosen ? cursor.line(key, value) : this.#deviceLine(key, value);
      if (!good) return EINVAL;
    }
    return 0;
  }

  #deviceLine(key: string, value: string): boolean {
    switch (key) {
      case 'private_key':
        if (!HEX.test(value)) return false;
        this.#privateKeyHex = value.toLowerCase();
        this.#publicKey = value === ZERO_HEX ? null : publicKeyOf(value);
        // A device is never a peer of itself.
        if (this.#publicKey !== null) this.remove(this.#publicKey);
        return true;
      case 'listen_port':
        if (!isNumber(value, 65_535)) return false;
        this.listenPort = Number(value);
        return true;
      case 'fwmark':
        return isNumber(value, 4_294_967_295);
      case 'replace_peers':
        if (value !== 'true') return false;
        for (const publicKey of [...this.peers.keys()]) this.remove(publicKey);
        return true;
      default:
        return false;
    }
  }
}

/** The peer that the lines of a `set` are about; none after `remove`, and none where `update_only` met a new one. */
class PeerCursor {
  readonly #state: SimulatedState;
  #peer: SimulatedPeer | null = null;
  #isNew = false;
  /** Whether a `public_key` line has come: the device's own lines end there. */
  chosen = false;

  constructor(state: SimulatedState) {
    this.#state = state;
  }

  choose(hex: string): boolean {
    if (!HEX.test(hex)) return false;
    const publicKey = toBase64(hex);
    this.chosen = true;
    this.#isNew = !this.#state.peers.has(publicKey);
    this.#peer = publicKey === this.#state.publicKey ? null : this.#state.obtain(publicKey);
    return true;
  }

  /** Values are checked even where there is no peer to give them to. */
  line(key: string, value: string): boolean {
    const peer = this.#peer;
    switch (key) {
      case 'remove':
      case 'update_only':
        if (value !== 'true') return false;
        if (peer && (key === 'remove' || this.#isNew)) {
          this.#state.remove(peer.publicKey);
          this.#peer = null;
        }
        return true;
      case 'preshared_key':
        if (!HEX.test(value)) return false;
        if (peer) peer.presharedKeyHex = value.toLowerCase();
        return true;
      case 'endpoint':
        if (!isEndpoint(value)) return false;
        if (peer) peer.endpoint = value;
        return true;
      case 'persistent_keepalive_interval':
        if (!isNumber(value, 65_535)) return false;
        if (peer) peer.persistentKeepalive = Number(value);
        return true;
      case 'replace_allowed_ips':
        if (value !== 'true') return false;
        if (peer) this.#state.clearAllowedIPs(peer);
        return true;
      case 'allowed_ip': {
        const network = value.includes('/') ? canonicalNetwork(value) : null;
        if (network === null) return false;
        if (peer) this.#state.allow(peer, network);
        return true;
      }
      case 'protocol_version':
        return value === '1';
      default:
        return false;
    }
  }
}

function isNumber(text: string, max: number): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) <= max;
}
