/** Changes of a peer: name, e-mail, addresses, keepalive; on and off. */
import type { Access } from '../collector/watch.ts';
import { Refusal } from '../refusal.ts';
import type { ConfigFile, ConfigPeer } from '../wireguard/config-file.ts';
import { readConfig } from '../wireguard/config-store.ts';
import type { Device, PeerChange, Secret } from '../wireguard/types.ts';
import type { Action, ChangeParts, Step } from './change.ts';
import { refuseTaken, takenAddresses } from './generate.ts';
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
  const row = await parts.db.reader.peer.findUnique({ where: { id: peerId } });
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
  const device = await access.sample();
  const config = await readConfig(parts.configDir, access.name);
  if (after.allowedIPs.join() !== before.allowedIPs.join()) {
    const others = (await takenAddresses(access, device, config?.file ?? null, parts)).filter(
      (peer) => peer.publicKey !== row.publicKey,
    );
    refuseTaken(after.allowedIPs, config?.file.interface.addresses ?? [], others);
  }
  const runs = device.peers.some((peer) => peer.publicKey === row.publicKey);
  const inFile = config?.file.peer(row.publicKey) ?? null;
  const same = (['name', 'email', 'persistentKeepalive', 'enabled'] as const).every(
    (k) => before[k] === after[k],
  );
  const placed = runs === after.enabled && inFile?.enabled === after.enabled && row.registered;
  if (same && placed && after.allowedIPs.join() === before.allowedIPs.join()) return null;

  const presharedKey = await presharedKeyOf(access, row.publicKey, inFile);
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
    file: (file) => fileFor(file, row.publicKey, after, presharedKey),
    ...deviceFor(row.publicKey, device, after, presharedKey),
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

/** From the file, where a disabled peer's stays, else from the device. */
export async function presharedKeyOf(
  access: Access,
  publicKey: string,
  inFile: ConfigPeer | null,
): Promise<Secret | null> {
  if (inFile) return inFile.presharedKey;
  const { presharedKeys } = await access.driver.secrets();
  return presharedKeys.get(publicKey) ?? null;
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

/** What brings the running device there without touching what is right already, and what takes it back. */
export function deviceFor(
  publicKey: string,
  device: Device,
  to: Pick<PeerSettings, 'enabled' | 'allowedIPs' | 'persistentKeepalive'>,
  presharedKey: Secret | null,
): { device: PeerChange[]; undo: PeerChange[] } {
  const { allowedIPs, persistentKeepalive } = to;
  const now = device.peers.find((peer) => peer.publicKey === publicKey);
  if (!to.enabled) {
    if (!now) return { device: [], undo: [] };
    return { device: [{ kind: 'remove', publicKey }], undo: [asBefore(now, presharedKey)] };
  }
  if (!now) {
    const psk = presharedKey ? { presharedKey } : {};
    return {
      device: [{ kind: 'set', publicKey, allowedIPs, persistentKeepalive, ...psk }],
      undo: [{ kind: 'remove', publicKey }],
    };
  }
  const sameIPs = [...now.allowedIPs].sort().join() === [...allowedIPs].sort().join();
  if (sameIPs && now.persistentKeepalive === persistentKeepalive) return { device: [], undo: [] };
  return {
    device: [
      { kind: 'set', publicKey, updateOnly: true, persistentKeepalive, ...(sameIPs ? {} : { allowedIPs }) },
    ],
    undo: [
      {
        kind: 'set',
        publicKey,
        updateOnly: true,
        allowedIPs: now.allowedIPs,
        persistentKeepalive: now.persistentKeepalive,
      },
    ],
  };
}

/** What brings a removed peer back: its session begins anew, its settings are the same. */
export function asBefore(peer: Device['peers'][number], presharedKey: Secret | null): PeerChange {
  return {
    kind: 'set',
    publicKey: peer.publicKey,
    allowedIPs: peer.allowedIPs,
    persistentKeepalive: peer.persistentKeepalive,
    ...(peer.endpoint === null ? {} : { endpoint: peer.endpoint }),
    ...(presharedKey ? { presharedKey } : {}),
  };
}
