import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Refusal } from '../refusal.ts';
import { Api, NOW } from '../testing/api.ts';

const MINUTE = Math.floor(NOW / 60_000);
const asked: unknown[] = [];

let api: Api;
let ann: number;
let gone: number;

beforeAll(async () => {
  api = await Api.open({
    zone: 'Europe/Berlin',
    peers: {
      generate: (input) => {
        asked.push(input);
        return Promise.resolve({ peerId: ann, clientConfig: '[Interface]\n' });
      },
      update: () =>
        Promise.reject(new Refusal('CONFLICT', '10.0.0.2/32 is in use.', { field: 'allowedIPs' })),
      delete: () => Promise.reject(new Error('secret detail of the inside')),
      sync: (input) => {
        asked.push(input);
        return Promise.resolve({
          inSync: false,
          peersOnInterface: 3,
          peersInDatabase: 2,
          peersInConfig: 1,
          fixedCount: 0,
          inconsistencies: [
            { kind: 'SETTINGS_DIFFER', publicKey: 'k', interface: 'wg0', message: 'differs', fixed: false },
          ],
        });
      },
    },
    collect: () => Promise.reject(new Refusal('WIREGUARD_UNAVAILABLE', 'wg0: no right')),
  });
  const wg0 = await api.addInterface({
    openMinute: MINUTE,
    addresses: '10.0.0.1/24, fd00::1/64',
    listenPort: 51820,
  });
  const wg1 = await api.addInterface({ name: 'wg1', status: 'UNREADABLE', statusReason: 'no right' });
  ann = await api.addPeer(
    wg0,
    'ann',
    { name: 'Ann', allowedIPs: '10.0.0.2/32, fd00::2/128', persistentKeepalive: 25, hasPresharedKey: true },
    {
      rx: 2n ** 63n - 1n,
      tx: 9n,
      handshake: BigInt(NOW - 180_000) * 1_000_000n,
      receiveRate: 1.5,
      sendRate: 2.5,
      totalReceived: 1000n,
      totalSent: 2000n,
      openReceived: 7n,
      openSent: 3n,
      endpoint: '[2001:db8::1]:5',
    },
  );
  await api.addPeer(
    wg1,
    'stopped',
    { enabled: false },
    {
      running: false,
      rx: 5n,
      tx: 6n,
      handshake: BigInt(NOW) * 1_000_000n,
      receiveRate: 0,
      totalReceived: 5n,
    },
  );
  await api.addPeer(wg1, 'unreadable', {}, { running: true, receiveRate: 9, sendRate: 9, handshake: 0n });
  await api.addPeer(wg0, 'both');
  await api.addPeer(wg1, 'both');
  gone = await api.addPeer(wg0, 'gone', { deletedAt: new Date(NOW) });
  await api.db.write(async (tx) => {
    const hour = MINUTE - (MINUTE % 60);
    const day = MINUTE - (MINUTE % 1440) - 60; // midnight in Berlin, one hour before UTC's
    await tx.usageMinute.createMany({
      data: [MINUTE - 2, MINUTE - 1, MINUTE].map((start, i) => ({
        peerId: ann,
        start,
        received: BigInt(i + 1),
        sent: 10n,
      })),
    });
    await tx.usageHour.create({ data: { peerId: ann, start: hour, received: 100n, sent: 200n } });
    await tx.usageDay.createMany({
      data: [
        { peerId: ann, start: day, received: 2n ** 60n, sent: 1n },
        { peerId: ann, start: day - 1440, received: 5n, sent: 6n },
      ],
    });
    await tx.counterEpoch.createMany({
      data: [
        {
          peerId: ann,
          startedAt: BigInt(NOW - 5000),
          endedAt: BigInt(NOW - 3000),
          cause: 'FIRST_SEEN',
          baseReceived: 0n,
          baseSent: 0n,
          received: 400n,
          sent: 700n,
        },
        {
          peerId: ann,
          startedAt: BigInt(NOW - 2000),
          cause: 'REBOOT',
          unobservedMs: 1250n,
          baseReceived: 400n,
          baseSent: 700n,
        },
      ],
    });
  });
});

afterAll(() => api.close());

const peer = async (key: string, fields: string) =>
  (await api.data<{ peer: Record<string, unknown> | null }>(`{ peer(publicKey: "${key}") { ${fields} } }`))
    .peer;

test('a running peer', async () => {
  const fields = `interface { name status addresses listenPort simulated lastCollectedAt } name allowedIPs endpoint
    hasPresharedKey persistentKeepalive enabled online latestHandshake addedOn transferRx transferTx receiveRate
    sendRate totalReceived totalSent`;
  expect(await peer('ann', fields)).toEqual({
    interface: {
      name: 'wg0',
      status: 'UP',
      addresses: ['10.0.0.1/24', 'fd00::1/64'],
      listenPort: 51820,
      simulated: false,
      lastCollectedAt: '2026-03-15T12:00:30.000Z',
    },
    name: 'Ann',
    allowedIPs: ['10.0.0.2/32', 'fd00::2/128'],
    endpoint: '[2001:db8::1]:5',
    hasPresharedKey: true,
    persistentKeepalive: 25,
    enabled: true,
    online: true,
    latestHandshake: '2026-03-15T11:57:30.000Z',
    addedOn: '2026-01-01T00:00:00.000Z',
    transferRx: '9223372036854775807',
    transferTx: '9',
    receiveRate: 1.5,
    sendRate: 2.5,
    totalReceived: '1000',
    totalSent: '2000',
  });
});

test('online ends after 180 seconds', async () => {
  api.clock.now = NOW + 1;
  expect(await peer('ann', 'online')).toEqual({ online: false });
  api.clock.now = NOW;
});

test('a peer that does not run, and one whose interface cannot be read', async () => {
  const fields = 'online transferRx transferTx totalReceived receiveRate persistentKeepalive latestHandshake';
  expect(await peer('stopped', fields)).toMatchObject({
    online: false,
    transferRx: '0',
    transferTx: '0',
    totalReceived: '5',
  });
  expect(await peer('unreadable', fields)).toMatchObject({
    online: false,
    receiveRate: 0,
    persistentKeepalive: null,
    latestHandshake: null,
  });
});

test('by key: one, none, several, gone', async () => {
  expect(await peer('nobody', 'name')).toBeNull();
  expect(await peer('gone', 'name')).toBeNull();
  expect(await api.refusal('{ peer(publicKey: "both") { name } }')).toMatchObject({
    code: 'BAD_USER_INPUT',
    field: 'interface',
  });
  const { peer: one } = await api.data<{ peer: unknown }>(
    '{ peer(publicKey: "both", interface: "gw/wg1") { interface { name } } }',
  );
  expect(one).toEqual({ interface: { name: 'wg1' } });
});

describe('node', () => {
  const node = async (id: string) =>
    (
      await api.data<{ node: unknown }>(
        'query ($id: ID!) { node(id: $id) { __typename id ... on Peer { publicKey interface { id } } } }',
        { id },
      )
    ).node;

  test('round trip for peers and interfaces', async () => {
    const known = (await peer('ann', 'id interface { id }')) as { id: string; interface: { id: string } };
    expect(await node(known.id)).toMatchObject({ __typename: 'Peer', publicKey: 'ann' });
    expect(await node(known.interface.id)).toMatchObject({ __typename: 'Interface', id: known.interface.id });
  });

  test('what is gone or never was is null', async () => {
    for (const id of [
      `Peer:${String(gone)}`,
      'Peer:999999',
      'Peer:x',
      'Peer:99999999999999',
      'Interface:77',
    ]) {
      expect(await node(Buffer.from(id).toString('base64'))).toBeNull();
    }
  });

  test('no id is refused', async () => {
    const query = '{ node(id: "%%%") { id } }';
    expect(await api.refusal(query)).toMatchObject({ code: 'BAD_USER_INPUT' });
    const unknown = Buffer.from('Horse:1').toString('base64');
    expect((await api.refusal(`{ node(id: "${unknown}") { id } }`)).code).toBe('BAD_USER_INPUT');
  });
});

describe('history', () => {
  const history = async (args: string) =>
    ((await peer('ann', `history(${args}) { start received sent }`))?.['history'] ?? []) as unknown[];

  test('by the minute, the open minute merged', async () => {
    expect(await history('from: "2026-03-15T12:59:10+01:00"')).toEqual([
      { start: '2026-03-15T11:59:00.000Z', received: '2', sent: '10' },
      { start: '2026-03-15T12:00:00.000Z', received: '10', sent: '13' },
    ]);
    expect(await history('from: "2026-03-15T11:58:00Z", to: "2026-03-15T12:00:00Z"')).toHaveLength(2);
  });

  test('by the hour and by the local day', async () => {
    expect(await history('from: "2026-03-14T12:00:00Z"')).toEqual([
      { start: '2026-03-15T12:00:00.000Z', received: '107', sent: '203' },
    ]);
    expect(await history('from: "2026-02-01T00:00:00Z"')).toEqual([
      { start: '2026-03-13T23:00:00.000Z', received: '5', sent: '6' },
      { start: '2026-03-14T23:00:00.000Z', received: String(2n ** 60n + 7n), sent: '4' },
    ]);
    expect(
      await history('from: "2026-03-15T12:00:00Z", to: "2026-03-15T13:00:00Z", resolution: DAY'),
    ).toHaveLength(1);
  });

  test.each([
    ['from: "2026-03-15T12:00:30Z"', 'from'],
    ['from: "2026-03-15T12:00:00Z", to: "2026-03-15T11:00:00Z"', 'from'],
    ['from: "2026-01-01T00:00:00Z", resolution: MINUTE', 'resolution'],
  ])('%s is refused', async (args, field) => {
    const refusal = await api.refusal(`{ peer(publicKey: "ann") { history(${args}) { start } } }`);
    expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });
});

test('epochs newest first; their sums are the totals', async () => {
  const { epochs } =
    (await peer('ann', 'epochs { startedAt endedAt cause received sent unobservedSeconds }')) ?? {};
  expect(epochs).toEqual([
    {
      startedAt: '2026-03-15T12:00:28.000Z',
      endedAt: null,
      cause: 'REBOOT',
      received: '600',
      sent: '1300',
      unobservedSeconds: 1.25,
    },
    {
      startedAt: '2026-03-15T12:00:25.000Z',
      endedAt: '2026-03-15T12:00:27.000Z',
      cause: 'FIRST_SEEN',
      received: '400',
      sent: '700',
      unobservedSeconds: 0,
    },
  ]);
  expect((await peer('ann', 'epochs(first: 1) { cause }'))?.['epochs']).toEqual([{ cause: 'REBOOT' }]);
  expect(await api.refusal('{ peer(publicKey: "ann") { epochs(first: -1) { cause } } }')).toMatchObject({
    field: 'first',
  });
});

test('interfaces', async () => {
  const data = await api.data(`{
    interfaces { name status statusReason peers(first: 1) { totalCount nodes { publicKey } } }
    interface(name: "wg1") { gateway }
    none: interface(name: "wg1", gateway: "elsewhere") { gateway }
  }`);
  expect(data).toEqual({
    interfaces: [
      {
        name: 'wg0',
        status: 'UP',
        statusReason: null,
        peers: { totalCount: 2, nodes: [{ publicKey: 'ann' }] },
      },
      {
        name: 'wg1',
        status: 'UNREADABLE',
        statusReason: 'no right',
        peers: { totalCount: 3, nodes: [{ publicKey: 'both' }] },
      },
    ],
    interface: { gateway: 'gw' },
    none: null,
  });
});

describe('mutations', () => {
  test('generatePeer passes the defaults on and answers with the peer', async () => {
    const data = await api.data(
      'mutation { generatePeer(input: { name: "N", email: "e" }) { clientConfig peer { name online } } }',
    );
    expect(data).toEqual({
      generatePeer: { clientConfig: '[Interface]\n', peer: { name: 'Ann', online: true } },
    });
    expect(asked.at(-1)).toEqual({
      name: 'N',
      email: 'e',
      presharedKey: true,
      persistentKeepalive: 25,
      clientAllowedIPs: ['0.0.0.0/0', '::/0'],
    });
  });

  test('a refusal keeps its code and field', async () => {
    expect(await api.refusal('mutation { updatePeer(input: { publicKey: "k" }) { peer { name } } }')).toEqual(
      {
        code: 'CONFLICT',
        field: 'allowedIPs',
        message: '10.0.0.2/32 is in use.',
      },
    );
    expect(await api.refusal('mutation { collect { peers } }')).toMatchObject({
      code: 'WIREGUARD_UNAVAILABLE',
    });
  });

  test('anything else is masked and logged', async () => {
    const answer = await api.ask('mutation { deletePeer(input: { publicKey: "k" }) { deletedPublicKeys } }');
    expect(answer.errors?.[0]?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR' });
    expect(JSON.stringify(answer)).not.toContain('secret detail');
    expect(api.logged.join()).toContain('secret detail of the inside');
  });

  test('sync', async () => {
    const { sync } = await api.data(
      'mutation { sync(publicKeys: ["k"]) { inSync peersOnInterface inconsistencies { kind fixed } } }',
    );
    expect(sync).toEqual({
      inSync: false,
      peersOnInterface: 3,
      inconsistencies: [{ kind: 'SETTINGS_DIFFER', fixed: false }],
    });
    expect(asked.at(-1)).toEqual({ fix: false, source: 'WIREGUARD', publicKeys: ['k'] });
  });
});

describe('wrong input has a code', () => {
  test.each([
    ['{ monthlyUsage(month: "2026-13") { totalCount } }', {}],
    ['query ($m: YearMonth) { monthlyUsage(month: $m) { totalCount } }', { m: '26-01' }],
    [
      'query ($t: DateTime!) { peer(publicKey: "ann") { history(from: $t) { sent } } }',
      { t: '2026-02-30T00:00:00Z' },
    ],
    ['query ($t: DateTime!) { peer(publicKey: "ann") { history(from: $t) { sent } } }', { t: '2026-02-01' }],
    ['query ($n: Int) { peers(first: $n) { totalCount } }', { n: 'many' }],
    ['query ($o: PeerOrder) { peers(orderBy: $o) { totalCount } }', { o: { field: 'COLOUR' } }],
    ['query ($k: String!) { peer(publicKey: $k) { name } }', {}],
  ])('%s %j', async (query, variables) => {
    expect((await api.refusal(query, variables)).code).toBe('BAD_USER_INPUT');
  });

  test('a variable’s field is named', async () => {
    const query = 'mutation ($input: UpdatePeerInput!) { updatePeer(input: $input) { peer { name } } }';
    const input = { publicKey: 'k', persistentKeepalive: 'often' };
    expect(await api.refusal(query, { input })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'persistentKeepalive',
    });
  });

  test('a document that is none', async () => {
    expect((await api.refusal('{ nothing }')).code).toBe('GRAPHQL_VALIDATION_FAILED');
    expect((await api.refusal('{ peers(')).code).toBe('GRAPHQL_PARSE_FAILED');
  });
});
