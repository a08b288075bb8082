/** Browsers' sessions: only hashes are kept, and a new administrator token ends them all. */
import { createHash, randomBytes } from 'node:crypto';
import type { Database } from './database.ts';

/** Milliseconds: 30 days. */
export const SESSION_MS = 30 * 24 * 3_600_000;

/** SHA-256, hexadecimal. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/**
 * Opens a session and drops those that ended.
 * @param tokenHash of the token that opened it
 * @returns the cookie's value, 256 random bits
 */
export async function openSession(db: Database, tokenHash: string, now: number): Promise<string> {
  const secret = randomBytes(32).toString('base64url');
  await db.write(async (tx) => {
    await tx.session.deleteMany({
      where: { OR: [{ expiresAt: { lte: new Date(now) } }, { tokenHash: { not: tokenHash } }] },
    });
    await tx.session.create({
      data: {
        id: hashOf(secret),
        createdAt: new Date(now),
        expiresAt: new Date(now + SESSION_MS),
        tokenHash,
      },
    });
  });
  return secret;
}

export async function isSession(
  db: Database,
  secret: string,
  tokenHash: string,
  now: number,
): Promise<boolean> {
  const session = await db.reader.session.findUnique({ where: { id: hashOf(secret) } });
  return session !== null && session.tokenHash === tokenHash && session.expiresAt.getTime() > now;
}

export async function closeSession(db: Database, secret: string): Promise<void> {
  await db.write((tx) => tx.session.deleteMany({ where: { id: hashOf(secret) } }));
}
