/** The schema's builder: Pothos over Prisma's models, read through the reading connection. */
import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import { isObjectType } from 'graphql';
import { Refusal } from '../refusal.ts';
import type { Context } from './context.ts';
import type PrismaTypes from './pothos-types.ts';
import { getDatamodel } from './pothos-types.ts';

export interface SchemaTypes {
  PrismaTypes: PrismaTypes;
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  Connection: { totalCount: () => Promise<number> };
  Scalars: {
    ID: { Input: string; Output: string | number };
    /** Out: milliseconds since the Unix epoch, or a Date. */
    DateTime: { Input: Date; Output: Date | number };
    BigInt: { Input: bigint; Output: bigint };
    YearMonth: { Input: string; Output: string };
  };
}

/** Row ids as Prisma's Int holds them. */
const ROW_ID = /^\d{1,9}$/;

export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [PrismaPlugin, RelayPlugin],
  defaultFieldNullability: false,
  prisma: {
    client: (context) => context.db.reader,
    dmmf: getDatamodel(),
    exposeDescriptions: false,
  },
  relay: {
    cursorType: 'String',
    clientMutationId: 'omit',
    nodesOnConnection: true,
    edgesFieldOptions: { nullable: { list: false, items: false } },
    nodeFieldOptions: { nullable: false },
    nodesQueryOptions: false,
    nodeQueryOptions: {
      resolve: async (_root, { id }, _context, { schema }, load) => {
        const type = schema.getType(id.typename);
        if (!isObjectType(type) || !type.getInterfaces().some(({ name }) => name === 'Node')) {
          throw new Refusal('BAD_USER_INPUT', 'This is no id that the API gave.', { field: 'id' });
        }
        const node = ROW_ID.test(id.id) ? await load(id) : null;
        // A peer that is gone has a row for its usage alone.
        return node !== null && (node as { deletedAt?: Date | null }).deletedAt ? null : node;
      },
    },
  },
});

builder.queryType();
builder.mutationType();
builder.subscriptionType();
