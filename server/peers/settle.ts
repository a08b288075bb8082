/**
 * Changes that a process died in. Removals are finished: their peer's preshared key may be gone already, and
 * who asked for one wants the peer out. Everything else is taken back to what the database says: it is the
 * last step, so what it does not have was never answered.
 */
import type { Access } from '../collector/watch.ts';
import type { PendingChange, Peer } from '../store/rows.ts';
import type { ConfigFile } from '../wireguard/config-file.ts';
import { editConfig, readConfig } from '../wireguard/config-store.ts';
import type { ChangeParts } from './change.ts';
import { removePeer } from './rows.ts';

/** @returns how many were settled */
export async function settleChanges(access: Access, parts: ChangeParts): Promise<number> {
  const pending = await parts.db.reader.pendingChange.findMany({
    where: { interfaceId: access.interfaceId },
    orderBy: { id: 'asc' },
  });
  for (const change of pending) await settle(access, change, parts);
  return pending.length;
}

async function settle(access: Access, change: PendingChange, parts: ChangeParts): Promise<void> {
  const { publicKey } = change;
  const action = actionOf(change, parts);
  const row = await rowOf(access, publicKey, parts);
  const kept = row?.deletedAt === null ? row : null;
  const removal = action === 'REMOVE' || action === 'REMOVE_ALL';
  if (removal || (action === 'ADD' && !kept?.registered))
    await finishRemoval(access, publicKey, action, parts);
  // Drift that a sync was at is drift still, and the next sync's: the file may be the one that is right.
  else if (kept && action !== 'SYNC')
    await takeBack(access, kept, action === 'DISABLE' || !kept.enabled, parts);
  await parts.db.write((tx) => tx.pendingChange.delete({ where: { id: change.id } }));
  parts.refused?.delete(change.id);
  parts.log.warn(
    { interface: access.name, publicKey, action },
    removal || action === 'DISABLE'
      ? 'finished a change that was cut short'
      : action === 'SYNC'
        ? 'left a sync that was cut short: what is drift is drift still'
        : 'took back a change that was cut short',
  );
}

/** What was refused is taken back, never finished. */
function actionOf({ id, action }: PendingChange, parts: ChangeParts): string {
  const takenBack = parts.refused?.has(id) && action !== 'ADD' && action !== 'SYNC';
  return takenBack ? 'UPDATE' : action;
}

function rowOf(access: Access, publicKey: string, parts: ChangeParts): Promise<Peer | null> {
  const key = { interfaceId: access.interfaceId, publicKey };
  return parts.db.reader.peer.findUnique({ where: { interfaceId_publicKey: key } });
}

async function finishRemoval(
  access: Access,
  publicKey: string,
  action: string,
  parts: ChangeParts,
): Promise<void> {
  if (await readConfig(parts.configDir, access.name)) {
    await editConfig(parts.configDir, access.name, (file) => file.removePeer(publicKey));
  }
  // A sample would take a peer that was never answered for a stranger.
  const device = action === 'ADD' ? await access.driver.read() : await access.look();
  if (device.peers.some((peer) => peer.publicKey === publicKey)) {
    await access.driver.configure([{ kind: 'remove', publicKey }]);
  }
  // Only now: a sample since then may have taken it for one.
  const row = await rowOf(access, publicKey, parts);
  const after = await parts.db.write((tx) =>
    row?.deletedAt === null
      ? removePeer(tx, access, row, action !== 'REMOVE_ALL', parts.now())
      : access.ledger.retire(tx, publicKey),
  );
  after();
}

async function takeBack(access: Access, kept: Peer, off: boolean, parts: ChangeParts): Promise<void> {
  const { publicKey, persistentKeepalive } = kept;
  const allowedIPs = split(kept.allowedIPs);
  const config = await readConfig(parts.configDir, access.name);
  const inFile = config?.file.peer(publicKey) ?? null;
  if (inFile) {
    const to = { friendlyName: kept.name, allowedIPs, persistentKeepalive, enabled: !off };
    await editConfig(parts.configDir, access.name, (file) => asDatabase(file, publicKey, to));
  }
  const device = await access.look();
  const runs = device.peers.some((peer) => peer.publicKey === publicKey);
  const presharedKey = !runs && inFile?.presharedKey ? { presharedKey: inFile.presharedKey } : {};
  if (off && runs) await access.driver.configure([{ kind: 'remove', publicKey }]);
  // Without its preshared key it would run for nobody.
  if (!off && (runs || !kept.hasPresharedKey || inFile?.presharedKey)) {
    await access.driver.configure([
      { kind: 'set', publicKey, allowedIPs, persistentKeepalive, ...presharedKey },
    ]);
  }
  if (!off) return;
  const after = await parts.db.write(async (tx) => {
    await tx.peer.update({ where: { id: kept.id }, data: { enabled: false } });
    return access.ledger.retire(tx, publicKey);
  });
  after();
}

/** The peer's section as the database has it. */
export function asDatabase(
  file: ConfigFile,
  publicKey: string,
  to: {
    readonly friendlyName: string | null;
    readonly allowedIPs: readonly string[];
    readonly persistentKeepalive: number;
    readonly enabled: boolean;
  },
): ConfigFile {
  const { enabled, ...settings } = to;
  const friendlyName = settings.friendlyName === null ? {} : { friendlyName: settings.friendlyName };
  const open = file.enablePeer(publicKey).updatePeer(publicKey, {
    allowedIPs: settings.allowedIPs,
    persistentKeepalive: settings.persistentKeepalive,
    ...friendlyName,
  });
  return enabled ? open : open.disablePeer(publicKey);
}

/** Networks as the database keeps them. */
export function split(allowedIPs: string): string[] {
  return allowedIPs === '' ? [] : allowedIPs.split(', ');
}
