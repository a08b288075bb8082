/** A peer's own rows: what people set, apart from what is counted. */
import type { Access } from '../collector/watch.ts';
import type { Transaction } from '../store/database.ts';
import { searchTextOf, sortNameOf } from '../store/peer-text.ts';

export interface PeerSettings {
  readonly name: string | null;
  readonly email: string | null;
  readonly allowedIPs: readonly string[];
  readonly persistentKeepalive: number;
  readonly hasPresharedKey: boolean;
  readonly enabled: boolean;
}

/** Makes the peer, or brings back one whose usage was kept. */
export async function savePeer(
  tx: Transaction,
  access: Access,
  publicKey: string,
  settings: PeerSettings,
  now: number,
): Promise<() => void> {
  const allowedIPs = settings.allowedIPs.join(', ');
  const text = { publicKey, name: settings.name, email: settings.email, allowedIPs };
  const data = {
    ...settings,
    allowedIPs,
    registered: true,
    deletedAt: null,
    sortName: sortNameOf(text),
    searchText: searchTextOf(text),
  };
  const key = { interfaceId: access.interfaceId, publicKey };
  const known = await tx.peer.findUnique({
    where: { interfaceId_publicKey: key },
    select: { id: true, deletedAt: true },
  });
  const back = known?.deletedAt ? { addedOn: new Date(now) } : {};
  const { id } = await tx.peer.upsert({
    where: { interfaceId_publicKey: key },
    create: { ...key, ...data, addedOn: new Date(now), counters: { create: {} } },
    update: { ...data, ...back },
    select: { id: true },
  });
  return () => {
    access.ledger.register({ id, publicKey });
  };
}

/** The peer goes; with `keepUsage` its figures stay under its name. */
export async function removePeer(
  tx: Transaction,
  access: Access,
  peer: { readonly id: number; readonly publicKey: string },
  keepUsage: boolean,
  now: number,
): Promise<() => void> {
  const { ledger } = access;
  if (keepUsage) {
    const retired = await ledger.retire(tx, peer.publicKey);
    await tx.peer.update({ where: { id: peer.id }, data: { deletedAt: new Date(now) } });
    return () => {
      retired();
      ledger.bury(peer.publicKey);
    };
  }
  const where = { peerId: peer.id };
  await tx.usageMinute.deleteMany({ where });
  await tx.usageHour.deleteMany({ where });
  await tx.usageDay.deleteMany({ where });
  await tx.monthlyUsage.deleteMany({ where });
  await tx.counterEpoch.deleteMany({ where });
  await tx.peerCounters.deleteMany({ where });
  await tx.peer.delete({ where: { id: peer.id } });
  return () => {
    ledger.forget(peer.publicKey);
  };
}
