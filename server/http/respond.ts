/** Answers in JSON, and how a refusal looks outside GraphQL. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refusal, type RefusalCode } from '../refusal.ts';

const STATUS: Readonly<Record<RefusalCode, number>> = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  ADDRESSES_EXHAUSTED: 409,
  WIREGUARD_UNAVAILABLE: 503,
  LIMIT_EXCEEDED: 429,
};

export function sendJson(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  res.end(res.req.method === 'HEAD' ? undefined : text);
}

/** `{"error":{"code","message"}}` */
export function sendRefusal(res: ServerResponse, { code, message }: Refusal, status = STATUS[code]): void {
  if (status === 401) res.setHeader('WWW-Authenticate', 'Bearer realm="wiremeter"');
  sendJson(res, status, { error: { code, message } });
}

/** The same as a GraphQL response. */
export function sendGraphQLRefusal(
  res: ServerResponse,
  { code, message }: Refusal,
  status = STATUS[code],
): void {
  if (status === 401) res.setHeader('WWW-Authenticate', 'Bearer realm="wiremeter"');
  sendJson(res, status, { errors: [{ message, extensions: { code } }] });
}

/** The path as it was sent, without the query. */
export function pathOf(req: IncomingMessage): string {
  const [path = '/'] = (req.url ?? '/').split('?');
  return path;
}

/** True where the method is one of them; else the answer is sent. */
export function allowMethods(
  req: IncomingMessage,
  res: ServerResponse,
  ...methods: readonly string[]
): boolean {
  if (methods.includes(req.method ?? '')) return true;
  res.setHeader('Allow', methods.join(', '));
  sendRefusal(res, new Refusal('BAD_USER_INPUT', `Use ${methods.join(' or ')} here.`), 405);
  return false;
}

export function hasJsonBody(req: IncomingMessage): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(req.headers['content-type'] ?? '');
}

/** @throws Refusal BAD_USER_INPUT where it is too large or no JSON */
export async function readJson(req: IncomingMessage, limit: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Read to its end, or the answer could not be sent; kept only as far as it may go.
    if (size <= limit) chunks.push(chunk);
  }
  if (size > limit) throw new Refusal('BAD_USER_INPUT', `The body is larger than ${String(limit)} bytes.`);
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw new Refusal('BAD_USER_INPUT', 'The body is no JSON.', { cause });
  }
}
