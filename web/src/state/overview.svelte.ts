import type { Client, CombinedError } from '@urql/core';
import { onMount } from 'svelte';
import { isUnauthenticated } from '../graphql/client.ts';
import {
  InterfacesDocument,
  OverviewDocument,
  PeerEventsDocument,
  PeersDocument,
  TrafficDocument,
  type InterfaceLineFragment,
  type OverviewQuery,
  type PeerLineFragment,
} from '../graphql/generated.ts';
import { crossesQuarterHour } from '../lib/time.ts';
import { getApi } from './api.ts';
import { Clock } from './clock.svelte.ts';
import { Connection } from './connection.svelte.ts';
import { interfaceKey, Peers, type MonthTotal, type PeersRead, type Tick } from './peers.svelte.ts';
import { Rates } from './rates.svelte.ts';
import type { Session } from './session.svelte.ts';
import { keepSubscribed } from './subscribe.ts';

const PAGE = 200;
/** As many peers as one page of the dashboard shows. */
const MOST_PEERS = 1000;
/** Reads that many events ask for are one. */
const SETTLE = 400;
/** The least time from the end of one read to the next, so that a run of gaps is no run of reads. */
const REST = 2000;
/** An interface's status has no event of its own. */
const INTERFACES_EVERY = 10_000;

/** All that the first page shows: reads once, then follows the traffic. Lives as long as the component that made it. */
export class Overview {
  readonly clock = new Clock();
  readonly peers = new Peers();
  readonly rates = new Rates();
  readonly connection: Connection;
  readonly #client: Client;
  #interfaces = $state.raw<readonly InterfaceLineFragment[]>([]);
  #ready = $state(false);
  #problem = $state<string | null>(null);
  #reading = false;
  #planned: ReturnType<typeof setTimeout> | undefined;
  /** Reads asked for while one was under way. */
  #asked = 0;
  #gone = false;
  #lastTickAt: number | null = null;

  constructor(session: Session) {
    this.#client = getApi().client;
    let known = false;
    this.connection = new Connection(
      () => {
        // The first time, the read is under way already.
        if (known) this.#plan();
        known = true;
      },
      // A refused upgrade looks like a lost socket: ask whether the session is still good.
      () => void session.check(),
    );

    onMount(() => {
      void this.#read();
      const stops = [
        keepSubscribed(this.#client, TrafficDocument, {}, ({ traffic }) => this.#hear(traffic)),
        keepSubscribed(this.#client, PeerEventsDocument, {}, ({ peerEvents: { kind } }) => {
          if (kind === 'ADDED' || kind === 'UPDATED' || kind === 'REMOVED') this.#plan();
        }),
      ];
      const poll = setInterval(() => void this.#readInterfaces(), INTERFACES_EVERY);
      return () => {
        this.#gone = true;
        for (const stop of stops) stop();
        clearInterval(poll);
        clearTimeout(this.#planned);
      };
    });
    $effect(() => {
      if (this.rates.silent) void this.#readInterfaces();
    });
  }

  get interfaces(): readonly InterfaceLineFragment[] {
    return this.#interfaces;
  }
  /** The first read is done: what is empty is empty. */
  get ready(): boolean {
    return this.#ready;
  }
  /** Why the latest read failed, in a sentence; null where it did not. */
  get problem(): string | null {
    return this.#problem;
  }
  get onlinePeers(): number {
    const { list, totalCount, online } = this.peers;
    return list.length < totalCount ? this.rates.onlinePeers : online;
  }

  #hear(tick: Tick): void {
    const succession = this.rates.hear(tick);
    if (succession === 'again') return;
    const at = Date.parse(tick.at);
    // The first one is the latest that the server had: it can be long past.
    if (succession === 'next') this.clock.hear(at);
    const unknownPeer = this.peers.merge(tick);
    const known = this.#interfaces.find(
      ({ name, gateway }) => name === tick.interface && gateway === tick.gateway,
    );
    const newMonth = this.#lastTickAt !== null && crossesQuarterHour(this.#lastTickAt, at);
    this.#lastTickAt = at;
    if (!this.#ready) return;
    if (succession === 'gap' || unknownPeer || newMonth || known === undefined) this.#plan();
    else if (known.status !== 'UP' && succession === 'next') void this.#readInterfaces();
  }

  #plan(delay = SETTLE): void {
    if (this.#gone) return;
    if (this.#reading) this.#asked += 1;
    else this.#planned ??= setTimeout(() => void this.#read(), delay);
  }

  async #read(): Promise<void> {
    clearTimeout(this.#planned);
    this.#planned = undefined;
    this.#reading = true;
    const asked = this.#asked;
    this.peers.expectRead();
    const result = await readAll(this.#client);
    this.#reading = false;
    if (this.#gone) return;
    if ('error' in result) {
      this.peers.abandonRead();
      if (isUnauthenticated(result.error)) return;
      this.#problem = sentence(result.error);
      this.#plan(REST);
      return;
    }
    this.#problem = null;
    this.#setInterfaces(result.interfaces);
    this.peers.finishRead(result.read);
    this.#ready = true;
    if (this.#asked > asked) this.#plan(REST);
  }

  async #readInterfaces(): Promise<void> {
    if (this.#reading) return;
    const { data } = await this.#client.query(InterfacesDocument, {}).toPromise();
    if (data && !this.#gone) this.#setInterfaces(data.interfaces);
  }

  #setInterfaces(interfaces: readonly InterfaceLineFragment[]): void {
    this.#interfaces = interfaces;
    for (const { gateway, name, status } of interfaces) {
      if (status === 'UP') continue;
      const key = interfaceKey(gateway, name);
      this.peers.rest(key);
      this.rates.drop(key);
    }
  }
}

type ReadResult =
  { interfaces: readonly InterfaceLineFragment[]; read: PeersRead } | { error: CombinedError };

/** Interfaces, the month's total and the first peers at one moment, then page by page what is left of the peers. */
async function readAll(client: Client): Promise<ReadResult> {
  const first = await client.query(OverviewDocument, { first: PAGE }).toPromise();
  if (!first.data) return { error: first.error! };
  const { interfaces, monthlyTotals } = first.data;
  let { peers } = first.data;
  const lines: PeerLineFragment[] = [...peers.nodes];
  while (peers.pageInfo.hasNextPage && lines.length < MOST_PEERS) {
    const variables = { first: Math.min(PAGE, MOST_PEERS - lines.length), after: peers.pageInfo.endCursor };
    const next = await client.query(PeersDocument, variables).toPromise();
    if (!next.data) return { error: next.error! };
    ({ peers } = next.data);
    if (peers.nodes.length === 0) break;
    lines.push(...peers.nodes);
  }
  const read = { lines, totalCount: peers.totalCount, month: currentMonth(monthlyTotals, lines) };
  return { interfaces, read };
}

/** The peers know which month it is where the server stands; a month without a byte has no row yet. */
function currentMonth(
  totals: OverviewQuery['monthlyTotals'],
  lines: readonly PeerLineFragment[],
): MonthTotal | null {
  const month = lines[0]?.currentMonth.month ?? totals.at(-1)?.month;
  if (month === undefined) return null;
  const row = totals.find((total) => total.month === month);
  return { month, received: BigInt(row?.received ?? 0), sent: BigInt(row?.sent ?? 0) };
}

function sentence(error: CombinedError): string {
  return error.graphQLErrors[0]?.message ?? 'The server does not answer.';
}
