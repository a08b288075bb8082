/** The running device as it was before a change that failed, whatever part of that it took. */
import { WireGuardError } from '../wireguard/errors.ts';
import type { Device, DevicePeer, DeviceSecrets, Driver, PeerChange, Secret } from '../wireguard/types.ts';

/** A device with what is needed to bring it back. */
export interface Inside {
  readonly peers: Device['peers'];
  readonly presharedKeys: DeviceSecrets['presharedKeys'];
}

/** A reply to a `set` may get lost although it was carried out: only a look tells. */
const ATTEMPTS = 2;

export async function lookInside(driver: Driver): Promise<Inside> {
  const { peers } = await driver.read();
  const { presharedKeys } = await driver.secrets();
  return { peers, presharedKeys };
}

/**
 * @param changed the peers that the change was about. Others may have lost networks to them, no more.
 * @throws WireGuardError where it cannot be brought back
 */
export async function restoreDevice(
  driver: Driver,
  before: Inside,
  changed: ReadonlySet<string>,
): Promise<void> {
  let failure: unknown = null;
  for (let attempt = 0; attempt <= ATTEMPTS; attempt += 1) {
    const back = wayBack(before, await lookInside(driver), changed);
    if (back.length === 0) return;
    if (attempt === ATTEMPTS) break;
    await driver.configure(back).catch((error: unknown) => {
      failure = error;
    });
  }
  throw failure instanceof Error
    ? failure
    : new WireGuardError('REFUSED', `${driver.name}: the device does not go back to what it was`);
}

function wayBack(before: Inside, now: Inside, changed: ReadonlySet<string>): PeerChange[] {
  const were = new Set(before.peers.map(({ publicKey }) => publicKey));
  const are = new Map(now.peers.map((peer) => [peer.publicKey, peer]));
  const back: PeerChange[] = [...changed]
    .filter((publicKey) => are.has(publicKey) && !were.has(publicKey))
    .map((publicKey) => ({ kind: 'remove', publicKey }));
  for (const peer of before.peers) {
    const { publicKey, allowedIPs, persistentKeepalive } = peer;
    const is = are.get(publicKey);
    const presharedKey = before.presharedKeys.get(publicKey) ?? null;
    if (!is) {
      if (changed.has(publicKey)) back.push(asBefore(peer, presharedKey));
      continue;
    }
    const sameKey = presharedKey?.reveal() === now.presharedKeys.get(publicKey)?.reveal();
    const sameIPs = [...is.allowedIPs].sort().join() === [...allowedIPs].sort().join();
    if (!changed.has(publicKey)) {
      if (!sameIPs) back.push({ kind: 'set', publicKey, updateOnly: true, allowedIPs });
    } else if (!sameIPs || !sameKey || is.persistentKeepalive !== persistentKeepalive) {
      back.push({ kind: 'set', publicKey, updateOnly: true, allowedIPs, persistentKeepalive, presharedKey });
    }
  }
  return back;
}

/** What brings a removed peer back: its session begins anew, its settings are the same. */
function asBefore(peer: DevicePeer, presharedKey: Secret | null): PeerChange {
  return {
    kind: 'set',
    publicKey: peer.publicKey,
    allowedIPs: peer.allowedIPs,
    persistentKeepalive: peer.persistentKeepalive,
    ...(peer.endpoint === null ? {} : { endpoint: peer.endpoint }),
    ...(presharedKey ? { presharedKey } : {}),
  };
}
