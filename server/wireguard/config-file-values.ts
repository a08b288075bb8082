import { canonicalNetwork } from './config-file-network.ts';
import { isKey, type Section, type SectionChange } from './config-file-section.ts';
import { WireGuardError } from './errors.ts';
import type { Secret } from './types.ts';

export interface NewConfigPeer {
  readonly publicKey: string;
  readonly friendlyName?: string | null;
  readonly allowedIPs: readonly string[];
  /** Seconds; 0 or nothing writes no line. */
  readonly persistentKeepalive?: number;
  readonly presharedKey?: Secret | null;
  readonly endpoint?: string | null;
  /** False writes the section commented out. Default true. */
  readonly enabled?: boolean;
}

/** Undefined leaves a value; null removes it. */
export interface ConfigPeerChange {
  readonly friendlyName?: string | null;
  readonly allowedIPs?: readonly string[];
  /** Seconds; 0 removes the line. */
  readonly persistentKeepalive?: number;
  readonly presharedKey?: Secret | null;
}

/** The lines of a new section. @throws WireGuardError FILE for a value that is not writable. */
export function newSectionTexts(peer: NewConfigPeer): string[] {
  if (!isKey(peer.publicKey)) throw refusal(peer.publicKey, 'its public key is not 32 bytes in base64');
  const name = checkedName(peer.publicKey, peer.friendlyName);
  const { presharedKey, allowedIPs, persistentKeepalive } = checked(peer.publicKey, peer);
  const endpoint = checkedEndpoint(peer.publicKey, peer.endpoint);
  const entries = {
    PublicKey: peer.publicKey,
    PresharedKey: presharedKey,
    AllowedIPs: allowedIPs,
    Endpoint: endpoint,
    PersistentKeepalive: persistentKeepalive,
  };
  return [
    '[Peer]',
    ...(name ? [`# friendly_name=${Buffer.from(name, 'utf8').toString('latin1')}`] : []),
    ...Object.entries(entries).flatMap(([key, value]) =>
      value === null || value === undefined ? [] : [`${key} = ${value}`],
    ),
  ];
}

/** @throws WireGuardError FILE for a value that is not writable. */
export function sectionChange(publicKey: string, change: ConfigPeerChange): SectionChange {
  return { friendlyName: checkedName(publicKey, change.friendlyName), ...checked(publicKey, change) };
}

/** Leaves out what the section says already, however it is spelt there. */
export function differing({ peer }: Section, change: SectionChange): SectionChange {
  if (peer === null) return change;
  const unless = <T>(same: boolean, value: T): T | undefined => (same ? undefined : value);
  return {
    friendlyName: unless(peer.friendlyName === change.friendlyName, change.friendlyName),
    allowedIPs: unless(peer.allowedIPs.join(', ') === change.allowedIPs, change.allowedIPs),
    persistentKeepalive: unless(
      peer.persistentKeepalive === Number(change.persistentKeepalive ?? 0),
      change.persistentKeepalive,
    ),
    presharedKey: unless(peer.presharedKey?.reveal() === change.presharedKey, change.presharedKey),
  };
}

function checked(publicKey: string, values: ConfigPeerChange): Omit<SectionChange, 'friendlyName'> {
  const { allowedIPs, persistentKeepalive: keepalive, presharedKey } = values;
  const networks = allowedIPs?.map((text) => {
    const network = canonicalNetwork(text);
    if (network === null) throw refusal(publicKey, 'its allowed IPs hold something that is no network');
    return network;
  });
  if (keepalive !== undefined && !(Number.isInteger(keepalive) && keepalive >= 0 && keepalive <= 65535)) {
    throw refusal(publicKey, 'its persistent keepalive is not 0 to 65535 seconds');
  }
  const preshared = presharedKey?.reveal();
  if (preshared !== undefined && !isKey(preshared)) throw refusal(publicKey, 'its preshared key is no key');
  return {
    allowedIPs: networks === undefined ? undefined : networks.join(', ') || null,
    persistentKeepalive: keepalive === undefined ? undefined : keepalive === 0 ? null : String(keepalive),
    presharedKey: presharedKey === undefined ? undefined : (preshared ?? null),
  };
}

function checkedName(publicKey: string, name: string | null | undefined): string | null | undefined {
  if (name === null || name === undefined) return name;
  if (/\p{Cc}/u.test(name)) throw refusal(publicKey, 'its name has control characters');
  if (/\p{Cs}/u.test(name)) throw refusal(publicKey, 'its name has half a character (a lone surrogate)');
  return name.replace(/^ +| +$/g, '') || null;
}

function checkedEndpoint(publicKey: string, endpoint: string | null | undefined): string | null {
  if (endpoint === null || endpoint === undefined) return null;
  if (!/^[\x21\x22\x24-\x7e]+:[0-9]{1,5}$/.test(endpoint))
    throw refusal(publicKey, 'its endpoint is not host:port');
  return endpoint;
}

/** Why a peer's section cannot be changed. Holds no secret. */
export function refusal(publicKey: string, why: string): WireGuardError {
  return new WireGuardError(
    'FILE',
    `The peer ${publicKey} cannot be changed in the configuration file: ${why}.`,
    {
      key: publicKey,
    },
  );
}
