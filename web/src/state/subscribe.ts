import type { AnyVariables, Client, TypedDocumentNode } from '@urql/core';
import { isUnauthenticated } from '../graphql/client.ts';
import { backOff } from '../lib/backoff.ts';

/**
 * Subscribes for as long as nobody calls what this returns. The socket itself comes back alone; this also
 * asks again after the server refused or ended the stream, except where it wants a sign-in first.
 */
export function keepSubscribed<Data, Variables extends AnyVariables>(
  client: Client,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  onData: (data: Data) => void,
): () => void {
  let attempt = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let current: { unsubscribe(): void } | undefined;

  function start(): void {
    current = client.subscription(document, variables).subscribe(({ data, error }) => {
      if (error) {
        // Out of the callback first: it may run while `current` is still being set.
        clearTimeout(retry);
        if (!isUnauthenticated(error)) retry = setTimeout(restart, backOff(attempt));
        attempt += 1;
      } else if (data) {
        attempt = 0;
        onData(data);
      }
    });
  }

  function restart(): void {
    current?.unsubscribe();
    start();
  }

  start();
  return () => {
    clearTimeout(retry);
    current?.unsubscribe();
  };
}
