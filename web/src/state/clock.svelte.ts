import { onMount } from 'svelte';
import { adjustOffset } from '../lib/time.ts';

/** The server's time, read once a second by whoever shows an age. Lives as long as the component that made it. */
export class Clock {
  #local = $state(Date.now());
  #offset = $state(0);

  constructor() {
    onMount(() => {
      const timer = setInterval(() => (this.#local = Date.now()), 1000);
      return () => clearInterval(timer);
    });
  }

  /** ms since 1970, by the server's clock as far as it is known. */
  get now(): number {
    return this.#local + this.#offset;
  }

  /** Takes an instant that the server has just named. */
  hear(serverNow: number): void {
    this.#offset = adjustOffset(this.#offset, serverNow, Date.now());
  }
}
