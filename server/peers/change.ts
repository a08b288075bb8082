/**
 * A change of peers in three places: NAME.conf, the running device and the database change together or not at
 * all (CONTRACT.md §2, "Errors").
 *
 * Order: journal → file → last sample where a peer goes → device → database with the journal's end. A step
 * that fails undoes those before it. A process that dies between them leaves its journal: settle.ts.
 */
import type { Access } from '../collector/watch.ts';
import type { Logger } from '../log.ts';
import { Refusal } from '../refusal.ts';
import type { Database, Transaction } from '../store/database.ts';
import { assertLease, LeaseLost } from '../store/lease.ts';
import { parseConfigFile, type ConfigFile } from '../wireguard/config-file.ts';
import { editConfig, readConfig, restoreConfig, type ConfigEdit } from '../wireguard/config-store.ts';
import { WireGuardError } from '../wireguard/errors.ts';
import type { PeerChange } from '../wireguard/types.ts';
import { lookInside, restoreDevice } from './restore.ts';
import { InputError } from './validate.ts';

/** What a change is for, as its journal keeps it: enough to settle it, and no secret. */
export type Action = 'ADD' | 'UPDATE' | 'ENABLE' | 'DISABLE' | 'REMOVE' | 'REMOVE_ALL' | 'SYNC';

/** One peer's part of a change. */
export interface Step {
  readonly publicKey: string;
  readonly action: Action;
  /** Undefined leaves the file. */
  readonly file?: (file: ConfigFile) => ConfigFile;
  /** Empty leaves the device. */
  readonly device: readonly PeerChange[];
  /** Writes the rows. @returns what to do in the books once they are committed */
  readonly store: (tx: Transaction) => Promise<(() => void) | undefined>;
}

/** Where a fault can be forced between two steps. */
export type Stage = 'journal' | 'file' | 'sample' | 'device' | 'store';

export interface ChangeParts {
  readonly db: Database;
  readonly configDir: string;
  readonly log: Logger;
  readonly now: () => number;
  /** For tests: called before each stage; what it throws is that stage's failure. */
  readonly onStage?: (stage: Stage) => void | Promise<void>;
  /** Journal rows of changes that were refused, but which the database did not let go: never to be finished. */
  readonly refused?: Set<number>;
}

export async function applyChange(access: Access, steps: readonly Step[], parts: ChangeParts): Promise<void> {
  if (steps.length === 0) return;
  const undo: (() => Promise<void>)[] = [];
  const journal: number[] = [];
  try {
    await parts.onStage?.('journal');
    journal.push(...(await writeJournal(access, steps, parts)));

    await parts.onStage?.('file');
    const edit = await editFile(access, steps, parts.configDir);
    if (edit) undo.push(() => restoreConfig(parts.configDir, access.name, edit));

    const device = steps.flatMap((step) => step.device);
    const before = device.length > 0 ? await lookInside(access.driver) : null;
    if (device.some(({ kind }) => kind === 'remove')) {
      // Right before: what moves between it and the removal is lost.
      await parts.onStage?.('sample');
      await access.sample();
    }
    await parts.onStage?.('device');
    if (before) {
      const keys = new Set(steps.map(({ publicKey }) => publicKey));
      // Also when it fails: a device may have taken a part of it.
      undo.push(() => restoreDevice(access.driver, before, keys));
      await access.driver.configure(device);
    }

    await parts.onStage?.('store');
    const settled = await parts.db.write(async (tx) => {
      await assertLease(tx, access.ledger.lease);
      const after: ((() => void) | undefined)[] = [];
      for (const step of steps) after.push(await step.store(tx));
      await tx.pendingChange.deleteMany({ where: { id: { in: journal } } });
      return after;
    });
    for (const after of settled) after?.();
  } catch (error) {
    const undone = await rollBack(access, undo, parts);
    await closeJournal(access, journal, undone, parts);
    throw refusalOf(error, undone);
  }
}

/** The newest first, each of them. @returns whether all is as it was */
async function rollBack(
  access: Access,
  undo: readonly (() => Promise<void>)[],
  parts: ChangeParts,
): Promise<boolean> {
  let undone = true;
  for (const step of [...undo].reverse()) {
    try {
      await step();
    } catch (error) {
      undone = false;
      parts.log.error(
        { interface: access.name, err: error },
        'a change could not be undone: the next sample settles it',
      );
    }
  }
  return undone;
}

/** What could not be undone stays in the journal: as something to take back, for it was refused. */
async function closeJournal(
  access: Access,
  ids: readonly number[],
  undone: boolean,
  parts: ChangeParts,
): Promise<void> {
  const where = { id: { in: [...ids] } };
  try {
    await parts.db.write(async (tx) => {
      if (undone) await tx.pendingChange.deleteMany({ where });
      else
        await tx.pendingChange.updateMany({
          where: { ...where, action: { notIn: ['ADD', 'SYNC'] } },
          data: TAKE_BACK,
        });
    });
    if (undone) return;
  } catch (error) {
    for (const id of ids) parts.refused?.add(id);
    parts.log.error({ interface: access.name, err: error }, 'the journal of a refused change stays for now');
  }
  access.settleLater();
}

const TAKE_BACK = { action: 'UPDATE' };

async function writeJournal(access: Access, steps: readonly Step[], parts: ChangeParts): Promise<number[]> {
  // What is in the database alone needs none: its transaction is all of it.
  const spread = steps.filter(({ file, device }) => file !== undefined || device.length > 0);
  const rows = await parts.db.write((tx) =>
    tx.pendingChange.createManyAndReturn({
      data: spread.map(({ publicKey, action }) => ({
        interfaceId: access.interfaceId,
        publicKey,
        action,
        startedAt: new Date(parts.now()),
      })),
      select: { id: true },
    }),
  );
  return rows.map(({ id }) => id);
}

async function editFile(
  access: Access,
  steps: readonly Step[],
  configDir: string,
): Promise<ConfigEdit | null> {
  const edits = steps.flatMap(({ file }) => (file ? [file] : []));
  if (edits.length === 0) return null;
  const config = await readConfig(configDir, access.name);
  const fresh = config && config.stamp.bytes.length > 0 ? null : await freshFile(access);
  return editConfig(configDir, access.name, (file) =>
    edits.reduce((now, edit) => edit(now), fresh && file.bytes().length === 0 ? fresh : file),
  );
}

/**
 * What a NAME.conf that does not exist begins with: the interface as it runs. A file of peers alone would take
 * the device's key away when it is loaded (`wg setconf`).
 */
async function freshFile(access: Access): Promise<ConfigFile> {
  const [device, { privateKey }] = await Promise.all([access.driver.read(), access.driver.secrets()]);
  const lines = ['[Interface]'];
  if (device.listenPort !== null) lines.push(`ListenPort = ${String(device.listenPort)}`);
  if (privateKey) lines.push(`PrivateKey = ${privateKey.reveal()}`);
  return parseConfigFile(Buffer.from(`${lines.join('\n')}\n`));
}

/** Expected failures as the API says them; anything else stays what it is and is masked. */
export function refusalOf(error: unknown, undone = true): unknown {
  if (error instanceof WireGuardError || error instanceof LeaseLost) {
    const left = undone ? 'Nothing was changed.' : UNSETTLED;
    return new Refusal('WIREGUARD_UNAVAILABLE', `${sentence(error.message)} ${left}`, { cause: error });
  }
  if (error instanceof InputError) {
    return new Refusal('BAD_USER_INPUT', error.message, { field: error.field, cause: error });
  }
  return error;
}

const UNSETTLED =
  'What was done of it could not be undone yet: that follows when the interface can be used again.';

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
