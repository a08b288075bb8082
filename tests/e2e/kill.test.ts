/**
 * kill -9 at random moments, with counters that never rest: every byte that a sample could see is counted
 * once (CONTRACT.md §3). And two servers on one data directory.
 */
import { randomInt } from 'node:crypto';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SimulatedDevice } from '../../server/wireguard/simulator.ts';
import {
  cleanUpServers,
  expectNoSecretPrinted,
  GqlError,
  newToken,
  temporaryFolder,
  TestServer,
  until,
} from '../support/server.ts';

/** What happens in a round before its kill; between two of them mostly nothing does. */
const ROUNDS = [
  ...['nothing', 'recreate', 'nothing', 'fall', 'nothing', 'overtake', 'nothing', 'come and go', 'nothing'],
  ...['recreate while down', 'overtake', 'nothing', 'fall', 'recreate', 'nothing', 'come and go', 'nothing'],
  ...['recreate while down', 'fall', 'nothing'],
] as const;
const PEERS = 300;
const STEP_MS = 10;
/** For a start or two on a machine that does other things too. */
const TIMEOUT = { timeout: 240_000 };
/** Of the server. */
const INTERVAL = '0.1';

const SUMS = /* GraphQL */ `
  query Sums($from: DateTime!) {
    peers(first: 1000) {
      totalCount
      nodes {
        publicKey
        totalReceived
        totalSent
        transferRx
        transferTx
        usage(from: "2020-01", to: "2099-12") {
          received
          sent
        }
        epochs(first: 1000) {
          cause
          received
          sent
        }
        minutes: history(from: $from, resolution: MINUTE) {
          received
          sent
        }
        days: history(from: $from, resolution: DAY) {
          received
          sent
        }
      }
    }
  }
`;
const TOTALS = '{ peers(first: 1000) { nodes { publicKey totalReceived totalSent } } }';
const COLLECT = 'mutation { collect { peers } }';

interface Bytes {
  readonly received: string;
  readonly sent: string;
}
interface Totals {
  readonly publicKey: string;
  readonly totalReceived: string;
  readonly totalSent: string;
}
interface Sums extends Totals {
  readonly transferRx: string;
  readonly transferTx: string;
  readonly usage: Bytes[];
  readonly epochs: (Bytes & { cause: string })[];
  readonly minutes: Bytes[];
  readonly days: Bytes[];
}

/** The same numbers for the same seed: xorshift32. */
class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 1;
  }
  /** 0 … below - 1 */
  below(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }
}

/** Moves the device's counters all the time, and keeps its own books of what it gave. */
class Traffic {
  readonly given = new Map<string, { rx: bigint; tx: bigint }>();
  readonly #device: SimulatedDevice;
  readonly #chance: Chance;
  #timer: NodeJS.Timeout | null = null;

  constructor(device: SimulatedDevice, chance: Chance) {
    this.#device = device;
    this.#chance = chance;
  }

  go(): void {
    this.#timer ??= setInterval(() => this.step(), STEP_MS);
  }

  rest(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Some peers gain, unequally; now and then one shakes hands. */
  step(): void {
    this.#device.peers.forEach(({ publicKey }, index) => {
      if (this.#chance.below(3) === 0) return;
      this.give(publicKey, this.#chance.below(1_500) * (index + 1), this.#chance.below(90_000));
      if (this.#chance.below(50) === 0) this.#device.handshake(publicKey);
    });
  }

  give(publicKey: string, rx: number, tx: number): void {
    this.#device.transfer(publicKey, rx, tx);
    const given = this.given.get(publicKey) ?? { rx: 0n, tx: 0n };
    this.given.set(publicKey, { rx: given.rx + BigInt(rx), tx: given.tx + BigInt(tx) });
  }
}

const sum = (of: readonly Bytes[]): [bigint, bigint] =>
  of.reduce<[bigint, bigint]>(
    ([rx, tx], { received, sent }) => [rx + BigInt(received), tx + BigInt(sent)],
    [0n, 0n],
  );

const devices: SimulatedDevice[] = [];
async function deviceIn(socketDir: string): Promise<SimulatedDevice> {
  const device = new SimulatedDevice({ name: 'wg0', socketDir });
  devices.push(device);
  await device.start();
  return device;
}

afterAll(async () => {
  cleanUpServers();
  for (const device of devices) await device.stop();
});

describe(`kill -9, ${ROUNDS.length} times`, () => {
  const seed = Number(process.env['KILL_SEED'] ?? randomInt(1, 2 ** 31));
  const chance = new Chance(seed);
  const home = temporaryFolder();
  const options = {
    dataDir: path.join(home, 'data'),
    token: newToken(),
    env: { WG_INTERFACE: 'wg0', COLLECT_INTERVAL: INTERVAL },
  };
  let device: SimulatedDevice;
  let traffic: Traffic;
  let server: TestServer;
  /** The highest totals that the API ever gave. */
  const seen = new Map<string, readonly [bigint, bigint]>();
  const fell: string[] = [];
  const causes = new Set<string>();
  let answers = 0;

  function notice(nodes: readonly Totals[]): void {
    answers += 1;
    for (const { publicKey, totalReceived, totalSent } of nodes) {
      const [rx, tx] = [BigInt(totalReceived), BigInt(totalSent)];
      const [oldRx, oldTx] = seen.get(publicKey) ?? [0n, 0n];
      if (rx < oldRx || tx < oldTx) fell.push(`${publicKey}: ${oldRx}/${oldTx} → ${rx}/${tx}`);
      seen.set(publicKey, [rx, tx]);
    }
  }

  /** Reads totals and takes samples beside the loop, until the server is gone. */
  function pester(of: TestServer): { stop: () => Promise<void> } {
    let over = false;
    void of.ended.then(() => (over = true));
    const loop = async (work: () => Promise<void>): Promise<void> => {
      while (!over) {
        try {
          await work();
        } catch (error) {
          // A refusal is one; a connection that broke is the kill.
          if (error instanceof GqlError) throw error;
          await until('the killed server is gone', () => over);
        }
      }
    };
    const loops = Promise.all([
      loop(async () => notice((await of.gql<{ peers: { nodes: Totals[] } }>(TOTALS)).peers.nodes)),
      loop(async () => {
        await of.gql(COLLECT);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }),
    ]);
    // Awaited in stop(), which comes after the kill: until then a failure is no unhandled rejection.
    loops.catch(() => undefined);
    return {
      stop: async () => {
        over = true;
        await loops;
      },
    };
  }

  beforeAll(async () => {
    console.log(`kill -9 with KILL_SEED=${seed}`);
    device = await deviceIn(path.join(home, 'run'));
    traffic = new Traffic(device, chance);
    // Counters that ran before: they belong to no month and are never counted.
    for (let index = 0; index < PEERS; index++) {
      const { publicKey } = device.addPeer({
        allowedIPs: [`10.8.${index >> 8}.${index & 255}/32`],
        rx: BigInt(chance.below(1e9)),
        tx: BigInt(chance.below(1e9)),
      });
      traffic.given.set(publicKey, { rx: 0n, tx: 0n });
    }
    server = await TestServer.start(options);
    await server.gql(COLLECT);
  });

  /** With the traffic at rest and a sample taken, nothing is unknown when the counters go. */
  async function reset(how: (typeof ROUNDS)[number]): Promise<void> {
    traffic.rest();
    await server.gql(COLLECT);
    const some = device.peers.filter(() => chance.below(3) === 0);
    switch (how) {
      case 'nothing':
      case 'recreate while down':
        break;
      case 'recreate':
        await device.recreate();
        break;
      case 'fall':
        for (const { publicKey } of some) device.setCounters(publicKey, 0, 0);
        await server.gql(COLLECT);
        break;
      case 'overtake':
        // Past their old values at once: only the handshake tells.
        for (const { publicKey } of some) device.handshake(publicKey);
        await server.gql(COLLECT);
        for (const { publicKey, rx, tx } of some.map((one) => ({ ...one }))) {
          device.setCounters(publicKey, 0, 0);
          device.handshake(publicKey, 0n);
          traffic.give(publicKey, Number(rx) + 1_000, Number(tx) + 1_000);
        }
        // Before a newer handshake hides it, which nobody could see through (ACCOUNTING, the end).
        await server.gql(COLLECT);
        break;
      case 'come and go': {
        const [gone] = device.peers;
        if (gone) device.removePeer(gone.publicKey);
        await server.gql(COLLECT);
        if (gone) device.addPeer({ publicKey: gone.publicKey, allowedIPs: ['10.8.99.1/32'] });
        device.addPeer({ allowedIPs: [`10.9.0.${chance.below(250)}/32`] });
      }
    }
  }

  it('counts every byte once, and no counter goes down', { timeout: 600_000 }, async () => {
    for (const how of ROUNDS) {
      traffic.go();
      const pestering = pester(server);
      if (how !== 'nothing') await reset(how);
      if (how !== 'recreate while down') traffic.go();
      // This is the random moment itself.
      await new Promise((resolve) => setTimeout(resolve, chance.below(600)));
      await server.kill();
      await pestering.stop();
      if (how === 'recreate while down') await device.recreate();
      traffic.go();
      server = await TestServer.start(options);
    }
    traffic.rest();
    await server.gql(COLLECT);
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const { peers } = await server.gql<{ peers: { totalCount: number; nodes: Sums[] } }>(SUMS, { from });
    notice(peers.nodes);

    const wrong: string[] = [];
    for (const peer of peers.nodes) {
      const given = traffic.given.get(peer.publicKey) ?? { rx: 0n, tx: 0n };
      const expected = `${given.rx}/${given.tx}`;
      const sums = {
        totals: `${peer.totalReceived}/${peer.totalSent}`,
        usage: sum(peer.usage).join('/'),
        epochs: sum(peer.epochs).join('/'),
        minutes: sum(peer.minutes).join('/'),
        days: sum(peer.days).join('/'),
      };
      for (const [name, value] of Object.entries(sums)) {
        if (value !== expected) wrong.push(`${peer.publicKey} ${name}: ${value}, given ${expected}`);
      }
      for (const { cause } of peer.epochs) causes.add(cause);
    }
    expect(wrong.slice(0, 10), `${wrong.length} sums of ${peers.totalCount} peers are wrong`).toEqual([]);
    expect(peers.totalCount).toBe(traffic.given.size);
    expect(fell).toEqual([]);
    // The test's own teeth: it saw answers all along, and resets.
    expect(answers).toBeGreaterThan(ROUNDS.length * 2);
    console.log(`${answers} answers, ${peers.totalCount} peers, epochs: ${[...causes].join(', ')}`);
    for (const cause of ['FIRST_SEEN', 'ADDED', 'COUNTER_FELL', 'HANDSHAKE_WENT_BACK', 'DEVICE_RECREATED']) {
      expect(causes).toContain(cause);
    }
    await server.stop();
  });
});

describe('two servers on one data directory', () => {
  afterEach(cleanUpServers);

  it('let one account, the other read, and change over when the first is killed', TIMEOUT, async () => {
    const home = temporaryFolder();
    const device = await deviceIn(path.join(home, 'run'));
    const { publicKey } = device.addPeer({ allowedIPs: ['10.8.0.2/32'], rx: 5n, tx: 7n });
    const env = { WG_INTERFACE: 'wg0', COLLECT_INTERVAL: '1' };
    const options = { dataDir: path.join(home, 'data'), token: newToken(), env };
    const first = await TestServer.start(options);
    const second = await TestServer.start(options);
    const totals = async (of: TestServer): Promise<[string, string]> => {
      const { peers } = await of.gql<{ peers: { nodes: Totals[] } }>(TOTALS);
      return [peers.nodes[0]?.totalReceived ?? '', peers.nodes[0]?.totalSent ?? ''];
    };
    device.transfer(publicKey, 1_000, 200);
    await first.gql(COLLECT);
    expect(await totals(first)).toEqual(['1000', '200']);
    expect(await totals(second)).toEqual(['1000', '200']);

    const elsewhere = new RegExp(`another server accounts it \\(process ${first.pid}`);
    expect(second.stderr).toMatch(elsewhere);
    const ready = (await (await second.fetch('/readyz')).json()) as { ready: boolean; reasons: string[] };
    // What a balancer and a person learn of it is the same as in the log.
    if (!ready.ready) expect(ready.reasons.join()).toMatch(elsewhere);

    for (const mutation of [
      COLLECT,
      'mutation { sync(fix: true) { inSync } }',
      `mutation { updatePeer(input: { publicKey: "${publicKey}", name: "n" }) { peer { name } } }`,
      `mutation { deletePeer(input: { publicKey: "${publicKey}" }) { deletedPublicKeys } }`,
      'mutation { generatePeer(input: { name: "n", email: "n@example.com" }) { clientConfig } }',
    ]) {
      const refused = await second.refusal(mutation);
      expect(refused.code, refused.message).toBe('WIREGUARD_UNAVAILABLE');
      expect(refused.message).toContain('another server accounts it');
    }
    expect(device.sets).toBe(0);

    device.transfer(publicKey, 30, 4);
    await first.kill();
    const killed = performance.now();
    device.transfer(publicKey, 500, 60);
    await until('the second takes over', async () => (await totals(second))[0] === '1530', { everyMs: 10 });
    // A dead process of this host is known at once: three intervals and what a busy machine adds.
    expect(performance.now() - killed).toBeLessThan(5_000);
    expect(await totals(second)).toEqual(['1530', '264']);
    await second.gql(COLLECT);
    expect(await totals(second)).toEqual(['1530', '264']);
    expect((await second.fetch('/readyz')).status).toBe(200);
    await second.stop();
  });

  it('print no secret', expectNoSecretPrinted);
});
