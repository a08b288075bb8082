/** Every path of the port, who may ask, and what a browser is told. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api, NOW, TOKEN } from '../testing/api.ts';

const BEARER = { authorization: `Bearer ${TOKEN}` };
const JSON_TYPE = { 'content-type': 'application/json' };
const VIEWER = JSON.stringify({ query: '{ viewer { name role } }' });

let api: Api;
let webDir: string;

beforeAll(async () => {
  webDir = await mkdtemp(path.join(tmpdir(), 'wiremeter-web-'));
  await mkdir(path.join(webDir, 'assets'));
  await writeFile(path.join(webDir, 'index.html'), '<!doctype html><title>Wiremeter</title>');
  await writeFile(path.join(webDir, 'assets/app-1a2b.js'), 'export {};');
  api = await Api.open({ webDir });
});

afterAll(async () => {
  await api.close();
  await rm(webDir, { recursive: true });
});

const post = (body: string, headers: Record<string, string>) =>
  api.fetch('/graphql', { method: 'POST', body, headers: { ...JSON_TYPE, ...headers } });

async function signIn(token: unknown = TOKEN, headers: Record<string, string> = {}): Promise<Response> {
  return api.fetch('/session', {
    method: 'POST',
    headers: { ...JSON_TYPE, ...headers },
    body: JSON.stringify({ token }),
  });
}

async function cookie(): Promise<string> {
  const [pair = ''] = (await signIn()).headers.getSetCookie().map((line) => line.split(';')[0] ?? '');
  return pair;
}

describe('tokens', () => {
  test('the right one', async () => {
    const response = await post(VIEWER, BEARER);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ data: { viewer: { name: 'admin', role: 'ADMIN' } } });
  });

  test.each([
    ['none', {}],
    ['wrong', { authorization: 'Bearer wrong' }],
    ['longer', { authorization: `Bearer ${TOKEN}x` }],
    ['other scheme', { authorization: `Basic ${TOKEN}` }],
    ['a made-up cookie', { cookie: 'wiremeter_session=abc' }],
    ['events', { accept: 'text/event-stream' }],
  ])('%s: 401 as a GraphQL error', async (_name, headers) => {
    for (const query of [
      '{ viewer { name } }',
      '{ __schema { queryType { name } } }',
      'subscription { traffic { at } }',
    ]) {
      const response = await post(JSON.stringify({ query }), headers);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toContain('Bearer');
      const body = (await response.json()) as { errors: { extensions: { code: string } }[]; data?: unknown };
      expect(body.errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
      expect(body.data).toBeUndefined();
    }
  });

  test('metrics', async () => {
    expect((await api.fetch('/metrics')).status).toBe(401);
    expect((await api.fetch('/metrics', { headers: BEARER })).status).toBe(200);
  });
});

describe('sessions', () => {
  test('the cookie is the browser’s alone, and works', async () => {
    const response = await signIn();
    expect(response.status).toBe(204);
    const [line = ''] = response.headers.getSetCookie();
    expect(line).toMatch(
      /^wiremeter_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=2592000$/,
    );
    const pair = line.split(';')[0] ?? '';
    expect((await post(VIEWER, { cookie: pair })).status).toBe(200);
    expect((await post(VIEWER, { cookie: pair, origin: api.url })).status).toBe(200);
    const rows = await api.db.reader.session.findMany();
    expect(JSON.stringify(rows)).not.toContain(pair.split('=')[1]);
    expect(JSON.stringify(rows)).not.toContain(TOKEN);
  });

  test('Secure over TLS', async () => {
    const [line] = (await signIn(TOKEN, { 'x-forwarded-proto': 'https' })).headers.getSetCookie();
    expect(line).toContain('; Secure');
  });

  test('signing out drops the row', async () => {
    const pair = await cookie();
    const before = await api.db.reader.session.count();
    const response = await api.fetch('/session', { method: 'DELETE', headers: { cookie: pair } });
    expect(response.status).toBe(204);
    expect(response.headers.getSetCookie()[0]).toContain('Max-Age=0');
    expect(await api.db.reader.session.count()).toBe(before - 1);
    expect((await post(VIEWER, { cookie: pair })).status).toBe(401);
  });

  test('a session ends after thirty days', async () => {
    const pair = await cookie();
    api.clock.now = NOW + 30 * 24 * 3_600_000;
    expect((await post(VIEWER, { cookie: pair })).status).toBe(401);
    api.clock.now = NOW;
  });

  test('another administrator token ends it', async () => {
    const pair = await cookie();
    await api.db.write((tx) => tx.session.updateMany({ data: { tokenHash: 'other' } }));
    expect((await post(VIEWER, { cookie: pair })).status).toBe(401);
  });

  test('a page of another site may not use it', async () => {
    const pair = await cookie();
    for (const origin of ['https://evil.example', 'null', `${api.url}0`]) {
      const response = await post(VIEWER, { cookie: pair, origin });
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
      expect((await signIn(TOKEN, { origin })).status).toBe(403);
      const out = await api.fetch('/session', { method: 'DELETE', headers: { cookie: pair, origin } });
      expect(out.status).toBe(403);
    }
    const proxied = await post(VIEWER, {
      cookie: pair,
      origin: 'https://vpn.example',
      'x-forwarded-host': 'vpn.example',
    });
    expect(proxied.status).toBe(200);
  });

  test('wrong tokens: 401, then 429; a right one goes on', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 12; i += 1) statuses.push((await signIn('wrong')).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429]);
    const last = await signIn('wrong');
    expect(last.headers.get('retry-after')).toBe('60');
    expect(await last.json()).toMatchObject({ error: { code: 'LIMIT_EXCEEDED' } });
    expect((await signIn()).status).toBe(204);
    api.clock.now = NOW + 60_000;
    expect((await signIn('wrong')).status).toBe(401);
    api.clock.now = NOW;
  });

  test.each([
    ['{"token": 5}', JSON_TYPE, 400],
    ['{', JSON_TYPE, 400],
    ['null', JSON_TYPE, 400],
    [`{"token":"${'x'.repeat(20_000)}"}`, JSON_TYPE, 400],
    ['token=x', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ])('a body that is none: %.20s', async (body, headers, status) => {
    const response = await api.fetch('/session', { method: 'POST', body, headers });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code: 'BAD_USER_INPUT' } });
  });
});

describe('requests', () => {
  test('only JSON is read', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      const response = await post(VIEWER, { ...BEARER, 'content-type': type });
      expect(response.status).toBe(415);
    }
  });

  test('a megabyte is the limit', async () => {
    const response = await post(
      JSON.stringify({ query: `{ viewer { name } } #${'x'.repeat(1_048_576)}` }),
      BEARER,
    );
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] });
  });

  test('a mutation is not sent by GET', async () => {
    const response = await api.fetch(
      `/graphql?query=${encodeURIComponent('mutation { collect { peers } }')}`,
      { headers: BEARER },
    );
    expect(response.status).toBe(405);
  });

  test('methods', async () => {
    const response = await api.fetch('/livez', { method: 'POST' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect((await api.fetch('/session')).status).toBe(405);
  });
});

describe('GraphiQL', () => {
  const HTML = { accept: 'text/html,application/xhtml+xml' };

  test('is shown to who is signed in', async () => {
    const turned = await api.fetch('/graphql', { headers: HTML });
    expect(turned.status).toBe(303);
    expect(turned.headers.get('location')).toBe('/?next=/graphql');
    const response = await api.fetch('/graphql', { headers: { ...HTML, cookie: await cookie() } });
    expect(response.status).toBe(200);
    const html = await response.text();
    expect(html).toContain('subscription Live');
    expect(html).toContain('"subscriptionsProtocol":"WS"');
  });

  test('asks no other host for anything', async () => {
    const response = await api.fetch('/graphql', { headers: { ...HTML, ...BEARER } });
    const html = await response.text();
    expect(html).not.toMatch(/<(script|link|img|iframe)[^>]+(src|href)="(https?:)?\/\//);
    expect(html).not.toMatch(/unpkg|jsdelivr|cdnjs|googleapis/);
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'self';/);
  });
});

describe('the dashboard', () => {
  test('its files need no token', async () => {
    const page = await api.fetch('/');
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('Wiremeter');
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    const asset = await api.fetch('/assets/app-1a2b.js');
    expect(asset.headers.get('content-type')).toContain('javascript');
    expect(asset.headers.get('cache-control')).toContain('immutable');
  });

  test('deep links are its pages; nothing else is', async () => {
    const html = { headers: { accept: 'text/html' } };
    expect(await (await api.fetch('/peers/abc', html)).text()).toContain('Wiremeter');
    expect((await api.fetch('/?next=/graphql', html)).status).toBe(200);
    for (const where of [
      '/nothing',
      '/assets/none.js',
      '/../package.json',
      '/%2e%2e/package.json',
      '/.env',
      '/%zz',
      '//x',
    ]) {
      const response = await api.fetch(where);
      expect(response.status, where).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
    }
    expect((await api.fetch('/assets/none.js', html)).status).toBe(404);
    expect((await api.fetch('/metrics', html)).status).toBe(401);
  });
});

describe('health', () => {
  const health = {
    interface: 'wg0',
    gateway: 'gw',
    reason: null,
    accounting: 'here',
    intervalMs: 1000,
  } as const;
  const ready = async () => {
    const response = await api.fetch('/readyz');
    return { status: response.status, ...((await response.json()) as { ready: boolean; reasons: string[] }) };
  };

  test('livez', async () => {
    const response = await api.fetch('/livez');
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
  });

  test('readyz', async () => {
    api.health = [];
    expect(await ready()).toEqual({ status: 200, ready: true, reasons: [] });
    api.health = [{ ...health, status: 'UP', lastSampleAgeMs: 3000 }];
    expect(await ready()).toMatchObject({ status: 200 });
    api.health = [{ ...health, status: 'UNREADABLE', reason: 'no right to read it', lastSampleAgeMs: 3001 }];
    expect(await ready()).toEqual({
      status: 503,
      ready: false,
      reasons: ['wg0: the last sample is 3.0 s old (no right to read it)'],
    });
    api.health = [{ ...health, status: 'DOWN', lastSampleAgeMs: null }];
    expect((await ready()).reasons).toEqual(['wg0: no sample yet']);
    api.health = [];
  });

  test('metrics are totals, and labels are escaped', async () => {
    const id = await api.addInterface({ name: 'wg7' });
    const total = { totalReceived: 2n ** 60n, totalSent: 9n, handshake: 1_700_000_000_123_456_789n };
    await api.addPeer(id, 'key=', { name: 'A "b"\\\nc', allowedIPs: '10.0.0.2/32, fd00::2/128' }, total);
    api.health = [{ ...health, status: 'UP', lastSampleAgeMs: 1 }];
    api.http.metrics.observeTick(0.02);
    api.http.metrics.countFailure('wg0', 'WIREGUARD_UNAVAILABLE');
    const text = await (await api.fetch('/metrics', { headers: BEARER })).text();
    api.health = [];
    const labels = `interface="wg7",public_key="key=",allowed_ips="10.0.0.2/32,fd00::2/128",friendly_name="A \\"b\\"\\\\\\nc"`;
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        '# TYPE wireguard_sent_bytes_total counter',
        `wireguard_sent_bytes_total{${labels}} 9`,
        `wireguard_received_bytes_total{${labels}} 1152921504606846976`,
        `wireguard_latest_handshake_seconds{${labels}} 1700000000`,
        'wiremeter_interface_up{interface="wg0",gateway="gw"} 1',
        'wiremeter_ticks_total 1',
        'wiremeter_failed_reads_total{interface="wg0",code="WIREGUARD_UNAVAILABLE"} 1',
        'wiremeter_subscribers 0',
      ]),
    );
    expect(text).toContain('process_cpu_user_seconds_total');
  });
});

test('no secret was logged', () => {
  expect(api.logged.join()).not.toContain(TOKEN);
  expect(api.logged.join()).not.toContain('wiremeter_session');
});
