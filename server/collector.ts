/**
 * Timing: one loop an interface, on the clock's grid; interfaces come and go while it runs.
 * What a sample does is in collector/watch.ts.
 */
import { networkInterfaces } from 'node:os';
import type { Calendar } from './accounting/calendar.ts';
import type { Clock } from './collector/clock.ts';
import { dialled } from './collector/endpoint.ts';
import { Watch, type Access, type CollectorMetrics, type WatchParts } from './collector/watch.ts';
import type { EventHub } from './events.ts';
import type { Logger } from './log.ts';
import { Refusal } from './refusal.ts';
import type { Database } from './store/database.ts';
import { ensureInterface, writeStatus, writeSurroundings } from './store/interfaces.ts';
import { LeaseKeeper, thisProcess } from './store/lease.ts';
import { dropOldHistory } from './store/retention.ts';
import { readConfig } from './wireguard/config-store.ts';
import { createDriver, findDevices } from './wireguard/discover.ts';
import { WireGuardError } from './wireguard/errors.ts';
import type { Driver } from './wireguard/types.ts';

export interface CollectorOptions {
  readonly gateway: string;
  /** Null: all that are found. */
  readonly interfaces: readonly string[] | null;
  readonly socketDir: string;
  readonly configDir: string;
  readonly endpoint: string | null;
  readonly intervalMs: number;
  /** False: kernel devices are left alone (the demo). */
  readonly kernel: boolean;
  readonly simulated: boolean;
  readonly keepMinutes: number;
  readonly keepHours: number;
  /** Milliseconds that a device has for its reply; the driver's own where it is not given. */
  readonly deadlineMs?: number;
}

export interface CollectorParts {
  readonly db: Database;
  readonly calendar: Calendar;
  readonly events: EventHub;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: CollectorMetrics;
}

export interface InterfaceHealth {
  readonly interface: string;
  readonly gateway: string;
  readonly status: 'UP' | 'DOWN' | 'UNREADABLE';
  readonly reason: string | null;
  readonly lastSampleAgeMs: number | null;
  readonly accounting: 'here' | 'elsewhere';
  readonly intervalMs: number;
}

const DISCOVERY_MS = 2_000;
const RETENTION_MS = 60_000;

export class Collector {
  readonly #options: CollectorOptions;
  readonly #parts: CollectorParts;
  readonly #watchParts: WatchParts;
  readonly #watches = new Map<string, Watch>();
  readonly #timers = new Map<string, () => void>();
  #onClaim: (access: Access) => Promise<void> = () => Promise.resolve();
  #discovering: Promise<void> | null = null;
  #stopped = false;

  constructor(options: CollectorOptions, parts: CollectorParts) {
    this.#options = options;
    this.#parts = parts;
    const { db, clock } = parts;
    const beatMs = Math.max(options.intervalMs, 1_000);
    const nonce = `${String(process.pid)}.${String(clock.monotonic())}`;
    const me = thisProcess(clock.bootId(), beatMs, nonce);
    this.#watchParts = {
      ...parts,
      metrics: parts.metrics ?? null,
      endpoint: options.endpoint,
      leases: new LeaseKeeper(db, me, () => clock.monotonic()),
      onClaim: (access) => this.#onClaim(access),
    };
  }

  /** What is to happen when this process begins to account an interface: unfinished changes are settled. */
  set onClaim(settle: (access: Access) => Promise<void>) {
    this.#onClaim = settle;
  }

  /** Finds the interfaces, takes a first sample of each and goes on by itself. */
  async start(): Promise<void> {
    await this.#discover();
    await Promise.all([...this.#watches.values()].map((watch) => watch.sample()));
    await this.#disown();
    for (const watch of this.#watches.values()) await this.#lookAround(watch);
    for (const watch of this.#watches.values()) this.#loop(watch);
    this.#repeat('discovery', DISCOVERY_MS, () => this.#discover());
    this.#repeat('retention', RETENTION_MS, () => {
      const { keepMinutes, keepHours } = this.#options;
      return dropOldHistory(this.#parts.db, this.#parts.clock.wall(), {
        minutes: keepMinutes,
        hours: keepHours,
      });
    });
  }

  /** A last sample of each interface, then no more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    await this.#discovering;
    const closed = await Promise.allSettled([...this.#watches.values()].map((watch) => watch.close()));
    for (const result of closed) {
      if (result.status === 'rejected')
        this.#parts.log.error({ err: result.reason as unknown }, 'the last sample failed');
    }
  }

  /** One sample of every interface now; one under way is shared. */
  async collect(): Promise<{ collectedAt: number; interfaces: number; peers: number }> {
    await this.#discover().catch((error: unknown) => {
      if (!(error instanceof WireGuardError)) throw error;
      throw new Refusal('WIREGUARD_UNAVAILABLE', error.message, { cause: error });
    });
    let interfaces = 0;
    let peers = 0;
    const reasons: string[] = [];
    for (const watch of this.#watches.values()) {
      const result = await watch.sample();
      if (result.kind === 'counted') {
        interfaces += 1;
        peers += result.device.peers.length;
      } else {
        reasons.push(`${watch.name}: ${result.reason}`);
      }
    }
    if (interfaces === 0 && reasons.length > 0)
      throw new Refusal('WIREGUARD_UNAVAILABLE', reasons.join('; '));
    return { collectedAt: this.#parts.clock.wall(), interfaces, peers };
  }

  health(): InterfaceHealth[] {
    return [...this.#watches.values()].map((watch) => {
      const { elsewhere, ...health } = watch.health;
      return {
        interface: watch.name,
        gateway: watch.gateway,
        ...health,
        accounting: elsewhere ? 'elsewhere' : 'here',
        intervalMs: this.#options.intervalMs,
      };
    });
  }

  /** Runs a change with nobody else at the interface. @throws Refusal WIREGUARD_UNAVAILABLE */
  exclusive<T>(
    of: { readonly gateway: string; readonly name: string },
    change: (access: Access) => Promise<T>,
  ): Promise<T> {
    const watch = of.gateway === this.#options.gateway ? this.#watches.get(of.name) : undefined;
    if (!watch) {
      throw new Refusal('WIREGUARD_UNAVAILABLE', `${of.gateway}/${of.name} is not watched by this server.`);
    }
    return watch.exclusive(change);
  }

  /** After NAME.conf changed: addresses follow without waiting for the next look. */
  async look(name: string): Promise<void> {
    const watch = this.#watches.get(name);
    if (watch) await this.#lookAround(watch);
  }

  #discover(): Promise<void> {
    this.#discovering ??= this.#find().finally(() => {
      this.#discovering = null;
    });
    return this.#discovering;
  }

  async #find(): Promise<void> {
    const { socketDir, interfaces, kernel, gateway, simulated, deadlineMs } = this.#options;
    const how = { socketDir, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
    const found = await findDevices({ socketDir, only: interfaces, wg: kernel });
    for (const device of found) {
      const known = this.#watches.get(device.name);
      if (known) {
        if (known.driver.kind !== device.kind) known.driver = createDriver(device, how);
        continue;
      }
      const driver = createDriver(device, how);
      const interfaceId = await ensureInterface(this.#parts.db, gateway, device.name, simulated);
      this.#watch(interfaceId, device.name, driver);
    }
    for (const watch of this.#watches.values()) await this.#lookAround(watch);
  }

  #watch(interfaceId: number, name: string, driver: Driver): void {
    const { gateway } = this.#options;
    const watch = new Watch(
      { interfaceId, name, gateway, driver },
      () => this.#friendlyNames(name),
      this.#watchParts,
    );
    const first = this.#timers.has('discovery');
    this.#watches.set(name, watch);
    this.#parts.log.info({ interface: name, driver: driver.kind }, 'watching');
    if (first) this.#loop(watch);
  }

  /** Interfaces of this gateway in the database that nobody watches any more. */
  async #disown(): Promise<void> {
    const { db } = this.#parts;
    const rows = await db.reader.interface.findMany({ where: { gateway: this.#options.gateway } });
    for (const row of rows) {
      if (this.#watches.has(row.name) || row.leaseOwner !== null) continue;
      await writeStatus(db, row.id, 'DOWN', 'there is no such device now');
    }
  }

  #loop(watch: Watch): void {
    const { clock } = this.#parts;
    const { intervalMs } = this.#options;
    const next = () => {
      if (this.#stopped) return;
      const wait = intervalMs - (clock.wall() % intervalMs);
      const cancel = clock.after(wait, () => {
        void watch
          .sample()
          .catch((error: unknown) => {
            this.#parts.log.error({ interface: watch.name, err: error }, 'a tick failed');
          })
          .then(next);
      });
      this.#timers.set(`tick ${watch.name}`, cancel);
    };
    next();
  }

  #repeat(what: string, ms: number, work: () => Promise<void>): void {
    const again = () => {
      if (this.#stopped) return;
      const cancel = this.#parts.clock.after(ms, () => {
        void work()
          .catch((error: unknown) => {
            this.#parts.log.warn({ err: error }, `${what} failed`);
          })
          .then(again);
      });
      this.#timers.set(what, cancel);
    };
    again();
  }

  /** Addresses from NAME.conf, else from the host; the endpoint from the settings and the listen port. */
  async #lookAround(watch: Watch): Promise<void> {
    const { configDir, endpoint } = this.#options;
    const row = await this.#parts.db.reader.interface.findUnique({
      where: { id: watch.interfaceId },
      select: { listenPort: true, addresses: true, endpoint: true },
    });
    if (!row) return;
    const config = await readConfig(configDir, watch.name).catch(() => null);
    const configured = config?.file.interface.addresses ?? [];
    const addresses = configured.length > 0 ? configured : hostAddresses(watch.name);
    const data = { addresses: addresses.join(', '), endpoint: dialled(endpoint, row.listenPort) };
    if (data.addresses === row.addresses && data.endpoint === row.endpoint) return;
    await writeSurroundings(this.#parts.db, watch.interfaceId, data);
  }

  /** `# friendly_name=` of NAME.conf, by public key; none where the file cannot be read. */
  async #friendlyNames(name: string): Promise<Map<string, string>> {
    const names = new Map<string, string>();
    try {
      const config = await readConfig(this.#options.configDir, name);
      for (const peer of config?.file.peers ?? []) {
        if (peer.friendlyName !== null) names.set(peer.publicKey, peer.friendlyName);
      }
    } catch (error) {
      this.#parts.log.warn({ interface: name, err: error }, 'peers that appear stay unnamed');
    }
    return names;
  }
}

function hostAddresses(name: string): string[] {
  return (networkInterfaces()[name] ?? []).flatMap(({ cidr }) =>
    cidr === null || cidr.startsWith('fe80:') ? [] : [cidr],
  );
}
