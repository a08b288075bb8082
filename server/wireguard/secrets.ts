/** The secrets in a reply: read apart from {@link parseUapi}, so that the once-a-second path never makes any. */
import { toBase64, ZERO_HEX } from './keys.ts';
import { parseDump, parseUapi } from './parse.ts';
import { Secret, type DeviceSecrets } from './types.ts';

/** @throws WireGuardError as {@link parseUapi} does: an unsound reply yields nothing. */
export function uapiSecrets(name: string, reply: Buffer | string): DeviceSecrets {
  const text = typeof reply === 'string' ? reply : reply.toString('latin1');
  parseUapi(name, text);
  let privateKey: Secret | null = null;
  const presharedKeys = new Map<string, Secret>();
  let peer = '';
  for (const line of text.split('\n')) {
    const value = line.slice(line.indexOf('=') + 1);
    if (line.startsWith('public_key=')) peer = toBase64(value);
    if (value === ZERO_HEX) continue;
    if (line.startsWith('private_key=')) privateKey = new Secret(toBase64(value));
    if (line.startsWith('preshared_key=')) presharedKeys.set(peer, new Secret(toBase64(value)));
  }
  return { privateKey, presharedKeys };
}

/** @throws WireGuardError as {@link parseDump} does. */
export function dumpSecrets(name: string, text: string): DeviceSecrets {
  parseDump(name, text);
  const [first, ...lines] = text.trimEnd().split('\n');
  const own = first!.split('\t')[0]!;
  const presharedKeys = new Map<string, Secret>();
  for (const line of lines) {
    const [peer, psk] = line.split('\t');
    if (psk !== '(none)') presharedKeys.set(peer!, new Secret(psk!));
  }
  return { privateKey: own === '(none)' ? null : new Secret(own), presharedKeys };
}
