import { createClient, type Client as WsClient, type SubscribePayload } from 'graphql-ws';
import { backOff } from '../lib/backoff.ts';

/** How long a sent ping may go unanswered before the page says so, and before the socket is given up. */
const PING_EVERY = 1000;
const QUIET_AFTER = 1500;
const DEAD_AFTER = 8000;

/** Close codes with which the server says: sign in (again). */
const SIGN_IN = [4401, 4403];

/** `up`: answering. `down`: closed, or open without a sign of life. `refused`: the session is no good. */
export type SocketState = 'up' | 'down' | 'refused';

interface Sink {
  next(value: unknown): void;
  error(reason: unknown): void;
  complete(): void;
}

/**
 * The page's one WebSocket. Opens with the first subscription, closes with the last, and between them
 * comes back by itself for as long as it takes.
 */
export class LiveSocket {
  readonly #client: WsClient;
  readonly #listeners = new Set<(state: SocketState) => void>();
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #dead: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    this.#client = createClient({
      url,
      keepAlive: PING_EVERY,
      connectionAckWaitTimeout: 10_000,
      retryAttempts: Infinity,
      retryWait: (attempt) => patience(backOff(attempt)),
      shouldRetry: (reason) => !SIGN_IN.includes(closeCode(reason)),
      on: {
        connected: () => this.#tell('up'),
        ping: (received) => {
          if (!received) this.#expectPong();
        },
        pong: (received) => {
          if (!received) return;
          this.#forgetPong();
          this.#tell('up');
        },
        closed: (event) => {
          this.#forgetPong();
          this.#tell(SIGN_IN.includes(closeCode(event)) ? 'refused' : 'down');
        },
        error: () => this.#tell('down'),
      },
    });
  }

  /** Calls back with every change of state, and again where nothing changed. */
  onState(listener: (state: SocketState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As graphql-ws does, but a stream that the server ends is an error: the page wants each for as long as it asks. */
  subscribe(payload: SubscribePayload, sink: Sink): () => void {
    let wanted = true;
    const stop = this.#client.subscribe(payload, {
      next: (value) => sink.next(value),
      error: (reason) => sink.error(reason),
      complete: () => {
        if (wanted) sink.error(new Error('The server ended the stream.'));
        else sink.complete();
      },
    });
    return () => {
      wanted = false;
      stop();
    };
  }

  #expectPong(): void {
    this.#forgetPong();
    this.#quiet = setTimeout(() => this.#tell('down'), QUIET_AFTER);
    this.#dead = setTimeout(() => this.#client.terminate(), DEAD_AFTER);
  }

  #forgetPong(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#dead);
  }

  #tell(state: SocketState): void {
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function closeCode(reason: unknown): number {
  return typeof reason === 'object' && reason !== null && 'code' in reason && typeof reason.code === 'number'
    ? reason.code
    : 0;
}

/** Waits, but not on when the machine's network has just come back. */
function patience(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener('online', done);
  });
}
