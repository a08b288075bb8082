/**
 * Who sends a request: the administrator, by token or by a browser's session cookie. A cookie counts only
 * from this server's own pages: browsers send it along with what other pages ask for, too.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { Refusal } from '../refusal.ts';
import type { Viewer } from '../schema/context.ts';
import type { Database } from '../store/database.ts';
import { closeSession, hashOf, isSession, openSession, SESSION_MS } from '../store/sessions.ts';

export const COOKIE = 'wiremeter_session';

const ADMIN: Viewer = { name: 'admin', role: 'ADMIN' };

export const SIGN_IN = 'A token is needed: Authorization: Bearer TOKEN, or sign in on the dashboard.';

export interface SignedIn {
  readonly viewer: Viewer;
  /** The session's cookie; null for a token. */
  readonly session: string | null;
}

export interface AuthParts {
  readonly db: Database;
  readonly adminToken: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

export class Auth {
  readonly #db: Database;
  readonly #digest: Buffer;
  readonly #tokenHash: string;
  readonly #now: () => number;

  constructor({ db, adminToken, now }: AuthParts) {
    if (adminToken === '') throw new Error('an empty administrator token would let everybody in');
    this.#db = db;
    this.#digest = digest(adminToken);
    // Hashed twice: who reads the database learns nothing to compare tokens with.
    this.#tokenHash = hashOf(hashOf(adminToken));
    this.#now = now;
  }

  isToken(text: string): boolean {
    return timingSafeEqual(digest(text), this.#digest);
  }

  /** Null where the request has no valid token or session. @throws Refusal FORBIDDEN for a foreign page's cookie */
  async ofRequest(req: IncomingMessage): Promise<SignedIn | null> {
    const { authorization } = req.headers;
    if (authorization !== undefined) return this.ofAuthorization(authorization);
    const session = cookieOf(req);
    if (session === null) return null;
    refuseForeignOrigin(req);
    return this.#isSession(session);
  }

  /** `Bearer TOKEN` */
  ofAuthorization(authorization: unknown): SignedIn | null {
    const [, token] =
      typeof authorization === 'string' ? (/^Bearer +(\S+) *$/i.exec(authorization) ?? []) : [];
    return token !== undefined && this.isToken(token) ? { viewer: ADMIN, session: null } : null;
  }

  /** @returns the cookie's value */
  open(): Promise<string> {
    return openSession(this.#db, this.#tokenHash, this.#now());
  }

  close(session: string): Promise<void> {
    return closeSession(this.#db, session);
  }

  async #isSession(session: string): Promise<SignedIn | null> {
    const valid = await isSession(this.#db, session, this.#tokenHash, this.#now());
    return valid ? { viewer: ADMIN, session } : null;
  }
}

/** @throws Refusal FORBIDDEN where another site's page sent the request */
export function refuseForeignOrigin({ headers }: IncomingMessage): void {
  const { origin } = headers;
  if (origin === undefined) return;
  // A page cannot set X-Forwarded-Host: only a proxy can, which may put its own name into Host.
  const forwarded = String(headers['x-forwarded-host'] ?? '').split(',');
  const own = [headers.host ?? '', ...forwarded].map((host) => withoutDefaultPort(host.trim().toLowerCase()));
  const [, host] = /^https?:\/\/([^/]+)$/i.exec(origin) ?? [];
  if (host === undefined || !own.includes(withoutDefaultPort(host.toLowerCase()))) {
    throw new Refusal('FORBIDDEN', `A page of ${origin} may not use this server's session.`);
  }
}

/** Null where there is none. */
export function cookieOf(req: IncomingMessage): string | null {
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const [name, value] = pair.trim().split('=');
    if (name === COOKIE && value) return value;
  }
  return null;
}

/** @param value null takes the cookie back */
export function setCookie(req: IncomingMessage, value: string | null): string {
  const age = value === null ? 0 : SESSION_MS / 1000;
  const secure = isTls(req) ? '; Secure' : '';
  return `${COOKIE}=${value ?? ''}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${String(age)}${secure}`;
}

function isTls(req: IncomingMessage): boolean {
  const [proto] = String(req.headers['x-forwarded-proto'] ?? '').split(',');
  return req.socket instanceof TLSSocket || proto?.trim().toLowerCase() === 'https';
}

/** Browsers leave 80 and 443 out of an origin; proxies may leave them in. */
function withoutDefaultPort(host: string): string {
  return host.replace(/:(80|443)$/, '');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
