/** The demo's NAME.conf: what an administrator's would look like. */
import { parseConfigFile, type ConfigFile } from '../wireguard/config-file.ts';
import type { TrafficPeer } from '../wireguard/simulator-traffic.ts';
import type { Secret } from '../wireguard/types.ts';

export function demoConfigFile(
  privateKey: Secret,
  listenPort: number,
  peers: readonly TrafficPeer[],
): Buffer {
  const head = [
    '# A simulated device: nothing here is real.',
    '[Interface]',
    'Address = 10.86.0.1/24, fd86::1/64',
    `ListenPort = ${String(listenPort)}`,
    `PrivateKey = ${privateKey.reveal()}`,
    '',
  ].join('\n');
  return peers
    .reduce<ConfigFile>(
      (file, peer) =>
        file.addPeer({
          publicKey: peer.publicKey,
          friendlyName: peer.name,
          allowedIPs: peer.allowedIPs,
          persistentKeepalive: peer.persistentKeepalive,
          presharedKey: peer.presharedKey,
        }),
      parseConfigFile(Buffer.from(head)),
    )
    .bytes();
}
