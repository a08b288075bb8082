/**
 * What one device's replies say over and over: each peer's key, endpoint and networks, checked once and kept. A reply of
 * 10,000 peers then makes no strings and no arrays but for what has changed.
 *
 * Strings are copied on their way in. V8 keeps the whole parent alive for a piece cut out of it: without the copy, one endpoint
 * would hold 3 MB of reply, private key included.
 */
import { isIP } from 'node:net';

/** Peers that are remembered before all are forgotten: several times the largest device that is usual. */
const DEFAULT_LIMIT = 65_536;
const NONE: readonly string[] = [];

export class ReplyCache {
  readonly #limit: number;
  readonly #peers = new Map<string, PeerMemory>();

  /** @param limit peers; more than those of a single reply are never kept for longer than that reply */
  constructor(limit: number = DEFAULT_LIMIT) {
    this.#limit = limit;
  }

  /** To be called at the start of a reply. */
  begin(): void {
    if (this.#peers.size > this.#limit) this.#peers.clear();
    for (const peer of this.#peers.values()) peer.begin();
  }

  /** The peer of a public key in hex or canonical base64 (all zeros too); null where it is no key. */
  peer(key: string): PeerMemory | null {
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    // One memory a key, however its hex is spelt.
    const lower = key.length === 64 ? key.toLowerCase() : key;
    if (lower !== key) return this.peer(lower);
    const publicKey = canonicalKey(key);
    if (publicKey === null) return null;
    const peer = new PeerMemory(publicKey);
    this.#peers.set(copy(key), peer);
    return peer;
  }
}

/** One peer: what the last reply said of it, and how far this one agrees. */
export class PeerMemory {
  /** base64 */
  readonly publicKey: string;
  /** Whether this reply has named the peer. */
  seen = false;
  #endpoint = '';
  #networks = NONE;
  /** How many networks of this reply are the same as before; from the first other one on, all are in `#changed`. */
  #same = 0;
  #changed: string[] | null = null;

  constructor(publicKey: string) {
    this.publicKey = publicKey;
  }

  begin(): void {
    this.seen = false;
    this.#same = 0;
    this.#changed = null;
  }

  /** The endpoint in [from, end) of the reply; null where it is none. */
  endpoint(text: string, from: number, end: number): string | null {
    if (!isAt(text, from, end, this.#endpoint)) {
      const endpoint = text.substring(from, end);
      if (!isHostAndPort(endpoint)) return null;
      this.#endpoint = copy(endpoint);
    }
    return this.#endpoint;
  }

  /** Adds the network in [from, end) of the reply. False where it is none. */
  addNetwork(text: string, from: number, end: number): boolean {
    const known = this.#changed === null ? this.#networks[this.#same] : undefined;
    if (known !== undefined && isAt(text, from, end, known)) {
      this.#same++;
      return true;
    }
    const network = text.substring(from, end);
    if (!isNetwork(network)) return false;
    this.#changed ??= this.#networks.slice(0, this.#same);
    this.#changed.push(copy(network));
    return true;
  }

  /** All networks added since the start of the reply: the very array of the last reply where they are the same. */
  networks(): readonly string[] {
    if (this.#changed !== null) this.#networks = this.#changed.slice();
    else if (this.#same < this.#networks.length) this.#networks = this.#networks.slice(0, this.#same);
    return this.#networks;
  }
}

function isAt(text: string, from: number, end: number, known: string): boolean {
  return end - from === known.length && text.startsWith(known, from);
}

/** All that is kept is ASCII: it has been checked. */
function copy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function canonicalKey(text: string): string | null {
  const bytes = Buffer.from(text, text.length === 64 ? 'hex' : 'base64');
  if (bytes.length !== 32) return null;
  const base64 = bytes.toString('base64');
  return text.length === 64 || text === base64 ? base64 : null;
}

function isNetwork(text: string): boolean {
  const slash = text.indexOf('/');
  const prefix = text.substring(slash + 1);
  if (slash < 0 || !/^[0-9]{1,3}$/.test(prefix)) return false;
  const address = text.substring(0, slash);
  const version = address.includes('%') ? 0 : isIP(address);
  return version !== 0 && Number(prefix) <= (version === 4 ? 32 : 128);
}

/** Looser than what may be set: a device may know hosts by words of its own. */
function isHostAndPort(text: string): boolean {
  const match = /^[\x21-\x7e]{1,255}:([0-9]{1,5})$/.exec(text);
  return match !== null && Number(match[1]) <= 65_535;
}
