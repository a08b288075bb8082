/** GraphQL over HTTP and its server-sent events; the WebSocket executes through it too. */
import { GraphQLError } from 'graphql';
import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { Logger } from '../log.ts';
import type { Context, Services, Viewer } from '../schema/context.ts';
import { presentError } from '../schema/errors.ts';
import { schema } from '../schema/index.ts';

/** 1 MiB */
export const MESSAGE_BYTES = 1_048_576;

/** What each request brings along. */
export interface Caller extends Record<string, unknown> {
  readonly viewer: Viewer;
  /** Ends the connection of a subscriber that does not read. */
  readonly cutOff: () => void;
}

export type Yoga = YogaServerInstance<Caller, Context>;

export function createGraphQL(services: Services, log: Logger): Yoga {
  return createYoga<Caller, Context>({
    schema,
    context: ({ viewer, cutOff }) => ({ ...services, viewer, cutOff }),
    graphqlEndpoint: '/graphql',
    maskedErrors: { maskError: (error) => mask(error, log) },
    maxRequestBodySize: MESSAGE_BYTES,
    // What is logged, we log: yoga would log refusals as errors.
    logging: false,
    graphiql: false,
    landingPage: false,
    // Only the dashboard's own pages, and programs, which do not ask for leave.
    cors: false,
    multipart: false,
  });
}

export function mask(error: unknown, log: Logger): GraphQLError {
  const shown = presentError(error, (cause) => log.error({ err: cause }, 'a request failed'));
  if (shown.extensions['code'] !== 'REQUEST_ENTITY_TOO_LARGE') return shown;
  return new GraphQLError(`The body is larger than ${String(MESSAGE_BYTES)} bytes.`, {
    extensions: { ...shown.extensions, code: 'LIMIT_EXCEEDED' },
  });
}
