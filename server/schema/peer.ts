/** Peers. */
import { Refusal } from '../refusal.ts';
import { resolveInterface } from '../store/interfaces.ts';
import { isOnline } from '../store/tick.ts';
import { inRange, monthRange, usageRow } from '../store/usage.ts';
import { builder } from './builder.ts';
import { listOf } from './columns.ts';
import { CounterEpoch, epochsOf } from './epoch.ts';
import { historyOf, Resolution, UsageBucket } from './history.ts';
import { MonthlyUsage } from './usage.ts';

const NS_PER_MS = 1_000_000n;

export const Peer = builder.prismaNode('Peer', {
  id: { field: 'id' },
  nullable: true,
  fields: (t) => ({
    interface: t.relation('interface'),
    publicKey: t.exposeString('publicKey'),
    name: t.exposeString('name', { nullable: true }),
    email: t.exposeString('email', { nullable: true }),
    allowedIPs: t.stringList({ resolve: ({ allowedIPs }) => listOf(allowedIPs) }),
    endpoint: t.string({
      nullable: true,
      select: { counters: true },
      resolve: ({ counters }) => counters?.endpoint ?? null,
    }),
    hasPresharedKey: t.exposeBoolean('hasPresharedKey'),
    persistentKeepalive: t.int({
      nullable: true,
      description: 'Seconds; null is off.',
      resolve: ({ persistentKeepalive }) => persistentKeepalive || null,
    }),
    enabled: t.exposeBoolean('enabled'),
    online: t.boolean({
      select: { counters: true },
      resolve: ({ counters }, _args, { now }) => counters !== null && isOnline(counters, now()),
    }),
    latestHandshake: t.field({
      type: 'DateTime',
      nullable: true,
      select: { counters: true },
      resolve: ({ counters }) => (counters?.handshake ? Number(counters.handshake / NS_PER_MS) : null),
    }),
    addedOn: t.expose('addedOn', { type: 'DateTime' }),
    transferRx: t.field({
      type: 'BigInt',
      description: "The interface's own counters now: they restart with it.",
      select: { counters: true },
      resolve: ({ counters }) => (counters?.running ? counters.rx : 0n),
    }),
    transferTx: t.field({
      type: 'BigInt',
      select: { counters: true },
      resolve: ({ counters }) => (counters?.running ? counters.tx : 0n),
    }),
    receiveRate: t.float({
      description: 'Bytes a second over the last tick.',
      select: { counters: true, interface: true },
      resolve: ({ counters, interface: of }) =>
        of.status === 'UP' && counters?.running ? counters.receiveRate : 0,
    }),
    sendRate: t.float({
      select: { counters: true, interface: true },
      resolve: ({ counters, interface: of }) =>
        of.status === 'UP' && counters?.running ? counters.sendRate : 0,
    }),
    totalReceived: t.field({
      type: 'BigInt',
      description: 'Since this server first saw the peer, over all resets.',
      select: { counters: true },
      resolve: ({ counters }) => counters?.totalReceived ?? 0n,
    }),
    totalSent: t.field({
      type: 'BigInt',
      select: { counters: true },
      resolve: ({ counters }) => counters?.totalSent ?? 0n,
    }),
    currentMonth: t.field({
      type: MonthlyUsage,
      select: (_args, { calendar, now }) => ({
        months: { where: { yearMonth: calendar.month(now()) } },
        counters: true,
        interface: true,
      }),
      resolve: ({ months, counters, interface: of, ...peer }, _args, { calendar, now }) => {
        const [row] = months;
        if (row) return usageRow(peer, row);
        return {
          peer,
          month: calendar.month(now()),
          received: 0n,
          sent: 0n,
          accumulatedReceived: counters?.totalReceived ?? 0n,
          accumulatedSent: counters?.totalSent ?? 0n,
          lastReceived: counters?.running ? counters.rx : 0n,
          lastSent: counters?.running ? counters.tx : 0n,
          lastUpdated: of.lastCollectedAt === null ? peer.addedOn : new Date(Number(of.lastCollectedAt)),
        };
      },
    }),
    usage: t.field({
      type: [MonthlyUsage],
      args: { from: t.arg({ type: 'YearMonth' }), to: t.arg({ type: 'YearMonth' }) },
      select: ({ from, to }) => ({
        months: { where: { yearMonth: inRange(monthRange(from, to)) }, orderBy: { yearMonth: 'asc' } },
      }),
      resolve: ({ months, ...peer }) => months.map((row) => usageRow(peer, row)),
    }),
    history: t.field({
      type: [UsageBucket],
      description: 'Traffic over time, oldest first; empty buckets are left out.',
      args: {
        from: t.arg({ type: 'DateTime', required: true }),
        to: t.arg({ type: 'DateTime' }),
        resolution: t.arg({ type: Resolution }),
      },
      resolve: ({ id }, args, context) => historyOf(id, args, context),
    }),
    epochs: t.field({
      type: [CounterEpoch],
      description:
        'The ledger behind the totals, newest first: one entry for each time the counters began anew. Their sums are totalReceived and totalSent.',
      args: { first: t.arg.int({ defaultValue: 100 }) },
      resolve: ({ id }, { first }, context) => epochsOf(id, first, context),
    }),
  }),
});

builder.objectField(MonthlyUsage, 'peer', (t) =>
  t.field({
    type: Peer,
    nullable: true,
    resolve: ({ peer }) => (peer.deletedAt ? null : peer),
  }),
);

builder.queryField('peer', (t) =>
  t.prismaField({
    type: Peer,
    nullable: true,
    args: { publicKey: t.arg.string({ required: true }), interface: t.arg.string() },
    resolve: async (query, _root, args, { db }) => {
      const of = await resolveInterface(db, args.interface);
      const found = await db.reader.peer.findMany({
        ...query,
        where: { publicKey: args.publicKey, deletedAt: null, ...(of ? { interfaceId: of.id } : {}) },
      });
      if (found.length > 1) {
        throw new Refusal('BAD_USER_INPUT', 'Several interfaces have this peer: say which with interface.', {
          field: 'interface',
        });
      }
      return found[0] ?? null;
    },
  }),
);
