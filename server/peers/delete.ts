/** Peers that go: one by its key, or all of an e-mail address. */
import type { Access } from '../collector/watch.ts';
import { Refusal } from '../refusal.ts';
import type { Database } from '../store/database.ts';
import type { Interface, Peer } from '../store/rows.ts';
import { resolveInterface } from '../store/interfaces.ts';
import type { PeerChange } from '../wireguard/types.ts';
import type { ChangeParts, Step } from './change.ts';
import { removePeer } from './rows.ts';
import { InputError } from './validate.ts';

export interface DeletePeerInput {
  readonly publicKey?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly interface?: string | null | undefined;
  readonly keepUsageHistory: boolean;
}

/** The peers that are meant, by interface. @throws Refusal NOT_FOUND, BAD_USER_INPUT */
export async function findDeletion(
  db: Database,
  input: DeletePeerInput,
): Promise<{ of: Interface; peers: Peer[] }[]> {
  const { publicKey, email } = input;
  if ((publicKey == null) === (email == null)) {
    throw new InputError(
      publicKey == null ? 'publicKey' : 'email',
      "Give exactly one of 'publicKey' and 'email'.",
    );
  }
  const on = await resolveInterface(db, input.interface);
  const where = { deletedAt: null, ...(on ? { interfaceId: on.id } : {}) };
  const found = await db.reader.peer.findMany({
    where: publicKey == null ? { ...where, email: { not: null } } : { ...where, publicKey },
    include: { interface: true },
    orderBy: { id: 'asc' },
  });
  const meant =
    email == null ? found : found.filter((peer) => peer.email?.toLowerCase() === email.trim().toLowerCase());
  if (meant.length === 0) {
    throw new Refusal(
      'NOT_FOUND',
      `There is no peer with the ${email == null ? 'public key' : 'e-mail'} ${String(publicKey ?? email)}.`,
    );
  }
  const groups = new Map<number, { of: Interface; peers: Peer[] }>();
  for (const peer of meant) {
    const group = groups.get(peer.interfaceId) ?? { of: peer.interface, peers: [] };
    group.peers.push(peer);
    groups.set(peer.interfaceId, group);
  }
  if (publicKey != null && groups.size > 1) {
    const names = [...groups.values()].map(({ of }) => `${of.gateway}/${of.name}`).join(', ');
    throw new InputError('interface', `Several interfaces have this peer: name one of ${names}.`);
  }
  return [...groups.values()];
}

export async function deleteSteps(
  access: Access,
  peers: readonly Peer[],
  keepUsage: boolean,
  parts: ChangeParts,
): Promise<Step[]> {
  const device = await access.look();
  // Another request may have been faster.
  const left = await parts.db.reader.peer.findMany({
    where: { id: { in: peers.map(({ id }) => id) }, deletedAt: null },
    orderBy: { id: 'asc' },
  });
  if (left.length === 0) throw new Refusal('NOT_FOUND', 'The peer was deleted meanwhile.');
  return left.map((peer): Step => {
    const { publicKey } = peer;
    const now = device.peers.find((one) => one.publicKey === publicKey);
    const remove: PeerChange[] = now ? [{ kind: 'remove', publicKey }] : [];
    return {
      publicKey,
      action: keepUsage ? 'REMOVE' : 'REMOVE_ALL',
      file: (file) => file.removePeer(publicKey),
      device: remove,
      store: (tx) => removePeer(tx, access, peer, keepUsage, parts.now()),
    };
  });
}
