/** The one port: GraphQL over HTTP and WebSocket, the dashboard, sessions, health and metrics. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { Auth, SIGN_IN, type SignedIn } from './http/auth.ts';
import { exposition } from './http/exposition.ts';
import { sendGraphiQL, wantsGraphiQL } from './http/graphiql.ts';
import { setSecurityHeaders } from './http/headers.ts';
import { livez, Readiness } from './http/health.ts';
import { Metrics } from './http/metrics.ts';
import {
  allowMethods,
  hasJsonBody,
  pathOf,
  sendGraphQLRefusal,
  sendJson,
  sendRefusal,
} from './http/respond.ts';
import { SessionRoute } from './http/session.ts';
import { builtWebDir, staticRoute, type StaticRoute } from './http/static.ts';
import { WebSocketRoute } from './http/websocket.ts';
import { createGraphQL, type Yoga } from './http/yoga.ts';
import type { Logger } from './log.ts';
import { Refusal } from './refusal.ts';
import type { Services } from './schema/context.ts';

export interface HttpOptions {
  /** Everybody who has it may do everything: at least 32 characters. */
  readonly adminToken: string;
  readonly log: Logger;
  readonly metrics?: Metrics;
  /** The built dashboard; by default `dist/web`, null for none. */
  readonly webDir?: string | null;
  /** The demo: every page says so. */
  readonly simulated?: boolean;
}

const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const GRACE_MS = 2_000;

export function createHttpServer(services: Services, options: HttpOptions): HttpServer {
  return new HttpServer(services, options);
}

export class HttpServer {
  readonly server: Server;
  readonly metrics: Metrics;
  readonly #services: Services;
  readonly #log: Logger;
  readonly #auth: Auth;
  readonly #yoga: Yoga;
  readonly #session: SessionRoute;
  readonly #readiness: Readiness;
  readonly #websocket: WebSocketRoute;
  readonly #static: StaticRoute;
  readonly #simulated: boolean;
  readonly #streams = new Set<ServerResponse>();

  constructor(services: Services, options: HttpOptions) {
    const { adminToken, log, metrics, webDir = builtWebDir(), simulated = false } = options;
    this.#simulated = simulated;
    const { db, now } = services;
    this.#services = services;
    this.#log = log;
    this.#auth = new Auth({ db, adminToken, now });
    this.#yoga = createGraphQL(services, log);
    this.#websocket = new WebSocketRoute({ yoga: this.#yoga, auth: this.#auth, log });
    this.#session = new SessionRoute({
      auth: this.#auth,
      log,
      now,
      onClose: (session) => this.#websocket.signOut(session),
    });
    this.#readiness = new Readiness(services);
    this.#static = staticRoute(webDir);
    this.metrics = metrics ?? new Metrics();
    this.#addGauges();
    this.server = createServer(
      { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, maxHeaderSize: 16 * 1024 },
      (req, res) => void this.#handle(req, res),
    );
    this.server.on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head));
  }

  /** @returns the address to open, with the port that was given where `port` is 0 */
  async listen(port: number, host: string): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    const { address, family, port: given } = this.server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${String(given)}`;
  }

  /** WebSockets are closed with 1001, answers under way may end; all is over within five seconds. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const stream of this.#streams) stream.destroy();
    this.server.closeIdleConnections();
    const timer = setTimeout(() => this.server.closeAllConnections(), GRACE_MS);
    await this.#websocket.close(GRACE_MS);
    await closed;
    clearTimeout(timer);
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    setSecurityHeaders(res);
    const pathname = pathOf(req);
    try {
      await this.#route(pathname, req, res);
    } catch (error) {
      this.#fail(pathname, res, error);
    }
  }

  async #route(pathname: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    switch (pathname) {
      case '/graphql':
        return this.#graphql(req, res);
      case '/livez':
        return allowMethods(req, res, 'GET', 'HEAD') ? livez(res, this.#simulated) : undefined;
      case '/readyz':
        return allowMethods(req, res, 'GET', 'HEAD') ? this.#readiness.handle(res) : undefined;
      case '/metrics':
        return allowMethods(req, res, 'GET', 'HEAD') ? this.#showMetrics(req, res) : undefined;
      case '/session':
        return this.#session.handle(req, res);
      default:
        return this.#static(req, res);
    }
  }

  async #graphql(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const signedIn = await this.#auth.ofRequest(req);
    if (wantsGraphiQL(req)) {
      if (signedIn) return sendGraphiQL(req, res, this.#simulated);
      res.writeHead(303, { Location: '/?next=/graphql', 'Cache-Control': 'no-store' }).end();
      return;
    }
    if (!signedIn) throw new Refusal('UNAUTHENTICATED', SIGN_IN);
    // What a form of another site could send is not read, whatever else it has.
    if (req.method === 'POST' && !hasJsonBody(req)) {
      sendGraphQLRefusal(res, new Refusal('BAD_USER_INPUT', 'Send the operation as application/json.'), 415);
      return;
    }
    await this.#execute(req, res, signedIn);
  }

  async #execute(req: IncomingMessage, res: ServerResponse, { viewer }: SignedIn): Promise<void> {
    // A stream that ends by itself leaves the set; one under way at close() is cut.
    if ((req.headers.accept ?? '').includes('text/event-stream')) {
      this.#streams.add(res);
      res.once('close', () => this.#streams.delete(res));
    }
    const cutOff = (): void => {
      this.#log.warn({ buffered: res.writableLength }, 'a subscriber that does not read was cut off');
      res.destroy();
    };
    await this.#yoga(req, res, { viewer, cutOff });
  }

  async #showMetrics(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!(await this.#auth.ofRequest(req))) throw new Refusal('UNAUTHENTICATED', SIGN_IN);
    const text = await exposition(this.#services, this.metrics);
    res.writeHead(200, { 'Content-Type': this.metrics.registry.contentType, 'Cache-Control': 'no-store' });
    res.end(req.method === 'HEAD' ? undefined : text);
  }

  #fail(pathname: string, res: ServerResponse, error: unknown): void {
    if (!(error instanceof Refusal)) this.#log.error({ err: error, path: pathname }, 'a request failed');
    if (res.headersSent) {
      res.destroy();
    } else if (!(error instanceof Refusal)) {
      const message = 'Something went wrong in the server. Its log says what.';
      sendJson(res, 500, { error: { code: 'INTERNAL_SERVER_ERROR', message } });
    } else if (pathname === '/graphql') {
      sendGraphQLRefusal(res, error);
    } else {
      sendRefusal(res, error);
    }
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (error) => this.#log.debug({ err: error }, 'an upgrade broke'));
    if (pathOf(req) !== '/graphql') return endUpgrade(socket, '404 Not Found');
    try {
      this.#websocket.upgrade(req, socket, head);
    } catch (error) {
      if (!(error instanceof Refusal)) this.#log.error({ err: error }, 'an upgrade failed');
      endUpgrade(socket, error instanceof Refusal ? '403 Forbidden' : '500 Internal Server Error');
    }
  }

  #addGauges(): void {
    const { events } = this.#services;
    this.metrics.gauge(
      'wiremeter_subscribers',
      'Open subscriptions.',
      () => events.count('traffic') + events.count('peers'),
    );
    this.metrics.gauge('wiremeter_websockets', 'Open WebSockets.', () => this.#websocket.count);
  }
}

function endUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
