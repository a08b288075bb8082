import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseConfigFile, type ConfigFile, type ConfigPeer } from './config-file.ts';
import { WireGuardError } from './errors.ts';
import { Secret } from './types.ts';

const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const KEYS = [key(1), key(2), key(3)];
const NEW_KEY = key(4);
const RUNS = { numRuns: Number(process.env.RUNS ?? 300) };

// ── Soup: any bytes at all, rich in what means something. ──────────────────────────────────────────────
const soup = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          '\n',
          '\n',
          '\r\n',
          '\r',
          ' ',
          '\t',
          '#',
          '=',
          '\0',
          '\xff',
          '\xa0',
          '\x85',
        ),
      },
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          '[Peer]\n',
          '[peer] # x\r\n',
          '\n[ P e er]',
          '[Interface]\n',
          '[Foo]\n',
          '#wiremeter-disabled# ',
          '#wiremeter-disabled#',
          '#wiremeter-disabled# [Peer]\n',
          '#wiremeter-disabled# [Interface]\n',
          '# friendly_name=N\xc3\xa4\n',
          '# friendly_name=',
          '# PersistentKeepalive = 25\n',
          'PersistentKeepalive = 25 # x\n',
          'PersistentKeepalive=25',
          'AllowedIPs = 10.0.0.1/32, fd00::1\n',
          '\nallowedips=10.0.0.7',
          'Endpoint = a:1\n',
          'Unknown = # \xfe\n',
          'PostUp = [ -z "$X" ] # [Peer]\n',
        ),
      },
      { weight: 4, arbitrary: fc.constantFrom(...KEYS).map((k) => `PublicKey = ${k}\n`) },
      { weight: 2, arbitrary: fc.constantFrom(...KEYS).map((k) => `[Peer]\nPublicKey=${k}\n`) },
      {
        weight: 2,
        arbitrary: fc
          .constantFrom(...KEYS)
          .map((k) => `\n#wiremeter-disabled# [Peer]\n#wiremeter-disabled# PublicKey=${k}\n`),
      },
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 25 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

const name = fc.option(fc.constantFrom('Zoë', 'a # b', '[Peer]', 'x=y', '日本'), { nil: null });
const networks = fc.subarray(['10.1.0.1/32', '10.2.0.0/16', 'fd00:1::2/128', '0.0.0.0/0']);
const change = fc.record(
  {
    friendlyName: name,
    allowedIPs: networks,
    persistentKeepalive: fc.constantFrom(0, 25, 65535),
    presharedKey: fc.constantFrom(null, new Secret(key(50)), new Secret(key(51))),
  },
  { requiredKeys: [] },
);
type Edit = (file: ConfigFile, publicKey: string) => ConfigFile;
const edit: fc.Arbitrary<Edit> = fc.oneof(
  change.map(
    (c): Edit =>
      (file, k) =>
        file.updatePeer(k, c),
  ),
  fc.constant<Edit>((file, k) => file.disablePeer(k)),
  fc.constant<Edit>((file, k) => file.enablePeer(k)),
);
const removal: Edit = (file, k) => file.removePeer(k);

/** The edit, or null where it is refused: the one refusal allowed is that of a misplaced line. */
function attempt(act: () => ConfigFile): ConfigFile | null {
  try {
    return act();
  } catch (error) {
    if (error instanceof WireGuardError && error.message.includes('below a disabled peer')) return null;
    throw error;
  }
}

const plain = (peers: readonly ConfigPeer[]) =>
  peers.map((peer) => ({ ...peer, presharedKey: peer.presharedKey?.reveal() ?? null }));
const others = (file: ConfigFile, publicKey: string) =>
  plain(file.peers.filter((peer) => peer.publicKey !== publicKey));
/** What was edited reads the same as its bytes read anew. */
function expectSettled(file: ConfigFile): void {
  const again = parseConfigFile(file.bytes());
  expect(plain(again.peers)).toEqual(plain(file.peers));
  expect(again.problems).toEqual(file.problems);
  expect({ ...again.interface, privateKey: null }).toEqual({ ...file.interface, privateKey: null });
}

test('any bytes come back', () => {
  fc.assert(
    fc.property(fc.oneof(soup, fc.uint8Array()), (bytes) => {
      const file = parseConfigFile(bytes);
      expect(file.bytes().equals(bytes)).toBe(true);
      expect(file.problems).toBeInstanceOf(Array);
    }),
    RUNS,
  );
});

test('adding, any edits, then removing gives the same bytes', () => {
  fc.assert(
    fc.property(
      soup,
      name,
      networks,
      fc.boolean(),
      fc.array(edit, { maxLength: 5 }),
      (bytes, who, ips, enabled, edits) => {
        const before = parseConfigFile(bytes);
        let file = before.addPeer({ publicKey: NEW_KEY, friendlyName: who, allowedIPs: ips, enabled });
        expect(others(file, NEW_KEY)).toEqual(plain(before.peers));
        expect(file.peer(NEW_KEY)).toMatchObject({ friendlyName: who, allowedIPs: ips, enabled });
        expectSettled(file);
        for (const one of edits) {
          file = one(file, NEW_KEY);
          expectSettled(file);
          expect(others(file, NEW_KEY)).toEqual(plain(before.peers));
        }
        expect(parseConfigFile(file.bytes()).removePeer(NEW_KEY).bytes().toString('latin1')).toBe(
          Buffer.from(bytes).toString('latin1'),
        );
      },
    ),
    RUNS,
  );
});

test('disabling then enabling gives the same bytes', () => {
  fc.assert(
    fc.property(soup, (bytes) => {
      const file = parseConfigFile(bytes);
      for (const { publicKey, enabled } of file.peers) {
        const untouched = attempt(() => file.enablePeer(publicKey));
        if (!enabled || !untouched?.bytes().equals(file.bytes())) continue;
        const disabled = attempt(() => file.disablePeer(publicKey));
        if (disabled === null) continue;
        expectSettled(disabled);
        expect(disabled.peer(publicKey)!.enabled).toBe(false);
        expect(plain(disabled.peers).map((peer) => ({ ...peer, enabled: 0 }))).toEqual(
          plain(file.peers).map((peer) => ({ ...peer, enabled: 0 })),
        );
        const enabledAgain = attempt(() => parseConfigFile(disabled.bytes()).enablePeer(publicKey));
        expect(enabledAgain?.bytes().toString('latin1')).toBe(bytes.toString('latin1'));
      }
    }),
    RUNS,
  );
});

test('an edit leaves the other peers and the interface as they read', () => {
  fc.assert(
    fc.property(
      soup,
      fc.array(fc.tuple(fc.nat(), fc.oneof(edit, fc.constant(removal))), { maxLength: 6 }),
      (bytes, edits) => {
        let file = parseConfigFile(bytes);
        for (const [pick, one] of edits) {
          const { publicKey } = file.peers[pick % (file.peers.length || 1)] ?? {};
          if (publicKey === undefined) return;
          const after = attempt(() => one(file, publicKey));
          if (after === null) continue;
          expect(others(after, publicKey)).toEqual(others(file, publicKey));
          expect({ ...after.interface, privateKey: null }).toEqual({ ...file.interface, privateKey: null });
          if (one === removal) expect(after.peer(publicKey)).toBeNull();
          expectSettled(after);
          file = after;
        }
      },
    ),
    RUNS,
  );
});

// ── Well-formed files, where every line is known to be the peer's or foreign. ──────────────────────────
const blank = fc.constantFrom('', ' ', '\t');
const foreign = fc.oneof(
  blank,
  fc.uint8Array({ maxLength: 12 }).map(
    (bytes) =>
      `# ${Buffer.from(bytes)
        .toString('latin1')
        .replace(/[\r\n]/g, '.')}`,
  ),
  fc.constantFrom('# Alice', '#', '  # [Peer]', '# \xff\xfe', '### Client x'),
);
const spelt = (word: string) => fc.constantFrom(word, word.toLowerCase(), word.toUpperCase(), `  ${word}`);
const assign = fc.constantFrom('=', ' = ', ' =', '=  ', '\t=\t');
const remark = fc.constantFrom('', ' # x=y [Peer]', '#', '\t# \xe9');
const entry = (word: string, value: fc.Arbitrary<string>) =>
  fc.tuple(spelt(word), assign, value, remark).map((parts) => parts.join(''));

const interfaceLines = fc.array(
  fc.oneof(
    foreign,
    fc.constantFrom(
      'PostUp = [ -z "$A" ] && echo "#" \'[Peer]\'',
      'PostDown=iptables # [Peer]',
      'Address = 10.8.0.1/24',
    ),
    entry('ListenPort', fc.constant('51820')),
    fc.constant('Jc = 4'),
  ),
  { maxLength: 5 },
);
const section = (n: number) =>
  fc
    .tuple(
      fc.constantFrom('[Peer]', '[peer]', ' [PEER] # x', '[ Peer ]'),
      entry('PublicKey', fc.constant(KEYS[n]!)),
      fc.array(
        fc.oneof(
          foreign,
          entry('AllowedIPs', fc.constantFrom('10.0.0.1', '10.0.0.2/32 , FD00::2/128')),
          entry('PersistentKeepalive', fc.constantFrom('0', 'off', '25')),
          entry('PresharedKey', fc.constant(key(60))),
          entry('AdvancedSecurity', fc.constant('on')),
          fc.constant('# friendly_name = M\xc3\xbcller'),
        ),
        { maxLength: 6 },
      ),
      entry('Endpoint', fc.constant('host:1')),
    )
    .map(([header, publicKey, rest, last]) => [header, publicKey, ...rest, last]);
const wellFormed = fc
  .record({
    head: interfaceLines,
    sections: fc.tuple(section(0), section(1), section(2)),
    gaps: fc.tuple(...[0, 1, 2, 3].map(() => fc.array(foreign, { maxLength: 3 }))),
    eol: fc.constantFrom('\n', '\r\n'),
    finalEol: fc.boolean(),
  })
  .map((parts) => {
    const { head, sections, gaps, eol, finalEol } = parts;
    const around = [...gaps[0]!, '[Interface]', ...head];
    const pieces = [around, sections[0], gaps[1]!, sections[1], gaps[2]!, sections[2], gaps[3]!];
    return { ...parts, pieces, text: pieces.flat().join(eol) + (finalEol ? eol : '') };
  });
const latin1 = (file: ConfigFile) => file.bytes().toString('latin1');
const changedKey = /^[ \t]*(AllowedIPs|PersistentKeepalive|PresharedKey)[ \t]*=|^# friendly_name/i;

test('updating leaves every line of other keys, sections and programs, in order', () => {
  fc.assert(
    fc.property(
      wellFormed,
      fc.nat(2),
      change,
      fc.boolean(),
      ({ text, pieces, eol, finalEol }, n, to, disabled) => {
        const start = parseConfigFile(Buffer.from(text, 'latin1'));
        let file = start;
        if (disabled) file = file.disablePeer(KEYS[n]!);
        file = file.updatePeer(KEYS[n]!, to);
        if (disabled) file = file.enablePeer(KEYS[n]!);
        expect(file.peer(KEYS[n]!)).toMatchObject(to);
        const strip = (lines: string[]) => lines.filter((line) => !changedKey.test(line));
        const index = 1 + 2 * n;
        const before = pieces.slice(0, index).flat().join(eol) + eol;
        const after = pieces.slice(index + 1).flat();
        const rest = after.length > 0 ? eol + after.join(eol) + (finalEol ? eol : '') : '';
        const result = latin1(file);
        expect(result.startsWith(before)).toBe(true);
        expect(result.slice(before.length).endsWith(rest)).toBe(true);
        const changed = result.slice(before.length, result.length - rest.length).split(eol);
        expect(strip(changed).filter((line) => line !== '')).toEqual(
          strip(pieces[index]!).filter((line) => line !== ''),
        );
      },
    ),
    RUNS,
  );
});

test('removing takes the section, at most one empty line above, and nothing else', () => {
  fc.assert(
    fc.property(wellFormed, fc.nat(2), fc.boolean(), ({ text, pieces, eol, finalEol }, n, disabled) => {
      let file = parseConfigFile(Buffer.from(text, 'latin1'));
      if (disabled) file = file.disablePeer(KEYS[n]!);
      const index = 1 + 2 * n;
      const before = pieces.slice(0, index).flat();
      if (before.at(-1) === '') before.pop();
      const left = [...before, ...pieces.slice(index + 1).flat()];
      const wanted = left.join(eol) + (finalEol ? eol : '');
      expect(latin1(file.removePeer(KEYS[n]!))).toBe(wanted);
    }),
    RUNS,
  );
});
