/**
 * A WireGuard device that is none: it serves the userspace protocol on a real Unix socket, so that the demo and the tests
 * go through the same driver as a real device. Tests steer its peers and make it fail.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { generateKeyPair, toHex, ZERO_HEX } from './keys.ts';
import { SimulatedState, type SimulatedPeer } from './simulator-state.ts';
import { Secret } from './types.ts';
import { canonicalNetwork, checkInterfaceName } from './values.ts';

/**
 * How a reply goes wrong, over the real socket.
 * - `truncate`: half of the reply, then the end. `close`: the end at once.
 * - `garbage`: bytes that are not of the protocol. `huge`: lines without end.
 * - `hang`: no answer. `errno`: `errno=-5`.
 * - `empty`: a whole reply without interface and peers, as of a device that has just been made.
 *
 * A `set` with `errno` or `hang` is not carried out; with any other it is, and its reply is lost.
 */
export type Fault = 'truncate' | 'garbage' | 'hang' | 'errno' | 'close' | 'huge' | 'empty';

export interface SimulatedDeviceOptions {
  readonly name: string;
  /** The folder for `NAME.sock`, made where it is missing. */
  readonly socketDir: string;
  /** base64; a new one by default. */
  readonly privateKey?: Secret | string;
  /** 51820 by default; 0 is none. */
  readonly listenPort?: number;
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly clock?: () => number;
}

export interface NewPeer {
  /** base64; a new key by default. */
  readonly publicKey?: string;
  readonly presharedKey?: Secret | string;
  readonly allowedIPs?: readonly string[];
  readonly endpoint?: string | null;
  readonly persistentKeepalive?: number;
  readonly latestHandshake?: bigint;
  readonly rx?: bigint;
  readonly tx?: bigint;
}

/** Sockets need a name that was never used, so that a new one cannot get the old one's inode. */
let sockets = 0;

export class SimulatedDevice {
  readonly name: string;
  /** The socket's path. */
  readonly path: string;
  /** What goes wrong with each `get` until it is null again. */
  fault: Fault | null = null;
  /** The same for each `set`. */
  setFault: Fault | null = null;
  /** Runs before a `get` is answered; the answer waits for it. */
  onGet: (() => void | Promise<void>) | null = null;
  /** Requests seen so far. */
  gets = 0;
  sets = 0;

  readonly #state: SimulatedState;
  readonly #socketDir: string;
  readonly #clock: () => number;
  readonly #connections = new Set<Socket>();
  #server: Server | null = null;

  constructor(options: SimulatedDeviceOptions) {
    checkInterfaceName(options.name);
    this.name = options.name;
    this.#socketDir = options.socketDir;
    this.path = join(options.socketDir, `${options.name}.sock`);
    this.#clock = options.clock ?? Date.now;
    this.#state = new SimulatedState(valueOf(options.privateKey), options.listenPort);
  }

  /** base64; null after a `set` took the private key away. */
  get publicKey(): string | null {
    return this.#state.publicKey;
  }
  get listenPort(): number {
    return this.#state.listenPort;
  }
  /** In the order in which they were added. */
  get peers(): readonly SimulatedPeer[] {
    return [...this.#state.peers.values()];
  }
  get running(): boolean {
    return this.#server !== null;
  }

  /** Opens the socket. An old file of its name is replaced. */
  async start(): Promise<void> {
    if (this.#server) return;
    await mkdir(this.#socketDir, { recursive: true });
    this.#server = await this.#listen();
  }

  /** Hangs up on everybody and takes the socket away. Peers and counters stay for the next start. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    await rm(this.path, { force: true });
    await this.#shut(server);
  }

  /** As when the device is taken down and made anew: another socket, counters and handshakes at zero. */
  async recreate(options: { keepPeers?: boolean } = {}): Promise<void> {
    const old = this.#server;
    for (const peer of this.peers) {
      if (options.keepPeers === false) this.#state.remove(peer.publicKey);
      else Object.assign(peer, { rx: 0n, tx: 0n, latestHandshake: 0n });
    }
    // The new one is there before the old one goes: two files at a time never share an inode.
    await mkdir(this.#socketDir, { recursive: true });
    this.#server = await this.#listen();
    if (old) await this.#shut(old);
  }

  /** Adds a peer, or changes the one that has the key. Networks are made canonical and taken from other peers. */
  addPeer(options: NewPeer = {}): SimulatedPeer {
    const peer = this.#state.obtain(options.publicKey ?? generateKeyPair().publicKey);
    const presharedKey = valueOf(options.presharedKey);
    if (presharedKey !== undefined) peer.presharedKeyHex = toHex(presharedKey);
    if (options.endpoint !== undefined) peer.endpoint = options.endpoint;
    if (options.persistentKeepalive !== undefined) peer.persistentKeepalive = options.persistentKeepalive;
    if (options.latestHandshake !== undefined) peer.latestHandshake = options.latestHandshake;
    if (options.rx !== undefined) peer.rx = options.rx;
    if (options.tx !== undefined) peer.tx = options.tx;
    for (const text of options.allowedIPs ?? []) {
      const network = canonicalNetwork(text);
      if (network === null) throw new TypeError(`${text} is no network`);
      this.#state.allow(peer, network);
    }
    return peer;
  }

  removePeer(publicKey: string): void {
    this.#state.remove(publicKey);
  }

  /** The peer of that key, live. @throws TypeError where there is none */
  peer(publicKey: string): SimulatedPeer {
    const peer = this.#state.peers.get(publicKey);
    if (!peer) throw new TypeError(`${this.name} has no peer ${publicKey}`);
    return peer;
  }

  hasPeer(publicKey: string): boolean {
    return this.#state.peers.has(publicKey);
  }

  hasPresharedKey(publicKey: string): boolean {
    return this.peer(publicKey).presharedKeyHex !== ZERO_HEX;
  }

  /** Adds bytes: `rx` received from the peer, `tx` sent to it. */
  transfer(publicKey: string, rx: bigint | number, tx: bigint | number): void {
    const peer = this.peer(publicKey);
    peer.rx += BigInt(rx);
    peer.tx += BigInt(tx);
  }

  setCounters(publicKey: string, rx: bigint | number, tx: bigint | number): void {
    Object.assign(this.peer(publicKey), { rx: BigInt(rx), tx: BigInt(tx) });
  }

  /** @param ns nanoseconds since the epoch; now by default; 0n is never */
  handshake(publicKey: string, ns: bigint = BigInt(Math.round(this.#clock() * 1000)) * 1000n): void {
    this.peer(publicKey).latestHandshake = ns;
  }

  async #listen(): Promise<Server> {
    const server = createServer((socket) => this.#serve(socket));
    const temporary = join(this.#socketDir, `${this.name}.${process.pid}.${++sockets}.new`);
    server.listen(temporary);
    await once(server, 'listening');
    await rename(temporary, this.path);
    return server;
  }

  async #shut(server: Server): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setEncoding('latin1');
    let waiting = '';
    let answers = Promise.resolve();
    socket.on('data', (chunk: string) => {
      waiting += chunk;
      // A connection may carry several requests, each up to an empty line; they are answered in turn.
      for (let end = waiting.indexOf('\n\n'); end >= 0; end = waiting.indexOf('\n\n')) {
        const request = waiting.slice(0, end).split('\n');
        waiting = waiting.slice(end + 2);
        answers = answers.then(() => this.#answer(socket, request)).catch(() => void socket.destroy());
      }
    });
  }

  async #answer(socket: Socket, [operation, ...lines]: string[]): Promise<void> {
    if (operation === 'get=1') {
      this.gets++;
      await this.onGet?.();
      const fault = this.fault;
      if (lines.length > 0) send(socket, 'errno=-22\n\n', null);
      else
        send(socket, fault === null || fault === 'truncate' ? `${this.#state.get()}errno=0\n\n` : '', fault);
    } else if (operation === 'set=1') {
      this.sets++;
      const fault = this.setFault;
      const errno = fault === 'errno' || fault === 'hang' ? 0 : this.#state.set(lines);
      send(socket, `errno=${errno}\n\n`, fault);
    } else {
      socket.destroy(); // As wireguard-go does with an operation that it does not know.
    }
  }
}

function send(socket: Socket, reply: string, fault: Fault | null): void {
  switch (fault) {
    case null:
      socket.write(reply, 'latin1');
      return;
    case 'truncate':
      socket.end(reply.slice(0, reply.length >> 1), 'latin1');
      return;
    case 'close':
      socket.end();
      return;
    case 'garbage':
      socket.write('HTTP/1.1 400 Bad Request\n\n', 'latin1');
      return;
    case 'errno':
      socket.write('errno=-5\n\n', 'latin1');
      return;
    case 'empty':
      socket.write('errno=0\n\n', 'latin1');
      return;
    case 'huge': {
      const lines = `${'x'.repeat(1022)}=\n`.repeat(64);
      const more = (): void => {
        // Until the reader has had enough: it hangs up.
        while (!socket.destroyed && socket.write(lines, 'latin1'));
      };
      socket.on('drain', more);
      more();
      return;
    }
    case 'hang':
  }
}

function valueOf(key: Secret | string | undefined): string | undefined {
  // A simulated key: shown to nobody, given to the simulated device.
  return key instanceof Secret ? key.reveal() : key;
}
