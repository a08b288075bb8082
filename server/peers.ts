/**
 * Makes, changes and removes peers in the running interface, its NAME.conf and the database together.
 * Refusals carry the contract's codes and change nothing.
 */
import type { Collector } from './collector.ts';
import type { Access } from './collector/watch.ts';
import type { EventHub, PeerEventKind } from './events.ts';
import { applyChange, refusalOf, type ChangeParts, type Step } from './peers/change.ts';
import { deleteSteps, findDeletion, type DeletePeerInput } from './peers/delete.ts';
import { generateStep, type GeneratePeerInput } from './peers/generate.ts';
import { settleChanges } from './peers/settle.ts';
import { findDrift, repaired, type SyncInput, type SyncReport } from './peers/sync.ts';
import { updateStep, type UpdatePeerInput } from './peers/update.ts';
import { Refusal } from './refusal.ts';
import type { Interface, Peer } from './store/rows.ts';
import { resolveInterface } from './store/interfaces.ts';

export type { DeletePeerInput, GeneratePeerInput, SyncInput, SyncReport, UpdatePeerInput };

export class Peers {
  readonly #parts: ChangeParts;
  readonly #collector: Collector;
  readonly #events: EventHub;

  constructor(collector: Collector, events: EventHub, parts: ChangeParts) {
    this.#parts = { ...parts, refused: new Set() };
    this.#collector = collector;
    this.#events = events;
    collector.onClaim = async (access) => {
      await settleChanges(access, this.#parts);
    };
  }

  async generate(input: GeneratePeerInput): Promise<{ peerId: number; clientConfig: string }> {
    const row = await this.#oneInterface(input.interface);
    return this.#change(row, async (access) => {
      const { step, publicKey, clientConfig } = await generateStep(access, row.id, input, this.#parts);
      await this.#apply(access, [step], 'ADDED');
      return { peerId: await this.#idOf(access, publicKey), clientConfig };
    });
  }

  async update(input: UpdatePeerInput): Promise<{ peerId: number }> {
    const found = await this.#onePeer(input.publicKey, input.interface);
    return this.#change(found.interface, async (access) => {
      const step = await updateStep(access, found.id, input, this.#parts);
      if (step) await this.#apply(access, [step], 'UPDATED');
      return { peerId: found.id };
    });
  }

  async delete(input: DeletePeerInput): Promise<{ deletedPublicKeys: string[] }> {
    const deletedPublicKeys: string[] = [];
    const meant = await findDeletion(this.#parts.db, input).catch((error: unknown) => {
      throw refusalOf(error);
    });
    await this.#allThere(meant.map(({ of }) => of));
    for (const { of, peers } of meant) {
      await this.#change(of, async (access) => {
        const steps = await deleteSteps(access, peers, input.keepUsageHistory, this.#parts);
        await this.#apply(access, steps, 'REMOVED');
        deletedPublicKeys.push(...steps.map(({ publicKey }) => publicKey));
      });
    }
    return { deletedPublicKeys };
  }

  async sync(input: SyncInput): Promise<SyncReport> {
    const only = await resolveInterface(this.#parts.db, input.interface);
    const watched = this.#collector.health();
    const rows = only ? [only] : await this.#parts.db.reader.interface.findMany({ orderBy: { name: 'asc' } });
    const meant = rows.filter(
      (row) =>
        only !== null || watched.some((one) => one.interface === row.name && one.gateway === row.gateway),
    );
    if (input.fix) await this.#allThere(meant);
    const reports: SyncReport[] = [];
    for (const row of meant) {
      reports.push(await this.#change(row, (access) => this.#syncOne(access, input)));
    }
    if (reports.length === 0) throw new Refusal('WIREGUARD_UNAVAILABLE', NO_INTERFACE);
    const sum = (of: (report: SyncReport) => number) =>
      reports.reduce((total, report) => total + of(report), 0);
    const inconsistencies = reports.flatMap((report) => report.inconsistencies);
    return {
      inSync: reports.every((report) => report.inSync),
      peersOnInterface: sum((report) => report.peersOnInterface),
      peersInDatabase: sum((report) => report.peersInDatabase),
      peersInConfig: sum((report) => report.peersInConfig),
      inconsistencies,
      fixedCount: sum((report) => report.fixedCount),
    };
  }

  async #syncOne(access: Access, input: SyncInput): Promise<SyncReport> {
    const { report, repairs } = await findDrift(access, input, this.#parts);
    if (repairs.length === 0) return report;
    await applyChange(access, repairs, this.#parts);
    await this.#refresh(access);
    for (const { publicKey, action } of repairs) {
      this.#say(access, publicKey, action === 'REMOVE' ? 'REMOVED' : 'UPDATED');
    }
    // Fixed is what a second look does not find any more.
    const { report: now } = await findDrift(access, { ...input, fix: false }, this.#parts);
    return repaired(report, now);
  }

  /** A change of several interfaces begins where each of them can be used. @throws Refusal */
  async #allThere(interfaces: readonly Interface[]): Promise<void> {
    if (interfaces.length < 2) return;
    for (const row of interfaces) await this.#change(row, (access) => access.look());
  }

  /** Runs under the interface's lock, after what an earlier process left unfinished. */
  async #change<T>(
    of: Pick<Interface, 'gateway' | 'name'>,
    work: (access: Access) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#collector.exclusive(of, async (access) => {
        await this.#settle(access);
        return await work(access);
      });
    } catch (error) {
      throw refusalOf(error);
    }
  }

  async #apply(access: Access, steps: readonly Step[], kind: PeerEventKind): Promise<void> {
    await applyChange(access, steps, this.#parts);
    await this.#refresh(access);
    for (const { publicKey } of steps) this.#say(access, publicKey, kind);
  }

  /** A sample at once, so that the answer and the first tick show what was done. */
  async #refresh(access: Access): Promise<void> {
    try {
      await access.sample();
    } catch (error) {
      this.#parts.log.warn({ interface: access.name, err: error }, 'no sample after a change');
    }
  }

  async #settle(access: Access): Promise<void> {
    try {
      await settleChanges(access, this.#parts);
    } catch (error) {
      this.#parts.log.error(
        { interface: access.name, err: error },
        'unfinished changes stay unsettled for now',
      );
    }
  }

  #say(access: Access, publicKey: string, kind: PeerEventKind): void {
    const { name, gateway } = access;
    this.#events.publish('peers', { kind, at: this.#parts.now(), publicKey, interface: name, gateway });
  }

  async #idOf(access: Access, publicKey: string): Promise<number> {
    const key = { interfaceId: access.interfaceId, publicKey };
    const row = await this.#parts.db.reader.peer.findUniqueOrThrow({ where: { interfaceId_publicKey: key } });
    return row.id;
  }

  async #oneInterface(text: string | null | undefined): Promise<Interface> {
    const named = await resolveInterface(this.#parts.db, text);
    if (named) return named;
    const all = await this.#parts.db.reader.interface.findMany({ orderBy: { name: 'asc' } });
    const present = all.filter((row) => row.status !== 'DOWN');
    const candidates = present.length > 0 ? present : all;
    const [only] = candidates;
    if (!only) throw new Refusal('WIREGUARD_UNAVAILABLE', NO_INTERFACE);
    if (candidates.length === 1) return only;
    const names = candidates.map((row) => row.name).join(', ');
    throw new Refusal(
      'BAD_USER_INPUT',
      `There are several interfaces: name one of ${names} as 'interface'.`,
      {
        field: 'interface',
      },
    );
  }

  async #onePeer(
    publicKey: string,
    text: string | null | undefined,
  ): Promise<Peer & { interface: Interface }> {
    const on = await resolveInterface(this.#parts.db, text);
    const found = await this.#parts.db.reader.peer.findMany({
      where: { publicKey, deletedAt: null, ...(on ? { interfaceId: on.id } : {}) },
      include: { interface: true },
    });
    const [only] = found;
    if (!only) throw new Refusal('NOT_FOUND', `There is no peer with the public key ${publicKey}.`);
    if (found.length === 1) return only;
    const names = found.map((row) => `${row.interface.gateway}/${row.interface.name}`).join(', ');
    throw new Refusal('BAD_USER_INPUT', `Several interfaces have this peer: name one of ${names}.`, {
      field: 'interface',
    });
  }
}

const NO_INTERFACE =
  'There is no WireGuard interface here. Check WG_INTERFACE and WG_SOCKET_DIR, and that the device is up.';
