/**
 * Device, file and database side by side: where they differ, and what makes the other two follow one
 * (CONTRACT.md §2, SyncSource). All repairs of an interface are one change.
 */
import type { Access } from '../collector/watch.ts';
import { Refusal } from '../refusal.ts';
import type { Peer } from '../store/rows.ts';
import type { ConfigFile, ConfigPeer } from '../wireguard/config-file.ts';
import { readConfig } from '../wireguard/config-store.ts';
import type { DevicePeer, PeerChange, Secret } from '../wireguard/types.ts';
import type { ChangeParts, Step } from './change.ts';
import { removePeer, savePeer, type PeerSettings } from './rows.ts';
import { split } from './settle.ts';
import { deviceFor, fileFor, withKey } from './update.ts';

export type SyncSource = 'WIREGUARD' | 'DATABASE' | 'CONFIG';
export type InconsistencyKind =
  'MISSING_IN_DATABASE' | 'MISSING_ON_INTERFACE' | 'MISSING_IN_CONFIG' | 'SETTINGS_DIFFER';

export interface SyncInput {
  readonly fix: boolean;
  readonly source: SyncSource;
  readonly interface?: string | null | undefined;
  readonly publicKeys?: readonly string[] | null | undefined;
}

export interface Inconsistency {
  readonly kind: InconsistencyKind;
  readonly publicKey: string;
  readonly interface: string;
  readonly message: string;
  readonly fixed: boolean;
}

export interface SyncReport {
  readonly inSync: boolean;
  readonly peersOnInterface: number;
  readonly peersInDatabase: number;
  readonly peersInConfig: number;
  readonly inconsistencies: readonly Inconsistency[];
  readonly fixedCount: number;
}

/** One peer in the three places. */
interface Sides {
  readonly publicKey: string;
  readonly device: DevicePeer | null;
  readonly file: ConfigPeer | null;
  readonly row: Peer | null;
  /** In the device. */
  readonly presharedKey: Secret | null;
}

/** How a peer is to be everywhere; null: nowhere; 'leave': this source says nothing of it. */
type Target = (PeerSettings & { readonly presharedKey: Secret | null }) | null | 'leave';

export async function findDrift(
  access: Access,
  input: SyncInput,
  parts: ChangeParts,
): Promise<{ report: SyncReport; repairs: Step[] }> {
  const device = await access.look();
  const config = await readConfig(parts.configDir, access.name);
  if (input.fix && input.source === 'CONFIG' && !config) {
    throw new Refusal(
      'WIREGUARD_UNAVAILABLE',
      `There is no ${access.name}.conf in ${parts.configDir} to follow: nothing was changed.`,
    );
  }
  const rows = await parts.db.reader.peer.findMany({
    where: { interfaceId: access.interfaceId, deletedAt: null },
    orderBy: { id: 'asc' },
  });
  const { presharedKeys } = await access.driver.secrets();
  const all = sideBySide(device.peers, config?.file ?? null, rows, presharedKeys);
  const only = input.publicKeys == null ? null : new Set(input.publicKeys);

  const inconsistencies: Inconsistency[] = [];
  const repairs: Step[] = [];
  for (const sides of all) {
    if (only && !only.has(sides.publicKey)) continue;
    const found = differences(sides);
    if (found.length === 0) continue;
    const target = input.fix ? targetOf(sides, input.source) : 'leave';
    if (target !== 'leave') repairs.push(repairOf(access, sides, target, input.source, parts));
    for (const { kind, message } of found) {
      inconsistencies.push({
        kind,
        publicKey: sides.publicKey,
        interface: access.name,
        message,
        fixed: false,
      });
    }
  }
  return {
    repairs,
    report: {
      inSync: inconsistencies.length === 0,
      peersOnInterface: device.peers.length,
      peersInDatabase: rows.filter((row) => row.registered).length,
      peersInConfig: config?.file.peers.length ?? 0,
      inconsistencies,
      fixedCount: 0,
    },
  };
}

/** What was found, with what a second look after the repairs says of it. */
export function repaired(found: SyncReport, now: SyncReport): SyncReport {
  const key = ({ kind, publicKey }: Inconsistency) => `${kind} ${publicKey}`;
  const left = new Set(now.inconsistencies.map(key));
  const inconsistencies = found.inconsistencies.map((one) => ({ ...one, fixed: !left.has(key(one)) }));
  const known = new Set(inconsistencies.map(key));
  const fresh = now.inconsistencies.filter((one) => !known.has(key(one)));
  return {
    ...now,
    inconsistencies: [...inconsistencies, ...fresh],
    fixedCount: inconsistencies.filter(({ fixed }) => fixed).length,
  };
}

function sideBySide(
  device: readonly DevicePeer[],
  file: ConfigFile | null,
  rows: readonly Peer[],
  presharedKeys: ReadonlyMap<string, Secret>,
): Sides[] {
  const onDevice = new Map(device.map((peer) => [peer.publicKey, peer]));
  const inFile = new Map((file?.peers ?? []).map((peer) => [peer.publicKey, peer]));
  const inDatabase = new Map(rows.map((row) => [row.publicKey, row]));
  const keys = new Set([...onDevice.keys(), ...inFile.keys(), ...inDatabase.keys()]);
  return [...keys].map((publicKey) => ({
    publicKey,
    device: onDevice.get(publicKey) ?? null,
    file: inFile.get(publicKey) ?? null,
    row: inDatabase.get(publicKey) ?? null,
    presharedKey: presharedKeys.get(publicKey) ?? null,
  }));
}

function differences(sides: Sides): { kind: InconsistencyKind; message: string }[] {
  const { device, file, row } = sides;
  const found: { kind: InconsistencyKind; message: string }[] = [];
  const who = row?.name ?? file?.friendlyName ?? sides.publicKey;
  const off = row?.registered === true && !row.enabled;
  if (!row?.registered) {
    const where =
      device && file ? 'runs and is in the file' : device ? 'runs' : file ? 'is in the file' : 'ran';
    found.push({
      kind: 'MISSING_IN_DATABASE',
      message: `${who} ${where}, but was never taken into the database.`,
    });
  }
  if (!device && !off && (row !== null || file?.enabled)) {
    const where =
      row?.registered && file ? 'the database and the file' : row?.registered ? 'the database' : 'the file';
    found.push({
      kind: 'MISSING_ON_INTERFACE',
      message:
        file || row?.registered
          ? `${who} is in ${where}, but does not run.`
          : `${who} does not run any more.`,
    });
  }
  if (!file && (device || (row && !off))) {
    found.push({
      kind: 'MISSING_IN_CONFIG',
      message: `${who} is not in the file: the next start goes without it.`,
    });
  }
  const settings = settingsThatDiffer(sides);
  if (settings.length > 0)
    found.push({ kind: 'SETTINGS_DIFFER', message: `${who}: ${settings.join('; ')}.` });
  return found;
}

function settingsThatDiffer({ device, file, row, presharedKey }: Sides): string[] {
  const words: string[] = [];
  const taken = row?.registered ? row : null;
  const sides: [string, { allowedIPs: readonly string[]; persistentKeepalive: number }][] = [];
  if (device) sides.push(['interface', device]);
  if (taken) sides.push(['database', { ...taken, allowedIPs: split(taken.allowedIPs) }]);
  if (file) sides.push(['file', file]);
  const compare = (what: string, of: (side: (typeof sides)[number][1]) => string) => {
    if (new Set(sides.map(([, side]) => of(side))).size < 2) return;
    words.push(`${what} ${sides.map(([name, side]) => `${of(side) || 'none'} (${name})`).join(', ')}`);
  };
  compare('allowed IPs', (side) => [...side.allowedIPs].sort().join(' '));
  compare('keepalive', (side) => String(side.persistentKeepalive));
  if (device && file && presharedKey?.reveal() !== file.presharedKey?.reveal()) {
    words.push('the preshared keys of interface and file differ');
  } else if (taken && device && taken.hasPresharedKey !== device.hasPresharedKey) {
    words.push(
      `preshared key ${taken.hasPresharedKey ? 'set' : 'none'} (database), ${device.hasPresharedKey ? 'set' : 'none'} (interface)`,
    );
  }
  if (taken && file && !device && taken.hasPresharedKey !== (file.presharedKey !== null)) {
    words.push(
      `preshared key ${taken.hasPresharedKey ? 'set' : 'none'} (database), ${file.presharedKey ? 'set' : 'none'} (file)`,
    );
  }
  if (taken && device && !taken.enabled) words.push('disabled in the database, but runs');
  if (file && device && !file.enabled) words.push('disabled in the file, but runs');
  if (taken && file && !device && taken.enabled !== file.enabled) {
    words.push(
      `${taken.enabled ? 'enabled' : 'disabled'} in the database, ${file.enabled ? 'enabled' : 'disabled'} in the file`,
    );
  }
  if (taken?.name && file?.friendlyName && taken.name !== file.friendlyName) {
    words.push(`name ${taken.name} (database), ${file.friendlyName} (file)`);
  }
  return words;
}

/** How the source wants the peer. */
function targetOf(sides: Sides, source: SyncSource): Target {
  const { device, file, row } = sides;
  const names = { name: row?.name ?? file?.friendlyName ?? null, email: row?.email ?? null };
  if (source === 'WIREGUARD') {
    if (device) {
      const { allowedIPs, persistentKeepalive, hasPresharedKey } = device;
      return {
        ...names,
        allowedIPs,
        persistentKeepalive,
        hasPresharedKey,
        enabled: true,
        presharedKey: sides.presharedKey,
      };
    }
    // What does not run and was not switched off by us leaves the database; in the file alone it stays.
    if (row && !(row.registered && !row.enabled)) return null;
    return 'leave';
  }
  if (source === 'DATABASE') {
    if (!row?.registered) return null;
    // Whether there is one; which one, only the other two know.
    const presharedKey = row.hasPresharedKey ? (file?.presharedKey ?? sides.presharedKey) : null;
    return {
      ...row,
      allowedIPs: split(row.allowedIPs),
      hasPresharedKey: presharedKey !== null,
      presharedKey,
    };
  }
  if (!file) return null;
  const { allowedIPs, persistentKeepalive, presharedKey, enabled } = file;
  const name = file.friendlyName ?? names.name;
  return {
    ...names,
    name,
    allowedIPs,
    persistentKeepalive,
    presharedKey,
    hasPresharedKey: presharedKey !== null,
    enabled,
  };
}

function repairOf(
  access: Access,
  sides: Sides,
  target: Exclude<Target, 'leave'>,
  source: SyncSource,
  parts: ChangeParts,
): Step {
  const { publicKey, device, row } = sides;
  if (target === null) {
    const leaveFile = source !== 'DATABASE';
    const remove: PeerChange[] = device ? [{ kind: 'remove', publicKey }] : [];
    return {
      publicKey,
      action: 'REMOVE',
      ...(leaveFile ? {} : { file: (file: ConfigFile) => file.removePeer(publicKey) }),
      device: remove,
      store: (tx) => (row ? removePeer(tx, access, row, true, parts.now()) : Promise.resolve(undefined)),
    };
  }
  const { presharedKey, ...settings } = target;
  const moves = deviceFor(
    publicKey,
    device ? [device] : [],
    settings,
    device ? sides.presharedKey : presharedKey,
  );
  const follow = (file: ConfigFile) =>
    withKey(fileFor(file, publicKey, settings, presharedKey), publicKey, presharedKey);
  const rekey = device && settings.enabled && sides.presharedKey?.reveal() !== presharedKey?.reveal();
  return {
    publicKey,
    action: 'SYNC',
    ...(source === 'CONFIG' ? {} : { file: follow }),
    device: [
      ...moves,
      ...(rekey ? [{ kind: 'set' as const, publicKey, updateOnly: true, presharedKey }] : []),
    ],
    store: async (tx) => {
      const retired = settings.enabled ? undefined : await access.ledger.retire(tx, publicKey);
      const saved = await savePeer(tx, access, publicKey, settings, parts.now());
      return () => {
        retired?.();
        saved();
      };
    },
  };
}
