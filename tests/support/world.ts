/**
 * A whole server's inside over a simulated device on a real socket and a real database, in a temporary folder.
 * Time goes on only where a test says so.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
import { SimulatedDevice } from '../../server/wireguard/simulator.ts';

/** A clock that a test moves; nothing fires by itself. */
export class TestClock implements Clock {
  now = Date.UTC(2026, 10, 24, 12, 0, 0);
  mono = 1_000_000_000_000n;
  boot: string | null = 'boot-1';
  wall(): number {
    return this.now;
  }
  monotonic(): bigint {
    return this.mono;
  }
  bootId(): string | null {
    return this.boot;
  }
  after(): () => void {
    return () => undefined;
  }
  pass(ms: number): void {
    this.now += ms;
    this.mono += BigInt(ms) * 1_000_000n;
  }
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
  readonly onStage?: NonNullable<ChangeParts['onStage']>;
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
      },
      { db, calendar: this.calendar, events: this.hub, clock, log },
    );
    this.peers = new Peers(this.collector, this.hub, {
      db,
      configDir: this.configDir,
      log,
      now: () => clock.wall(),
      ...(options.onStage ? { onStage: options.onStage } : {}),
    });
    void this.#listen();
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const dir = options.dir ?? mkdtempSync(path.join(tmpdir(), 'wm-'));
    const clock = options.clock ?? new TestClock();
    let device = options.device ?? null;
    if (!device) {
      device = new SimulatedDevice({ name: 'wg0', socketDir: path.join(dir, 'run'), clock: () => clock.wall() });
      await device.start();
    }
    if (options.config !== null && options.dir === undefined) {
      const { mkdirSync } = await import('node:fs');
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

  /** Totals of a peer, received and sent. */
  async totals(publicKey: string): Promise<[bigint, bigint]> {
    const row = await this.db.reader.peer.findFirstOrThrow({ where: { publicKey }, include: { counters: true } });
    return [row.counters?.totalReceived ?? -1n, row.counters?.totalSent ?? -1n];
  }

  /** As a kill -9 leaves it: nothing is stopped in order. The next world opens the same folder. */
  async abandon(): Promise<void> {
    await this.db.close();
  }

  async close(): Promise<void> {
    await this.collector.stop();
    this.hub.close();
    await this.db.close();
    await this.device.stop();
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
