/**
 * Real WireGuard on this machine: network namespaces, veth pairs, wireguard-go, and the tools around them.
 * All names have the process' number in them: the sockets are in one folder for all namespaces.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder, until } from './server.ts';

/** Where wireguard-go and `wg` meet. */
export const SOCKET_DIR = '/var/run/wireguard';
/** Seven digits at most: a device's name has room for fifteen characters. */
const NUMBER = String(process.pid);

const namespaces = new Set<string>();
const daemons = new Map<string, ChildProcess>();
const helpers = new Set<ChildProcess>();
const exec = promisify(execFile);

// Where the run is broken off, no hook runs any more.
process.once('exit', () => {
  for (const child of [...helpers, ...daemons.values()]) child.kill('SIGKILL');
  for (const name of namespaces) spawnSync('ip', ['netns', 'delete', name]);
});

/** Runs a program and returns what it printed. @throws Error with its standard error */
export async function run(program: string, args: readonly string[]): Promise<string> {
  return (await exec(program, [...args], { maxBuffer: 64 * 1024 * 1024, timeout: 60_000 })).stdout;
}

/** `A` → `wmA12345`, for this process alone. */
export function deviceName(letter: string): string {
  return `wm${letter}${NUMBER}`;
}

/** A network namespace; commands run in it by {@link Namespace.run}. */
export class Namespace {
  readonly name: string;
  private constructor(name: string) {
    this.name = name;
  }

  static async make(letter: string): Promise<Namespace> {
    const space = new Namespace(`wm-${letter}-${NUMBER}`);
    namespaces.add(space.name);
    await run('ip', ['netns', 'add', space.name]);
    await space.run('ip', ['link', 'set', 'lo', 'up']);
    return space;
  }

  run(program: string, args: readonly string[]): Promise<string> {
    return run('ip', ['netns', 'exec', this.name, program, ...args]);
  }

  /** A cable to another namespace; `addresses` are this end's and the other's, CIDR. */
  async cable(other: Namespace, letter: string, addresses: readonly [string, string]): Promise<void> {
    const ends = [`v${letter}a${NUMBER}`, `v${letter}b${NUMBER}`] as const;
    const peer = ['peer', 'name', ends[1], 'netns', other.name];
    await run('ip', ['link', 'add', ends[0], 'netns', this.name, 'type', 'veth', ...peer]);
    for (const [space, end, address] of [
      [this, ends[0], addresses[0]],
      [other, ends[1], addresses[1]],
    ] as const) {
      await space.run('ip', ['address', 'add', address, 'dev', end]);
      await space.run('ip', ['link', 'set', end, 'up']);
    }
  }

  /** A program that stays; it is killed in the end. */
  spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    helpers.add(child);
    child.once('exit', () => helpers.delete(child));
    return child;
  }

  /** Whether an echo comes back within a second. */
  ping(address: string): Promise<boolean> {
    return this.run('ping', ['-c', '1', '-W', '1', '-n', address]).then(
      () => true,
      () => false,
    );
  }

  /** iperf3's server, ready. */
  async iperfServer(address: string): Promise<void> {
    const child = this.spawn('iperf3', ['-s', '-B', address, '--forceflush']);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`iperf3 ended with ${String(code)}`)));
    });
  }

  /** One run of iperf3's client. */
  iperf(address: string, ...args: readonly string[]): Promise<string> {
    return this.run('iperf3', ['-c', address, ...args]);
  }
}

export interface Addressed {
  /** The device's own, CIDR. */
  readonly addresses: readonly string[];
  /** Networks behind it. */
  readonly routes?: readonly string[];
}

/** A wireguard-go device in a namespace. */
export class RealDevice {
  readonly name: string;
  readonly #space: Namespace;

  private constructor(name: string, space: Namespace) {
    this.name = name;
    this.#space = space;
  }

  static async make(letter: string, space: Namespace): Promise<RealDevice> {
    const device = new RealDevice(deviceName(letter), space);
    await device.start();
    return device;
  }

  get socket(): string {
    return path.join(SOCKET_DIR, `${this.name}.sock`);
  }

  /** Starts the daemon; the device answers when this resolves. */
  async start(): Promise<void> {
    const child = spawn(
      'ip',
      ['netns', 'exec', this.#space.name, 'wireguard-go', '--foreground', this.name],
      {
        stdio: 'ignore',
      },
    );
    daemons.set(this.name, child);
    await until(`${this.name} answers`, async () => {
      if (child.exitCode !== null) throw new Error(`wireguard-go ended with ${child.exitCode}`);
      return (await run('wg', ['show', this.name, 'public-key'])) !== '';
    });
  }

  /** kill -9; its socket's file stays behind. */
  async kill(): Promise<void> {
    const child = daemons.get(this.name);
    if (!child) return;
    daemons.delete(this.name);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Loads a file as `wg-quick` would: strip, setconf, addresses, up, routes. @param file NAME.conf */
  async load(file: string, { addresses, routes = [] }: Addressed): Promise<void> {
    await this.setconf(file);
    const ip = (...args: string[]): Promise<string> => this.#space.run('ip', args);
    for (const address of addresses) await ip('address', 'replace', address, 'dev', this.name);
    await ip('link', 'set', this.name, 'mtu', '1420', 'up');
    for (const network of routes) await ip('route', 'replace', network, 'dev', this.name);
  }

  async setconf(file: string): Promise<void> {
    const stripped = path.join(temporaryFolder(), 'stripped.conf');
    writeFileSync(stripped, await run('wg-quick', ['strip', file]), { mode: 0o600 });
    await run('wg', ['setconf', this.name, stripped]);
  }

  wg(...args: readonly string[]): Promise<string> {
    const [command = 'show', ...rest] = args;
    return run('wg', [command, this.name, ...rest]);
  }

  /** `wg show NAME transfer`: received and sent, by public key. */
  async transfer(): Promise<Map<string, readonly [bigint, bigint]>> {
    const lines = (await this.wg('show', 'transfer')).trim().split('\n').filter(Boolean);
    return new Map(
      lines.map((line) => {
        const [key = '', rx = '', tx = ''] = line.split('\t');
        return [key, [BigInt(rx), BigInt(tx)] as const];
      }),
    );
  }

  async peers(): Promise<string[]> {
    return [...(await this.transfer()).keys()];
  }

  /** Seconds since 1970, by public key; 0 is never. */
  async handshake(publicKey: string): Promise<number> {
    const lines = (await this.wg('show', 'latest-handshakes')).trim().split('\n');
    return Number(lines.find((line) => line.startsWith(publicKey))?.split('\t')[1] ?? '0');
  }
}

/** Kills daemons and helpers, removes namespaces and sockets: in `afterAll`, also after failures. */
export async function cleanUpWireGuard(): Promise<void> {
  for (const child of helpers) child.kill('SIGKILL');
  for (const [name, child] of daemons) {
    const gone = child.exitCode === null ? new Promise((resolve) => child.once('exit', resolve)) : null;
    child.kill('SIGKILL');
    await gone;
    const socket = path.join(SOCKET_DIR, `${name}.sock`);
    if (existsSync(socket)) rmSync(socket);
  }
  daemons.clear();
  for (const name of namespaces) await run('ip', ['netns', 'delete', name]).catch(() => undefined);
  namespaces.clear();
}
