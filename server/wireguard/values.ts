/**
 * The values that go into a device: names, networks, endpoints and changes are checked here, before
 * they become a line of the socket protocol or an argument of `wg`. What passes holds no line end, no comma,
 * no leading dash.
 */
import { isIP } from 'node:net';
import { Address4, Address6 } from 'ip-address';
import { WireGuardError } from './errors.ts';
import { isKey } from './keys.ts';
import type { PeerChange } from './types.ts';

const NAME = /^[a-zA-Z0-9_=+.-]{1,15}$/;
const ENDPOINT = /^(?:\[([0-9a-fA-F:.]+)(?:%[a-zA-Z0-9_.-]{1,15})?\]|([0-9.]+)):([0-9]{1,5})$/;
const PREFIX = /^(?:0|[1-9][0-9]{0,2})$/;

/** Whether `name` can be an interface's name (wg(8), IFNAMSIZ) and cannot be taken for an option or a folder. */
export function isInterfaceName(name: string): boolean {
  return NAME.test(name) && !name.startsWith('-') && name !== '.' && name !== '..';
}

/** @throws WireGuardError `NO_DEVICE` where no interface can have that name. */
export function checkInterfaceName(name: string): void {
  if (isInterfaceName(name)) return;
  throw new WireGuardError(
    'NO_DEVICE',
    `${JSON.stringify(name.slice(0, 40))} is no interface name: 1 to 15 letters, digits or _=+.- are needed`,
    { key: name.slice(0, 40) },
  );
}

/**
 * A network as devices print it: host bits zero, the prefix length written out, IPv6 as RFC 5952 has it.
 * An address without a length is that one host. Null where `text` is neither.
 */
export function canonicalNetwork(text: string): string | null {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const version = address.includes('%') ? 0 : isIP(address);
  if (version === 0) return null;
  const bits = version === 4 ? 32 : 128;
  const prefix = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!PREFIX.test(prefix) || Number(prefix) > bits) return null;
  const cidr = `${address}/${prefix}`;
  const first = version === 4 ? new Address4(cidr).startAddress() : new Address6(cidr).startAddress();
  return `${first.correctForm()}/${prefix}`;
}

/** Whether `text` is `1.2.3.4:51820` or `[fd00::1]:51820` (a zone is allowed), port 1 to 65535: no host names. */
export function isEndpoint(text: string): boolean {
  const match = ENDPOINT.exec(text);
  if (!match) return false;
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) return false;
  return match[1] === undefined ? isIP(match[2]!) === 4 : isIP(match[1]) === 6;
}

/**
 * The changes with their networks made canonical.
 * @throws WireGuardError `REFUSED` with the protocol key at fault, before anything has reached the device.
 */
export function checkChanges(name: string, changes: readonly PeerChange[]): PeerChange[] {
  return changes.map((change) => {
    if (!isKey(change.publicKey)) throw refused(name, 'public_key', 'is no key (base64, 44 characters)');
    if (change.kind === 'remove') return change;
    const { presharedKey, persistentKeepalive: keepalive, endpoint, allowedIPs } = change;
    if (presharedKey && !isKey(presharedKey.reveal())) {
      throw refused(name, 'preshared_key', 'is no key (base64, 44 characters)');
    }
    if (keepalive !== undefined && !(Number.isInteger(keepalive) && keepalive >= 0 && keepalive <= 65_535)) {
      throw refused(name, 'persistent_keepalive_interval', 'must be 0 to 65535 seconds');
    }
    if (endpoint !== undefined && !isEndpoint(endpoint)) {
      throw refused(
        name,
        'endpoint',
        'must be an address and a port, such as 192.0.2.1:51820 or [2001:db8::1]:51820',
      );
    }
    if (allowedIPs === undefined) return change;
    const networks = allowedIPs.map((text) => {
      const network = canonicalNetwork(text);
      if (network === null) {
        throw refused(
          name,
          'allowed_ip',
          `${JSON.stringify(text.slice(0, 50))} is no network, such as 10.0.0.2/32`,
        );
      }
      return network;
    });
    return { ...change, allowedIPs: [...new Set(networks)] };
  });
}

function refused(name: string, key: string, why: string): WireGuardError {
  return new WireGuardError('REFUSED', `${name}: ${key} ${why}`, { key });
}
