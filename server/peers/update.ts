/** Changes of a peer: name, e-mail, addresses, keepalive; on and off. */
import type { Access } from '../collector/watch.ts';
import { Refusal } from '../refusal.ts';
import type { ConfigFile } from '../wireguard/config-file.ts';
import { readConfig } from '../wireguard/config-store.ts';
import type { Device, PeerChange, Secret } from '../wireguard/types.ts';
import type { Action, ChangeParts, Step } from './change.ts';
import { ownAddresses, refuseTaken, takenAddresses } from './generate.ts';
import { savePeer, type PeerSettings } from './rows.ts';
import { asDatabase, split } from './settle.ts';
import * as valid from './validate.ts';

export interface UpdatePeerInput {
  readonly publicKey: string;
  readonly interface?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly enabled?: boolean | null | undefined;
  readonly allowedIPs?: readonly string[] | null | undefined;
  /** Seconds; 0 is off. */
  readonly persistentKeepalive?: number | null | undefined;
}

/** Null where nothing would change. @throws Refusal, InputError */
export async function updateStep(
  access: Access,
  peerId: number,
  input: UpdatePeerInput,
  parts: ChangeParts,
): Promise<Step | null> {
  const row = await parts.db.reader.peer.findUnique({ where: { id: peerId }, include: { interface: true } });
  if (row?.deletedAt !== null) throw new Refusal('NOT_FOUND', 'The peer was deleted meanwhile.');
  const before: PeerSettings = { ...row, allowedIPs: split(row.allowedIPs) };
  const after: PeerSettings = {
    name: input.name == null ? row.name : valid.validName(input.name),
    email: input.email == null ? row.email : valid.validEmail(input.email),
    allowedIPs: input.allowedIPs == null ? before.allowedIPs : valid.validAllowedIPs(input.allowedIPs),
    persistentKeepalive:
      input.persistentKeepalive == null
        ? row.persistentKeepalive
        : valid.validKeepalive(input.persistentKeepalive),
    enabled: input.enabled ?? row.enabled,
    hasPresharedKey: row.hasPresharedKey,
  };
  const device = await access.look();
  const config = await readConfig(parts.configDir, access.name);
  const runs = device.peers.some((peer) => peer.publicKey === row.publicKey);
  // One that begins to run takes its addresses from whoever has them by now.
  if (after.allowedIPs.join() !== before.allowedIPs.join() || (after.enabled && !runs)) {
    const others = (await takenAddresses(access, device, config?.file ?? null, parts)).filter(
      (peer) => peer.publicKey !== row.publicKey,
    );
    refuseTaken(after.allowedIPs, ownAddresses(config?.file ?? null, row.interface), others);
  }
  const inFile = config?.file.peer(row.publicKey) ?? null;
  const same = (['name', 'email', 'persistentKeepalive', 'enabled'] as const).every(
    (k) => before[k] === after[k],
  );
  const placed = runs === after.enabled && inFile?.enabled === after.enabled && row.registered;
  if (same && placed && after.allowedIPs.join() === before.allowedIPs.join()) return null;

  const presharedKey = runs ? await runningKey(access, row.publicKey) : (inFile?.presharedKey ?? null);
  if (after.enabled && !runs && row.hasPresharedKey && !presharedKey) {
    throw new Refusal(
      'CONFLICT',
      `The preshared key of this peer is not in ${access.name}.conf any more, and is kept nowhere else: ` +
        'delete the peer with keepUsageHistory and generate it anew.',
    );
  }
  const turned: Action = after.enabled ? 'ENABLE' : 'DISABLE';
  return {
    publicKey: row.publicKey,
    action: before.enabled === after.enabled ? 'UPDATE' : turned,
    file: (file) => {
      const next = fileFor(file, row.publicKey, after, presharedKey);
      // Once it is off, the file is where its key is.
      return runs && !after.enabled ? withKey(next, row.publicKey, presharedKey) : next;
    },
    device: deviceFor(row.publicKey, device.peers, after, presharedKey),
    store: async (tx) => {
      const retired = after.enabled ? undefined : await access.ledger.retire(tx, row.publicKey);
      const saved = await savePeer(tx, access, row.publicKey, after, parts.now());
      return () => {
        retired?.();
        saved();
      };
    },
  };
}

async function runningKey(access: Access, publicKey: string): Promise<Secret | null> {
  const { presharedKeys } = await access.driver.secrets();
  return presharedKeys.get(publicKey) ?? null;
}

/** The file with this preshared key in the peer's section. */
export function withKey(file: ConfigFile, publicKey: string, presharedKey: Secret | null): ConfigFile {
  const now = file.peer(publicKey)?.presharedKey ?? null;
  if (now?.reveal() === presharedKey?.reveal()) return file;
  return file.updatePeer(publicKey, { presharedKey });
}

/** The peer's section as it is to be; added where it is missing. */
export function fileFor(
  file: ConfigFile,
  publicKey: string,
  to: PeerSettings,
  presharedKey: Secret | null,
): ConfigFile {
  const { allowedIPs, persistentKeepalive, enabled } = to;
  const settings = { friendlyName: to.name, allowedIPs, persistentKeepalive, enabled };
  if (file.peer(publicKey)) return asDatabase(file, publicKey, settings);
  return file.addPeer({ publicKey, presharedKey, ...settings });
}

/** What brings the running device there without touching what is right already. */
export function deviceFor(
  publicKey: string,
  running: Device['peers'],
  to: Pick<PeerSettings, 'enabled' | 'allowedIPs' | 'persistentKeepalive'>,
  presharedKey: Secret | null,
): PeerChange[] {
  const { allowedIPs, persistentKeepalive } = to;
  const now = running.find((peer) => peer.publicKey === publicKey);
  if (!to.enabled) return now ? [{ kind: 'remove', publicKey }] : [];
  if (!now) {
    const psk = presharedKey ? { presharedKey } : {};
    return [{ kind: 'set', publicKey, allowedIPs, persistentKeepalive, ...psk }];
  }
  const sameIPs = [...now.allowedIPs].sort().join() === [...allowedIPs].sort().join();
  if (sameIPs && now.persistentKeepalive === persistentKeepalive) return [];
  return [
    { kind: 'set', publicKey, updateOnly: true, persistentKeepalive, ...(sameIPs ? {} : { allowedIPs }) },
  ];
}
