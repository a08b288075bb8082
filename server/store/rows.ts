/** The database's rows, for floors that do not know Prisma. */
import type { Prisma } from './generated/client.ts';

export type Interface = Prisma.InterfaceGetPayload<object>;
export type Peer = Prisma.PeerGetPayload<object>;
export type PendingChange = Prisma.PendingChangeGetPayload<object>;
