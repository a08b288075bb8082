/** `npm run demo` as somebody tries it: what it prints, what it serves, what it leaves, and its page in a browser. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUpServers, temporaryFolder, TestServer, until } from '../support/server.ts';
import { requireTool, tool } from '../support/tools.ts';

const TIMEOUT = { timeout: 240_000 };
/** FACTS: a browser that asks nobody but the page's own server. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

const EVERYTHING = /* GraphQL */ `
  query Everything($from: YearMonth!) {
    interfaces {
      name
      simulated
      status
    }
    monthlyTotals {
      month
      received
      sent
      total
      peers
    }
    monthlyUsage(from: $from, to: "2099-12", first: 1000) {
      totalCount
      nodes {
        publicKey
        month
        received
        sent
        total
      }
    }
    peers(first: 1000) {
      totalCount
      nodes {
        publicKey
        name
        email
        online
        totalReceived
        totalSent
        usage(from: $from) {
          month
          received
          sent
          accumulatedReceived
          accumulatedSent
        }
        epochs {
          received
          sent
        }
      }
    }
  }
`;

interface Row {
  readonly month: string;
  readonly received: string;
  readonly sent: string;
}
interface Everything {
  readonly interfaces: { name: string; simulated: boolean; status: string }[];
  readonly monthlyTotals: (Row & { total: string; peers: number })[];
  readonly monthlyUsage: { totalCount: number; nodes: (Row & { publicKey: string; total: string })[] };
  readonly peers: {
    readonly totalCount: number;
    readonly nodes: {
      readonly publicKey: string;
      readonly name: string | null;
      readonly email: string | null;
      readonly totalReceived: string;
      readonly totalSent: string;
      readonly usage: (Row & { accumulatedReceived: string; accumulatedSent: string })[];
      readonly epochs: { received: string; sent: string }[];
    }[];
  };
}
interface Tick {
  readonly sequence: number;
  readonly interface: string;
  readonly received: string;
  readonly sent: string;
  readonly peers: { publicKey: string; received: string; sent: string }[];
}

const sum = (values: readonly string[]): bigint => values.reduce((all, value) => all + BigInt(value), 0n);

const sumOf = (rows: readonly { received: string; sent: string }[]): string =>
  `${sum(rows.map(({ received }) => received))}/${sum(rows.map(({ sent }) => sent))}`;

/** All files under a folder, by path. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

function printedToken(server: TestServer): string {
  const [, token] = /Sign in with the token (\S+)/.exec(server.stdout) ?? [];
  if (token === undefined) throw new Error(`no token in\n${server.stdout}`);
  return token;
}

/** A demo in a home of its own, where also its temporary files go. */
async function startDemo(): Promise<{ server: TestServer; home: string; temporary: string }> {
  const home = temporaryFolder();
  const temporary = temporaryFolder();
  mkdirSync(path.join(home, 'wireguard'));
  const server = await TestServer.start({
    command: 'demo',
    dataDir: path.join(home, 'data'),
    token: null,
    env: {
      TMPDIR: temporary,
      // As it is by default.
      COLLECT_INTERVAL: undefined,
      // The demo has all of its own: these must not matter.
      WG_SOCKET_DIR: path.join(home, 'run'),
      WG_CONFIG_DIR: path.join(home, 'wireguard'),
      WG_INTERFACE: 'wg0',
      GATEWAY: undefined,
    },
  });
  server.token = printedToken(server);
  return { server, home, temporary };
}

afterAll(cleanUpServers);

describe('the demo', () => {
  let demo: Awaited<ReturnType<typeof startDemo>>;
  beforeAll(async () => {
    demo = await startDemo();
  }, 120_000);

  async function totals(): Promise<Map<string, string>> {
    const query = '{ peers(first: 1000) { nodes { publicKey totalReceived totalSent } } }';
    const { peers } = await demo.server.gql<Pick<Everything, 'peers'>>(query);
    return new Map(peers.nodes.map((one) => [one.publicKey, `${one.totalReceived}/${one.totalSent}`]));
  }

  it('prints where it is, how to sign in, and that it is simulated', () => {
    const { server } = demo;
    expect(server.stdout).toContain(`${server.url}/`);
    expect(server.stdout).toContain(`${server.url}/graphql`);
    expect(server.stdout).toMatch(/SIMULATED/);
    expect(server.stdout).toContain(path.join(server.dataDir, 'demo', 'admin-token'));
    // Quiet otherwise: a person reads this.
    expect(server.stdout.trim().split('\n').length).toBeLessThan(12);
    expect(server.stderr).toBe('');
  });

  it('has forty peers and a year of months that agree', TIMEOUT, async () => {
    const from = `${new Date().getUTCFullYear() - 2}-01`;
    const all = await demo.server.gql<Everything>(EVERYTHING, { from });
    expect(all.interfaces).toEqual([{ name: 'wg-demo', simulated: true, status: 'UP' }]);
    expect(all.peers.totalCount).toBe(40);
    expect(all.peers.nodes.every(({ name, email }) => name !== null && email !== null)).toBe(true);
    expect(all.monthlyTotals).toHaveLength(12);
    expect(all.monthlyTotals.every(({ total, peers }) => BigInt(total) > 0n && peers > 0)).toBe(true);

    // The demo goes on while it is read: a peer counts where it stood still meanwhile.
    const seen: [string, object, object][] = [];
    const unseen = new Set(all.peers.nodes.map(({ publicKey }) => publicKey));
    await until(
      'every peer is seen standing still',
      async () => {
        const before = await totals();
        const { peers } = await demo.server.gql<Everything>(EVERYTHING, { from });
        const after = await totals();
        for (const peer of peers.nodes) {
          const { publicKey, totalReceived, totalSent } = peer;
          if (before.get(publicKey) !== after.get(publicKey)) continue;
          unseen.delete(publicKey);
          // The newest month's accumulated is everything, whichever end it stands at.
          const last = [...peer.usage].sort((a, b) => a.month.localeCompare(b.month)).at(-1);
          const sums = {
            same: `${totalReceived}/${totalSent}` === after.get(publicKey),
            epochs: sumOf(peer.epochs),
            usage: sumOf(peer.usage),
            accumulated: `${last?.accumulatedReceived}/${last?.accumulatedSent}`,
          };
          const expected = `${totalReceived}/${totalSent}`;
          seen.push([
            publicKey,
            sums,
            { same: true, epochs: expected, usage: expected, accumulated: expected },
          ]);
        }
        return unseen.size === 0;
      },
      { ms: 90_000 },
    );
    for (const [publicKey, sums, expected] of seen) expect(sums, publicKey).toEqual(expected);
    const current = all.monthlyTotals.at(-1)?.month;
    for (const month of all.monthlyTotals.filter((one) => one.month !== current)) {
      const rows = all.monthlyUsage.nodes.filter((one) => one.month === month.month);
      expect(sum(rows.map(({ received }) => received))).toBe(BigInt(month.received));
      expect(sum(rows.map(({ sent }) => sent))).toBe(BigInt(month.sent));
      expect(BigInt(month.received) + BigInt(month.sent)).toBe(BigInt(month.total));
      expect(rows).toHaveLength(month.peers);
    }
    expect(all.monthlyUsage.totalCount).toBe(all.monthlyUsage.nodes.length);
  });

  it('moves, tick by tick, as much as its totals grow', TIMEOUT, async () => {
    const { server } = demo;
    const stream = server.subscribe<Tick>(
      'subscription { traffic { sequence interface received sent peers { publicKey received sent } } }',
    );
    const first = await stream.first(() => true);
    await stream.first(({ sequence }) => sequence >= first.sequence + 5, 60_000);
    stream.close();
    const ticks = stream.events;
    expect(ticks.map(({ sequence }) => sequence)).toEqual(ticks.map((_, at) => first.sequence + at));
    for (const tick of ticks) {
      expect(tick.interface).toBe('wg-demo');
      expect(sum(tick.peers.map(({ received }) => received))).toBe(BigInt(tick.received));
      expect(sum(tick.peers.map(({ sent }) => sent))).toBe(BigInt(tick.sent));
    }
    expect(sum(ticks.map(({ sent }) => sent))).toBeGreaterThan(0n);
  });

  it('stops in order and has touched nothing but its data directory', TIMEOUT, async () => {
    const { server, home, temporary } = demo;
    expect((await server.stop()).code).toBe(0);
    expect(readdirSync(temporary)).toEqual([]);
    const files = filesIn(home);
    expect(files.filter((file) => !file.startsWith(path.join('data', 'demo', '')))).toEqual([]);
    expect(files).toContain(path.join('data', 'demo', 'wiremeter.db'));
    expect(readdirSync(path.join(home, 'wireguard'))).toEqual([]);
    for (const folder of ['/var/run/wireguard', '/etc/wireguard']) {
      expect(
        existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('wg-demo')) : [],
      ).toEqual([]);
    }
  });
});

describe('the demo’s page in a browser', () => {
  let browser: Browser | undefined;
  afterAll(() => browser?.close());

  /** Everything that the page complains of or asks another host for. */
  function listen(page: Page, own: string): string[] {
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      const here = ['data:', 'blob:'].includes(url.protocol) || url.host === new URL(own).host;
      if (!here) complaints.push(`asks ${request.url()}`);
    });
    page.on('websocket', (socket) => {
      if (new URL(socket.url()).host !== new URL(own).host) complaints.push(`opens ${socket.url()}`);
    });
    return complaints;
  }

  it('signs in, shows figures that move, and asks no other host', TIMEOUT, async (ctx) => {
    await requireTool(ctx, 'chromium');
    const { path: executablePath } = await tool('chromium');
    const { server } = await startDemo();
    browser = await chromium.launch({ executablePath: executablePath ?? '/usr/bin/chromium', args: FLAGS });
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const complaints = listen(page, server.url);

    await page.goto(`${server.url}/`);
    await page.getByLabel('Administrator token').fill(`${server.token}x`);
    const refused = page.waitForResponse((response) => response.url().endsWith('/session'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    expect((await refused).status()).toBe(401);
    await page.getByText('That is not the token.').waitFor();
    // A browser says each 401 in its console: this one and the look for a session are no complaints.
    const ours = (): string[] => complaints.filter((line) => !line.includes('status of 401'));

    await page.getByLabel('Administrator token').fill(server.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Simulated device').first().waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const rows = page.locator('tbody tr');
    await rows.nth(39).waitFor({ state: 'attached' });
    expect(await rows.count()).toBe(40);
    expect(await page.locator('dl').innerText()).toContain('of 40');

    // Figures move: what the table and the tiles say changes by itself.
    for (const part of [page.locator('dl'), page.locator('tbody')]) {
      await page.waitForFunction(({ element, text }) => element.textContent !== text, {
        element: await part.elementHandle(),
        text: await part.textContent(),
      });
    }
    const screenshot = path.join(process.env['E2E_SCREENSHOTS'] ?? temporaryFolder(), 'demo.png');
    await page.screenshot({ path: screenshot, fullPage: true });
    expect(existsSync(screenshot)).toBe(true);
    expect(ours()).toEqual([]);

    // GraphiQL, signed in by the same cookie: an operation of its first tab is answered.
    await page.goto(`${server.url}/graphql`);
    await page.getByRole('button', { name: /execute/i }).click();
    await page.locator('.result-window').getByText('totalCount').first().waitFor();
    expect(ours()).toEqual([]);

    await page.goto(`${server.url}/`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Administrator token').waitFor();
    expect(ours()).toEqual([]);
    expect((await server.stop()).code).toBe(0);
  });
});
