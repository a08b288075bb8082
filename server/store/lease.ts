/**
 * Exactly one process accounts an interface (ACCOUNTING.md A16). The lease lives in the interface's row;
 * its token grows with every change of hands and is checked inside each tick's transaction.
 *
 * No wall clock decides who holds it: a holder on this host that is dead is recognised at once by its
 * process; any other by its beat standing still, timed by the observer's own monotonic clock.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Database, Transaction } from './database.ts';

export interface Holder {
  readonly host: string;
  readonly bootId: string | null;
  /** Inode of the PID namespace: process numbers mean something only inside it. */
  readonly pidNamespace: string | null;
  readonly pid: number;
  /** Clock ticks after boot at which the process began: tells it from a later one with its number. */
  readonly startTicks: string | null;
  /** Milliseconds between beats. */
  readonly beatMs: number;
  /** Several servers in one process (tests) are told apart by it. */
  readonly nonce: string;
}

export interface Lease {
  readonly interfaceId: number;
  readonly token: bigint;
}

export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

const MISSED_BEATS = 3;

export function thisProcess(bootId: string | null, beatMs: number, nonce: string): Holder {
  return {
    host: hostname(),
    bootId,
    pidNamespace: attempt(() => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    startTicks: startTicks(process.pid),
    beatMs,
    nonce,
  };
}

export class LeaseKeeper {
  readonly #db: Database;
  readonly #me: Holder;
  readonly #monotonic: () => bigint;
  /** When another holder's beat was last seen to change. */
  readonly #seen = new Map<number, { beat: bigint; token: bigint; at: bigint }>();

  constructor(db: Database, me: Holder, monotonic: () => bigint) {
    this.#db = db;
    this.#me = me;
    this.#monotonic = monotonic;
  }

  /** The lease where it is free, else who holds it. */
  async claim(interfaceId: number): Promise<Lease | Holder> {
    const row = await this.#db.reader.interface.findUniqueOrThrow({ where: { id: interfaceId } });
    const holder = row.leaseOwner === null ? null : (JSON.parse(row.leaseOwner) as Holder);
    if (holder && !this.#isGone(interfaceId, holder, row.leaseBeat, row.leaseToken)) return holder;
    const owner = JSON.stringify(this.#me);
    const taken = await this.#db.write(
      (tx) => tx.$executeRaw`
        UPDATE interfaces SET lease_owner = ${owner}, lease_token = lease_token + 1, lease_beat = lease_beat + 1
        WHERE id = ${interfaceId} AND lease_token = ${row.leaseToken} AND lease_beat = ${row.leaseBeat}`,
    );
    if (taken === 1) {
      this.#seen.delete(interfaceId);
      return { interfaceId, token: row.leaseToken + 1n };
    }
    return this.claim(interfaceId);
  }

  /** Says that the holder lives. @throws LeaseLost */
  async beat(lease: Lease): Promise<void> {
    const beats = await this.#db.write(
      (tx) => tx.$executeRaw`
        UPDATE interfaces SET lease_beat = lease_beat + 1
        WHERE id = ${lease.interfaceId} AND lease_token = ${lease.token}`,
    );
    if (beats !== 1) throw new LeaseLost('another server accounts this interface now');
  }

  async release(lease: Lease): Promise<void> {
    await this.#db.write(
      (tx) => tx.$executeRaw`
        UPDATE interfaces SET lease_owner = NULL
        WHERE id = ${lease.interfaceId} AND lease_token = ${lease.token}`,
    );
  }

  #isGone(interfaceId: number, holder: Holder, beat: bigint, token: bigint): boolean {
    if (holder.nonce === this.#me.nonce && holder.pid === this.#me.pid) return true;
    if (isDead(holder, this.#me)) return true;
    const now = this.#monotonic();
    const seen = this.#seen.get(interfaceId);
    if (seen?.beat !== beat || seen.token !== token) {
      this.#seen.set(interfaceId, { beat, token, at: now });
      return false;
    }
    return Number(now - seen.at) / 1e6 > MISSED_BEATS * holder.beatMs;
  }
}

/** Throws LeaseLost inside a transaction whose lease has changed hands. */
export async function assertLease(tx: Transaction, lease: Lease): Promise<void> {
  const row = await tx.interface.findUnique({
    where: { id: lease.interfaceId },
    select: { leaseToken: true },
  });
  if (row?.leaseToken !== lease.token) throw new LeaseLost('another server accounts this interface now');
}

export function isLease(claimed: Lease | Holder): claimed is Lease {
  return 'token' in claimed;
}

function isDead(holder: Holder, me: Holder): boolean {
  if (holder.bootId === null || holder.startTicks === null) return false;
  const sameSpace = holder.bootId === me.bootId && holder.pidNamespace === me.pidNamespace;
  return sameSpace && startTicks(holder.pid) !== holder.startTicks;
}

/** Field 22 of /proc/PID/stat (proc(5)); the name before it may hold spaces and brackets. */
function startTicks(pid: number): string | null {
  return attempt(() => {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead: its parent has not looked yet.
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  });
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
