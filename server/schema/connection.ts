/** A page as the Relay plugin's connection types take it, read when a field of it is asked for. */
import type { PageInfo } from '../store/paging.ts';

export interface Edge<T> {
  readonly cursor: string;
  readonly node: T;
}

export interface Page<T> {
  readonly edges: readonly Edge<T>[];
  readonly info: PageInfo;
}

interface RelayPageInfo extends PageInfo {
  readonly startCursor: string | null;
  readonly endCursor: string | null;
}

export interface Connection<T> {
  readonly edges: Edge<T>[];
  readonly pageInfo: RelayPageInfo;
  readonly totalCount: () => Promise<number>;
}

/**
 * @param load called once, and only where edges, nodes or pageInfo are asked for
 * @param count called only where totalCount is asked for
 */
export function connection<T>(load: () => Promise<Page<T>>, count: () => Promise<number>): Connection<T> {
  let page: Promise<Page<T>> | null = null;
  const once = () => (page ??= load());
  const lazy = {
    get edges() {
      return once().then(({ edges }) => edges);
    },
    get pageInfo() {
      return once().then(({ edges, info }) => ({
        hasNextPage: info.hasNextPage,
        hasPreviousPage: info.hasPreviousPage,
        startCursor: edges.at(0)?.cursor ?? null,
        endCursor: edges.at(-1)?.cursor ?? null,
      }));
    },
    totalCount: count,
  };
  // The plugin's resolvers hand promises on; its types know only what they resolve to.
  return lazy as unknown as Connection<T>;
}
