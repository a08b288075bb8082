/** Bytes by month. */
import { addMonths } from '../accounting/calendar.ts';
import { Refusal } from '../refusal.ts';
import { resolveInterface } from '../store/interfaces.ts';
import {
  countUsage,
  listUsage,
  monthlyTotals,
  monthRange,
  type MonthRange,
  type TotalRow,
  type UsageRow,
} from '../store/usage.ts';
import { builder } from './builder.ts';
import { connection } from './connection.ts';
import type { Context } from './context.ts';

/** Its field `peer` is in peer.ts, which needs this type first. */
export const MonthlyUsage = builder.objectRef<UsageRow>('MonthlyUsage').implement({
  fields: (t) => ({
    publicKey: t.string({ resolve: ({ peer }) => peer.publicKey }),
    name: t.string({ nullable: true, resolve: ({ peer }) => peer.name }),
    email: t.string({ nullable: true, resolve: ({ peer }) => peer.email }),
    month: t.expose('month', { type: 'YearMonth' }),
    received: t.expose('received', { type: 'BigInt' }),
    sent: t.expose('sent', { type: 'BigInt' }),
    total: t.field({ type: 'BigInt', resolve: ({ received, sent }) => received + sent }),
    accumulatedReceived: t.expose('accumulatedReceived', {
      type: 'BigInt',
      description: 'All since the peer was first seen, up to the end of this month.',
    }),
    accumulatedSent: t.expose('accumulatedSent', { type: 'BigInt' }),
    lastReceived: t.expose('lastReceived', { type: 'BigInt' }),
    lastSent: t.expose('lastSent', { type: 'BigInt' }),
    lastUpdated: t.expose('lastUpdated', { type: 'DateTime' }),
  }),
});

const MonthlyUsageConnection = builder.connectionObject({
  type: MonthlyUsage,
  name: 'MonthlyUsageConnection',
  fields: (t) => ({ totalCount: t.int({ resolve: (list) => list.totalCount() }) }),
});

const MonthlyTotal = builder.objectRef<TotalRow>('MonthlyTotal').implement({
  fields: (t) => ({
    month: t.expose('month', { type: 'YearMonth' }),
    received: t.expose('received', { type: 'BigInt' }),
    sent: t.expose('sent', { type: 'BigInt' }),
    total: t.field({ type: 'BigInt', resolve: ({ received, sent }) => received + sent }),
    peers: t.exposeInt('peers'),
  }),
});

interface MonthArgs {
  readonly month?: string | null | undefined;
  readonly from?: string | null | undefined;
  readonly to?: string | null | undefined;
}

/** One month, a range, or the month under way. */
function monthsOf({ month, from, to }: MonthArgs, { calendar, now }: Context): MonthRange {
  if (month && (from || to)) {
    throw new Refusal('BAD_USER_INPUT', 'Give month, or from and to, not both.', { field: 'month' });
  }
  if (from || to) return monthRange(from, to);
  const only = month ?? calendar.month(now());
  return { from: only, to: only };
}

builder.queryFields((t) => ({
  monthlyUsage: t.field({
    type: MonthlyUsageConnection,
    description: 'One row a peer and month; the current month where none is given. Largest total first.',
    args: {
      month: t.arg({ type: 'YearMonth' }),
      from: t.arg({ type: 'YearMonth' }),
      to: t.arg({ type: 'YearMonth' }),
      interface: t.arg.string(),
      publicKey: t.arg.string(),
      email: t.arg.string(),
      first: t.arg.int(),
      after: t.arg.string(),
    },
    resolve: async (_root, args, context) => {
      const { db } = context;
      const of = await resolveInterface(db, args.interface);
      const filter = {
        months: monthsOf(args, context),
        interfaceId: of?.id,
        publicKey: args.publicKey ?? undefined,
        email: args.email ?? undefined,
      };
      const load = async () => {
        const { rows, info } = await listUsage(db, filter, args);
        return { edges: rows.map(({ usage, cursor }) => ({ cursor, node: usage })), info };
      };
      return connection(load, () => countUsage(db, filter));
    },
  }),
  monthlyTotals: t.field({
    type: [MonthlyTotal],
    description:
      'Totals of all peers, one row a month, oldest first; the last 12 months where no range is given.',
    args: { from: t.arg({ type: 'YearMonth' }), to: t.arg({ type: 'YearMonth' }), interface: t.arg.string() },
    resolve: async (_root, { from, to, interface: name }, { db, calendar, now }) => {
      const of = await resolveInterface(db, name);
      const current = calendar.month(now());
      const months = from || to ? monthRange(from, to) : { from: addMonths(current, -11), to: current };
      return monthlyTotals(db, months, of?.id);
    },
  }),
}));
