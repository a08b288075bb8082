import type { Secret } from '../wireguard/types.ts';

export interface ClientConfig {
  /** Null for a peer that brought its own key: the file then says where to put it. */
  readonly privateKey: Secret | null;
  /** The client's addresses, CIDR. */
  readonly addresses: readonly string[];
  readonly dns: readonly string[];
  /** Bytes; null writes none. */
  readonly mtu: number | null;
  readonly serverPublicKey: string;
  readonly presharedKey: Secret | null;
  readonly clientAllowedIPs: readonly string[];
  /** `host:port`; null where the server has no WG_ENDPOINT: the file then says so. */
  readonly endpoint: string | null;
  /** Seconds; 0 writes none. */
  readonly persistentKeepalive: number;
  readonly name: string;
  readonly interfaceName: string;
}

/**
 * The client's file for wg-quick(8), ready for a QR code too. It holds the client's private key: give it to the
 * one who asked, and neither log nor store it. All values are expected to be validated.
 *
 * @throws TypeError for a value that would reach past its line.
 */
export function clientConfig(config: ClientConfig): string {
  const { privateKey, addresses, dns, mtu, presharedKey, endpoint, persistentKeepalive } = config;
  const lines = [
    `# ${oneLine(config.name)} on ${oneLine(config.interfaceName)}`,
    '[Interface]',
    privateKey === null
      ? '# PrivateKey = put the private key of this peer here and take the "#" away'
      : entry('PrivateKey', privateKey.reveal()),
    ...list('Address', addresses),
    ...list('DNS', dns),
    ...(mtu === null ? [] : [entry('MTU', String(mtu))]),
    '',
    '[Peer]',
    entry('PublicKey', config.serverPublicKey),
    ...(presharedKey === null ? [] : [entry('PresharedKey', presharedKey.reveal())]),
    ...list('AllowedIPs', config.clientAllowedIPs),
    endpoint === null
      ? '# Endpoint = the server does not know its own address: set WG_ENDPOINT there, or write host:port here'
      : entry('Endpoint', endpoint),
    ...(persistentKeepalive === 0 ? [] : [entry('PersistentKeepalive', String(persistentKeepalive))]),
  ];
  return `${lines.join('\n')}\n`;
}

function list(key: string, values: readonly string[]): string[] {
  return values.length === 0 ? [] : [entry(key, values.join(', '))];
}

function entry(key: string, value: string): string {
  // Never the value in the message: it may be a key.
  if (/[#\p{Cc}]/u.test(value) || value === '')
    throw new TypeError(`${key} cannot be written to a client's file.`);
  return `${key} = ${value}`;
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, ' ');
}
