/** WireGuard devices. */
import { Refusal } from '../refusal.ts';
import { builder } from './builder.ts';
import { listOf } from './columns.ts';
import { peerConnection, PeerConnection, PeerOrder } from './peer-list.ts';

export const InterfaceStatus = builder.enumType('InterfaceStatus', {
  description:
    'UP: read at the last tick. DOWN: no such device now. UNREADABLE: it is there and may not be read.',
  values: ['UP', 'DOWN', 'UNREADABLE'] as const,
});

export const Interface = builder.prismaNode('Interface', {
  id: { field: 'id' },
  nullable: true,
  fields: (t) => ({
    name: t.exposeString('name'),
    gateway: t.exposeString('gateway'),
    publicKey: t.exposeString('publicKey'),
    listenPort: t.exposeInt('listenPort', { nullable: true }),
    addresses: t.stringList({ resolve: ({ addresses }) => listOf(addresses) }),
    endpoint: t.exposeString('endpoint', { nullable: true, description: 'What peers dial, host:port.' }),
    simulated: t.exposeBoolean('simulated', {
      description: 'True for the device of `npm run demo`: no real traffic.',
    }),
    status: t.field({
      type: InterfaceStatus,
      resolve: ({ status }) => status as 'UP' | 'DOWN' | 'UNREADABLE',
    }),
    statusReason: t.exposeString('statusReason', { nullable: true }),
    lastCollectedAt: t.field({
      type: 'DateTime',
      nullable: true,
      resolve: ({ lastCollectedAt }) => (lastCollectedAt === null ? null : Number(lastCollectedAt)),
    }),
    peers: t.field({
      type: PeerConnection,
      args: {
        first: t.arg.int(),
        after: t.arg.string(),
        search: t.arg.string(),
        online: t.arg.boolean(),
        enabled: t.arg.boolean(),
        orderBy: t.arg({ type: PeerOrder }),
      },
      resolve: (parent, args, context, info) =>
        peerConnection(args, { interfaceId: parent.id }, context, info),
    }),
  }),
});

builder.queryFields((t) => ({
  interfaces: t.prismaField({
    type: [Interface],
    resolve: (query, _root, _args, { db }) =>
      db.reader.interface.findMany({ ...query, orderBy: [{ gateway: 'asc' }, { name: 'asc' }] }),
  }),
  interface: t.prismaField({
    type: Interface,
    nullable: true,
    args: { name: t.arg.string({ required: true }), gateway: t.arg.string() },
    resolve: async (query, _root, { name, gateway }, { db }) => {
      const found = await db.reader.interface.findMany({
        ...query,
        where: { name, ...(typeof gateway === 'string' ? { gateway } : {}) },
        orderBy: { gateway: 'asc' },
      });
      if (found.length > 1) {
        const names = found.map((row) => `${row.gateway}/${row.name}`).join(', ');
        const message = `Several gateways have an interface ${name}: say which by its gateway, of ${names}.`;
        throw new Refusal('BAD_USER_INPUT', message, { field: 'gateway' });
      }
      return found[0] ?? null;
    },
  }),
}));
