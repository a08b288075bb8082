import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api, NOW, statementsOf } from '../testing/api.ts';

interface PeerPage {
  readonly totalCount: number;
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly edges: { readonly cursor: string; readonly node: { readonly publicKey: string } }[];
}

const PAGE = /* GraphQL */ `
  query Page($first: Int, $after: String, $last: Int, $before: String, $orderBy: PeerOrder) {
    peers(first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy) {
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
      edges {
        cursor
        node {
          publicKey
        }
      }
    }
  }
`;

const FIELDS = ['NAME', 'ADDED_ON', 'LATEST_HANDSHAKE', 'RECEIVE_RATE', 'SEND_RATE', 'MONTH_TOTAL', 'TOTAL'];
const ORDERS = FIELDS.flatMap((field) => ['ASC', 'DESC'].map((direction) => ({ field, direction })));

const HUGE = 2n ** 62n;
let api: Api;

beforeAll(async () => {
  api = await Api.open();
  const up = await api.addInterface();
  const down = await api.addInterface({ gateway: 'other', status: 'DOWN', lastCollectedAt: 0n });
  // Ties everywhere, values a double cannot tell apart, peers never seen and peers without counters.
  for (let i = 0; i < 13; i += 1) {
    const counters =
      i % 6 === 5
        ? null
        : {
            handshake: i % 3 === 0 ? 0n : BigInt(NOW - (i % 4) * 60_000) * 1_000_000n + BigInt(i % 2),
            receiveRate: [0.1, 1 / 3, 1e9 / 7, 0][i % 4] ?? 0,
            sendRate: i % 2,
            total: HUGE + BigInt(i % 4),
            totalReceived: HUGE,
            totalSent: BigInt(i % 4),
            monthTotal: HUGE + BigInt(i % 3),
            endpoint: `198.51.100.${String(i)}:51820`,
          };
    await api.addPeer(
      i % 4 === 3 ? down : up,
      `key${String(i).padStart(2, '0')}`,
      {
        name: i % 5 === 4 ? null : `Name ${String(i % 3)}`,
        email: `User${String(i)}@Example.org`,
        addedOn: new Date(NOW - (i % 3) * 1000),
        allowedIPs: `10.0.0.${String(i)}/32, fd00::${String(i)}/128`,
        enabled: i % 2 === 0,
      },
      counters,
    );
  }
  await api.addPeer(up, 'gone', { deletedAt: new Date(NOW), name: 'Name gone' });
});

afterAll(() => api.close());

async function page(variables: Record<string, unknown>): Promise<PeerPage> {
  return (await api.data<{ peers: PeerPage }>(PAGE, variables)).peers;
}

const keysOf = ({ edges }: PeerPage) => edges.map(({ node }) => node.publicKey);

describe.each(ORDERS)('$field $direction', (orderBy) => {
  test('forward, page by page, is the whole list', async () => {
    const all = keysOf(await page({ orderBy }));
    expect(new Set(all).size).toBe(13);
    const walked: string[] = [];
    let after: string | null = null;
    for (;;) {
      const part: PeerPage = await page({ orderBy, first: 4, after });
      expect(part.pageInfo.hasPreviousPage).toBe(walked.length > 0);
      walked.push(...keysOf(part));
      expect(part.pageInfo.hasNextPage).toBe(walked.length < all.length);
      if (!part.pageInfo.hasNextPage) break;
      after = part.pageInfo.endCursor;
    }
    expect(walked).toEqual(all);
  });

  test('backward, page by page, is the whole list', async () => {
    const all = keysOf(await page({ orderBy }));
    const walked: string[] = [];
    let before: string | null = null;
    for (;;) {
      const part: PeerPage = await page({ orderBy, last: 5, before });
      expect(part.pageInfo.hasNextPage).toBe(walked.length > 0);
      walked.unshift(...keysOf(part));
      if (!part.pageInfo.hasPreviousPage) break;
      before = part.pageInfo.startCursor;
    }
    expect(walked).toEqual(all);
  });
});

test('never comes last, whichever way', async () => {
  for (const direction of ['ASC', 'DESC']) {
    const { peers } = await api.data<{ peers: { nodes: { latestHandshake: string | null }[] } }>(
      `{ peers(orderBy: { field: LATEST_HANDSHAKE, direction: ${direction} }) { nodes { latestHandshake } } }`,
    );
    const known = peers.nodes.map(({ latestHandshake }) => latestHandshake !== null);
    expect(known).toEqual([...known].sort((a, b) => Number(b) - Number(a)));
    expect(known).toContain(false);
  }
});

test('unnamed peers come last, whichever way', async () => {
  for (const direction of ['ASC', 'DESC']) {
    const { peers } = await api.data<{ peers: { nodes: { name: string | null }[] } }>(
      `{ peers(orderBy: { field: NAME, direction: ${direction} }) { nodes { name } } }`,
    );
    expect(peers.nodes.at(-1)?.name).toBeNull();
    expect(peers.nodes.at(0)?.name).toBe(direction === 'ASC' ? 'Name 0' : 'Name 2');
  }
});

test('first and last together are the last of the first', async () => {
  const all = keysOf(await page({}));
  const part = await page({ first: 5, last: 2 });
  expect(keysOf(part)).toEqual(all.slice(3, 5));
  expect(part.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
});

test('between two cursors', async () => {
  const all = await page({});
  const part = await page({ after: all.edges[2]?.cursor, before: all.edges[6]?.cursor });
  expect(keysOf(part)).toEqual(keysOf(all).slice(3, 6));
});

test.each([
  [{ first: -1 }, 'first'],
  [{ last: -5 }, 'last'],
  [{ after: 'nonsense' }, 'after'],
  [{ before: 'bm9uc2Vuc2U' }, 'before'],
  [{ after: Buffer.from('["NAME ASC"]').toString('base64url') }, 'after'],
])('%j is refused with its field', async (variables, field) => {
  expect(await api.refusal(PAGE, variables)).toMatchObject({ code: 'BAD_USER_INPUT', field });
});

test('a cursor of another order is refused', async () => {
  const { pageInfo } = await page({ first: 1 });
  const other = { after: pageInfo.endCursor, orderBy: { field: 'TOTAL', direction: 'ASC' } };
  expect(await api.refusal(PAGE, other)).toMatchObject({ code: 'BAD_USER_INPUT', field: 'after' });
});

describe('filters', () => {
  async function found(args: string): Promise<string[]> {
    const { peers } = await api.data<{ peers: { totalCount: number; nodes: { publicKey: string }[] } }>(
      `{ peers(${args}) { totalCount nodes { publicKey } } }`,
    );
    expect(peers.totalCount).toBe(peers.nodes.length);
    return peers.nodes.map(({ publicKey }) => publicKey).sort();
  }

  test('search reaches e-mail, key, address and endpoint in any case', async () => {
    expect(await found('search: "uSER7@"')).toEqual(['key07']);
    expect(await found('search: "KEY03"')).toEqual(['key03']);
    expect(await found('search: "fd00::9/"')).toEqual(['key09']);
    expect(await found('search: "198.51.100.8:"')).toEqual(['key08']);
  });

  test('no character of a search is special', async () => {
    expect(await found('search: "%"')).toEqual([]);
    expect(await found('search: "key_3"')).toEqual([]);
    expect(await found(`search: "'; DROP TABLE peers; --"`)).toEqual([]);
  });

  test('a peer that is gone is nowhere', async () => {
    expect(await found('search: "gone"')).toEqual([]);
  });

  test('enabled and online', async () => {
    expect(await found('enabled: true')).toHaveLength(7);
    expect(await found('enabled: false')).toHaveLength(6);
    const online = await found('online: true');
    expect(online.length + (await found('online: false')).length).toBe(13);
    const { peers } = await api.data<{ peers: { nodes: { publicKey: string; online: boolean }[] } }>(
      '{ peers { nodes { publicKey online } } }',
    );
    const shown = peers.nodes.filter((peer) => peer.online).map((peer) => peer.publicKey);
    expect(online).toEqual(shown.sort());
    expect(online.length).toBeGreaterThan(2);
  });

  test('interface by gateway, ambiguous and unknown', async () => {
    expect(await found('interface: "other/wg0"')).toEqual(['key03', 'key07', 'key11']);
    expect(await api.refusal('{ peers(interface: "wg0") { totalCount } }')).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'interface',
      message: expect.stringContaining('gw/wg0, other/wg0') as string,
    });
    expect(await api.refusal('{ peers(interface: "wg9") { totalCount } }')).toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

test('as many statements for a page of one as of thirteen', async () => {
  const query = (first: number) => `{
    peers(first: ${String(first)}) {
      totalCount
      nodes {
        name online receiveRate totalReceived interface { name }
        currentMonth { received peer { name interface { gateway } totalSent } }
        usage(from: "2025-01") { total }
        epochs { received }
        history(from: "2026-03-15T00:00:00Z") { received }
      }
      edges { cursor node { endpoint } }
    }
  }`;
  const one = await statementsOf(() => api.data(query(1)));
  const all = await statementsOf(() => api.data(query(13)));
  expect(one.length).toBeGreaterThan(3);
  expect(all.length).toBe(one.length);
  expect(all.length).toBeLessThan(20);
});

test('nothing is counted that nobody asked for', async () => {
  const statements = await statementsOf(() => api.data('{ peers { nodes { name } } }'));
  expect(statements.filter((sql) => /count\(\*\)/i.test(sql))).toEqual([]);
  const counted = await statementsOf(() => api.data('{ peers { totalCount } }'));
  expect(counted).toHaveLength(1);
});
