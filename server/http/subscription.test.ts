/** What is pushed, over WebSockets and server-sent events; who does not read is cut off. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client, type ExecutionResult } from 'graphql-ws';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { PeerTraffic, Tick } from '../events.ts';
import { Api, NOW, TOKEN } from '../testing/api.ts';

let api: Api;
const clients: Client[] = [];

beforeAll(async () => {
  api = await Api.open();
  const wg0 = await api.addInterface();
  await api.addInterface({ name: 'wg1' });
  await api.addPeer(wg0, 'ann', { name: 'Ann' });
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.dispose();
  await vi.waitFor(() => expect(api.events.count('traffic') + api.events.count('peers')).toBe(0));
});

afterAll(() => api.close());

const wsUrl = () => `${api.url.replace('http', 'ws')}/graphql`;

function brokenBy(socket: WebSocket): Promise<Error> {
  return new Promise((resolve) => socket.on('error', resolve));
}

interface Connecting {
  readonly params?: Record<string, unknown>;
  readonly headers?: Record<string, string>;
}

function client({ params = { authorization: `Bearer ${TOKEN}` }, headers = {} }: Connecting = {}): Client {
  class Socket extends WebSocket {
    constructor(address: string, protocols: string | string[]) {
      super(address, protocols, { headers });
    }
  }
  const made = createClient({
    url: wsUrl(),
    webSocketImpl: Socket,
    connectionParams: params,
    retryAttempts: 0,
  });
  clients.push(made);
  return made;
}

async function collect(
  query: string,
  count: number,
  push: () => void,
  options: Connecting = {},
): Promise<ExecutionResult[]> {
  const results: ExecutionResult[] = [];
  const before = api.events.count('traffic') + api.events.count('peers');
  const iterator = client(options).iterate({ query });
  const first = iterator.next();
  await vi.waitFor(() => expect(api.events.count('traffic') + api.events.count('peers')).toBe(before + 1));
  push();
  for (let next = await first; results.length < count; next = await iterator.next()) {
    results.push(next.value as ExecutionResult);
    if (results.length === count) break;
  }
  await iterator.return?.();
  return results;
}

function traffic(publicKey: string): PeerTraffic {
  return {
    publicKey,
    received: 2n ** 60n,
    sent: 2n,
    receiveRate: 1.5,
    sendRate: 0,
    transferRx: 2n ** 63n - 1n,
    transferTx: 0n,
    latestHandshake: BigInt(NOW) * 1_000_000n,
    endpoint: null,
    online: true,
  };
}

function tick(
  sequence: number,
  name = 'wg0',
  peers: readonly PeerTraffic[] = [traffic('ann'), traffic('bob')],
): Tick {
  return {
    sequence,
    at: NOW,
    intervalMs: 1000,
    interface: name,
    gateway: 'gw',
    received: 3n,
    sent: 4n,
    receiveRate: 3,
    sendRate: 4,
    onlinePeers: 2,
    peers,
  };
}

describe('traffic', () => {
  test('the latest tick first, then each one', async () => {
    api.events.publish('traffic', tick(1));
    const results = await collect(
      'subscription { traffic(interface: "wg0") { sequence at received } }',
      2,
      () => {
        api.events.publish('traffic', tick(9, 'wg1'));
        api.events.publish('traffic', tick(2));
      },
    );
    expect(results.map(({ data }) => data?.['traffic'])).toEqual([
      { sequence: 1, at: new Date(NOW).toISOString(), received: '3' },
      { sequence: 2, at: new Date(NOW).toISOString(), received: '3' },
    ]);
  });

  test('peers, filtered by key', async () => {
    const query = `subscription { traffic(interface: "gw/wg0", publicKeys: ["bob"]) {
      peers { publicKey received sent transferRx latestHandshake endpoint online } } }`;
    const [result] = await collect(query, 1, () => undefined);
    expect(result?.data?.['traffic']).toEqual({
      peers: [
        {
          publicKey: 'bob',
          received: '1152921504606846976',
          sent: '2',
          transferRx: '9223372036854775807',
          latestHandshake: new Date(NOW).toISOString(),
          endpoint: null,
          online: true,
        },
      ],
    });
  });

  test('an interface that is not there is an error', async () => {
    for (const field of ['traffic(interface: "wg9") { at }', 'peerEvents(interface: "wg9") { at }']) {
      const iterator = client().iterate({ query: `subscription { ${field} }` });
      const { value } = (await iterator.next()) as { value: ExecutionResult };
      expect(value.errors?.[0]?.extensions['code']).toBe('NOT_FOUND');
    }
  });
});

test('peer events load the peer, null where it is gone', async () => {
  const results = await collect(
    'subscription { peerEvents { kind publicKey interface peer { name interface { gateway } } } }',
    2,
    () => {
      const event = { at: NOW, interface: 'wg0', gateway: 'gw' };
      api.events.publish('peers', { ...event, kind: 'CONNECTED', publicKey: 'ann' });
      api.events.publish('peers', { ...event, kind: 'REMOVED', publicKey: 'was' });
    },
  );
  expect(results.map(({ data }) => data?.['peerEvents'])).toEqual([
    {
      kind: 'CONNECTED',
      publicKey: 'ann',
      interface: 'wg0',
      peer: { name: 'Ann', interface: { gateway: 'gw' } },
    },
    { kind: 'REMOVED', publicKey: 'was', interface: 'wg0', peer: null },
  ]);
});

describe('over the WebSocket', () => {
  const first = async (query: string, options?: Connecting) =>
    ((await client(options).iterate({ query }).next()) as { value: ExecutionResult }).value;

  test('queries too', async () => {
    expect(await first('{ viewer { role } }')).toEqual({ data: { viewer: { role: 'ADMIN' } } });
  });

  test('documents that are none', async () => {
    await expect(first('{ nothing }')).rejects.toMatchObject([
      { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
    ]);
    await expect(first('{ peers(')).rejects.toMatchObject([{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }]);
    expect(await first('{ peers(first: -1) { nodes { name } } }')).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'first' } }],
    });
  });

  test.each([{}, { authorization: 'Bearer wrong' }, { authorization: 5 }])(
    '%j: closed with 4403',
    async (params) => {
      await expect(first('{ viewer { role } }', { params })).rejects.toMatchObject({ code: 4403 });
    },
  );

  test('an operation before the greeting: closed with 4401', async () => {
    const socket = new WebSocket(wsUrl(), 'graphql-transport-ws');
    socket.on('open', () => {
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ viewer { role } }' } }));
    });
    const code = await new Promise((resolve) => socket.on('close', resolve));
    expect(code).toBe(4401);
  });

  test('a message over a megabyte: closed with 1009', async () => {
    const socket = new WebSocket(wsUrl(), 'graphql-transport-ws');
    socket.on('open', () => socket.send('x'.repeat(1_048_577)));
    expect(await new Promise((resolve) => socket.on('close', resolve))).toBe(1009);
  });

  test('with the session cookie, until it is signed out; never from another site', async () => {
    const signIn = await api.fetch('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: TOKEN }),
    });
    const [cookie = ''] = signIn.headers.getSetCookie().map((line) => line.split(';')[0] ?? '');
    expect(
      await first('{ viewer { role } }', { params: {}, headers: { cookie, origin: api.url } }),
    ).toHaveProperty('data');

    const socket = new WebSocket(wsUrl(), 'graphql-transport-ws', {
      headers: { cookie, origin: 'https://evil.example' },
    });
    const error = await brokenBy(socket);
    expect(error.message).toContain('403');

    const open = client({ params: {}, headers: { cookie } });
    const closed = new Promise<{ code: number }>((resolve) =>
      open.on('closed', (event) => resolve(event as { code: number })),
    );
    const iterator = open.iterate({ query: 'subscription { peerEvents { at } }' });
    const ended = iterator.next().catch((event: unknown) => event);
    await vi.waitFor(() => expect(api.events.count('peers')).toBe(1));
    await api.fetch('/session', { method: 'DELETE', headers: { cookie } });
    expect((await closed).code).toBe(4403);
    await ended;
  });

  test('nowhere but at /graphql', async () => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/elsewhere`, 'graphql-transport-ws');
    const error = await brokenBy(socket);
    expect(error.message).toContain('404');
  });
});

describe('a reader that stalls', () => {
  const big = Array.from({ length: 4_000 }, (_, i) => traffic(`key${String(i)}`));
  const PEERS =
    'subscription { traffic { sequence peers { publicKey received sent transferRx endpoint online } } }';

  async function flood(isGone: () => boolean): Promise<number> {
    let ticks = 0;
    for (; ticks < 400 && !isGone(); ticks += 1) {
      api.events.publish('traffic', tick(100 + ticks, 'wg0', big));
      await sleep(2);
    }
    return ticks;
  }

  test('on the WebSocket is cut off, the others go on', async () => {
    const socket = new WebSocket(wsUrl(), 'graphql-transport-ws');
    const messages: string[] = [];
    socket.on('message', (data: Buffer) => messages.push(data.toString()));
    await new Promise((resolve) => socket.on('open', resolve));
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${TOKEN}` } }));
    await vi.waitFor(() => expect(messages[0]).toContain('connection_ack'));
    let closed = false;
    socket.on('close', () => (closed = true));
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: PEERS } }));
    await vi.waitFor(() => expect(api.events.count('traffic')).toBe(1));
    socket.pause();
    const ticks = await flood(() => api.events.count('traffic') === 0);
    expect(ticks).toBeLessThan(400);
    expect(api.logged.join()).toContain('cut off');
    socket.resume();
    await vi.waitFor(() => expect(closed).toBe(true));
    expect(
      await collect('subscription { traffic(interface: "wg1") { sequence } }', 1, () =>
        api.events.publish('traffic', tick(1, 'wg1')),
      ),
    ).toHaveLength(1);
  });

  test('of server-sent events too', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    const body = JSON.stringify({ query: PEERS });
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nAccept: text/event-stream\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`,
    );
    socket.on('error', () => undefined);
    await vi.waitFor(() => expect(api.events.count('traffic')).toBe(1));
    expect(await flood(() => api.events.count('traffic') === 0)).toBeLessThan(400);
    let closed = false;
    socket.on('close', () => (closed = true));
    socket.resume();
    await vi.waitFor(() => expect(closed).toBe(true));
  });
});

test('server-sent events; a client that goes leaves no subscription', async () => {
  const abort = new AbortController();
  const response = await api.fetch('/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${TOKEN}`,
    },
    body: JSON.stringify({ query: 'subscription { traffic(interface: "wg1") { sequence } }' }),
    signal: abort.signal,
  });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  api.events.publish('traffic', tick(41, 'wg1'));
  let text = '';
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  while (!text.includes('"sequence":41')) text += decoder.decode((await reader?.read())?.value);
  expect(text).toContain('event: next\ndata: {"data":{"traffic":{"sequence":');
  abort.abort();
});

test('close() says 1001 and is over soon', async () => {
  const other = await Api.open();
  const socket = new WebSocket(`${other.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const code = new Promise((resolve) => socket.on('close', resolve));
  await new Promise((resolve) => socket.on('open', resolve));
  // One that answers nothing, and one that streams.
  const dumb = connect(Number(new URL(other.url).port), '127.0.0.1');
  dumb.on('error', () => undefined);
  dumb.write('GET /livez HTTP/1.1\r\nHost: x\r\n');
  const stream = await other.fetch('/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${TOKEN}`,
    },
    body: JSON.stringify({ query: 'subscription { peerEvents { at } }' }),
  });
  const start = performance.now();
  await other.close();
  expect(performance.now() - start).toBeLessThan(5_000);
  expect(await code).toBe(1001);
  await stream.text().catch(() => '');
});
