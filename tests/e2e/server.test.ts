/** The server as a program: settings, first run, health, who gets in, and how it ends (CONTRACT.md §4). */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { SimulatedDevice } from '../../server/wireguard/simulator.ts';
import {
  cleanUpServers,
  expectNoSecretPrinted,
  keepSecret,
  newToken,
  runToEnd,
  temporaryFolder,
  TestServer,
  until,
} from '../support/server.ts';

const TIMEOUT = { timeout: 240_000 };
const BROWSER = { accept: 'text/html,application/xhtml+xml', authorization: '' };
const COLLECT = 'mutation { collect { peers interfaces } }';
const INTERFACES = '{ interfaces { name status statusReason } }';
const TOTALS = '{ peers { nodes { publicKey totalReceived totalSent } } }';

interface Interfaces {
  readonly interfaces: { name: string; status: string; statusReason: string | null }[];
}
interface Totals {
  readonly peers: { nodes: { publicKey: string; totalReceived: string; totalSent: string }[] };
}
interface Ready {
  readonly ready: boolean;
  readonly reasons: string[];
}

const devices: SimulatedDevice[] = [];

/** A folder with a device in `run` and its file in `wireguard`, as the servers of these tests look for it. */
async function homeWithDevice(): Promise<{ dataDir: string; device: SimulatedDevice; publicKey: string }> {
  const home = temporaryFolder();
  const device = new SimulatedDevice({ name: 'wg0', socketDir: path.join(home, 'run') });
  devices.push(device);
  await device.start();
  mkdirSync(path.join(home, 'wireguard'), { mode: 0o700 });
  writeFileSync(
    path.join(home, 'wireguard', 'wg0.conf'),
    '[Interface]\nAddress = 10.8.0.1/24\nListenPort = 51820\n',
    { mode: 0o600 },
  );
  const { publicKey } = device.addPeer({ allowedIPs: ['10.8.0.2/32'] });
  return { dataDir: path.join(home, 'data'), device, publicKey };
}

/** A free port with somebody on it. */
async function takenPort(): Promise<{ port: number; close: () => void }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/** What a page would load by itself. */
function loads(html: string): string[] {
  const tags = html.matchAll(/<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*>/gi);
  return [...tags].flatMap(([tag]) =>
    [...tag.matchAll(/\b(?:src|href|data|srcset)\s*=\s*["']?([^"'\s>]+)/gi)].map(
      ([, address]) => address ?? '',
    ),
  );
}

const isForeign = (address: string): boolean => /^([a-z]+:)?\/\//i.test(address);

afterAll(async () => {
  cleanUpServers();
  for (const device of devices) await device.stop();
});

describe('a wrong setting', () => {
  it.each([
    ['HOST', { HOST: 'two words' }],
    ['HOST', { HOST: '192.0.2.1' }],
    ['HOST', { HOST: 'nowhere.invalid' }],
    ['PORT', { PORT: 'http' }],
    ['PORT', { PORT: '65536' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://localhost/x' }],
    ['COLLECT_INTERVAL', { COLLECT_INTERVAL: '0' }],
    ['COLLECT_INTERVAL', { COLLECT_INTERVAL: '1s' }],
    ['TZ', { TZ: 'Mars/Olympus' }],
    ['WG_ENDPOINT', { WG_ENDPOINT: 'https://vpn.example.com' }],
    ['WG_ENDPOINT', { WG_ENDPOINT: 'vpn.example.com:99999' }],
    ['WG_INTERFACE', { WG_INTERFACE: 'wg0,../wg1' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
  ])('%s stops the start with one line: %o', TIMEOUT, async (name, env) => {
    const { code, stdout, stderr } = await runToEnd({ env: { WG_INTERFACE: 'none', ...env } });
    expect(stderr).toMatch(new RegExp(`^wiremeter: [^\\n]*\\b${name}\\b[^\\n]*\\n$`));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it('WIREMETER_ADMIN_TOKEN: a short one is refused and not shown', TIMEOUT, async () => {
    const short = keepSecret('Shorter-Than-32-Chars');
    const { code, stderr } = await runToEnd({ token: short, env: { WG_INTERFACE: 'none' } });
    expect(stderr).toMatch(/^wiremeter: WIREMETER_ADMIN_TOKEN[^\n]*32[^\n]*\n$/);
    expect(code).toBe(1);
  });

  it('PORT: in use by another program', TIMEOUT, async () => {
    const taken = await takenPort();
    const { code, stderr } = await runToEnd({ env: { PORT: String(taken.port), WG_INTERFACE: 'none' } });
    taken.close();
    expect(stderr).toMatch(new RegExp(`^wiremeter: PORT: ${taken.port} is in use[^\\n]*\\n$`));
    expect(code).toBe(1);
  });

  it('WIREMETER_DATA_DIR and WG_SOCKET_DIR: a file', TIMEOUT, async () => {
    const file = path.join(temporaryFolder(), 'file');
    writeFileSync(file, 'mine');
    const data = await runToEnd({ dataDir: file, env: { WG_INTERFACE: 'none' } });
    expect(data.stderr).toMatch(/^wiremeter: WIREMETER_DATA_DIR[^\n]*\n$/);
    expect(data.code).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe('mine');
    const sockets = await runToEnd({ env: { WG_SOCKET_DIR: file } });
    expect(sockets.stderr).toMatch(/^wiremeter: [^\n]*WG_SOCKET_DIR[^\n]*\n$/);
    expect(sockets.code).toBe(1);
  });
});

describe('a database that is none of ours', () => {
  const cases: [string, (file: string) => void][] = [
    ['is no database', (file) => writeFileSync(file, 'x'.repeat(8_192))],
    [
      'is cut off',
      (file) => {
        const db = new Database(file);
        db.exec('CREATE TABLE a (b); CREATE TABLE c (d);');
        db.close();
        writeFileSync(file, readFileSync(file).subarray(0, 5_000));
      },
    ],
    [
      'is the older tool’s',
      (file) => {
        const db = new Database(file);
        db.exec(`CREATE TABLE peers (public_key TEXT PRIMARY KEY, name TEXT, email TEXT, added_on TEXT);
          CREATE TABLE monthly_usage (public_key TEXT, year_month TEXT, accumulated_received INTEGER);
          INSERT INTO peers VALUES ('k', 'n', 'e', '2024-01-01');`);
        db.close();
      },
    ],
  ];

  it.each(cases)('%s: one line, and it is left as it is', TIMEOUT, async (_what, make) => {
    const dataDir = path.join(temporaryFolder(), 'data');
    mkdirSync(dataDir, { mode: 0o700 });
    const file = path.join(dataDir, 'wiremeter.db');
    make(file);
    const before = { bytes: readFileSync(file), modified: statSync(file).mtimeMs };
    const { code, stdout, stderr } = await runToEnd({ dataDir, env: { WG_INTERFACE: 'none' } });
    expect(stderr).toMatch(/^wiremeter: DATABASE_URL: [^\n]*wiremeter\.db[^\n]*\n$/);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(readFileSync(file).equals(before.bytes)).toBe(true);
    expect(statSync(file).mtimeMs).toBe(before.modified);
    // Nothing beside it that would change it at the next opening.
    expect(readdirSync(dataDir).filter((name) => /-(wal|journal)$/.test(name))).toEqual([]);
  });
});

describe('the first run', () => {
  it('makes a token for nobody else to read, and shows it nowhere', TIMEOUT, async () => {
    const { dataDir } = await homeWithDevice();
    const server = await TestServer.start({ dataDir, token: null });
    const file = path.join(dataDir, 'admin-token');
    const mode = (of: string): string => (statSync(of).mode & 0o777).toString(8);
    expect(mode(dataDir)).toBe('700');
    expect(mode(file)).toBe('600');
    expect(mode(path.join(dataDir, 'wiremeter.db'))).toBe('600');
    server.token = keepSecret(readFileSync(file, 'utf8').trim());
    expect(server.token.length).toBeGreaterThanOrEqual(32);
    expect(server.stderr).toContain(file);
    await server.gql('{ viewer { name role } }');

    // Things that secrets go through: none may reach the log.
    const generate =
      'mutation { generatePeer(input: { name: "n", email: "n@example.com" }) { clientConfig } }';
    const { generatePeer } = await server.gql<{ generatePeer: { clientConfig: string } }>(generate);
    for (const [, key] of generatePeer.clientConfig.matchAll(/^(?:PrivateKey|PresharedKey) = (.+)$/gm)) {
      keepSecret(key ?? '');
    }
    await server.fetch('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: server.token }),
    });
    await server.fetch(`/graphql?token=${server.token}`);
    await server.refusal(`mutation { updatePeer(input: { publicKey: "${server.token}" }) { peer { id } } }`);
    expect((await server.stop()).code).toBe(0);

    const again = await TestServer.start({ dataDir, token: null, env: { LOG_LEVEL: 'trace' } });
    again.token = server.token;
    await again.gql('{ viewer { name } }');
    await again.stop();
  });
});

describe('SIGTERM', () => {
  it('takes a last sample, closes sockets with 1001 and ends with 0 in time', TIMEOUT, async () => {
    const { dataDir, device, publicKey } = await homeWithDevice();
    const options = { dataDir, token: newToken(), env: { WG_INTERFACE: 'wg0', COLLECT_INTERVAL: '3600' } };
    const server = await TestServer.start(options);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const said: string[] = [];
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.once('open', () =>
      socket.send(
        JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${server.token}` } }),
      ),
    );
    socket.on('message', (data: Buffer) => {
      const { type } = JSON.parse(data.toString()) as { type: string };
      said.push(type);
      if (type !== 'connection_ack') return;
      const payload = { query: 'subscription { traffic { sequence } }' };
      socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload }));
    });
    await until('the first tick', () => said.includes('next'));

    device.transfer(publicKey, 123_456, 789);
    const began = performance.now();
    const { code, signal } = await server.stop();
    expect(performance.now() - began).toBeLessThan(10_000);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(await closed).toBe(1001);

    // Without the device there can be no later sample: what shows was written before the end.
    await device.stop();
    const again = await TestServer.start(options);
    const { peers } = await again.gql<Totals>(TOTALS);
    expect(peers.nodes).toEqual([{ publicKey, totalReceived: '123456', totalSent: '789' }]);
    expect((await again.stop()).code).toBe(0);
  });

  it('ends in time while the device does not answer', TIMEOUT, async () => {
    const { dataDir, device } = await homeWithDevice();
    const server = await TestServer.start({ dataDir, env: { WG_INTERFACE: 'wg0' } });
    device.fault = 'hang';
    const { gets } = device;
    await until('a sample that hangs', () => device.gets > gets);
    const began = performance.now();
    const { code } = await server.stop();
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(code).toBe(0);
  });
});

describe('health', () => {
  it('is told by /livez, /readyz and /metrics', TIMEOUT, async () => {
    const { dataDir, device, publicKey } = await homeWithDevice();
    const server = await TestServer.start({ dataDir, env: { WG_INTERFACE: 'wg0' } });
    const ready = async (): Promise<Ready & { status: number }> => {
      const response = await server.fetch('/readyz', { headers: { authorization: '' } });
      return { status: response.status, ...((await response.json()) as Ready) };
    };
    await server.gql(COLLECT);
    expect(await ready()).toEqual({ status: 200, ready: true, reasons: [] });
    device.transfer(publicKey, 11, 22);
    await server.gql(COLLECT);
    const metrics = async (): Promise<string> => (await server.fetch('/metrics')).text();
    expect(await metrics()).toContain('wiremeter_interface_up{interface="wg0",gateway="gw"} 1\n');
    const labels = `interface="wg0",public_key="${publicKey}",allowed_ips="10.8.0.2/32",friendly_name=""`;
    expect(await metrics()).toContain(`wireguard_received_bytes_total{${labels}} 11\n`);
    expect(await metrics()).toContain(`wireguard_sent_bytes_total{${labels}} 22\n`);

    device.fault = 'garbage';
    const ill = await until('not ready', async () => {
      const now = await ready();
      return now.status === 503 ? now : null;
    });
    expect(ill.ready).toBe(false);
    expect(ill.reasons.join()).toMatch(/^wg0: the last sample is .* s old \(.+\)/);
    expect((await server.gql<Interfaces>(INTERFACES)).interfaces).toMatchObject([
      { name: 'wg0', status: 'UNREADABLE', statusReason: expect.stringMatching(/./) as string },
    ]);
    expect(await metrics()).toContain('wiremeter_interface_up{interface="wg0",gateway="gw"} 0\n');
    expect((await server.fetch('/livez')).status).toBe(200);
    device.fault = null;
    await until('ready again', async () => (await ready()).status === 200);
    await server.stop();
  });

  it('WG_INTERFACE=none looks at no device and is ready', TIMEOUT, async () => {
    const { dataDir, device } = await homeWithDevice();
    const server = await TestServer.start({ dataDir, env: { WG_INTERFACE: 'none' } });
    expect(await server.gql(INTERFACES)).toEqual({ interfaces: [] });
    expect(await server.gql(COLLECT)).toEqual({ collect: { peers: 0, interfaces: 0 } });
    const generate =
      'mutation { generatePeer(input: { name: "n", email: "n@example.com" }) { clientConfig } }';
    expect((await server.refusal(generate)).code).toBe('WIREGUARD_UNAVAILABLE');
    expect((await server.fetch('/readyz')).status).toBe(200);
    expect(device.gets).toBe(0);
    await server.stop();
  });

  it('starts with an interface that is not there, says so, and finds it when it comes', TIMEOUT, async () => {
    const home = temporaryFolder();
    const server = await TestServer.start({
      dataDir: path.join(home, 'data'),
      env: { WG_INTERFACE: 'wglate' },
    });
    const { interfaces } = await server.gql<Interfaces>(INTERFACES);
    expect(interfaces).toMatchObject([{ name: 'wglate', status: 'DOWN' }]);
    expect(interfaces[0]?.statusReason).toMatch(/no such device/);
    const response = await server.fetch('/readyz');
    expect(response.status).toBe(503);
    expect(((await response.json()) as Ready).reasons.join()).toContain('wglate');
    expect((await server.refusal(COLLECT)).code).toBe('WIREGUARD_UNAVAILABLE');

    const device = new SimulatedDevice({ name: 'wglate', socketDir: path.join(home, 'run') });
    devices.push(device);
    device.addPeer({ allowedIPs: ['10.8.0.2/32'] });
    await device.start();
    await until('it is up', async () => (await server.fetch('/readyz')).status === 200);
    expect((await server.gql<Interfaces>(INTERFACES)).interfaces).toMatchObject([{ status: 'UP' }]);
    await server.stop();
  });

  it('counts with a collect what moved before it, beside a busy loop', TIMEOUT, async () => {
    const { dataDir, device, publicKey } = await homeWithDevice();
    // Enough of them for a sample to take its time.
    for (let more = 0; more < 5_000; more++) device.addPeer();
    const server = await TestServer.start({
      dataDir,
      env: { WG_INTERFACE: 'wg0', COLLECT_INTERVAL: '0.05' },
    });
    let given = 0n;
    for (let round = 0; round < 20; round++) {
      // At once after the device answered: the sample under way does not have these bytes.
      const { gets } = device;
      await new Promise<void>((resolve) => {
        device.onGet = () => {
          if (device.gets > gets) resolve();
        };
      });
      await new Promise((resolve) => setImmediate(resolve));
      for (const one of device.peers) device.transfer(one.publicKey, 1_000, 1);
      given += 1_000n;
      await server.gql(COLLECT);
      const { peer } = await server.gql<{ peer: { totalReceived: string } }>(
        `{ peer(publicKey: "${publicKey}") { totalReceived } }`,
      );
      expect(peer.totalReceived, `round ${round}`).toBe(String(given));
    }
    await server.stop();
  });
});

describe('who gets in', () => {
  it('nobody without a token, but to the sign-in page and health', TIMEOUT, async () => {
    const { dataDir } = await homeWithDevice();
    const server = await TestServer.start({ dataDir, env: { WG_INTERFACE: 'wg0' } });
    const json = { 'content-type': 'application/json' };
    const operation = JSON.stringify({ query: '{ viewer { name } }' });
    const wrong = 'Bearer '.padEnd(50, 'x');
    const requests: [string, RequestInit][] = [
      ['/graphql', { method: 'POST', headers: json, body: operation }],
      ['/graphql', { method: 'POST', headers: { ...json, accept: 'text/event-stream' }, body: operation }],
      ['/graphql', { method: 'POST', headers: { ...json, cookie: 'wiremeter_session=x' }, body: operation }],
      ['/graphql?query=%7Bviewer%7Bname%7D%7D', {}],
      ['/graphql', {}],
      ['/metrics', {}],
    ];
    for (const authorization of ['', wrong, `Basic ${server.token}`, `Bearer ${server.token}x`]) {
      for (const [pathname, init] of requests) {
        const headers = { ...(init.headers as Record<string, string> | undefined), authorization };
        const response = await server.fetch(pathname, { ...init, headers });
        expect(response.status, `${init.method ?? 'GET'} ${pathname}`).toBe(401);
        expect(await response.text()).toContain('UNAUTHENTICATED');
      }
    }
    for (const payload of [undefined, {}, { authorization: wrong }, { authorization: server.token }]) {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      const closed = new Promise<number>((resolve) => socket.once('close', resolve));
      socket.once('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload })));
      expect(await closed, JSON.stringify(payload)).toBe(4403);
    }

    const open = async (pathname: string): Promise<string> => {
      const response = await server.fetch(pathname, { headers: BROWSER });
      expect(response.status, pathname).toBe(200);
      return response.text();
    };
    await open('/livez');
    await open('/readyz');
    const page = await open('/');
    const files = loads(page);
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) {
      expect(isForeign(file), file).toBe(false);
      const text = await open(file);
      // Styles that load more, from anywhere else.
      for (const [address] of text.matchAll(/(?:@import\s*["'(]|url\(\s*["']?)(?:[a-z]+:)?\/\/[^\s)"']+/gi)) {
        expect.unreachable(`${file} loads ${address}`);
      }
    }
    await server.stop();
  });

  it('a browser with its cookie, to GraphiQL that loads from nowhere else', TIMEOUT, async () => {
    const { dataDir } = await homeWithDevice();
    const server = await TestServer.start({ dataDir, env: { WG_INTERFACE: 'wg0' } });
    const turned = await server.fetch('/graphql', { headers: BROWSER });
    expect(turned.status).toBe(303);
    expect(turned.headers.get('location')).toMatch(/^\//);

    const signIn = (token: string): Promise<Response> =>
      server.fetch('/session', {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: '' },
        body: JSON.stringify({ token }),
      });
    expect((await signIn('x'.repeat(40))).status).toBe(401);
    const signedIn = await signIn(server.token);
    expect(signedIn.status).toBe(204);
    const [setCookie = ''] = signedIn.headers.getSetCookie();
    expect(setCookie).toMatch(/HttpOnly/i);
    expect(setCookie).toMatch(/SameSite=Strict/i);
    expect(setCookie).not.toContain(server.token);
    const [cookie = ''] = setCookie.split(';');

    // fetch() forbids no header here, but an empty Authorization is one: leave it out.
    const get = (pathname: string): Promise<Response> =>
      fetch(`${server.url}${pathname}`, { headers: { accept: BROWSER.accept, cookie } });
    const page = await get('/graphql');
    expect(page.status).toBe(200);
    const html = await page.text();
    expect(html).toContain('<title>Wiremeter API</title>');
    expect(loads(html).filter(isForeign)).toEqual([]);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/https?:|\*/);

    // The cookie is a session like any other over HTTP, and not for another site's page.
    const ask = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie, ...headers },
        body: JSON.stringify({ query: '{ viewer { role } }' }),
      });
    expect(await (await ask({})).json()).toEqual({ data: { viewer: { role: 'ADMIN' } } });
    expect((await ask({ origin: 'https://evil.example' })).status).toBe(403);
    const out = await fetch(`${server.url}/session`, { method: 'DELETE', headers: { cookie } });
    expect(out.status).toBe(204);
    expect((await ask({})).status).toBe(401);
    await server.stop();
  });
});

describe('all servers of this file', () => {
  it('printed no secret', expectNoSecretPrinted);
});
