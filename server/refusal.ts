/** Why a request was refused: CONTRACT.md §2, "Errors". The message says what was wrong and what to do. */
export type RefusalCode =
  | 'BAD_USER_INPUT'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'ADDRESSES_EXHAUSTED'
  | 'WIREGUARD_UNAVAILABLE'
  | 'LIMIT_EXCEEDED';

/** An expected refusal: its message is for the caller, and nothing was changed. */
export class Refusal extends Error {
  override readonly name: string = 'Refusal';
  readonly code: RefusalCode;
  /** The input field at fault, with BAD_USER_INPUT. */
  readonly field: string | undefined;

  constructor(code: RefusalCode, message: string, options: { field?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.field = options.field;
  }
}
