import { setContextClient } from '@urql/svelte';
import { createContext } from 'svelte';
import type { Api } from '../graphql/client.ts';

const [getApi, setApiContext] = createContext<Api>();

/** The way to the server, for all state made in this component and below. */
export { getApi };

/** Gives it to them; urql's own stores find its client in the same place. */
export function setApi(api: Api): void {
  setApiContext(api);
  setContextClient(api.client);
}
