/** Drift between the interface, its file and the database; and a sample on demand. */
import { builder } from './builder.ts';

export const SyncSource = builder.enumType('SyncSource', {
  description: [
    'Which of the three is right; `fix` makes the others follow.',
    'WIREGUARD: what runs. The database follows it (a peer that no longer runs leaves it, its usage stays); the file gains what it lacks, and what stands in the file alone stays there and is reported unfixed.',
    'DATABASE: the interface and the file follow it; what it does not know leaves both.',
    'CONFIG: what NAME.conf says; the interface and the database follow it, and nothing running is cut off that the file has.',
  ].join('\n'),
  values: ['WIREGUARD', 'DATABASE', 'CONFIG'] as const,
});

const InconsistencyKind = builder.enumType('InconsistencyKind', {
  values: ['MISSING_IN_DATABASE', 'MISSING_ON_INTERFACE', 'MISSING_IN_CONFIG', 'SETTINGS_DIFFER'] as const,
});

interface InconsistencyShape {
  readonly kind: typeof InconsistencyKind.$inferType;
  readonly publicKey: string;
  readonly interface: string;
  readonly message: string;
  readonly fixed: boolean;
}

interface ReportShape {
  readonly inSync: boolean;
  readonly peersOnInterface: number;
  readonly peersInDatabase: number;
  readonly peersInConfig: number;
  readonly inconsistencies: readonly InconsistencyShape[];
  readonly fixedCount: number;
}

const Inconsistency = builder.objectRef<InconsistencyShape>('Inconsistency').implement({
  fields: (t) => ({
    kind: t.expose('kind', { type: InconsistencyKind }),
    publicKey: t.exposeString('publicKey'),
    interface: t.exposeString('interface'),
    message: t.exposeString('message'),
    fixed: t.exposeBoolean('fixed'),
  }),
});

const SyncReport = builder.objectRef<ReportShape>('SyncReport').implement({
  fields: (t) => ({
    inSync: t.exposeBoolean('inSync'),
    peersOnInterface: t.exposeInt('peersOnInterface'),
    peersInDatabase: t.exposeInt('peersInDatabase'),
    peersInConfig: t.exposeInt('peersInConfig'),
    inconsistencies: t.field({
      type: [Inconsistency],
      resolve: ({ inconsistencies }) => inconsistencies,
    }),
    fixedCount: t.exposeInt('fixedCount'),
  }),
});

interface CollectShape {
  readonly collectedAt: number;
  readonly interfaces: number;
  readonly peers: number;
}

const CollectReport = builder.objectRef<CollectShape>('CollectReport').implement({
  fields: (t) => ({
    collectedAt: t.expose('collectedAt', { type: 'DateTime' }),
    interfaces: t.exposeInt('interfaces'),
    peers: t.exposeInt('peers'),
  }),
});

builder.mutationFields((t) => ({
  sync: t.field({
    type: SyncReport,
    description: '`publicKeys`: look at these alone, so that drift can be settled peer by peer.',
    args: {
      fix: t.arg.boolean({ defaultValue: false }),
      source: t.arg({ type: SyncSource, defaultValue: 'WIREGUARD' }),
      interface: t.arg.string(),
      publicKeys: t.arg.stringList(),
    },
    resolve: (_root, args, { peers }) =>
      peers.sync({ ...args, fix: args.fix ?? false, source: args.source ?? 'WIREGUARD' }),
  }),
  collect: t.field({
    type: CollectReport,
    description: "Take one sample now, beside the loop's own.",
    resolve: (_root, _args, { collector }) => collector.collect(),
  }),
}));
