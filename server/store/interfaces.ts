/** Interfaces by name, and what is known of them beside their bytes. */
import { Refusal } from '../refusal.ts';
import type { Database } from './database.ts';
import type { Interface } from './generated/client.ts';

/** `NAME` or `GATEWAY/NAME`. */
export interface InterfaceName {
  readonly gateway: string | null;
  readonly name: string;
}

export function parseInterfaceName(text: string): InterfaceName {
  const slash = text.indexOf('/');
  return slash < 0
    ? { gateway: null, name: text }
    : { gateway: text.slice(0, slash), name: text.slice(slash + 1) };
}

/**
 * The interface that an argument names; null where none was given.
 * @throws Refusal NOT_FOUND where there is none, BAD_USER_INPUT where several gateways have the name
 */
export async function resolveInterface(
  db: Database,
  text: string | null | undefined,
): Promise<Interface | null> {
  if (text === null || text === undefined) return null;
  const { gateway, name } = parseInterfaceName(text);
  const found = await db.reader.interface.findMany({
    where: gateway === null ? { name } : { gateway, name },
    orderBy: { gateway: 'asc' },
  });
  const [only] = found;
  if (!only)
    throw new Refusal('NOT_FOUND', `There is no interface ${text}. The query 'interfaces' lists them.`);
  if (found.length > 1) {
    const names = found.map((row) => `${row.gateway}/${row.name}`).join(', ');
    throw new Refusal(
      'BAD_USER_INPUT',
      `Several gateways have an interface ${name}: say which, of ${names}.`,
      {
        field: 'interface',
      },
    );
  }
  return only;
}

/** The row of an interface, made at its first sight. */
export async function ensureInterface(
  db: Database,
  gateway: string,
  name: string,
  simulated: boolean,
): Promise<number> {
  const known = await db.reader.interface.findUnique({ where: { gateway_name: { gateway, name } } });
  if (known?.simulated === simulated) return known.id;
  const row = await db.write((tx) =>
    tx.interface.upsert({
      where: { gateway_name: { gateway, name } },
      create: { gateway, name, simulated },
      update: { simulated },
    }),
  );
  return row.id;
}

export type InterfaceStatus = 'UP' | 'DOWN' | 'UNREADABLE';

export async function writeStatus(
  db: Database,
  id: number,
  status: InterfaceStatus,
  statusReason: string | null,
): Promise<void> {
  await db.write((tx) => tx.interface.update({ where: { id }, data: { status, statusReason } }));
}

/** What people configured around the device: its addresses and what clients dial. */
export async function writeSurroundings(
  db: Database,
  id: number,
  data: { readonly addresses: string; readonly endpoint: string | null },
): Promise<void> {
  await db.write((tx) => tx.interface.update({ where: { id }, data }));
}
