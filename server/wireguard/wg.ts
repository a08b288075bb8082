/**
 * Devices through the `wg` program: those of the kernel, which have no socket. Source: wg(8).
 * Arguments go as a list, never through a shell; secrets go over standard input, since all users can read the arguments
 * of a process.
 */
import { mkdtemp, open, readFile, realpath, rm, stat, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WireGuardError } from './errors.ts';
import { parseDump } from './parse.ts';
import { ReplyCache } from './reply-cache.ts';
import { run, type RunResult } from './run.ts';
import { dumpSecrets } from './secrets.ts';
import type { Device, DeviceSecrets, Driver, PeerChange, Secret } from './types.ts';
import { checkChanges, checkInterfaceName } from './values.ts';

export interface WgOptions {
  readonly name: string;
  /** The program; `wg` on the path by default. */
  readonly wgPath?: string;
  /** Where the system lists its interfaces; `/sys/class/net` by default. */
  readonly sysfsRoot?: string;
  /** Milliseconds for one run of `wg`, which is killed after them; 5000 by default. */
  readonly deadlineMs?: number;
  /** Bytes a dump may have; 64 MiB by default. */
  readonly maxBuffer?: number;
}

/** Changes a run of `wg` carries, well below the system's limit for arguments. */
const BATCH = 100;
/** Characters of arguments in a run: a peer may have very many networks. */
const BATCH_CHARACTERS = 60_000;

export class WgDriver implements Driver {
  readonly kind = 'wg';
  readonly name: string;
  readonly #wgPath: string;
  readonly #sysfsRoot: string;
  readonly #deadlineMs: number;
  readonly #maxBuffer: number;
  readonly #cache = new ReplyCache();

  /** @throws WireGuardError `NO_DEVICE` for a name that no interface can have */
  constructor(options: WgOptions) {
    checkInterfaceName(options.name);
    this.name = options.name;
    this.#wgPath = options.wgPath ?? 'wg';
    this.#sysfsRoot = options.sysfsRoot ?? '/sys/class/net';
    this.#deadlineMs = options.deadlineMs ?? 5000;
    this.#maxBuffer = options.maxBuffer ?? 64 * 1024 * 1024;
  }

  async read(): Promise<Device> {
    return parseDump(this.name, await this.#wg(['show', this.name, 'dump']), this.#cache);
  }

  async secrets(): Promise<DeviceSecrets> {
    return dumpSecrets(this.name, await this.#wg(['show', this.name, 'dump']));
  }

  async instance(): Promise<string | null> {
    try {
      const folder = join(this.#sysfsRoot, this.name);
      const index = (await readFile(join(folder, 'ifindex'), 'utf8')).trim();
      const { ino } = await stat(await realpath(folder), { bigint: true });
      return `${index}:${ino}`;
    } catch {
      // No sysfs, another network namespace's, or no such interface: reading will say which.
      return null;
    }
  }

  async configure(changes: readonly PeerChange[]): Promise<void> {
    let checked = checkChanges(this.name, changes);
    if (checked.some((change) => change.kind === 'set' && change.updateOnly)) {
      // `wg set` has no word for update_only: a peer that is not there is left out here.
      const there = new Set((await this.read()).peers.map((peer) => peer.publicKey));
      checked = checked.filter((change) => {
        if (change.kind === 'set' && change.updateOnly) return there.has(change.publicKey);
        if (change.kind === 'set') there.add(change.publicKey);
        else there.delete(change.publicKey);
        return true;
      });
    }
    for (const batch of batches(checked)) {
      await this.#wg(['set', this.name, ...batch.args], batch.secret, batch.publicKey);
    }
  }

  /** Runs `wg` and returns its output. `secret` goes to its standard input. */
  async #wg(args: readonly string[], secret?: Secret, publicKey?: string): Promise<string> {
    let input: FileHandle | undefined;
    let result: RunResult;
    try {
      // Revealed to the program on its standard input, in a file that has no name any more.
      if (secret) input = await namelessFile(`${secret.reveal()}\n`);
      result = await run(this.#wgPath, args, {
        deadlineMs: this.#deadlineMs,
        maxBuffer: this.#maxBuffer,
        stdin: input?.fd,
      });
    } catch (cause) {
      throw this.#notStarted(cause);
    } finally {
      await input?.close();
    }
    if (result.stopped === 'deadline') {
      const unsure = args[0] === 'set' ? ': the change may have been made' : '';
      throw new WireGuardError(
        'TIMEOUT',
        `${this.name}: wg did not end within ${this.#deadlineMs} ms${unsure}`,
      );
    }
    if (result.stopped) {
      throw new WireGuardError('GARBLED', `${this.name}: wg printed more than ${this.#maxBuffer} bytes`);
    }
    if (result.code !== 0) throw this.#failed(result, publicKey);
    return result.stdout;
  }

  #notStarted(cause: unknown): WireGuardError {
    const { code, syscall = '' } = cause as NodeJS.ErrnoException;
    const options = { key: this.#wgPath, cause };
    if (syscall.startsWith('spawn') && code === 'ENOENT') {
      return new WireGuardError('NO_TOOL', `${this.#wgPath} is not there: install wireguard-tools`, options);
    }
    if (syscall.startsWith('spawn') && code === 'EACCES') {
      return new WireGuardError('NO_PERMISSION', `${this.#wgPath} may not be run by this user`, options);
    }
    return new WireGuardError(
      'REFUSED',
      `${this.name}: wg could not be run: ${code ?? 'unknown error'}`,
      options,
    );
  }

  #failed(result: RunResult, publicKey: string | undefined): WireGuardError {
    const line =
      withoutKeys(result.stderr.trim().split('\n')[0] ?? '') || `wg ended with ${result.code ?? 'a signal'}`;
    const options = publicKey === undefined ? {} : { key: publicKey };
    // A kernel without WireGuard, or an interface of another kind, says "not supported".
    if (/No such device|does not exist|Connection refused|not supported/.test(line)) {
      return new WireGuardError('NO_DEVICE', `${this.name}: there is no such device (${line})`, options);
    }
    if (/Operation not permitted|Permission denied/.test(line)) {
      return new WireGuardError(
        'NO_PERMISSION',
        `${this.name}: wg may not use the device (${line}): run as root or grant CAP_NET_ADMIN`,
        options,
      );
    }
    return new WireGuardError('REFUSED', `${this.name}: ${line}`, options);
  }
}

interface Batch {
  args: string[];
  characters: number;
  secret?: Secret;
  /** Of a batch of one change, for its error. */
  publicKey?: string;
}

/** As few runs as can be: a run has one standard input, so one preshared key. */
function batches(changes: readonly PeerChange[]): Batch[] {
  const all: Batch[] = [];
  let open: Batch | undefined;
  let size = 0;
  for (const change of changes) {
    const args = peerArguments(change);
    const characters = args.reduce((sum, arg) => sum + arg.length + 1, 0);
    const secret = change.kind === 'set' ? (change.presharedKey ?? undefined) : undefined;
    if (
      !open ||
      size === BATCH ||
      open.characters + characters > BATCH_CHARACTERS ||
      (secret && open.secret)
    ) {
      open = { args: [], characters: 0, publicKey: change.publicKey };
      size = 0;
      all.push(open);
    }
    open.args.push(...args);
    open.characters += characters;
    if (secret) open.secret = secret;
    if (++size > 1) delete open.publicKey;
  }
  return all;
}

/** Every value has passed checkChanges: none can begin with a dash. */
function peerArguments(change: PeerChange): string[] {
  const args = ['peer', change.publicKey];
  if (change.kind === 'remove') return [...args, 'remove'];
  if (change.presharedKey !== undefined) {
    args.push('preshared-key', change.presharedKey === null ? '/dev/null' : '/dev/stdin');
  }
  if (change.endpoint !== undefined) args.push('endpoint', change.endpoint);
  if (change.persistentKeepalive !== undefined)
    args.push('persistent-keepalive', String(change.persistentKeepalive));
  if (change.allowedIPs !== undefined) args.push('allowed-ips', change.allowedIPs.join(','));
  return args;
}

/** A file that nobody else can open: its name is gone before anything is in it. In memory where the system has /dev/shm. */
async function namelessFile(text: string): Promise<FileHandle> {
  const folder = await mkdtemp('/dev/shm/wiremeter-').catch(() => mkdtemp(join(tmpdir(), 'wiremeter-')));
  try {
    const file = await open(join(folder, 'stdin'), 'wx+', 0o600);
    await rm(folder, { recursive: true });
    // By position, so that the reader begins at the start even where it shares our offset.
    await file.write(text, 0);
    return file;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Takes out all that could be a key, base64 or hex. */
function withoutKeys(line: string): string {
  return line.replace(/[A-Za-z0-9+/]{40,}={0,2}/g, '[key]').slice(0, 300);
}
