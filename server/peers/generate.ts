/** A new peer: keys, addresses, the three places, and the client's file. */
import { dialled } from '../collector/endpoint.ts';
import type { Access } from '../collector/watch.ts';
import { Refusal } from '../refusal.ts';
import type { ConfigFile } from '../wireguard/config-file.ts';
import { readConfig } from '../wireguard/config-store.ts';
import { generateKeyPair, generatePresharedKey } from '../wireguard/keys.ts';
import type { Device } from '../wireguard/types.ts';
import { AddressesExhausted, findOverlap, nextFreeAddresses } from './addresses.ts';
import type { ChangeParts, Step } from './change.ts';
import { clientConfig } from './client-config.ts';
import { savePeer } from './rows.ts';
import { split } from './settle.ts';
import * as valid from './validate.ts';

export interface GeneratePeerInput {
  readonly name: string;
  readonly email: string;
  readonly interface?: string | null | undefined;
  readonly publicKey?: string | null | undefined;
  readonly allowedIPs?: readonly string[] | null | undefined;
  readonly presharedKey: boolean;
  /** Seconds; 0 is off. */
  readonly persistentKeepalive: number;
  readonly dns?: readonly string[] | null | undefined;
  readonly clientAllowedIPs: readonly string[];
  readonly mtu?: number | null | undefined;
}

/** Addresses in use by other peers, in whichever of the three places. */
export interface Taken {
  readonly publicKey: string;
  readonly allowedIPs: readonly string[];
}

/** @throws Refusal, InputError, AddressesExhausted */
export async function generateStep(
  access: Access,
  interfaceId: number,
  input: GeneratePeerInput,
  parts: ChangeParts,
): Promise<{ step: Step; publicKey: string; clientConfig: string }> {
  const name = valid.validName(input.name);
  const email = valid.validEmail(input.email);
  const brought = input.publicKey == null ? null : valid.validPublicKey(input.publicKey);
  const wanted = input.allowedIPs == null ? null : valid.validAllowedIPs(input.allowedIPs);
  const persistentKeepalive = valid.validKeepalive(input.persistentKeepalive);
  const clientAllowedIPs = valid.validClientAllowedIPs(input.clientAllowedIPs);
  const dns = input.dns == null ? [] : valid.validDns(input.dns);

  const device = await access.look();
  const config = await readConfig(parts.configDir, access.name);
  const row = await parts.db.reader.interface.findUniqueOrThrow({ where: { id: interfaceId } });
  if (device.publicKey === null) {
    throw new Refusal('WIREGUARD_UNAVAILABLE', `${access.name} has no private key yet: set it up first.`);
  }
  const own = ownAddresses(config?.file ?? null, row);
  const taken = await takenAddresses(access, device, config?.file ?? null, parts);

  if (brought !== null) refuseKnownKey(brought, access.name, device.publicKey, taken);
  const allowedIPs = wanted ?? freeAddresses(access.name, own, taken);
  if (wanted) refuseTaken(wanted, own, taken);
  const ipv6 = allowedIPs.some((network) => network.includes(':'));
  const mtu = input.mtu == null ? null : valid.validMtu(input.mtu, { ipv6 });

  const pair = brought === null ? generateKeyPair() : { publicKey: brought, privateKey: null };
  const presharedKey = input.presharedKey ? generatePresharedKey() : null;
  const { publicKey } = pair;
  const step: Step = {
    publicKey,
    action: 'ADD',
    file: (file) =>
      file.addPeer({ publicKey, friendlyName: name, allowedIPs, persistentKeepalive, presharedKey }),
    device: [
      { kind: 'set', publicKey, allowedIPs, persistentKeepalive, ...(presharedKey ? { presharedKey } : {}) },
    ],
    store: (tx) =>
      savePeer(
        tx,
        access,
        publicKey,
        {
          name,
          email,
          allowedIPs,
          persistentKeepalive,
          hasPresharedKey: presharedKey !== null,
          enabled: true,
        },
        parts.now(),
      ),
  };
  const text = clientConfig({
    privateKey: pair.privateKey,
    addresses: allowedIPs,
    dns,
    mtu,
    serverPublicKey: device.publicKey,
    presharedKey,
    clientAllowedIPs,
    endpoint: dialled(access.endpoint, device.listenPort),
    persistentKeepalive,
    name,
    interfaceName: access.name,
  });
  return { step, publicKey, clientConfig: text };
}

/** The interface's own: from its file, else as the host has them. */
export function ownAddresses(
  file: ConfigFile | null,
  row: { readonly addresses: string },
): readonly string[] {
  const configured = file?.interface.addresses ?? [];
  return configured.length > 0 ? configured : split(row.addresses);
}

/** Of every peer that the device, the file or the database knows on this interface. */
export async function takenAddresses(
  access: Access,
  device: Device,
  file: ConfigFile | null,
  parts: ChangeParts,
): Promise<Taken[]> {
  const rows = await parts.db.reader.peer.findMany({
    where: { interfaceId: access.interfaceId, deletedAt: null },
    select: { publicKey: true, allowedIPs: true },
  });
  return [
    ...device.peers,
    ...(file?.peers ?? []),
    ...rows.map((row) => ({ publicKey: row.publicKey, allowedIPs: split(row.allowedIPs) })),
  ];
}

/** @throws Refusal CONFLICT where a wanted network is the interface's own address or another peer's */
export function refuseTaken(
  wanted: readonly string[],
  own: readonly string[],
  others: readonly Taken[],
): void {
  const hosts = new Set(own.map((address) => hostOf(address)));
  const mine = wanted.find((network) => hosts.has(network));
  if (mine !== undefined) {
    throw new Refusal(
      'CONFLICT',
      `${mine} is the interface's own address. Leave 'allowedIPs' out to get a free one.`,
      {
        field: 'allowedIPs',
      },
    );
  }
  const overlap = findOverlap(wanted, others);
  if (!overlap) return;
  throw new Refusal(
    'CONFLICT',
    `${overlap.wanted} overlaps ${overlap.allowedIP} of the peer ${overlap.publicKey}. ` +
      `Choose other addresses, or leave 'allowedIPs' out to get free ones.`,
    { field: 'allowedIPs' },
  );
}

function freeAddresses(name: string, own: readonly string[], taken: readonly Taken[]): string[] {
  if (own.length === 0) {
    throw new Refusal(
      'BAD_USER_INPUT',
      `${name} has no known address to choose from: write Address into ${name}.conf, or give 'allowedIPs'.`,
      { field: 'allowedIPs' },
    );
  }
  try {
    return nextFreeAddresses(
      own,
      taken.flatMap((peer) => peer.allowedIPs),
    );
  } catch (error) {
    if (!(error instanceof AddressesExhausted)) throw error;
    throw new Refusal('ADDRESSES_EXHAUSTED', error.message, { cause: error });
  }
}

function refuseKnownKey(publicKey: string, name: string, own: string, taken: readonly Taken[]): void {
  if (publicKey === own) {
    throw new Refusal('CONFLICT', `This is the public key of ${name} itself: give the client's.`, {
      field: 'publicKey',
    });
  }
  if (!taken.some((peer) => peer.publicKey === publicKey)) return;
  throw new Refusal(
    'CONFLICT',
    `${name} has a peer with this public key already. Change that one with updatePeer.`,
    {
      field: 'publicKey',
    },
  );
}

function hostOf(address: string): string {
  const [host = address] = address.split('/');
  return `${host}/${host.includes(':') ? '128' : '32'}`;
}
