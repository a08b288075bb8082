/** The ledger behind a peer's totals. */
import { Refusal } from '../refusal.ts';
import { readEpochs, type EpochRow } from '../store/history.ts';
import { batched } from './batch.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';

const MOST = 1_000;

const EpochCause = builder.enumType('EpochCause', {
  values: [
    'FIRST_SEEN',
    'ADDED',
    'COUNTER_FELL',
    'HANDSHAKE_WENT_BACK',
    'DEVICE_RECREATED',
    'REBOOT',
  ] as const,
});

export const CounterEpoch = builder.objectRef<EpochRow>('CounterEpoch').implement({
  fields: (t) => ({
    startedAt: t.expose('startedAt', { type: 'DateTime' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'Null while it lasts.' }),
    cause: t.expose('cause', { type: EpochCause }),
    received: t.expose('received', { type: 'BigInt' }),
    sent: t.expose('sent', { type: 'BigInt' }),
    unobservedSeconds: t.float({
      description:
        'Seconds from the last sample before it to its first one: what passed in them nobody can know.',
      resolve: ({ unobservedMs }) => unobservedMs / 1000,
    }),
  }),
});

export async function epochsOf(
  peerId: number,
  first: number | null | undefined,
  context: Context,
): Promise<EpochRow[]> {
  const count = Math.min(first ?? 100, MOST);
  if (count < 0) {
    throw new Refusal('BAD_USER_INPUT', `first is ${String(count)}; it must not be negative.`, {
      field: 'first',
    });
  }
  const load = (ids: number[]) => readEpochs(context.db, count, ids);
  return (await batched(context, `epochs ${String(count)}`, peerId, load)) ?? [];
}
