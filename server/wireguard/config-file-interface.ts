import { formatAddress, parseNetwork } from './config-file-network.ts';
import { headerOf, keyValue, significant } from './config-file-lines.ts';
import { isKey, type Report, type Section } from './config-file-section.ts';
import { Secret } from './types.ts';

/** The `[Interface]` part, read only: Wiremeter never changes a line of it. See wg-quick(8). */
export interface ConfigInterface {
  /** With their prefix and host bits, canonical: `10.8.0.1/24`. */
  readonly addresses: readonly string[];
  /** UDP port; null where none is written, and the device then takes a random one. */
  readonly listenPort: number | null;
  /** Name servers and search domains, as written. */
  readonly dns: readonly string[];
  readonly mtu: number | null;
  readonly privateKey: Secret | null;
  /** True: `wg-quick down` overwrites the file with what runs, and comments, names and disabled peers are lost. */
  readonly saveConfig: boolean;
}

/** Lines that only wg-quick reads, and whose values are commands or free text. */
const LEFT_ALONE = new Set(['fwmark', 'table', 'preup', 'postup', 'predown', 'postdown']);

/** Several `[Interface]` sections add up; of single values the last one holds. `report` gets the file's line index. */
export function readInterface(sections: readonly Section[], report?: Report): ConfigInterface {
  const addresses: string[] = [];
  const dns: string[] = [];
  let listenPort: number | null = null;
  let mtu: number | null = null;
  let privateKey: Secret | null = null;
  let saveConfig = false;

  for (const [index, text] of interfaceLines(sections)) {
    const entry = keyValue(text);
    if (entry === null) {
      report?.(index, 'is no "key = value"');
      continue;
    }
    const { key, value } = entry;
    if (key === 'address') {
      for (const item of listOf(text)) {
        const network = parseNetwork(item);
        if (network === null) report?.(index, 'Address holds something that is no address');
        else addresses.push(`${formatAddress(network.family, network.address)}/${network.prefix}`);
      }
    } else if (key === 'dns') {
      dns.push(...listOf(text));
    } else if (key === 'listenport') {
      listenPort = numberIn(value, 0, 65535);
      if (listenPort === null) report?.(index, 'ListenPort is not 0 to 65535');
    } else if (key === 'mtu') {
      mtu = numberIn(value, 1, 65535);
      if (mtu === null) report?.(index, 'MTU is no number of bytes');
    } else if (key === 'privatekey') {
      privateKey = isKey(value) ? new Secret(value) : null;
      if (privateKey === null) report?.(index, 'PrivateKey is not a key of 32 bytes in base64');
    } else if (key === 'saveconfig') {
      saveConfig = value.toLowerCase() === 'true';
    } else if (!LEFT_ALONE.has(key)) {
      report?.(index, 'is a key that wg-quick does not know in an [Interface] section');
    }
  }
  return { addresses, listenPort: listenPort === 0 ? null : listenPort, dns, mtu, privateKey, saveConfig };
}

/** Also what follows a disabled peer with no active section between: for wg-quick that is still `[Interface]`. */
function* interfaceLines(sections: readonly Section[]): Generator<[index: number, text: string]> {
  let inside = false;
  let start = 0;
  for (const section of sections) {
    if (!section.disabled) inside = section.kind === 'interface';
    for (const [i, { text }] of section.lines.entries()) {
      if (inside && i >= section.own && significant(text) !== '' && headerOf(text) === null)
        yield [start + i, text];
    }
    start += section.lines.length;
  }
}

/** A list as wg-quick splits it: at commas and blanks. */
function listOf(text: string): string[] {
  const value = text.slice(text.indexOf('=') + 1).replace(/#[^]*/, '');
  return value.split(/[ \t\n\v\f\r,]+/).filter((item) => item !== '');
}

function numberIn(value: string, min: number, max: number): number | null {
  const number = /^[0-9]{1,5}$/.test(value) ? Number(value) : -1;
  return number >= min && number <= max ? number : null;
}
