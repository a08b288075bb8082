/**
 * Watches one interface: read → account → store → publish, one at a time. Its lock is also what changes of
 * peers run under, so that no sample falls between two steps of one.
 */
import { Mutex } from 'async-mutex';
import type { Calendar } from '../accounting/calendar.ts';
import type { EventHub, PeerEventKind } from '../events.ts';
import type { Logger } from '../log.ts';
import { Refusal } from '../refusal.ts';
import type { Database } from '../store/database.ts';
import { writeStatus, type InterfaceStatus } from '../store/interfaces.ts';
import { isLease, LeaseLost, type Holder, type LeaseKeeper } from '../store/lease.ts';
import { Ledger, type NameLookup } from '../store/ledger.ts';
import type { Committed } from '../store/tick.ts';
import { WireGuardError } from '../wireguard/errors.ts';
import type { Device, Driver } from '../wireguard/types.ts';
import type { Clock } from './clock.ts';

/** What is counted of the collector itself; see http's metrics. */
export interface CollectorMetrics {
  observeTick(seconds: number): void;
  countFailure(interfaceName: string, code: string): void;
}

export interface WatchParts {
  readonly db: Database;
  readonly leases: LeaseKeeper;
  readonly calendar: Calendar;
  readonly events: EventHub;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: CollectorMetrics | null;
  /** As configured: a host, or host:port. */
  readonly endpoint: string | null;
  /**
   * Called under the lock when this process begins to account the interface, before its first sample. What it
   * throws makes it be called again before each sample until it does not.
   */
  readonly onClaim: (access: Access) => Promise<void>;
}

/** An interface in the hands of one change: nothing else reads or changes it meanwhile. */
export interface Access {
  readonly interfaceId: number;
  readonly name: string;
  readonly gateway: string;
  readonly driver: Driver;
  readonly ledger: Ledger;
  /** What clients of this host dial, as configured: a host, or host:port. */
  readonly endpoint: string | null;
  /** Takes a sample and commits it. @throws Refusal WIREGUARD_UNAVAILABLE */
  sample(): Promise<Device>;
  /** The same, also where the device answers without any peer, which is no sample: for what puts that right. */
  look(): Promise<Device>;
  /** Something is left in the journal: it is to be settled once the interface can be read. */
  settleLater(): void;
}

export type SampleResult =
  | { readonly kind: 'counted'; readonly device: Device }
  | {
      readonly kind: 'failed';
      readonly status: InterfaceStatus;
      readonly reason: string;
      /** A whole reply that is no sample. */
      readonly device?: Device;
    }
  | { readonly kind: 'elsewhere'; readonly reason: string };

export class Watch {
  readonly interfaceId: number;
  readonly name: string;
  readonly gateway: string;
  driver: Driver;
  readonly #parts: WatchParts;
  readonly #names: NameLookup;
  readonly #lock = new Mutex();
  #ledger: Ledger | null = null;
  /** What the next to ask shares. */
  #next: Promise<SampleResult> | null = null;
  #running: Promise<SampleResult> | null = null;
  #status: InterfaceStatus = 'DOWN';
  #reason: string | null = 'not read yet';
  #written: string | null = null;
  #elsewhere: string | null = null;
  #lastCounted: bigint | null = null;
  #unsettled = false;
  #settleProblem: string | null = null;

  constructor(
    of: {
      readonly interfaceId: number;
      readonly name: string;
      readonly gateway: string;
      readonly driver: Driver;
    },
    names: NameLookup,
    parts: WatchParts,
  ) {
    this.interfaceId = of.interfaceId;
    this.name = of.name;
    this.gateway = of.gateway;
    this.driver = of.driver;
    this.#names = names;
    this.#parts = parts;
  }

  get health(): {
    status: InterfaceStatus;
    reason: string | null;
    lastSampleAgeMs: number | null;
    elsewhere: boolean;
  } {
    const age =
      this.#lastCounted === null ? null : Number(this.#parts.clock.monotonic() - this.#lastCounted) / 1e6;
    return {
      status: this.#status,
      reason: this.#elsewhere ?? this.#reason,
      lastSampleAgeMs: age,
      elsewhere: this.#elsewhere !== null,
    };
  }

  /**
   * One sample. Whoever asks before its read begins shares it; who asks later gets the next one, for what moved
   * meanwhile is not in this one.
   */
  sample(): Promise<SampleResult> {
    if (this.#next) return this.#next;
    const next = this.#lock.runExclusive(async () => {
      this.#running = next;
      try {
        return await this.#tick();
      } finally {
        this.#readBegins();
        this.#running = null;
      }
    });
    this.#next = next;
    return next;
  }

  /** From here on the sample under way cannot be shared. */
  #readBegins(): void {
    if (this.#next === this.#running) this.#next = null;
  }

  async #tick(): Promise<SampleResult> {
    // Before the sample, which would take what is to be taken back for a stranger; and never from within a
    // change, whose own journal is open.
    if (this.#unsettled && this.#ledger) await this.#settle(this.#ledger);
    return this.#sample();
  }

  /** Runs a change with nobody else at the interface. @throws Refusal where another server accounts it */
  exclusive<T>(change: (access: Access) => Promise<T>): Promise<T> {
    return this.#lock.runExclusive(async () => change(this.#access(await this.#claimed())));
  }

  /** A last sample, and the lease given back. */
  async close(): Promise<void> {
    await this.#lock.runExclusive(async () => {
      if (!this.#ledger) return;
      // The sample may show that it is lost.
      const { lease } = this.#ledger;
      await this.#sample();
      await this.#parts.leases.release(lease);
      this.#ledger = null;
    });
  }

  #access(ledger: Ledger): Access {
    return {
      interfaceId: this.interfaceId,
      name: this.name,
      gateway: this.gateway,
      driver: this.driver,
      ledger,
      endpoint: this.#parts.endpoint,
      sample: async () => {
        const result = await this.#sample();
        if (result.kind === 'counted') return result.device;
        throw new Refusal('WIREGUARD_UNAVAILABLE', `${this.name}: ${result.reason}`);
      },
      look: async () => {
        const result = await this.#sample();
        if (result.kind === 'counted') return result.device;
        if (result.kind === 'failed' && result.device) return result.device;
        throw new Refusal('WIREGUARD_UNAVAILABLE', `${this.name}: ${result.reason}`);
      },
      settleLater: () => {
        this.#unsettled = true;
      },
    };
  }

  async #claimed(): Promise<Ledger> {
    if (this.#ledger) return this.#ledger;
    const claimed = await this.#parts.leases.claim(this.interfaceId);
    if (!isLease(claimed)) {
      const reason = `another server accounts it (${describe(claimed)}); this one serves reads`;
      if (this.#elsewhere !== reason) this.#parts.log.warn({ interface: this.name }, reason);
      this.#elsewhere = reason;
      throw new Refusal('WIREGUARD_UNAVAILABLE', `${this.name}: ${reason}. Send the change there.`);
    }
    this.#elsewhere = null;
    const ledger = await Ledger.load(this.#parts.db, this.#parts.calendar, claimed);
    // Before the claim is told: settling takes samples itself.
    this.#ledger = ledger;
    await this.#settle(ledger);
    return ledger;
  }

  async #settle(ledger: Ledger): Promise<void> {
    // Before it begins: it takes samples itself.
    this.#unsettled = false;
    try {
      await this.#parts.onClaim(this.#access(ledger));
      this.#settleProblem = null;
    } catch (error) {
      this.#unsettled = true;
      const problem = error instanceof Error ? error.message : String(error);
      if (this.#settleProblem !== problem) {
        this.#parts.log.error(
          { interface: this.name, err: error },
          'unfinished changes stay unsettled for now',
        );
      }
      this.#settleProblem = problem;
    }
  }

  async #sample(): Promise<SampleResult> {
    const { clock, metrics } = this.#parts;
    const began = clock.monotonic();
    let ledger: Ledger;
    try {
      ledger = await this.#claimed();
    } catch (error) {
      if (this.#elsewhere !== null) return { kind: 'elsewhere', reason: this.#elsewhere };
      return this.#unavailable(error);
    }
    try {
      const { device, instance } = await this.#read();
      const at = { bootId: clock.bootId(), instance, monotonic: clock.monotonic(), wall: clock.wall() };
      const ignored = await ledger.fold(device, at, this.#names);
      if (ignored === 'empty') {
        const failed = await this.#failed(ledger, 'UNREADABLE', EMPTY, 'EMPTY');
        return failed.kind === 'failed' && device.publicKey !== null ? { ...failed, device } : failed;
      }
      if (ignored === 'stale' && !ledger.owes) return { kind: 'counted', device };
      this.#publish(await ledger.commit());
      this.#lastCounted = at.monotonic;
      this.#status = 'UP';
      this.#reason = this.#written = null;
      metrics?.observeTick(Number(clock.monotonic() - began) / 1e9);
      return { kind: 'counted', device };
    } catch (error) {
      if (error instanceof WireGuardError) {
        const status = await this.#statusOf(error);
        return await this.#failed(ledger, status, error.message, error.code);
      }
      if (error instanceof RangeError)
        return await this.#failed(ledger, 'UNREADABLE', error.message, 'RANGE');
      return this.#unavailable(error);
    }
  }

  /** A reply counts only if the device was the same one before and after it (A1). */
  async #read(): Promise<{ device: Device; instance: string | null }> {
    const before = await this.driver.instance();
    this.#readBegins();
    const device = await this.driver.read();
    const instance = await this.driver.instance();
    if (before !== instance) throw new WireGuardError('GARBLED', 'the device was replaced while it was read');
    return { device, instance };
  }

  /** A `wg` that is missing says nothing of a device that the kernel does not have either. */
  async #statusOf(error: WireGuardError): Promise<InterfaceStatus> {
    if (error.code === 'NO_DEVICE') return 'DOWN';
    if (error.code !== 'NO_TOOL') return 'UNREADABLE';
    return (await this.driver.instance()) === null ? 'DOWN' : 'UNREADABLE';
  }

  async #failed(
    ledger: Ledger,
    status: InterfaceStatus,
    reason: string,
    code: string,
  ): Promise<SampleResult> {
    const { db, leases, log, metrics } = this.#parts;
    metrics?.countFailure(this.name, code);
    if (this.#reason !== reason) log.warn({ interface: this.name, status, code }, reason);
    this.#status = status;
    this.#reason = reason;
    try {
      await leases.beat(ledger.lease);
      const written = `${status} ${reason}`;
      if (this.#written !== written) await writeStatus(db, this.interfaceId, status, reason);
      this.#written = written;
    } catch (error) {
      return this.#unavailable(error);
    }
    return { kind: 'failed', status, reason };
  }

  /** The database failed: what was folded is owed, and the status cannot be written. */
  #unavailable(error: unknown): SampleResult {
    const { log, metrics } = this.#parts;
    if (error instanceof LeaseLost) this.#ledger = null;
    const message = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error);
    const reason = `the database did not take the sample: ${message ?? 'unknown'}`;
    metrics?.countFailure(this.name, 'DATABASE');
    if (this.#reason !== reason) log.error({ interface: this.name, err: error }, reason);
    this.#reason = reason;
    return { kind: 'failed', status: this.#status, reason };
  }

  #publish({ tick, added, resets, turned }: Committed): void {
    const { events } = this.#parts;
    events.publish('traffic', tick);
    const say = (kind: PeerEventKind, publicKey: string) => {
      events.publish('peers', {
        kind,
        at: tick.at,
        publicKey,
        interface: tick.interface,
        gateway: tick.gateway,
      });
    };
    for (const publicKey of added) say('ADDED', publicKey);
    for (const publicKey of resets) say('COUNTER_RESET', publicKey);
    for (const { publicKey, online } of turned) say(online ? 'CONNECTED' : 'DISCONNECTED', publicKey);
  }
}

const EMPTY =
  'the device answers without any peer, though it had some at the last sample: nothing was counted. ' +
  'If they were removed on purpose, `sync` with `fix` takes them out of the database.';

function describe(holder: Holder): string {
  return `process ${String(holder.pid)} on ${holder.host}`;
}
