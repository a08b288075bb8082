/** How errors reach a client (CONTRACT.md §2, "Errors"): refusals as they are, all else masked. */
import { PothosValidationError } from '@pothos/core';
import { GraphQLError } from 'graphql';
import { Refusal } from '../refusal.ts';

const MASKED = 'Something went wrong in the server. Its log says what.';

/**
 * @param log gets what the client is not told
 */
export function presentError(error: unknown, log: (error: unknown) => void): GraphQLError {
  const cause = rootOf(error);
  if (cause instanceof Refusal) {
    const field = cause.field === undefined ? {} : { field: cause.field };
    return located(error, cause.message, { code: cause.code, ...field });
  }
  if (cause instanceof PothosValidationError) {
    return located(error, cause.message, { code: 'BAD_USER_INPUT' });
  }
  if (cause instanceof GraphQLError && error instanceof GraphQLError) {
    const shown = ofRequest(cause, error);
    if (shown) return shown;
  }
  log(cause);
  return located(error, MASKED, { code: 'INTERNAL_SERVER_ERROR' });
}

/** What GraphQL itself finds wrong with a request; null for what went wrong in answering it. */
function ofRequest(cause: GraphQLError, error: GraphQLError): GraphQLError | null {
  if (error.extensions['code'] !== undefined && error.originalError === undefined) return error;
  const code = cause.extensions['code'];
  const aboutInput = error.path === undefined || error.message.startsWith('Argument "');
  if (code === undefined && !aboutInput) return null;
  const field = fieldOf(error.message);
  return located(error, error.message, {
    ...cause.extensions,
    code: code ?? 'BAD_USER_INPUT',
    ...(field === null ? {} : { field }),
  });
}

/** `Variable "$input" got invalid value … at "input.mtu"` → `mtu`; `Argument "first" …` → `first`. */
function fieldOf(message: string): string | null {
  const [, inside] = / at "([^"]+)"/.exec(message) ?? [];
  const [, outside] = /^(?:Variable "\$|Argument ")([^"]+)"/.exec(message) ?? [];
  return outside === undefined ? null : (inside?.split('.').at(-1) ?? outside);
}

/** The error that was thrown, out of those that GraphQL put around it. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof GraphQLError && root.originalError) root = root.originalError;
  return root;
}

function located(error: unknown, message: string, extensions: Record<string, unknown>): GraphQLError {
  if (!(error instanceof GraphQLError)) return new GraphQLError(message, { extensions });
  const { nodes = null, source = null, positions = null, path = null } = error;
  return new GraphQLError(message, { nodes, source, positions, path, extensions });
}
