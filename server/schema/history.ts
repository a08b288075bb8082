/** A peer's traffic over time. */
import { Refusal } from '../refusal.ts';
import {
  bucketCount,
  defaultResolution,
  readHistory,
  RESOLUTIONS,
  type Resolution as ResolutionName,
  type UsageBucket as Bucket,
} from '../store/history.ts';
import { batched } from './batch.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';

const MOST = 10_000;

export const Resolution = builder.enumType('Resolution', { values: RESOLUTIONS });

export const UsageBucket = builder.objectRef<Bucket>('UsageBucket').implement({
  fields: (t) => ({
    start: t.expose('start', { type: 'DateTime' }),
    received: t.expose('received', { type: 'BigInt' }),
    sent: t.expose('sent', { type: 'BigInt' }),
  }),
});

interface HistoryArgs {
  readonly from: Date;
  readonly to?: Date | null | undefined;
  readonly resolution?: ResolutionName | null | undefined;
}

/** Up to now where no end is given. */
export async function historyOf(peerId: number, args: HistoryArgs, context: Context): Promise<Bucket[]> {
  const from = args.from.getTime();
  const to = args.to?.getTime() ?? context.now();
  if (from >= to) {
    throw new Refusal('BAD_USER_INPUT', 'from is not before to (now, where to is left out).', {
      field: 'from',
    });
  }
  const resolution = args.resolution ?? defaultResolution(to - from);
  const span = { from, to, resolution };
  const count = bucketCount(span);
  if (count > MOST) {
    const message = `This asks for ${String(count)} buckets; at most ${String(MOST)} are given: take a shorter span or a coarser resolution.`;
    throw new Refusal('BAD_USER_INPUT', message, { field: 'resolution' });
  }
  const key = `history ${String(from)} ${args.to ? String(to) : 'now'} ${resolution}`;
  const load = (ids: number[]) => readHistory(context.db, context.calendar, span, ids);
  return (await batched(context, key, peerId, load)) ?? [];
}
