/** Lists of peers: `peers` and `Interface.peers`. */
import { queryFromInfo } from '@pothos/plugin-prisma';
import type { GraphQLResolveInfo } from 'graphql';
import type { PageArgs } from '../store/paging.ts';
import {
  countPeers,
  listPeers,
  PEER_ORDER_FIELDS,
  type Moment,
  type PeerFilter,
} from '../store/peer-list.ts';
import { resolveInterface } from '../store/interfaces.ts';
import { builder } from './builder.ts';
import { connection, type Connection, type Page } from './connection.ts';
import type { Context } from './context.ts';
import { Peer } from './peer.ts';

export const PeerOrderField = builder.enumType('PeerOrderField', { values: PEER_ORDER_FIELDS });

export const OrderDirection = builder.enumType('OrderDirection', { values: ['ASC', 'DESC'] as const });

export const PeerOrder = builder.inputType('PeerOrder', {
  fields: (t) => ({
    field: t.field({ type: PeerOrderField, required: true }),
    direction: t.field({ type: OrderDirection, required: true, defaultValue: 'ASC' }),
  }),
});

export const PeerConnection = builder.connectionObject({
  type: Peer,
  name: 'PeerConnection',
  fields: (t) => ({ totalCount: t.int({ resolve: (list) => list.totalCount() }) }),
});

type PeerRow = typeof Peer.$inferType;

interface ListArgs extends PageArgs {
  readonly search?: string | null | undefined;
  readonly online?: boolean | null | undefined;
  readonly enabled?: boolean | null | undefined;
  readonly orderBy?: typeof PeerOrder.$inferInput | null | undefined;
}

/** Two statements a page, and one for each relation that is asked for. */
export function peerConnection(
  args: ListArgs,
  of: Pick<PeerFilter, 'interfaceId'>,
  context: Context,
  info: GraphQLResolveInfo,
): Connection<PeerRow> {
  const { db } = context;
  const { search, online, enabled } = args;
  const filter = { ...of, search, online, enabled };
  const moment = momentOf(context);
  const load = async (): Promise<Page<PeerRow>> => {
    const order = args.orderBy ?? { field: 'NAME', direction: 'ASC' };
    const page = await listPeers(db, filter, order, args, moment);
    const query: object = queryFromInfo({
      context,
      info,
      typeName: 'Peer',
      paths: [['nodes'], ['edges', 'node']],
    });
    const ids = page.rows.map(({ id }) => id);
    const rows = await db.reader.peer.findMany({ ...query, where: { id: { in: ids }, deletedAt: null } });
    const byId = new Map(rows.map((row) => [row.id, row]));
    const edges = page.rows.flatMap(({ id, cursor }) => {
      const node = byId.get(id);
      return node ? [{ cursor, node }] : [];
    });
    return { edges, info: page.info };
  };
  return connection(load, () => countPeers(db, filter, moment));
}

function momentOf({ now, calendar }: Context): Moment {
  const at = now();
  return { now: at, monthStart: calendar.monthStart(calendar.month(at)) };
}

builder.queryField('peers', (t) =>
  t.field({
    type: PeerConnection,
    description: 'Peers by name. `search` matches name, email, public key, address and endpoint.',
    args: {
      interface: t.arg.string(),
      search: t.arg.string(),
      online: t.arg.boolean(),
      enabled: t.arg.boolean(),
      orderBy: t.arg({ type: PeerOrder }),
      first: t.arg.int(),
      after: t.arg.string(),
      last: t.arg.int(),
      before: t.arg.string(),
    },
    resolve: async (_root, args, context, info) => {
      const of = await resolveInterface(context.db, args.interface);
      return peerConnection(args, of ? { interfaceId: of.id } : {}, context, info);
    },
  }),
);
