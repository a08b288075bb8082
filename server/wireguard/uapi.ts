/**
 * Devices that run in user space (wireguard-go, boringtun, our simulator), over their Unix socket.
 * Source: https://www.wireguard.com/xplatform/#configuration-protocol
 */
import { lstat, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { WireGuardError } from './errors.ts';
import { toHex, ZERO_HEX } from './keys.ts';
import { parseUapi, refusedByErrno } from './parse.ts';
import { ReplyCache } from './reply-cache.ts';
import { uapiSecrets } from './secrets.ts';
import type { Device, DeviceSecrets, Driver, PeerChange } from './types.ts';
import { checkChanges, checkInterfaceName } from './values.ts';

export interface UapiOptions {
  readonly name: string;
  /** The folder of `NAME.sock`. */
  readonly socketDir: string;
  /** Milliseconds for one request and its whole reply; 2000 by default. */
  readonly deadlineMs?: number;
  /** Bytes a reply may have; 64 MiB by default (200,000 peers). */
  readonly maxReply?: number;
}

export class UapiDriver implements Driver {
  readonly kind = 'socket';
  readonly name: string;
  readonly #path: string;
  readonly #deadlineMs: number;
  readonly #maxReply: number;
  readonly #cache = new ReplyCache();

  /** @throws WireGuardError `NO_DEVICE` for a name that no interface can have */
  constructor(options: UapiOptions) {
    checkInterfaceName(options.name);
    this.name = options.name;
    this.#path = join(options.socketDir, `${options.name}.sock`);
    this.#deadlineMs = options.deadlineMs ?? 2000;
    this.#maxReply = options.maxReply ?? 64 * 1024 * 1024;
  }

  async read(): Promise<Device> {
    return parseUapi(this.name, await this.#request('get=1\n\n'), this.#cache);
  }

  async secrets(): Promise<DeviceSecrets> {
    return uapiSecrets(this.name, await this.#request('get=1\n\n'));
  }

  async instance(): Promise<string | null> {
    try {
      let file = await lstat(this.#path, { bigint: true });
      if (file.isSymbolicLink()) file = await stat(this.#path, { bigint: true });
      return `${file.dev}:${file.ino}:${birth(file)}`;
    } catch (cause) {
      const code = codeOf(cause);
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw this.#failure(cause);
    }
  }

  async configure(changes: readonly PeerChange[]): Promise<void> {
    if (changes.length === 0) return;
    const checked = checkChanges(this.name, changes);
    const reply = (await this.#request(setRequest(checked))).toString('latin1');
    const errno = /^(?:[^\n]+\n)*errno=(-?[0-9]{1,10})\n\n$/.exec(reply)?.[1];
    if (errno === undefined) {
      throw new WireGuardError(
        'GARBLED',
        `${this.name}: the reply to a change is garbled: it may have been made`,
      );
    }
    if (Number(errno) !== 0) {
      throw refusedByErrno(this.name, Number(errno), checked.length === 1 ? checked[0]!.publicKey : 'errno');
    }
  }

  /** One request on a connection of its own; resolves with all bytes up to the empty line that ends a reply. */
  #request(request: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      let last = 10; // As if after a line: an empty line at the very start ends the reply as well.
      let settled = false;
      const socket = createConnection({ path: this.#path });

      const settle = (result: Buffer | WireGuardError): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        socket.destroy();
        if (result instanceof WireGuardError) reject(result);
        else resolve(result);
      };
      // After a stall of this process the timer is due before the bytes that wait are read: let them in first.
      const timer = setTimeout(() => setImmediate(() => settle(this.#timeout(request))), this.#deadlineMs);

      socket.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > this.#maxReply) {
          settle(
            new WireGuardError('GARBLED', `${this.name}: the reply is larger than ${this.#maxReply} bytes`),
          );
          return;
        }
        chunks.push(chunk);
        const ended = (last === 10 && chunk[0] === 10) || chunk.includes('\n\n');
        last = chunk[chunk.length - 1]!;
        if (ended) settle(Buffer.concat(chunks, size));
      });
      socket.on('error', (cause) => settle(this.#failure(cause)));
      socket.on('close', () =>
        settle(new WireGuardError('GARBLED', `${this.name}: the device hung up before the end of its reply`)),
      );
      socket.write(request);
    });
  }

  #timeout(request: string): WireGuardError {
    const unsure = request.startsWith('set') ? ': the change may have been made' : '';
    return new WireGuardError(
      'TIMEOUT',
      `${this.name}: no whole reply within ${this.#deadlineMs} ms${unsure}`,
      {
        key: this.#path,
      },
    );
  }

  #failure(cause: unknown): WireGuardError {
    const code = codeOf(cause);
    const options = { key: this.#path, cause };
    switch (code) {
      case 'ENOENT':
      case 'ENOTDIR':
        return new WireGuardError(
          'NO_DEVICE',
          `${this.name}: there is no device: ${this.#path} does not exist`,
          options,
        );
      case 'ECONNREFUSED':
        return new WireGuardError(
          'NO_DEVICE',
          `${this.name}: there is no device: nobody listens at ${this.#path}`,
          options,
        );
      case 'EACCES':
      case 'EPERM':
        return new WireGuardError(
          'NO_PERMISSION',
          `${this.name}: ${this.#path} may not be used by this user: run as its owner (root for most devices) or grant read and write`,
          options,
        );
      case 'ECONNRESET':
      case 'EPIPE':
        return new WireGuardError(
          'GARBLED',
          `${this.name}: the device hung up before the end of its reply`,
          options,
        );
      case 'EAGAIN':
        return new WireGuardError(
          'TIMEOUT',
          `${this.name}: the device takes no more connections at ${this.#path}`,
          options,
        );
      default:
        return new WireGuardError('REFUSED', `${this.name}: cannot use ${this.#path}: ${code}`, options);
    }
  }
}

/** One `set=1` request for all changes, in their order: the device locks once. */
function setRequest(changes: readonly PeerChange[]): string {
  let text = 'set=1\n';
  for (const change of changes) {
    text += `public_key=${toHex(change.publicKey)}\n`;
    if (change.kind === 'remove') {
      text += 'remove=true\n';
      continue;
    }
    // First: it decides whether the lines after it have a peer to work on.
    if (change.updateOnly) text += 'update_only=true\n';
    if (change.presharedKey !== undefined) {
      // The value has to go over the wire to the device, and nowhere else.
      text += `preshared_key=${change.presharedKey === null ? ZERO_HEX : toHex(change.presharedKey.reveal())}\n`;
    }
    if (change.endpoint !== undefined) text += `endpoint=${change.endpoint}\n`;
    if (change.persistentKeepalive !== undefined) {
      text += `persistent_keepalive_interval=${change.persistentKeepalive}\n`;
    }
    if (change.allowedIPs !== undefined) {
      text += 'replace_allowed_ips=true\n';
      for (const network of change.allowedIPs) text += `allowed_ip=${network}\n`;
    }
  }
  return `${text}\n`;
}

/**
 * When the file was made, ns. Never the change time, which a chmod moves. Where the system cannot tell the birth, Node says
 * 0, or the change time on systems without statx: then the modification time serves, which for a socket stays at its birth.
 */
function birth(file: { birthtimeNs: bigint; ctimeNs: bigint; mtimeNs: bigint }): bigint {
  const real = file.birthtimeNs > 0n && file.birthtimeNs !== file.ctimeNs;
  return real ? file.birthtimeNs : file.mtimeNs;
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? 'unknown error';
}
