import { readInterface, type ConfigInterface } from './config-file-interface.ts';
import {
  at,
  commonEol,
  disableText,
  isBlank,
  joinLines,
  significant,
  splitLines,
  terminate,
  type Line,
} from './config-file-lines.ts';
import {
  changeSection,
  readSection,
  splitSections,
  toggleSection,
  type Section,
} from './config-file-section.ts';
import {
  differing,
  newSectionTexts,
  refusal,
  sectionChange,
  type ConfigPeerChange,
  type NewConfigPeer,
} from './config-file-values.ts';
import type { Secret } from './types.ts';

export type { ConfigInterface } from './config-file-interface.ts';
export type { ConfigPeerChange, NewConfigPeer } from './config-file-values.ts';

/** A peer as NAME.conf tells it. Where one key has several sections, what `wg setconf` makes of them. */
export interface ConfigPeer {
  readonly publicKey: string;
  /** From `# friendly_name=…` between `[Peer]` and the last key line. */
  readonly friendlyName: string | null;
  /** Canonical CIDR, in the file's order. */
  readonly allowedIPs: readonly string[];
  /** Seconds; 0 is off. */
  readonly persistentKeepalive: number;
  readonly presharedKey: Secret | null;
  /** As written: `host:port`. */
  readonly endpoint: string | null;
  /** False where all its sections are commented out by {@link ConfigFile.disablePeer}. */
  readonly enabled: boolean;
}

/** Reads NAME.conf. Never throws: what it cannot understand is kept, and listed in `problems`. */
export function parseConfigFile(bytes: Uint8Array): ConfigFile {
  const lines = splitLines(Buffer.from(bytes).toString('latin1'));
  return new ConfigFile(splitSections(lines), commonEol(lines));
}

/**
 * NAME.conf as text, CONTRACT.md §6: an edit changes lines of one peer's section and no other byte. A value:
 * each edit returns a new file, and takes about a millisecond at 10,000 peers.
 *
 * What belongs to a peer: see {@link Section.own}. A new section goes to the file's end, before trailing blank
 * lines and after one empty line, and leaves a missing final line end missing; removing a section takes that
 * empty line away too. So adding and removing a peer gives the same bytes.
 */
export class ConfigFile {
  readonly #sections: readonly Section[];
  readonly #eol: '\n' | '\r\n';
  #peers: readonly ConfigPeer[] | undefined;

  /** Not for callers: use {@link parseConfigFile}. The first section has no header. */
  constructor(sections: readonly Section[], eol: '\n' | '\r\n') {
    this.#sections = sections;
    this.#eol = eol;
  }

  bytes(): Buffer {
    return Buffer.from(this.#sections.map((section) => joinLines(section.lines)).join(''), 'latin1');
  }

  /** All peers with a valid PublicKey, disabled ones too, in the file's order. */
  get peers(): readonly ConfigPeer[] {
    return (this.#peers ??= mergePeers(this.#sections));
  }

  peer(publicKey: string): ConfigPeer | null {
    return this.peers.find((peer) => peer.publicKey === publicKey) ?? null;
  }

  get interface(): ConfigInterface {
    return readInterface(this.#sections);
  }

  /** One line each: what is kept in the file without being understood. Quotes no value, so no secret. */
  get problems(): string[] {
    const problems: string[] = [];
    const seen = new Map<string, number>();
    let line = 1;
    for (const section of this.#sections) {
      const report = (index: number, what: string) => problems.push(`line ${line + index}: ${what}`);
      readSection(section.lines, report);
      if (section.kind === 'text' && !section.disabled) {
        const key = section.lines.findIndex((one) => significant(one.text) !== '');
        if (key >= 0) report(key, 'stands in no [Interface] or [Peer] section: wg refuses the file');
      }
      if (section.peer !== null && !section.disabled) {
        const before = seen.get(section.peer.publicKey);
        if (before !== undefined)
          report(0, `the peer of line ${before} again: wg takes only these AllowedIPs`);
        seen.set(section.peer.publicKey, line);
      }
      line += section.lines.length;
    }
    readInterface(this.#sections, (index, what) => problems.push(`line ${index + 1}: ${what}`));
    return problems;
  }

  /** @throws WireGuardError FILE where the peer is in the file already or a value is not writable. */
  addPeer(peer: NewConfigPeer): ConfigFile {
    const texts = newSectionTexts(peer);
    if (this.#indexesOf(peer.publicKey).length > 0)
      throw refusal(peer.publicKey, 'it is in the file already');
    const own = texts.map((text): Line => ({
      text: peer.enabled === false ? disableText(text) : text,
      eol: this.#eol,
    }));
    const last = this.#sections.length - 1;
    const before = [...at(this.#sections, last).lines];
    let end = before.length;
    while (end > 0 && isBlank(at(before, end - 1).text)) end--;
    const trailing = before.splice(end);
    if (before.length > 0) before.push({ text: '', eol: this.#eol });
    return this.#replace(last, 1, [before, [...own, ...trailing]]);
  }

  /** @throws WireGuardError FILE where the peer is not in the file or a value is not writable. */
  updatePeer(publicKey: string, change: ConfigPeerChange): ConfigFile {
    const lines = sectionChange(publicKey, change);
    return this.#each(
      publicKey,
      () => true,
      (section) => changeSection(section, differing(section, lines)),
    );
  }

  /** Comments the peer's sections out. @throws WireGuardError FILE where the peer is not in the file. */
  disablePeer(publicKey: string): ConfigFile {
    return this.#each(publicKey, (section) => !section.disabled, toggleSection);
  }

  /** Gives back the bytes from before {@link disablePeer}. @throws WireGuardError as there. */
  enablePeer(publicKey: string): ConfigFile {
    return this.#each(publicKey, (section) => section.disabled, toggleSection);
  }

  /** Takes the peer's sections out, enabled or not; the same file where it has none. */
  removePeer(publicKey: string): ConfigFile {
    return this.#indexesOf(publicKey).reduceRight<ConfigFile>((file, index) => {
      file.#refuseStray(index, publicKey);
      const section = at(file.#sections, index);
      const before = [...at(file.#sections, index - 1).lines];
      if (before.at(-1)?.text === '') before.pop();
      before.push(...section.lines.slice(section.own));
      return file.#replace(index - 1, 2, [before]);
    }, this);
  }

  #indexesOf(publicKey: string): number[] {
    const indexes: number[] = [];
    for (let i = 0; i < this.#sections.length; i++) {
      if (at(this.#sections, i).peer?.publicKey === publicKey) indexes.push(i);
    }
    return indexes;
  }

  /** True where the file's last line has no line end. */
  #unterminated(): boolean {
    for (let i = this.#sections.length - 1; i >= 0; i--) {
      const last = at(this.#sections, i).lines.at(-1);
      if (last !== undefined) return last.eol === '';
    }
    return false;
  }

  #replace(start: number, count: number, stretches: readonly Line[][]): ConfigFile {
    const unterminated = this.#unterminated();
    const sections = [...this.#sections];
    const lastNew = start + stretches.length - 1;
    const atEnd = start + count === sections.length;
    const read = stretches.map((lines, i) =>
      readSection(terminate(lines, this.#eol, !(atEnd && start + i === lastNew && unterminated))),
    );
    sections.splice(start, count, ...read);
    return new ConfigFile(sections, this.#eol);
  }

  #each(
    publicKey: string,
    wanted: (section: Section) => boolean,
    edit: (section: Section) => Line[],
  ): ConfigFile {
    const indexes = this.#indexesOf(publicKey);
    if (indexes.length === 0) throw refusal(publicKey, 'it is not in the file');
    return indexes.reduce<ConfigFile>((file, index) => {
      const section = at(file.#sections, index);
      if (!wanted(section)) return file;
      if (!section.disabled || edit === toggleSection) file.#refuseStray(index, publicKey);
      return file.#replace(index, 1, [edit(section)]);
    }, this);
  }

  /** Key lines below a disabled section are the active section's above: neither may then change places. */
  #refuseStray(index: number, publicKey: string): void {
    let last = index;
    if (!at(this.#sections, index).disabled) {
      while (this.#sections[last + 1]?.disabled && at(this.#sections, last).stray < 0) last++;
    }
    const { stray } = at(this.#sections, last);
    if (stray < 0) return;
    const line = this.#sections.slice(0, last).reduce((sum, one) => sum + one.lines.length, stray + 1);
    throw refusal(publicKey, `line ${line} stands below a disabled peer but belongs above it: move it first`);
  }
}

/** What `wg setconf` makes of several sections of one key: the last AllowedIPs, and each other key's last value. */
function mergePeers(sections: readonly Section[]): ConfigPeer[] {
  const peers = new Map<string, ConfigPeer>();
  for (const { peer, disabled } of sections) {
    if (peer === null) continue;
    const known = peers.get(peer.publicKey);
    // What is commented out says nothing beside a section that is not.
    if (known?.enabled && disabled) continue;
    const before = known?.enabled === !disabled ? known : undefined;
    peers.set(peer.publicKey, {
      publicKey: peer.publicKey,
      friendlyName: before?.friendlyName ?? peer.friendlyName,
      allowedIPs: peer.allowedIPs,
      persistentKeepalive: peer.persistentKeepalive ?? before?.persistentKeepalive ?? 0,
      presharedKey: peer.presharedKey ?? before?.presharedKey ?? null,
      endpoint: peer.endpoint ?? before?.endpoint ?? null,
      enabled: !disabled,
    });
  }
  return [...peers.values()];
}
