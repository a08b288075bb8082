/**
 * GraphQL over WebSocket, `graphql-transport-ws`. A client that does not read is cut off: what waits for it
 * is bounded by its queue of events and by what its socket holds.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  GraphQLError,
  type execute,
  type ExecutionArgs,
  type GraphQLSchema,
  type parse,
  type subscribe,
  type validate,
} from 'graphql';
import { CloseCode, handleProtocols, makeServer, type Server } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Logger } from '../log.ts';
import { Refusal } from '../refusal.ts';
import { cookieOf, refuseForeignOrigin, type Auth, type SignedIn } from './auth.ts';
import { mask, MESSAGE_BYTES, type Yoga } from './yoga.ts';

/** Bytes that may wait in a socket before it is cut off: 8 MiB. */
const BUFFERED_BYTES = 8 * 1_048_576;
const PING_MS = 12_000;
/** Operations that one socket may have open. */
const OPERATIONS = 100;

interface Extra {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  signedIn: SignedIn | null;
}

interface Executors {
  readonly execute: typeof execute;
  readonly subscribe: typeof subscribe;
}

/** What yoga's plugins made of GraphQL's own steps; its types say `any`. */
interface Enveloped extends Executors {
  readonly schema: GraphQLSchema;
  readonly parse: typeof parse;
  readonly validate: typeof validate;
  readonly contextFactory: () => unknown;
}

export interface WebSocketParts {
  readonly yoga: Yoga;
  readonly auth: Auth;
  readonly log: Logger;
}

export class WebSocketRoute {
  readonly #parts: WebSocketParts;
  readonly #wss: WebSocketServer;
  readonly #protocol: Server<Extra>;
  readonly #open = new Set<Extra>();

  constructor(parts: WebSocketParts) {
    this.#parts = parts;
    this.#wss = new WebSocketServer({
      noServer: true,
      maxPayload: MESSAGE_BYTES,
      perMessageDeflate: false,
      handleProtocols,
    });
    this.#protocol = this.#makeProtocol();
  }

  get count(): number {
    return this.#open.size;
  }

  /** @throws Refusal FORBIDDEN where another site's page sends our cookie along */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (cookieOf(request) !== null) refuseForeignOrigin(request);
    this.#wss.handleUpgrade(request, socket, head, (ws) => this.#opened(ws, request));
  }

  /** Ends what a session opened. */
  signOut(session: string): void {
    for (const { socket, signedIn } of this.#open) {
      if (signedIn?.session === session) socket.close(CloseCode.Forbidden, 'Signed out');
    }
  }

  /** Says goodbye to all clients; who does not answer in time is dropped. */
  async close(graceMs: number): Promise<void> {
    const closed = [...this.#open].map(
      ({ socket }) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    for (const { socket } of this.#open) socket.close(1001, 'Going away');
    const timer = setTimeout(() => {
      for (const { socket } of this.#open) socket.terminate();
    }, graceMs);
    await Promise.all(closed);
    clearTimeout(timer);
    this.#wss.close();
  }

  #opened(socket: WebSocket, request: IncomingMessage): void {
    const { log } = this.#parts;
    const extra: Extra = { socket, request, signedIn: null };
    this.#open.add(extra);
    const stopPings = keepAlive(socket);
    socket.on('error', (error) => log.debug({ err: error }, 'a WebSocket broke'));
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => send(socket, text, log),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => {
          socket.on('message', (data: Buffer) => {
            handle(data.toString()).catch((error: unknown) => {
              log.error({ err: error }, 'a WebSocket message failed');
              socket.close(CloseCode.InternalServerError, 'Internal server error');
            });
          });
        },
      },
      extra,
    );
    socket.once('close', (code, reason) => {
      this.#open.delete(extra);
      stopPings();
      closed(code, reason.toString()).catch((error: unknown) =>
        log.error({ err: error }, 'a WebSocket did not close'),
      );
    });
  }

  #makeProtocol(): Server<Extra> {
    const { auth, log } = this.#parts;
    return makeServer<Record<string, unknown>, Extra>({
      onConnect: async ({ connectionParams, extra }) => {
        const authorization = connectionParams?.['authorization'] ?? connectionParams?.['Authorization'];
        // As over HTTP: a token that was given is the one that counts.
        extra.signedIn =
          authorization === undefined
            ? await auth.ofRequest(extra.request)
            : auth.ofAuthorization(authorization);
        return extra.signedIn !== null;
      },
      onSubscribe: ({ extra, subscriptions }, _id, payload) => {
        if (Object.keys(subscriptions).length > OPERATIONS) {
          const refusal = new Refusal(
            'LIMIT_EXCEEDED',
            `A connection has at most ${String(OPERATIONS)} operations.`,
          );
          return [mask(refusal, log)];
        }
        return this.#prepare(extra, payload);
      },
      execute: (args) => executorsOf(args).execute(args),
      subscribe: (args) => executorsOf(args).subscribe(args),
      // Masked already, but for what fails between the results.
      onError: (_ctx, _id, _payload, errors) => errors.map((error) => mask(error, log).toJSON()),
    });
  }

  /** As graphql-yoga's guide shows it: the same steps, context and masking as over HTTP. */
  async #prepare(
    { socket, request, signedIn }: Extra,
    payload: { query: string; operationName?: string | null | undefined; variables?: unknown },
  ): Promise<ExecutionArgs | readonly GraphQLError[]> {
    const { yoga, log } = this.#parts;
    if (!signedIn) return [mask(new Refusal('UNAUTHENTICATED', 'Sign in first.'), log)];
    const enveloped: Enveloped = yoga.getEnveloped({
      viewer: signedIn.viewer,
      cutOff: () => cutOff(socket, log),
      req: request,
      params: payload,
    });
    try {
      const document = enveloped.parse(payload.query);
      const invalid = enveloped.validate(enveloped.schema, document);
      if (invalid.length > 0) return invalid.map((error) => coded(error, 'GRAPHQL_VALIDATION_FAILED'));
      const executors: Executors = { execute: enveloped.execute, subscribe: enveloped.subscribe };
      return {
        schema: enveloped.schema,
        document,
        operationName: payload.operationName ?? null,
        variableValues: (payload.variables ?? null) as ExecutionArgs['variableValues'],
        contextValue: await enveloped.contextFactory(),
        rootValue: executors,
      };
    } catch (error) {
      const syntax = error instanceof GraphQLError && error.originalError === undefined;
      return [syntax ? coded(error, 'GRAPHQL_PARSE_FAILED') : mask(error, log)];
    }
  }
}

function executorsOf(args: ExecutionArgs): Executors {
  return args.rootValue as Executors;
}

function coded(error: GraphQLError, code: string): GraphQLError {
  error.extensions['code'] ??= code;
  return error;
}

/** Resolves when the socket took it: that is how a slow reader slows its own events, and nobody else's. */
function send(socket: WebSocket, text: string, log: Logger): Promise<void> {
  if (socket.readyState !== socket.OPEN) return Promise.resolve();
  if (socket.bufferedAmount > BUFFERED_BYTES) {
    cutOff(socket, log);
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    // A socket that broke says so by its close.
    socket.send(text, () => resolve());
  });
}

function cutOff(socket: WebSocket, log: Logger): void {
  if (socket.readyState === socket.CLOSED) return;
  log.warn({ buffered: socket.bufferedAmount }, 'a subscriber that does not read was cut off');
  socket.terminate();
}

/** A client that vanished without a word does not answer pings. */
function keepAlive(socket: WebSocket): () => void {
  let alive = true;
  socket.on('pong', () => (alive = true));
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    if (socket.readyState === socket.OPEN) socket.ping();
  }, PING_MS);
  return () => clearInterval(timer);
}
