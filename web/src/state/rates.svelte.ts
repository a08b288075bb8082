import { onMount } from 'svelte';
import { History, type Columns } from '../lib/history.ts';
import { interfaceKey, type Tick } from './peers.svelte.ts';

export const HISTORY_SPAN = 15 * 60 * 1000;

interface Latest {
  sequence: number;
  /** ms since 1970, the server's clock. */
  at: number;
  /** The same by this machine's clock, so that a silence can be measured. */
  heardAt: number;
  intervalMs: number;
  receiveRate: number;
  sendRate: number;
  onlinePeers: number;
}

/** How a tick follows the one before it of its interface. */
export type Succession = 'first' | 'next' | 'again' | 'gap';

/** Rates of all interfaces together, now and over the last quarter of an hour. Lives as long as the component that made it. */
export class Rates {
  readonly #history = new History(HISTORY_SPAN);
  readonly #latest = new Map<string, Latest>();
  #receiveRate = $state(0);
  #sendRate = $state(0);
  #onlinePeers = $state(0);
  #revision = $state(0);
  #latestAt = $state.raw<number | null>(null);
  #silent = $state(false);
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    onMount(() => () => clearTimeout(this.#silence));
  }

  get receiveRate(): number {
    return this.#receiveRate;
  }
  get sendRate(): number {
    return this.#sendRate;
  }
  get onlinePeers(): number {
    return this.#onlinePeers;
  }
  /** The instant that is shown, by the server's clock; null before the first tick. */
  get latestAt(): number | null {
    return this.#latestAt;
  }
  /** No tick for two and a half intervals. */
  get silent(): boolean {
    return this.#silent;
  }
  /** One array, changed in place: `revision` tells when. */
  get columns(): Columns {
    return this.#history.columns;
  }
  get revision(): number {
    return this.#revision;
  }

  hear(tick: Tick): Succession {
    const key = interfaceKey(tick.gateway, tick.interface);
    const before = this.#latest.get(key);
    if (before?.sequence === tick.sequence) return 'again';
    const heardAt = Date.now();
    const at = Date.parse(tick.at);
    this.#latest.set(key, {
      sequence: tick.sequence,
      at,
      heardAt,
      intervalMs: tick.intervalMs,
      receiveRate: tick.receiveRate,
      sendRate: tick.sendRate,
      onlinePeers: tick.onlinePeers,
    });

    // An interface that went away has no rate: its last one must not stay in the sum.
    for (const [other, { heardAt: since, intervalMs }] of this.#latest) {
      if (heardAt - since > patience(intervalMs)) this.#latest.delete(other);
    }
    this.#sum();
    const gap = before !== undefined && at - before.at > patience(tick.intervalMs);
    if (gap && this.#latest.size === 1) this.#history.break();
    this.#history.push({ at, receiveRate: this.#receiveRate, sendRate: this.#sendRate }, tick.intervalMs / 2);
    this.#latestAt = at;
    this.#revision += 1;
    this.#silent = false;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#fallSilent(), patience(tick.intervalMs));

    if (before === undefined) return 'first';
    return tick.sequence === before.sequence + 1 ? 'next' : 'gap';
  }

  /** The interface cannot be read now. */
  drop(key: string): void {
    if (this.#latest.delete(key)) this.#sum();
  }

  #sum(): void {
    let received = 0;
    let sent = 0;
    let online = 0;
    for (const { receiveRate, sendRate, onlinePeers } of this.#latest.values()) {
      received += receiveRate;
      sent += sendRate;
      online += onlinePeers;
    }
    this.#receiveRate = received;
    this.#sendRate = sent;
    this.#onlinePeers = online;
  }

  #fallSilent(): void {
    this.#silent = true;
    this.#history.break();
    this.#revision += 1;
  }
}

/** How long a next tick may take before its absence is news, in ms. */
function patience(intervalMs: number): number {
  return Math.max(2500, intervalMs * 2.5);
}
