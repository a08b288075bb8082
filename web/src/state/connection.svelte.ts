import { onMount } from 'svelte';
import { getApi } from './api.ts';

/** Whether the server is there, as the socket sees it. Lives as long as the component that made it. */
export class Connection {
  #state = $state<'connecting' | 'up' | 'down'>('connecting');

  /** @param onReturn called each time the socket is up after it was not, the first time too */
  constructor(onReturn: () => void, onLoss: () => void) {
    const { socket } = getApi();
    onMount(() => {
      const forget = socket.onState((state) => {
        if (state === 'refused') return;
        const before = this.#state;
        this.#state = state;
        if (state === 'up' && before !== 'up') onReturn();
        if (state === 'down') onLoss();
      });
      const offline = () => (this.#state = 'down');
      addEventListener('offline', offline);
      return () => {
        forget();
        removeEventListener('offline', offline);
      };
    });
  }

  get state(): 'connecting' | 'up' | 'down' {
    return this.#state;
  }
}
