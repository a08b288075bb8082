/**
 * A whole server's inside over a simulated device on a real socket and a real database, in a temporary folder.
 * Time goes on only where a test says so.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { Calendar } from '../../server/accounting/calendar.ts';
import { Collector } from '../../server/collector.ts';
import type { Clock } from '../../server/collector/clock.ts';
import { EventHub, type PeerEvent, type Tick } from '../../server/events.ts';
import { Peers } from '../../server/peers.ts';
import type { ChangeParts } from '../../server/peers/change.ts';
import { Database } from '../../server/store/database.ts';
import type { GeneratePeerInput } from '../../server/peers/generate.ts';
import type { Peer } from '../../server/store/generated/client.ts';
import { parseConfigFile, type ConfigFile } from '../../server/wireguard/config-file.ts';
import { SimulatedDevice } from '../../server/wireguard/simulator.ts';

/** A clock that a test moves; nothing fires by itself, only in {@link TestClock.run}. */
export class TestClock implements Clock {
  now = Date.UTC(2026, 10, 24, 12, 0, 0);
  mono = 1_000_000_000_000n;
  boot: string | null = 'boot-1';
  wall(): number {
    return this.now;
  }
  /** Never the same twice, as in life: no two samples are taken at one time. */
  monotonic(): bigint {
    this.mono += 1n;
    return this.mono;
  }
  bootId(): string | null {
    return this.boot;
  }
  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
  pass(ms: number): void {
    this.now += ms;
    this.mono += BigInt(ms) * 1_000_000n;
  }
  /** Time passes, and what is due by then is called. */
  run(ms: number): void {
    this.pass(ms);
    for (const timer of [...this.#timers]) {
      if (timer.due > this.now) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }
  readonly #timers = new Set<{ readonly due: number; readonly callback: () => void }>();
}

export interface WorldOptions {
  readonly dir?: string;
  readonly clock?: TestClock;
  readonly device?: SimulatedDevice | null;
  readonly zone?: string;
  readonly interfaces?: readonly string[] | null;
  readonly endpoint?: string | null;
  /** NAME.conf's text; null makes none. */
  readonly config?: string | null;
  /** Milliseconds that a device has for its reply. */
  readonly deadlineMs?: number;
}

/** What a change that was refused must leave alone. */
export interface Snapshot {
  readonly device: unknown;
  readonly file: string | null;
  readonly mode: number | null;
  readonly peers: unknown;
  readonly pending: unknown;
}

/** A peer made by {@link World.generate}, with what its client was given. */
export interface Generated {
  readonly peerId: number;
  readonly publicKey: string;
  readonly allowedIPs: readonly string[];
  readonly clientConfig: string;
  readonly privateKey: string | null;
  readonly presharedKey: string | null;
}

export const HEAD = '[Interface]\nAddress = 10.8.0.1/24, fd00:8::1/64\nListenPort = 51820\n';

export class World {
  readonly ticks: Tick[] = [];
  readonly events: PeerEvent[] = [];
  readonly dir: string;
  readonly configDir: string;
  readonly configFile: string;
  readonly clock: TestClock;
  readonly db: Database;
  readonly hub: EventHub;
  readonly calendar: Calendar;
  readonly collector: Collector;
  readonly peers: Peers;
  readonly device: SimulatedDevice;
  /** Called before each stage of a change; what it throws is that stage's failure. */
  onStage: ChangeParts['onStage'];
  readonly #devices: SimulatedDevice[] = [];
  #people = 0;

  private constructor(parts: {
    dir: string;
    clock: TestClock;
    db: Database;
    device: SimulatedDevice;
    options: WorldOptions;
  }) {
    const { dir, clock, db, device, options } = parts;
    this.dir = dir;
    this.clock = clock;
    this.db = db;
    this.device = device;
    this.configDir = path.join(dir, 'wireguard');
    this.configFile = path.join(this.configDir, 'wg0.conf');
    this.hub = new EventHub();
    this.calendar = new Calendar(options.zone ?? 'UTC');
    const log = pino({ level: 'silent' });
    this.collector = new Collector(
      {
        gateway: 'gw',
        interfaces: options.interfaces === undefined ? ['wg0'] : options.interfaces,
        socketDir: path.join(dir, 'run'),
        configDir: this.configDir,
        endpoint: options.endpoint === undefined ? 'vpn.example.com:51820' : options.endpoint,
        intervalMs: 1000,
        kernel: false,
        simulated: true,
        keepMinutes: 48 * 60,
        keepHours: 90 * 24 * 60,
        ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
      },
      { db, calendar: this.calendar, events: this.hub, clock, log },
    );
    this.peers = new Peers(this.collector, this.hub, {
      db,
      configDir: this.configDir,
      log,
      now: () => clock.wall(),
      onStage: (stage) => this.onStage?.(stage),
    });
    void this.#listen();
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const dir = options.dir ?? mkdtempSync(path.join(tmpdir(), 'wm-'));
    const clock = options.clock ?? new TestClock();
    let device = options.device ?? null;
    if (!device) {
      device = new SimulatedDevice({
        name: 'wg0',
        socketDir: path.join(dir, 'run'),
        clock: () => clock.wall(),
      });
      await device.start();
    }
    if (options.config !== null && options.dir === undefined) {
      mkdirSync(path.join(dir, 'wireguard'), { mode: 0o700 });
      writeFileSync(path.join(dir, 'wireguard', 'wg0.conf'), options.config ?? HEAD, { mode: 0o600 });
    }
    const db = await Database.open(`file:${path.join(dir, 'wiremeter.db')}`);
    return new World({ dir, clock, db, device, options });
  }

  /** Time passes, then one sample. */
  async tick(ms = 1000): Promise<void> {
    this.clock.pass(ms);
    await this.collector.collect();
  }

  file(): string {
    return readFileSync(this.configFile, 'utf8');
  }

  fileMode(): number {
    return statSync(this.configFile).mode & 0o777;
  }

  /** Of wg0. */
  health() {
    const found = this.collector.health().find((one) => one.interface === 'wg0');
    if (!found) throw new Error('wg0 is not watched');
    return found;
  }

  /** Totals of a peer, received and sent. */
  async totals(publicKey: string): Promise<[bigint, bigint]> {
    const row = await this.db.reader.peer.findFirstOrThrow({
      where: { publicKey },
      include: { counters: true },
    });
    return [row.counters?.totalReceived ?? -1n, row.counters?.totalSent ?? -1n];
  }

  /** Another device beside `wg0`. */
  async addDevice(name: string, options: { readonly config?: string } = {}): Promise<SimulatedDevice> {
    const device = new SimulatedDevice({
      name,
      socketDir: path.join(this.dir, 'run'),
      clock: () => this.clock.wall(),
    });
    await device.start();
    this.#devices.push(device);
    if (options.config !== undefined) {
      writeFileSync(path.join(this.configDir, `${name}.conf`), options.config, { mode: 0o600 });
    }
    return device;
  }

  /** A peer made through the server; a name and an address of its own by default. */
  async generate(input: Partial<GeneratePeerInput> = {}): Promise<Generated> {
    this.#people += 1;
    const { peerId, clientConfig } = await this.peers.generate({
      name: `Person ${String(this.#people)}`,
      email: `person${String(this.#people)}@example.com`,
      presharedKey: true,
      persistentKeepalive: 25,
      clientAllowedIPs: ['0.0.0.0/0', '::/0'],
      ...input,
    });
    const row = await this.row(peerId);
    return {
      peerId,
      publicKey: row.publicKey,
      allowedIPs: row.allowedIPs.split(', '),
      clientConfig,
      privateKey: /^PrivateKey = (.+)$/m.exec(clientConfig)?.[1] ?? null,
      presharedKey: /^PresharedKey = (.+)$/m.exec(clientConfig)?.[1] ?? null,
    };
  }

  row(peerId: number): Promise<Peer> {
    return this.db.reader.peer.findUniqueOrThrow({ where: { id: peerId } });
  }

  /** Null where the database has no such peer; deleted ones too. */
  rowOf(publicKey: string): Promise<Peer | null> {
    return this.db.reader.peer.findFirst({ where: { publicKey } });
  }

  /** Without `counters`, what the device counted is left out. */
  async snapshot({ counters = true } = {}): Promise<Snapshot> {
    const device = this.device.peers
      .map((peer) => ({
        publicKey: peer.publicKey,
        presharedKey: peer.presharedKeyHex,
        persistentKeepalive: peer.persistentKeepalive,
        allowedIPs: [...peer.allowedIPs].sort(),
        endpoint: peer.endpoint,
        ...(counters ? { rx: peer.rx, tx: peer.tx, handshake: peer.latestHandshake } : {}),
      }))
      .sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1));
    const there = existsSync(this.configFile);
    return {
      device,
      file: there ? this.file() : null,
      mode: there ? this.fileMode() : null,
      peers: await this.db.reader.peer.findMany({ orderBy: { id: 'asc' } }),
      pending: await this.db.reader.pendingChange.findMany(),
    };
  }

  /** What was said since this was last asked: events reach their subscribers a moment later. */
  async said(): Promise<PeerEvent[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.events.splice(0);
  }

  /** As an editor does, beside the server. */
  editFile(edit: (file: ConfigFile) => ConfigFile): void {
    writeFileSync(this.configFile, edit(parseConfigFile(readFileSync(this.configFile))).bytes());
  }

  /** As a kill -9 leaves it: nothing is stopped in order. The next world opens the same folder. */
  async abandon(): Promise<void> {
    await this.db.close();
  }

  async close(): Promise<void> {
    await this.collector.stop();
    this.hub.close();
    await this.db.close();
    for (const device of [this.device, ...this.#devices]) await device.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #listen(): Promise<void> {
    const ticks = this.hub.subscribe('traffic');
    const events = this.hub.subscribe('peers');
    const drain = async <T>(from: AsyncIterable<T>, to: T[]) => {
      for await (const event of from) to.push(event);
    };
    await Promise.all([drain(ticks, this.ticks), drain(events, this.events)]);
  }
}
