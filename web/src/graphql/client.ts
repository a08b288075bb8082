import {
  Client,
  fetchExchange,
  mapExchange,
  subscriptionExchange,
  type CombinedError,
  type OperationResult,
} from '@urql/core';
import { LiveSocket } from './socket.ts';

/** The way to the server: queries over HTTP, subscriptions over the socket, the session's cookie on both. */
export interface Api {
  readonly client: Client;
  readonly socket: LiveSocket;
  /** Calls back when an answer says that this page is not signed in. */
  onUnauthenticated(listener: () => void): () => void;
}

export function createApi(origin: URL): Api {
  const socketUrl = new URL('/graphql', origin);
  socketUrl.protocol = origin.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new LiveSocket(socketUrl.href);
  const listeners = new Set<() => void>();
  const unauthenticated = () => {
    for (const listener of [...listeners]) listener();
  };
  socket.onState((state) => {
    if (state === 'refused') unauthenticated();
  });

  const client = new Client({
    url: new URL('/graphql', origin).href,
    // A GET would put the question into logs and histories.
    preferGetMethod: false,
    requestPolicy: 'network-only',
    fetchOptions: { credentials: 'same-origin' },
    exchanges: [
      mapExchange({
        onResult({ error }: OperationResult) {
          if (error && isUnauthenticated(error)) unauthenticated();
        },
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables, extensions }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              { query, variables: variables as Record<string, unknown>, extensions: extensions ?? null },
              sink,
            ),
          }),
        }),
      }),
    ],
  });

  return {
    client,
    socket,
    onUnauthenticated(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Whether the server refused for want of a session, by its code or by its HTTP status. */
export function isUnauthenticated(error: CombinedError): boolean {
  const response: unknown = error.response;
  return (
    error.graphQLErrors.some(({ extensions }) => extensions['code'] === 'UNAUTHENTICATED') ||
    (response instanceof Response && response.status === 401)
  );
}
