import { canonicalNetwork } from './config-file-network.ts';
import {
  at,
  BLANKS,
  disableText,
  enableText,
  headerOf,
  isBlank,
  isDisabledLine,
  keyValue,
  significant,
  type Line,
} from './config-file-lines.ts';
import { Secret } from './types.ts';

/**
 * A stretch of NAME.conf: from one section header to before the next. The file's lines before any header are
 * one too. A header with the disabled prefix also begins one, though for `wg` it is a comment.
 */
export interface Section {
  /** `text`: before any header, under a header nobody knows, or a commented-out header that is no peer's. */
  readonly kind: 'interface' | 'peer' | 'text';
  readonly disabled: boolean;
  readonly lines: readonly Line[];
  /**
   * How many lines from the header on are the peer's own: through its last key line, and through commented-out
   * peer keys directly below it. A disabled peer's: its unbroken run of prefixed lines. What comes after them
   * (blank lines, comments, the comment above the next header) stays when the peer goes.
   */
  readonly own: number;
  /** Null where this is no peer's section or it has no valid PublicKey. */
  readonly peer: SectionPeer | null;
  /**
   * Index of a key line after a disabled section, or -1. For `wg` that line belongs to the active section
   * above, so neither of the two can be changed safely.
   */
  readonly stray: number;
}

/** What one section says about its peer; undefined where it says nothing. */
export interface SectionPeer {
  readonly publicKey: string;
  readonly friendlyName: string | null;
  readonly allowedIPs: readonly string[];
  readonly persistentKeepalive: number | undefined;
  readonly presharedKey: Secret | undefined;
  readonly endpoint: string | undefined;
}

/** Checked values to write; undefined leaves the lines, null removes them. */
export interface SectionChange {
  readonly friendlyName?: string | null | undefined;
  readonly allowedIPs?: string | null | undefined;
  readonly persistentKeepalive?: string | null | undefined;
  readonly presharedKey?: string | null | undefined;
}

/** Told of what cannot be understood: the line's index in the section, and what is wrong, without its value. */
export type Report = (index: number, what: string) => void;

const PEER_KEYS = new Set(['publickey', 'presharedkey', 'allowedips', 'endpoint', 'persistentkeepalive']);
const KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const FRIENDLY_NAME = new RegExp(
  `^(${BLANKS}#${BLANKS}friendly_name${BLANKS}=${BLANKS})([^]*?)(${BLANKS})$`,
  'i',
);
const ASSIGNMENT = new RegExp(`^([^=]*=${BLANKS})([^]*?)(${BLANKS})$`);
const INDENT = new RegExp(`^${BLANKS}`);

/** True for 32 bytes in canonical base64, as `wg` takes keys. */
export function isKey(text: string): boolean {
  return KEY.test(text);
}

/** Cuts lines into sections. The first is what stands before any header, and may have no lines. */
export function splitSections(lines: readonly Line[]): Section[] {
  const sections: Section[] = [];
  let start = 0;
  for (let i = 0; i < lines.length; i++) {
    if (sectionHeader(at(lines, i).text) === null) continue;
    sections.push(readSection(lines.slice(start, i)));
    start = i;
  }
  sections.push(readSection(lines.slice(start)));
  return sections;
}

function sectionHeader(text: string) {
  return headerOf(isDisabledLine(text) ? enableText(text) : text);
}

/** Reads lines of which only the first may be a header. */
export function readSection(lines: readonly Line[], report?: Report): Section {
  const first = lines[0]?.text ?? '';
  const header = sectionHeader(first);
  const disabled = header !== null && isDisabledLine(first);
  const kind = header === 'peer' || (header === 'interface' && !disabled) ? header : 'text';
  if (kind !== 'peer' && !disabled) return { kind, disabled, lines, own: 0, peer: null, stray: -1 };

  const own = disabled ? prefixedRun(lines) : ownLines(lines);
  const stray = disabled ? lines.findIndex((line, i) => i >= own && significant(line.text) !== '') : -1;
  const peer = kind === 'peer' ? readPeer(lines.slice(0, own), disabled, report) : null;
  if (stray >= 0) report?.(stray, 'belongs to the section above the disabled peer: move it up there');
  return { kind, disabled, lines, own, peer, stray };
}

function prefixedRun(lines: readonly Line[]): number {
  const end = lines.findIndex((line) => !isDisabledLine(line.text));
  return end < 0 ? lines.length : end;
}

function ownLines(lines: readonly Line[]): number {
  let own = lines.length;
  while (own > 0 && significant(at(lines, own - 1).text) === '') own--;
  for (let i = own; i < lines.length; i++) {
    const text = at(lines, i).text;
    if (isBlank(text)) break;
    // Prefixed lines count too: once this section is disabled, they continue its run.
    if (isDisabledLine(text) || isPeerKey(text.slice(text.indexOf('#') + 1))) own = i + 1;
  }
  return own;
}

function isPeerKey(text: string): boolean {
  const entry = keyValue(text);
  return entry !== null && PEER_KEYS.has(entry.key);
}

function readPeer(lines: readonly Line[], disabled: boolean, report?: Report): SectionPeer | null {
  let publicKey: string | null | undefined;
  let friendlyName: string | null = null;
  let persistentKeepalive: number | undefined;
  let presharedKey: Secret | undefined;
  let endpoint: string | undefined;
  const allowedIPs = new Set<string>();
  const texts = logicalTexts(lines, disabled);
  const lastKey = lastKeyLine(texts);

  for (const [i, text] of texts.entries()) {
    if (i === 0) continue;
    if (significant(text) === '') {
      if (friendlyName === null && i < lastKey) friendlyName = readFriendlyName(text);
      continue;
    }
    const entry = keyValue(text);
    if (entry === null) {
      report?.(i, 'is no "key = value"');
      continue;
    }
    const { key, value } = entry;
    if (key === 'publickey') {
      publicKey = isKey(value) ? value : null;
      if (publicKey === null) report?.(i, 'PublicKey is not a key of 32 bytes in base64');
    } else if (key === 'presharedkey') {
      if (isKey(value)) presharedKey = new Secret(value);
      else report?.(i, 'PresharedKey is not a key of 32 bytes in base64');
    } else if (key === 'allowedips') {
      for (const part of value.split(',')) {
        // Newer versions of `wg` take `+` for adding, which is what a list in a file does anyway.
        const network = canonicalNetwork(part.replace(/^\+/, ''));
        if (network !== null) allowedIPs.add(network);
        else if (part !== '') report?.(i, 'AllowedIPs holds something that is no network');
      }
    } else if (key === 'endpoint') {
      endpoint = value;
    } else if (key === 'persistentkeepalive') {
      const seconds = value.toLowerCase() === 'off' ? 0 : /^[0-9]{1,5}$/.test(value) ? Number(value) : 65536;
      if (seconds <= 65535) persistentKeepalive = seconds;
      else report?.(i, 'PersistentKeepalive is not "off" or 0 to 65535');
    } else {
      report?.(i, 'is a key that wg does not know in a [Peer] section');
    }
  }
  if (publicKey === undefined) report?.(0, '[Peer] has no PublicKey');
  if (typeof publicKey !== 'string') return null;
  return {
    publicKey,
    friendlyName,
    allowedIPs: [...allowedIPs],
    persistentKeepalive,
    presharedKey,
    endpoint,
  };
}

/** The lines as they were, or will be, when enabled. */
function logicalTexts(lines: readonly Line[], disabled: boolean): string[] {
  return lines.map((line) => (disabled ? enableText(line.text) : line.text));
}

function lastKeyLine(texts: readonly string[]): number {
  let last = texts.length - 1;
  while (last > 0 && significant(at(texts, last)) === '') last--;
  return last;
}

function readFriendlyName(text: string): string | null {
  const name = FRIENDLY_NAME.exec(text)?.[2];
  return name ? Buffer.from(name, 'latin1').toString('utf8') : null;
}

/** The section's lines with its own ones commented out, or back as they were. */
export function toggleSection(section: Section): Line[] {
  const change = section.disabled ? enableText : disableText;
  return section.lines.map((line, i) =>
    i < section.own ? { text: change(line.text), eol: line.eol } : line,
  );
}

/** The section's lines with some values changed; lines of other keys stay as they are. */
export function changeSection(section: Section, change: SectionChange): Line[] {
  const own = section.lines.slice(0, section.own);
  const texts = logicalTexts(own, section.disabled);
  const edit = { texts, eols: own.map((line) => line.eol) };

  if (change.friendlyName !== undefined) setFriendlyName(edit, change.friendlyName);
  if (change.presharedKey !== undefined) setKey(edit, 'PresharedKey', change.presharedKey);
  if (change.allowedIPs !== undefined) setKey(edit, 'AllowedIPs', change.allowedIPs);
  if (change.persistentKeepalive !== undefined)
    setKey(edit, 'PersistentKeepalive', change.persistentKeepalive);

  const lines = edit.texts.map((text, i): Line => ({
    text: section.disabled ? disableText(text) : text,
    eol: at(edit.eols, i),
  }));
  return [...lines, ...section.lines.slice(section.own)];
}

/** The own lines while they change. A new line has no line end yet: the file gives it one. */
interface Edit {
  readonly texts: string[];
  readonly eols: Line['eol'][];
}

function insert(edit: Edit, index: number, text: string): void {
  edit.texts.splice(index, 0, text);
  edit.eols.splice(index, 0, '');
}

function remove(edit: Edit, index: number): void {
  edit.texts.splice(index, 1);
  edit.eols.splice(index, 1);
}

function setFriendlyName(edit: Edit, name: string | null): void {
  const end = lastKeyLine(edit.texts);
  const found = edit.texts.flatMap((text, i) => (i > 0 && i < end && FRIENDLY_NAME.test(text) ? [i] : []));
  const bytes = name === null ? null : Buffer.from(name, 'utf8').toString('latin1');
  const [first] = found;
  if (bytes === null) {
    for (const i of found.reverse()) remove(edit, i);
  } else if (first === undefined) {
    insert(edit, 1, `# friendly_name=${bytes}`);
  } else {
    edit.texts[first] = at(edit.texts, first).replace(FRIENDLY_NAME, (_, before: string) => before + bytes);
  }
}

function setKey(edit: Edit, name: string, value: string | null): void {
  const key = name.toLowerCase();
  const found = edit.texts.flatMap((text, i) => (i > 0 && keyValue(text)?.key === key ? [i] : []));
  const kept = value === null ? undefined : found.shift();
  for (const i of found.reverse()) remove(edit, i);
  if (value === null) return;
  if (kept !== undefined) {
    edit.texts[kept] = replaceValue(at(edit.texts, kept), value);
    return;
  }
  const last = lastKeyLine(edit.texts);
  const indent = last > 0 ? (INDENT.exec(at(edit.texts, last))?.[0] ?? '') : '';
  insert(edit, last + 1, `${indent}${name} = ${value}`);
}

/** Keeps how the key is spelt, the blanks and the comment. */
function replaceValue(text: string, value: string): string {
  const hash = text.indexOf('#');
  const assignment = hash < 0 ? text : text.slice(0, hash);
  const comment = hash < 0 ? '' : text.slice(hash);
  return (
    assignment.replace(ASSIGNMENT, (_, key: string, _old, blanks: string) => key + value + blanks) + comment
  );
}
