import { onMount } from 'svelte';
import { isUnauthenticated } from '../graphql/client.ts';
import { ViewerDocument, type ViewerQuery } from '../graphql/generated.ts';
import { backOff } from '../lib/backoff.ts';
import { isSimulated, signIn, signOut, type SignIn } from '../lib/session.ts';
import { getApi } from './api.ts';

/** `unreachable`: no answer yet to whether this page is signed in; it goes on asking. */
export type SessionStatus = 'checking' | 'unreachable' | 'signed-out' | 'signed-in';

/** Whether and as whom this page is signed in. Lives as long as the component that made it. */
export class Session {
  readonly #api = getApi();
  #status = $state<SessionStatus>('checking');
  #viewer = $state.raw<ViewerQuery['viewer'] | null>(null);
  #expired = $state(false);
  #simulated = $state(false);
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    onMount(() => {
      const forget = this.#api.onUnauthenticated(() => this.#end(this.#status === 'signed-in'));
      void this.check();
      void isSimulated().then((simulated) => (this.#simulated = simulated));
      return () => {
        forget();
        clearTimeout(this.#retry);
      };
    });
  }

  get status(): SessionStatus {
    return this.#status;
  }

  get viewer(): ViewerQuery['viewer'] | null {
    return this.#viewer;
  }

  /** No real device is behind this server: said before signing in, too. */
  get simulated(): boolean {
    return this.#simulated;
  }

  /** The server ended the session: nobody signed out here. */
  get expired(): boolean {
    return this.#expired;
  }

  /** Asks the server who this is. A page that is signed in stays so while the server does not answer. */
  async check(): Promise<void> {
    clearTimeout(this.#retry);
    const { data, error } = await this.#api.client.query(ViewerDocument, {}).toPromise();
    if (data) {
      this.#viewer = data.viewer;
      this.#status = 'signed-in';
      this.#expired = false;
      this.#attempt = 0;
    } else if (error && !isUnauthenticated(error) && this.#status !== 'signed-in') {
      if (this.#status === 'checking') this.#status = 'unreachable';
      this.#retry = setTimeout(() => void this.check(), backOff(this.#attempt));
      this.#attempt += 1;
    }
  }

  async signIn(token: string): Promise<SignIn> {
    const result = await signIn(token);
    if (result.outcome === 'signed-in') {
      await this.check();
      if (this.#status !== 'signed-in') {
        return {
          outcome: 'failed',
          message: 'The token is right, but this browser kept no session. Are cookies allowed?',
        };
      }
    }
    return result;
  }

  /** Resolves to false where the server did not end the session: then it is still open. */
  async signOut(): Promise<boolean> {
    const ended = await signOut();
    if (ended) this.#end(false);
    return ended;
  }

  #end(expired: boolean): void {
    clearTimeout(this.#retry);
    this.#viewer = null;
    this.#expired = expired || (this.#expired && this.#status === 'signed-out');
    this.#status = 'signed-out';
  }
}
