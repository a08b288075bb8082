/** One query for all rows of a page, where a field asks row by row. */

interface Batch<V> {
  readonly ids: Set<number>;
  readonly answer: Promise<ReadonlyMap<number, V>>;
}

const batches = new WeakMap<object, Map<string, Batch<unknown>>>();

/**
 * Collects the ids that are asked for under one key in one turn of a request, then loads them all.
 * @param owner the request's context
 */
export async function batched<V>(
  owner: object,
  key: string,
  id: number,
  load: (ids: number[]) => Promise<ReadonlyMap<number, V>>,
): Promise<V | undefined> {
  const open = batches.get(owner) ?? new Map<string, Batch<unknown>>();
  batches.set(owner, open);
  let batch = open.get(key) as Batch<V> | undefined;
  if (!batch) {
    const ids = new Set<number>();
    const answer = new Promise((resolve) => setImmediate(resolve)).then(() => {
      open.delete(key);
      return load([...ids]);
    });
    batch = { ids, answer };
    open.set(key, batch);
  }
  batch.ids.add(id);
  return (await batch.answer).get(id);
}
