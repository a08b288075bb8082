/**
 * Against real WireGuard: wireguard-go devices in network namespaces, read over their sockets and through
 * `wg`, with real traffic between them. The tests build on one another, in order.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  cleanUpServers,
  expectNoSecretPrinted,
  keepSecret,
  temporaryFolder,
  TestServer,
  until,
  type Stream,
} from '../support/server.ts';
import { describeWith, which } from '../support/tools.ts';
import { cleanUpWireGuard, Namespace, RealDevice, run, SOCKET_DIR } from '../support/wireguard.ts';

interface PeerState {
  readonly publicKey: string;
  readonly name: string | null;
  readonly allowedIPs: string[];
  readonly enabled: boolean;
  readonly hasPresharedKey: boolean;
  readonly totalReceived: string;
  readonly totalSent: string;
  readonly transferRx: string;
  readonly transferTx: string;
  readonly latestHandshake: string | null;
  readonly epochs: { cause: string; received: string; sent: string; endedAt: string | null }[];
}
interface Tick {
  readonly sequence: number;
  readonly at: string;
  readonly intervalMs: number;
  readonly receiveRate: number;
  readonly peers: { publicKey: string; received: string; receiveRate: number; transferRx: string }[];
}
interface Event {
  readonly kind: string;
  readonly publicKey: string;
  readonly peer: { name: string | null } | null;
}
interface Report {
  readonly inSync: boolean;
  readonly fixedCount: number;
  readonly peersOnInterface: number;
  readonly peersInDatabase: number;
  readonly peersInConfig: number;
  readonly inconsistencies: { kind: string; publicKey: string; message: string; fixed: boolean }[];
}
interface Generated {
  readonly generatePeer: { readonly clientConfig: string; readonly peer: { readonly publicKey: string } };
}
type Transfer = ReadonlyMap<string, readonly [bigint, bigint]>;

const PEERS = /* GraphQL */ `
  {
    peers(first: 1000) {
      nodes {
        publicKey
        name
        allowedIPs
        enabled
        hasPresharedKey
        totalReceived
        totalSent
        transferRx
        transferTx
        latestHandshake
        epochs {
          cause
          received
          sent
          endedAt
        }
      }
    }
  }
`;
const INTERFACE = '{ interfaces { name status statusReason publicKey endpoint addresses } }';
const SYNC = /* GraphQL */ `
  mutation Sync($fix: Boolean!, $source: SyncSource!) {
    sync(fix: $fix, source: $source) {
      inSync
      fixedCount
      peersOnInterface
      peersInDatabase
      peersInConfig
      inconsistencies {
        kind
        publicKey
        message
        fixed
      }
    }
  }
`;
const GENERATE = /* GraphQL */ `
  mutation Generate($input: GeneratePeerInput!) {
    generatePeer(input: $input) {
      clientConfig
      peer {
        publicKey
      }
    }
  }
`;
const ENABLE = /* GraphQL */ `
  mutation Enable($publicKey: String!, $enabled: Boolean!) {
    updatePeer(input: { publicKey: $publicKey, enabled: $enabled }) {
      peer {
        enabled
      }
    }
  }
`;
const DELETE = /* GraphQL */ `
  mutation Delete($publicKey: String!) {
    deletePeer(input: { publicKey: $publicKey }) {
      deletedPublicKeys
    }
  }
`;
const EVENTS = 'subscription { peerEvents { kind publicKey peer { name } } }';
const TRAFFIC =
  'subscription { traffic { sequence at intervalMs receiveRate peers { publicKey received receiveRate transferRx } } }';

/** The tunnel's addresses: the server, and clients by number. */
const HUB = '10.77.0.1';
/** A client notices after 15 s that nobody answers, and shakes hands anew. */
const REHANDSHAKE_MS = 90_000;
const TIMEOUT = { timeout: 240_000 };

async function newKey(): Promise<{ privateKey: string; publicKey: string }> {
  const privateKey = keepSecret((await run('wg', ['genkey'])).trim());
  const file = path.join(temporaryFolder(), 'key');
  writeFileSync(file, privateKey, { mode: 0o600 });
  // `wg pubkey` reads its standard input: a shell's redirection, of a file of ours.
  const publicKey = await run('sh', ['-c', 'wg pubkey < "$1"', 'sh', file]);
  return { privateKey, publicKey: publicKey.trim() };
}

/** Of a file's line `Key = value`. */
function valueOf(config: string, key: string): string {
  const [, value] = new RegExp(`^${key} *= *(.+)$`, 'm').exec(config) ?? [];
  if (value === undefined) throw new Error(`no ${key} in the file`);
  return value.trim();
}

await describeWith(['wireguard-go', 'iperf3'], 'real WireGuard', () => {
  let hub: Namespace;
  let alpha: Namespace;
  let beta: Namespace;
  let device: RealDevice;
  let alphaDevice: RealDevice;
  let betaDevice: RealDevice;
  let server: TestServer;
  let events: Stream<Event>;
  let configFile: string;
  /** The client that was made by generatePeer. */
  let client: string;
  /** The client that was added behind the server's back. */
  let stranger: string;

  async function peers(of = server): Promise<Map<string, PeerState>> {
    const answer = await of.gql<{ peers: { nodes: PeerState[] } }>(PEERS);
    return new Map(answer.peers.nodes.map((peer) => [peer.publicKey, peer]));
  }

  async function peer(publicKey: string, of = server): Promise<PeerState> {
    const found = (await peers(of)).get(publicKey);
    if (!found) throw new Error(`no peer ${publicKey}`);
    return found;
  }

  /** A sample between two equal readings of `wg show NAME transfer`: WireGuard sends keepalives by itself. */
  function settled(of = server): Promise<{ transfer: Transfer; peers: Map<string, PeerState> }> {
    const text = (transfer: Transfer): string => [...transfer].join(';');
    return until(
      'a sample without traffic',
      async () => {
        const before = await device.transfer();
        await of.gql('mutation { collect { peers } }');
        const now = await peers(of);
        const after = await device.transfer();
        return text(before) === text(after) ? { transfer: after, peers: now } : null;
      },
      { everyMs: 200 },
    );
  }

  const totalsOf = (state: PeerState | undefined): string => `${state?.totalReceived}/${state?.totalSent}`;
  const theInterface = async (of = server) => {
    const { interfaces } = await of.gql<{ interfaces: Record<string, string | null>[] }>(INTERFACE);
    return interfaces.find(({ name }) => name === device.name);
  };
  const sync = async (fix: boolean, source: string): Promise<Report> =>
    (await server.gql<{ sync: Report }>(SYNC, { fix, source })).sync;
  const kinds = ({ inconsistencies }: Report): string[] =>
    inconsistencies.map(({ kind, publicKey }) => `${kind} ${publicKey}`).sort();
  const reaches = (from: Namespace, ms = REHANDSHAKE_MS): Promise<boolean> =>
    until('an echo through the tunnel', () => from.ping(HUB), { ms, everyMs: 200 });

  /** Sets a client's device up from its file. */
  async function joinWith(config: string, letter: string, space: Namespace): Promise<RealDevice> {
    const made = await RealDevice.make(letter, space);
    const file = path.join(temporaryFolder(), `${made.name}.conf`);
    writeFileSync(file, config, { mode: 0o600 });
    await made.load(file, {
      addresses: valueOf(config, 'Address').split(', '),
      routes: ['10.77.0.0/24'],
    });
    return made;
  }

  beforeAll(async () => {
    hub = await Namespace.make('hub');
    alpha = await Namespace.make('alpha');
    beta = await Namespace.make('beta');
    await hub.cable(alpha, 'A', ['10.201.1.1/24', '10.201.1.2/24']);
    await hub.cable(beta, 'B', ['10.201.2.1/24', '10.201.2.2/24']);
    device = await RealDevice.make('A', hub);
    const { privateKey } = await newKey();
    const configDir = temporaryFolder();
    configFile = path.join(configDir, `${device.name}.conf`);
    const lines = [
      '# by hand',
      '[Interface]',
      `PrivateKey = ${privateKey}`,
      `Address = ${HUB}/24`,
      'Address = fd77::1/64',
      'ListenPort = 51877',
      '',
    ];
    writeFileSync(configFile, lines.join('\n'), { mode: 0o600 });
    await device.load(configFile, { addresses: [`${HUB}/24`, 'fd77::1/64'] });
    await hub.iperfServer(HUB);
    server = await TestServer.start({
      env: {
        WG_INTERFACE: device.name,
        WG_SOCKET_DIR: SOCKET_DIR,
        WG_CONFIG_DIR: configDir,
        WG_ENDPOINT: '10.201.1.1',
        COLLECT_INTERVAL: '0.5',
      },
    });
    events = server.subscribe<Event>(EVENTS);
  }, 120_000);

  afterAll(async () => {
    cleanUpServers();
    await cleanUpWireGuard();
  }, 60_000);

  it(
    'sets a client up from the file of generatePeer, and counts as wg does, byte for byte',
    TIMEOUT,
    async () => {
      const input = { name: 'Alpha – phone', email: 'alpha@example.com' };
      const { generatePeer } = await server.gql<Generated>(GENERATE, { input });
      const { clientConfig } = generatePeer;
      client = generatePeer.peer.publicKey;
      keepSecret(valueOf(clientConfig, 'PrivateKey'));
      keepSecret(valueOf(clientConfig, 'PresharedKey'));
      expect(valueOf(clientConfig, 'Address')).toBe('10.77.0.2/32, fd77::2/128');
      expect(valueOf(clientConfig, 'Endpoint')).toBe('10.201.1.1:51877');
      expect(valueOf(clientConfig, 'PublicKey')).toBe((await device.wg('show', 'public-key')).trim());
      expect(readFileSync(configFile, 'utf8')).toContain('# by hand\n[Interface]\n');
      expect(readFileSync(configFile, 'utf8')).toContain('# friendly_name=Alpha – phone');

      alphaDevice = await joinWith(clientConfig, 'B', alpha);
      expect(await reaches(alpha)).toBe(true);
      // It ends with some of them still on their way.
      await alpha.iperf(HUB, '-n', '12M');
      await alpha.iperf(HUB, '-n', '5M', '-R');
      const now = await settled();
      const [rx, tx] = now.transfer.get(client) ?? [0n, 0n];
      expect(rx).toBeGreaterThan(8_000_000n);
      expect(tx).toBeGreaterThan(2_500_000n);
      expect(rx).toBeGreaterThan(tx);
      expect(totalsOf(now.peers.get(client))).toBe(`${rx}/${tx}`);
      expect(now.peers.get(client)).toMatchObject({
        transferRx: String(rx),
        transferTx: String(tx),
        hasPresharedKey: true,
        epochs: [{ cause: 'ADDED', received: String(rx), sent: String(tx) }],
      });
      const handshake = new Date(now.peers.get(client)?.latestHandshake ?? 0).getTime();
      expect(Math.floor(handshake / 1000)).toBe(await device.handshake(client));
    },
  );

  it('tells rates in its ticks as a steady load has them', TIMEOUT, async () => {
    const stream = server.subscribe<Tick>(TRAFFIC);
    await stream.first(() => true);
    const payload = 1_200;
    const said = await alpha.iperf(HUB, '-u', '-b', '8M', '-l', String(payload), '-t', '6', '-J');
    const { end } = JSON.parse(said) as {
      end: { sum: { bits_per_second: number; lost_percent: number; seconds: number } };
    };
    const loaded = stream.events.filter(({ receiveRate }) => receiveRate > 300_000);
    // The first and the last were loaded for a part of their time. All between them count, also one that a
    // busy machine took so soon after the one before that nothing had come.
    const between = ({ sequence }: Tick): boolean =>
      sequence > (loaded[0]?.sequence ?? 0) && sequence < (loaded.at(-1)?.sequence ?? 0);
    const ticks = stream.events.filter(between);
    expect(ticks.length).toBeGreaterThan(5);
    stream.close();

    const [first] = loaded;
    let before = {
      at: first?.at ?? '',
      rx: first?.peers.find((one) => one.publicKey === client)?.transferRx,
    };
    let bytes = 0;
    let seconds = 0;
    for (const tick of ticks) {
      const one = tick.peers.find(({ publicKey }) => publicKey === client);
      const took = (new Date(tick.at).getTime() - new Date(before.at).getTime()) / 1000;
      if (!one) {
        expect(tick.receiveRate).toBe(0);
        seconds += took;
        before = { ...before, at: tick.at };
        continue;
      }
      const gained = Number(BigInt(one.transferRx) - BigInt(before.rx ?? 0));
      // Its own figures agree: the bytes exactly, the rate within what a rounded time takes.
      expect(Number(one.received)).toBe(gained);
      const rate = gained / took;
      if (took >= 0.1) {
        expect(Math.abs(one.receiveRate - rate)).toBeLessThanOrEqual(rate * 0.1);
        expect(Math.abs(tick.receiveRate - rate)).toBeLessThanOrEqual(rate * 0.1);
      }
      expect(Math.abs(tick.intervalMs / 1000 - took)).toBeLessThan(0.05);
      bytes += gained;
      seconds += took;
      before = { at: tick.at, rx: one.transferRx };
    }
    // UDP and IP headers, padded to 16 bytes, and WireGuard's 32.
    const onWire = Math.ceil((payload + 28) / 16) * 16 + 32;
    const arrived = (end.sum.bits_per_second / 8) * (1 - end.sum.lost_percent / 100) * (onWire / payload);
    expect(Math.abs(bytes / seconds - arrived) / arrived).toBeLessThan(0.1);
  });

  it('sees a peer that was added behind its back, and sync takes it in', TIMEOUT, async () => {
    const { privateKey, publicKey } = await newKey();
    stranger = publicKey;
    await device.wg('set', 'peer', stranger, 'allowed-ips', '10.77.0.50/32');
    await events.first(({ kind, publicKey: key }) => kind === 'ADDED' && key === stranger);
    const hubKey = (await device.wg('show', 'public-key')).trim();
    const config = [
      '[Interface]',
      `PrivateKey = ${privateKey}`,
      'Address = 10.77.0.50/32',
      '[Peer]',
      `PublicKey = ${hubKey}`,
      'AllowedIPs = 10.77.0.0/24',
      'Endpoint = 10.201.2.1:51877',
      '',
    ].join('\n');
    betaDevice = await joinWith(config, 'C', beta);
    expect(await reaches(beta)).toBe(true);
    await beta.iperf(HUB, '-n', '6M');
    const now = await settled();
    expect(totalsOf(now.peers.get(stranger))).toBe(now.transfer.get(stranger)?.join('/'));
    expect(BigInt(now.peers.get(stranger)?.totalReceived ?? 0)).toBeGreaterThan(1_000_000n);

    const found = await sync(false, 'WIREGUARD');
    expect(kinds(found)).toEqual([`MISSING_IN_CONFIG ${stranger}`, `MISSING_IN_DATABASE ${stranger}`]);
    expect(found).toMatchObject({
      inSync: false,
      fixedCount: 0,
      peersOnInterface: 2,
      peersInDatabase: 1,
      peersInConfig: 1,
    });
    const fixed = await sync(true, 'WIREGUARD');
    expect(fixed).toMatchObject({ inSync: true, fixedCount: 2, peersInDatabase: 2, peersInConfig: 2 });
    expect(readFileSync(configFile, 'utf8')).toContain(stranger);
    expect(await sync(false, 'WIREGUARD')).toMatchObject({ inSync: true, inconsistencies: [] });
    const after = await settled();
    expect(totalsOf(after.peers.get(stranger))).toBe(after.transfer.get(stranger)?.join('/'));
  });

  it('follows a file that was edited by hand, without cutting off who is connected', TIMEOUT, async () => {
    const added = await newKey();
    const psk = keepSecret((await run('wg', ['genpsk'])).trim());
    const before = await settled();
    const shaken = await device.handshake(client);
    const text = readFileSync(configFile, 'utf8');
    const section = [
      '',
      '[Peer]',
      '# friendly_name=By hand',
      `PublicKey = ${added.publicKey}`,
      `PresharedKey = ${psk}`,
      'AllowedIPs = 10.77.0.70/32',
      '',
    ].join('\n');
    writeFileSync(configFile, `${text.replace('10.77.0.50/32', '10.77.0.50/32, 10.77.0.60/32')}${section}`);

    const found = await sync(false, 'CONFIG');
    expect(kinds(found)).toContain(`SETTINGS_DIFFER ${stranger}`);
    expect(kinds(found)).toContain(`MISSING_ON_INTERFACE ${added.publicKey}`);
    const fixed = await sync(true, 'CONFIG');
    expect(fixed).toMatchObject({ inSync: true, peersOnInterface: 3, peersInDatabase: 3, peersInConfig: 3 });
    expect(await device.wg('show', 'allowed-ips')).toContain(`${stranger}\t10.77.0.50/32 10.77.0.60/32`);
    expect(await device.wg('show', 'preshared-keys')).toContain(`${added.publicKey}\t${psk}`);
    expect(await peer(stranger)).toMatchObject({ allowedIPs: ['10.77.0.50/32', '10.77.0.60/32'] });
    expect(await peer(added.publicKey)).toMatchObject({ name: 'By hand', hasPresharedKey: true });
    expect(readFileSync(configFile, 'utf8')).toContain(section);

    // The session of who is connected goes on: the same handshake, the next echo at once.
    expect(await device.handshake(client)).toBe(shaken);
    expect(await alpha.ping(HUB)).toBe(true);
    const after = await settled();
    const [rx = 0n] = before.transfer.get(client) ?? [];
    expect(after.transfer.get(client)?.[0]).toBeGreaterThan(rx);
    expect(totalsOf(after.peers.get(client))).toBe(after.transfer.get(client)?.join('/'));
    expect(after.peers.get(client)?.epochs).toHaveLength(1);
    expect(events.events.filter(({ kind }) => kind === 'COUNTER_RESET')).toEqual([]);

    // The database knows better: device and file follow it.
    const stray = await newKey();
    await device.wg('set', 'peer', stray.publicKey, 'allowed-ips', '10.77.0.80/32');
    await device.wg('set', 'peer', stranger, 'allowed-ips', '10.77.0.50/32');
    await device.wg('set', 'peer', added.publicKey, 'remove');
    expect((await sync(false, 'DATABASE')).inSync).toBe(false);
    expect(await sync(true, 'DATABASE')).toMatchObject({
      inSync: true,
      peersOnInterface: 3,
      peersInConfig: 3,
    });
    expect(await device.peers()).not.toContain(stray.publicKey);
    expect(await device.wg('show', 'allowed-ips')).toContain(`${stranger}\t10.77.0.50/32 10.77.0.60/32`);
    expect(await device.wg('show', 'preshared-keys')).toContain(`${added.publicKey}\t${psk}`);
    expect(await alpha.ping(HUB)).toBe(true);
    expect(await device.handshake(client)).toBe(shaken);
  });

  it(
    'keeps peers and totals while the daemon is dead, and counts on exactly when it is back',
    TIMEOUT,
    async () => {
      const before = await settled();
      const old = before.peers.get(client);
      await device.kill();
      const down = await until('the interface is down', async () => {
        const now = await theInterface();
        return now?.['status'] === 'DOWN' ? now : null;
      });
      expect(down['statusReason']).toBeTruthy();
      const meanwhile = await peers();
      expect([...meanwhile.keys()].sort()).toEqual([...before.peers.keys()].sort());
      expect(totalsOf(meanwhile.get(client))).toBe(totalsOf(old));
      expect((await server.refusal('mutation { collect { peers } }')).code).toBe('WIREGUARD_UNAVAILABLE');

      await device.start();
      // Empty, for some ticks: no peer is lost by it.
      const stream = server.subscribe<Tick>(TRAFFIC);
      await until('it is seen', async () => (await theInterface())?.['status'] === 'UNREADABLE');
      stream.close();
      expect([...(await peers()).keys()].sort()).toEqual([...before.peers.keys()].sort());
      await device.load(configFile, { addresses: [`${HUB}/24`, 'fd77::1/64'] });
      expect(await reaches(alpha)).toBe(true);
      const now = await settled();
      expect((await theInterface())?.['status']).toBe('UP');
      const [rx, tx] = now.transfer.get(client) ?? [0n, 0n];
      expect(rx).toBeGreaterThan(0n);
      expect(totalsOf(now.peers.get(client))).toBe(
        `${BigInt(old?.totalReceived ?? 0) + rx}/${BigInt(old?.totalSent ?? 0) + tx}`,
      );
      expect(now.peers.get(client)?.epochs.map(({ cause }) => cause)).toEqual(['DEVICE_RECREATED', 'ADDED']);
      expect(now.peers.get(client)?.epochs[1]).toMatchObject({
        received: old?.totalReceived,
        sent: old?.totalSent,
      });
      await events.first(({ kind, publicKey }) => kind === 'COUNTER_RESET' && publicKey === client);
    },
  );

  it('switches a client off and on', TIMEOUT, async () => {
    expect(await reaches(alpha)).toBe(true);
    const before = await settled();
    await server.gql(ENABLE, { publicKey: client, enabled: false });
    expect(await device.peers()).not.toContain(client);
    expect(await alpha.ping(HUB)).toBe(false);
    const off = await peer(client);
    expect(off).toMatchObject({ enabled: false });
    expect(BigInt(off.totalReceived)).toBeGreaterThanOrEqual(
      BigInt(before.peers.get(client)?.totalReceived ?? 0),
    );
    expect(await sync(false, 'DATABASE')).toMatchObject({ inSync: true, inconsistencies: [] });

    await server.gql(ENABLE, { publicKey: client, enabled: true });
    expect(await reaches(alpha)).toBe(true);
    const now = await settled();
    const [rx, tx] = now.transfer.get(client) ?? [0n, 0n];
    expect(totalsOf(now.peers.get(client))).toBe(
      `${BigInt(off.totalReceived) + rx}/${BigInt(off.totalSent) + tx}`,
    );
    expect(await sync(false, 'WIREGUARD')).toMatchObject({ inSync: true, inconsistencies: [] });
  });

  it('keeps the counters over a new private key, and invents no bytes (A4)', TIMEOUT, async () => {
    const before = await settled();
    const old = before.peers.get(client);
    const oldKey = (await device.wg('show', 'public-key')).trim();
    const fresh = await newKey();
    const file = path.join(temporaryFolder(), 'key');
    writeFileSync(file, fresh.privateKey, { mode: 0o600 });
    await device.wg('set', 'private-key', file);
    // As an administrator does it, in both places.
    const text = readFileSync(configFile, 'utf8');
    writeFileSync(configFile, text.replace(/^PrivateKey = .*$/m, `PrivateKey = ${fresh.privateKey}`));
    const now = await settled();
    expect((await theInterface())?.['publicKey']).toBe(fresh.publicKey);
    const grown = (at: 0 | 1): bigint =>
      (now.transfer.get(client)?.[at] ?? 0n) - (before.transfer.get(client)?.[at] ?? 0n);
    const expected = `${BigInt(old?.totalReceived ?? 0) + grown(0)}/${BigInt(old?.totalSent ?? 0) + grown(1)}`;
    expect(totalsOf(now.peers.get(client))).toBe(expected);
    expect(now.peers.get(client)?.epochs).toHaveLength(old?.epochs.length ?? 0);

    const psk = path.join(temporaryFolder(), 'psk');
    const line = (await device.wg('show', 'preshared-keys'))
      .split('\n')
      .find((one) => one.startsWith(client));
    writeFileSync(psk, line?.split('\t')[1] ?? '', { mode: 0o600 });
    const joined = ['preshared-key', psk, 'allowed-ips', '10.77.0.0/24', 'endpoint', '10.201.1.1:51877'];
    await alphaDevice.wg('set', 'peer', oldKey, 'remove', 'peer', fresh.publicKey, ...joined);
    expect(await reaches(alpha)).toBe(true);
    const later = await settled();
    const total = (at: 0 | 1): bigint =>
      BigInt((at === 0 ? old?.totalReceived : old?.totalSent) ?? 0) +
      (later.transfer.get(client)?.[at] ?? 0n) -
      (before.transfer.get(client)?.[at] ?? 0n);
    expect(totalsOf(later.peers.get(client))).toBe(`${total(0)}/${total(1)}`);
  });

  it('reads and changes the same device through wg, and shows it no secret', TIMEOUT, async () => {
    const real = which('wg') ?? 'wg';
    const folder = temporaryFolder();
    const log = path.join(folder, 'log');
    // All that other users of the host could read of a `wg`.
    writeFileSync(
      path.join(folder, 'wg'),
      `#!/bin/sh\n{ tr '\\0' ' ' </proc/$$/cmdline; echo; tr '\\0' ' ' </proc/$$/environ; echo; } >>${log}\nexec ${real} "$@"\n`,
    );
    chmodSync(path.join(folder, 'wg'), 0o755);
    const empty = path.join(folder, 'run');
    mkdirSync(empty);
    const other = await TestServer.start({
      env: {
        PATH: `${folder}:${process.env['PATH'] ?? ''}`,
        WG_INTERFACE: device.name,
        WG_SOCKET_DIR: empty,
        WG_CONFIG_DIR: path.dirname(configFile),
        WG_ENDPOINT: '10.201.1.1',
        COLLECT_INTERVAL: '0.5',
      },
    });
    const first = await settled(other);
    expect(first.peers.get(client)?.epochs.map(({ cause }) => cause)).toEqual(['FIRST_SEEN']);
    const here = await settled();
    await alpha.iperf(HUB, '-n', '6M');
    const now = await settled(other);
    const nowHere = await settled();
    const gained = (from: { transfer: Transfer }, to: { transfer: Transfer }, at: 0 | 1): bigint =>
      (to.transfer.get(client)?.[at] ?? 0n) - (from.transfer.get(client)?.[at] ?? 0n);
    const counted = (from: typeof now, to: typeof now): string => {
      const [a, b] = [from.peers.get(client), to.peers.get(client)];
      const received = BigInt(b?.totalReceived ?? 0) - BigInt(a?.totalReceived ?? 0);
      return `${received}/${BigInt(b?.totalSent ?? 0) - BigInt(a?.totalSent ?? 0)}`;
    };
    expect(gained(first, now, 0)).toBeGreaterThan(2_000_000n);
    expect(counted(first, now)).toBe(`${gained(first, now, 0)}/${gained(first, now, 1)}`);
    expect(counted(here, nowHere)).toBe(`${gained(here, nowHere, 0)}/${gained(here, nowHere, 1)}`);

    const input = { name: 'By wg', email: 'wg@example.com' };
    const { generatePeer } = await other.gql<Generated>(GENERATE, { input });
    const { publicKey } = generatePeer.peer;
    const psk = keepSecret(valueOf(generatePeer.clientConfig, 'PresharedKey'));
    const privateKey = keepSecret(valueOf(generatePeer.clientConfig, 'PrivateKey'));
    expect(await device.wg('show', 'preshared-keys')).toContain(`${publicKey}\t${psk}`);
    await events.first(({ kind, publicKey: key }) => kind === 'ADDED' && key === publicKey);
    expect(await peer(publicKey)).toMatchObject({ hasPresharedKey: true });

    await other.gql(ENABLE, { publicKey, enabled: false });
    expect(await device.peers()).not.toContain(publicKey);
    await other.gql(ENABLE, { publicKey, enabled: true });
    expect(await device.wg('show', 'preshared-keys')).toContain(`${publicKey}\t${psk}`);
    await other.gql(DELETE, { publicKey });
    expect(await device.peers()).not.toContain(publicKey);

    const seen = readFileSync(log, 'utf8');
    expect(seen).toContain(publicKey);
    expect(seen).toContain('preshared-key /dev/stdin');
    expect(seen.includes(psk)).toBe(false);
    expect(seen.includes(privateKey)).toBe(false);
    expect(seen.includes(other.token)).toBe(false);
    expect((await other.stop()).code).toBe(0);
  });

  it('deletes a peer from the device, the file and the lists', TIMEOUT, async () => {
    await server.gql(DELETE, { publicKey: stranger });
    expect(await device.peers()).not.toContain(stranger);
    expect(await beta.ping(HUB)).toBe(false);
    expect(readFileSync(configFile, 'utf8')).not.toContain(stranger);
    expect(await peers()).not.toContain(stranger);
    await events.first(({ kind, publicKey }) => kind === 'REMOVED' && publicKey === stranger);
    expect(await betaDevice.peers()).toHaveLength(1);
    expect(await alpha.ping(HUB)).toBe(true);
    // The settings of the device itself are still the file's.
    expect(readFileSync(configFile, 'utf8')).toContain('# by hand\n[Interface]\n');
    expect((await server.stop()).code).toBe(0);
  });

  it('prints no secret', expectNoSecretPrinted);
});
