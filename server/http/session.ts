/** Signing in and out: `POST /session` with `{"token"}` gives the cookie, `DELETE /session` takes it back. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../log.ts';
import { Refusal } from '../refusal.ts';
import { cookieOf, refuseForeignOrigin, setCookie, type Auth } from './auth.ts';
import { allowMethods, hasJsonBody, readJson, sendRefusal } from './respond.ts';

const BODY_BYTES = 16 * 1024;
const WINDOW_MS = 60_000;
const WRONG_A_WINDOW = 10;
/** Addresses remembered: many of them are one attacker, and must not fill the memory. */
const ADDRESSES = 10_000;

export interface SessionParts {
  readonly auth: Auth;
  readonly log: Logger;
  readonly now: () => number;
  /** Ends what a session still holds open. */
  readonly onClose: (session: string) => void;
}

export class SessionRoute {
  readonly #parts: SessionParts;
  readonly #wrong: WrongTokens;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#wrong = new WrongTokens(parts.now);
  }

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!allowMethods(req, res, 'POST', 'DELETE')) return;
    refuseForeignOrigin(req);
    if (req.method === 'POST') await this.#open(req, res);
    else await this.#close(req, res);
  }

  async #open(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { auth, log } = this.#parts;
    if (!hasJsonBody(req)) {
      sendRefusal(res, new Refusal('BAD_USER_INPUT', 'Send {"token"} as application/json.'), 415);
      return;
    }
    const body = await readJson(req, BODY_BYTES);
    const token = (body as { token?: unknown } | null)?.token;
    if (typeof token !== 'string') throw new Refusal('BAD_USER_INPUT', 'The body is not {"token": "…"}.');
    const address = req.socket.remoteAddress ?? '';
    // A right token is let in whoever else guesses from its address: a proxy's is everybody's.
    if (!auth.isToken(token)) {
      const wait = this.#wrong.count(address);
      log.warn({ address }, 'a wrong token was refused');
      if (wait === null) throw new Refusal('UNAUTHENTICATED', 'This is not the administrator’s token.');
      res.setHeader('Retry-After', String(wait));
      throw new Refusal('LIMIT_EXCEEDED', `Too many wrong tokens: wait ${String(wait)} s.`);
    }
    const session = await auth.open();
    res.writeHead(204, { 'Set-Cookie': setCookie(req, session), 'Cache-Control': 'no-store' }).end();
  }

  async #close(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const session = cookieOf(req);
    if (session !== null) {
      await this.#parts.auth.close(session);
      this.#parts.onClose(session);
    }
    res.writeHead(204, { 'Set-Cookie': setCookie(req, null), 'Cache-Control': 'no-store' }).end();
  }
}

/** Counts wrong tokens by address, in windows of a minute. */
class WrongTokens {
  readonly #now: () => number;
  readonly #counts = new Map<string, { since: number; count: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @returns seconds until the address may guess again; null where it may */
  count(address: string): number | null {
    const now = this.#now();
    let entry = this.#counts.get(address);
    if (!entry || now - entry.since >= WINDOW_MS || now < entry.since) {
      entry = { since: now, count: 0 };
      this.#counts.delete(address);
      this.#counts.set(address, entry);
      const [oldest] = this.#counts.keys();
      if (this.#counts.size > ADDRESSES && oldest !== undefined) this.#counts.delete(oldest);
    }
    entry.count += 1;
    return entry.count > WRONG_A_WINDOW ? Math.ceil((entry.since + WINDOW_MS - now) / 1000) : null;
  }
}
