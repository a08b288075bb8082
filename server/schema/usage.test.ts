import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api, NOW } from '../testing/api.ts';

interface Usage {
  readonly publicKey: string;
  readonly month: string;
  readonly received: string;
  readonly sent: string;
  readonly total: string;
  readonly name: string | null;
  readonly peer: { readonly name: string | null } | null;
}

interface UsagePage {
  readonly totalCount: number;
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly nodes: Usage[];
}

const FIELDS = 'publicKey month received sent total name email peer { name }';
const MAX = 2n ** 63n - 1n;

let api: Api;
let second: number;

beforeAll(async () => {
  api = await Api.open();
  const wg0 = await api.addInterface();
  second = await api.addInterface({ name: 'wg1' });
  const ann = await api.addPeer(wg0, 'ann', { name: 'Ann', email: 'Änn@Example.org' });
  const bob = await api.addPeer(wg0, 'bob', { name: 'Bob', email: 'bob@example.org' });
  const gone = await api.addPeer(second, 'gone', { name: 'Gone', email: 'x', deletedAt: new Date(NOW) });
  await api.addPeer(second, 'idle', { name: 'Idle' }, { rx: 5n, tx: 6n, totalReceived: 50n, totalSent: 60n });
  await api.addMonth(ann, 'ann', '2026-03', 2n ** 60n, 7n, {
    accumulatedReceived: MAX,
    accumulatedSent: 2n ** 60n + 1n,
    lastReceived: 11n,
    lastSent: 12n,
  });
  await api.addMonth(ann, 'ann', '2026-02', 100n, 50n);
  await api.addMonth(ann, 'ann', '2025-04', 1n, 2n);
  await api.addMonth(ann, 'ann', '2025-03', 3n, 4n);
  await api.addMonth(bob, 'bob', '2026-03', 30n, 10n);
  await api.addMonth(bob, 'bob', '2026-02', 20n, 20n);
  await api.addMonth(gone, 'gone', '2026-03', 10n, 30n);
});

afterAll(() => api.close());

async function usage(args: string): Promise<UsagePage> {
  const list = args === '' ? '' : `(${args})`;
  const query = `{ monthlyUsage${list} { totalCount pageInfo { hasNextPage endCursor } nodes { ${FIELDS} } } }`;
  return (await api.data<{ monthlyUsage: UsagePage }>(query)).monthlyUsage;
}

const rows = ({ nodes }: UsagePage) => nodes.map((node) => `${node.publicKey} ${node.month} ${node.total}`);

test('the current month, largest total first, gone peers with their names', async () => {
  const page = await usage('');
  expect(rows(page)).toEqual([`ann 2026-03 ${String(2n ** 60n + 7n)}`, 'gone 2026-03 40', 'bob 2026-03 40']);
  expect(page.totalCount).toBe(3);
  expect(page.nodes[1]).toMatchObject({ peer: null, name: 'Gone', email: 'x', received: '10', sent: '30' });
  expect(page.nodes[2]).toMatchObject({ peer: { name: 'Bob' }, received: '30', sent: '10' });
});

test('bytes are exact from the database to JSON', async () => {
  const { monthlyUsage } = await api.data<{ monthlyUsage: { nodes: unknown[] } }>(
    '{ monthlyUsage(first: 1) { nodes { received sent accumulatedReceived accumulatedSent lastReceived lastSent } } }',
  );
  expect(monthlyUsage.nodes).toEqual([
    {
      received: '1152921504606846976',
      sent: '7',
      accumulatedReceived: '9223372036854775807',
      accumulatedSent: '1152921504606846977',
      lastReceived: '11',
      lastSent: '12',
    },
  ]);
});

test('pages of ranges over several months', async () => {
  const whole = rows(await usage('from: "2025-01"'));
  expect(whole).toHaveLength(7);
  const walked: string[] = [];
  let after = '';
  for (;;) {
    const page: UsagePage = await usage(`from: "2025-01", first: 2${after}`);
    walked.push(...rows(page));
    if (!page.pageInfo.hasNextPage) break;
    after = `, after: "${page.pageInfo.endCursor ?? ''}"`;
  }
  expect(walked).toEqual(whole);
});

describe('filters', () => {
  test.each([
    ['month: "2026-02"', ['ann 2026-02 150', 'bob 2026-02 40']],
    ['from: "2026-02", to: "2026-02"', ['ann 2026-02 150', 'bob 2026-02 40']],
    ['to: "2025-12"', ['ann 2025-03 7', 'ann 2025-04 3']],
    ['publicKey: "bob"', ['bob 2026-03 40']],
    ['interface: "wg1"', ['gone 2026-03 40']],
    ['email: "BOB@EXAMPLE.ORG"', ['bob 2026-03 40']],
    ['email: "bob@example"', []],
    ['email: "äNN@example.ORG", month: "2026-02"', ['ann 2026-02 150']],
    ['month: "1999-12"', []],
  ])('%s', async (args, expected) => {
    const page = await usage(args);
    expect(rows(page)).toEqual(expected);
    expect(page.totalCount).toBe(expected.length);
  });

  test.each([
    ['month: "2026-02", from: "2026-01"', 'month'],
    ['from: "2026-02", to: "2026-01"', 'from'],
    ['first: -1', 'first'],
    ['after: "x"', 'after'],
  ])('%s is refused', async (args, field) => {
    const refusal = await api.refusal(`{ monthlyUsage(${args}) { totalCount nodes { month } } }`);
    expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });
});

describe('monthlyTotals', () => {
  const QUERY = 'month received sent total peers';

  test('the last twelve months that have any, oldest first', async () => {
    const { monthlyTotals } = await api.data(`{ monthlyTotals { ${QUERY} } }`);
    expect(monthlyTotals).toEqual([
      { month: '2025-04', received: '1', sent: '2', total: '3', peers: 1 },
      { month: '2026-02', received: '120', sent: '70', total: '190', peers: 2 },
      {
        month: '2026-03',
        received: String(2n ** 60n + 40n),
        sent: '47',
        total: String(2n ** 60n + 87n),
        peers: 3,
      },
    ]);
  });

  test('a range and an interface', async () => {
    const { monthlyTotals } = await api.data(
      `{ monthlyTotals(from: "2020-01", interface: "gw/wg1") { ${QUERY} } }`,
    );
    expect(monthlyTotals).toEqual([{ month: '2026-03', received: '10', sent: '30', total: '40', peers: 1 }]);
    expect(await api.refusal(`{ monthlyTotals(from: "2026-02", to: "2026-01") { month } }`)).toMatchObject({
      code: 'BAD_USER_INPUT',
    });
  });
});

describe('a peer’s months', () => {
  const peer = async (key: string, fields: string) =>
    (await api.data<{ peer: Record<string, unknown> }>(`{ peer(publicKey: "${key}") { ${fields} } }`)).peer;

  test('usage oldest first, beside the current month', async () => {
    const { usage: all, currentMonth } = await peer(
      'ann',
      'usage { month total } currentMonth { month sent }',
    );
    expect(all).toEqual([
      { month: '2025-03', total: '7' },
      { month: '2025-04', total: '3' },
      { month: '2026-02', total: '150' },
      { month: '2026-03', total: String(2n ** 60n + 7n) },
    ]);
    expect(currentMonth).toEqual({ month: '2026-03', sent: '7' });
    const ranged = await peer('ann', 'a: usage(from: "2026-01") { month } b: usage(to: "2025-03") { month }');
    expect(ranged).toEqual({ a: [{ month: '2026-02' }, { month: '2026-03' }], b: [{ month: '2025-03' }] });
  });

  test('a month without a row is a row of zeros', async () => {
    const { currentMonth } = await peer(
      'idle',
      `currentMonth { ${FIELDS} accumulatedReceived accumulatedSent lastReceived lastSent lastUpdated }`,
    );
    expect(currentMonth).toEqual({
      publicKey: 'idle',
      month: '2026-03',
      received: '0',
      sent: '0',
      total: '0',
      name: 'Idle',
      email: null,
      peer: { name: 'Idle' },
      accumulatedReceived: '50',
      accumulatedSent: '60',
      lastReceived: '5',
      lastSent: '6',
      lastUpdated: new Date(NOW).toISOString(),
    });
  });
});
