/**
 * - `NO_DEVICE`: there is no such device now.
 * - `NO_PERMISSION`: it is there and this process may not use it.
 * - `NO_TOOL`: the `wg` program is missing.
 * - `TIMEOUT`: no whole reply within the deadline.
 * - `GARBLED`: the reply is cut off or not of the protocol.
 * - `REFUSED`: the device answered with an error number.
 * - `FILE`: NAME.conf cannot be read or written.
 */
export type WireGuardErrorCode =
  'NO_DEVICE' | 'NO_PERMISSION' | 'NO_TOOL' | 'TIMEOUT' | 'GARBLED' | 'REFUSED' | 'FILE';

/** A failure of a device or of its file. `message` is one line for a person and holds no secret. */
export class WireGuardError extends Error {
  override readonly name = 'WireGuardError';
  readonly code: WireGuardErrorCode;
  /** The public key, protocol key or path at fault, where there is one. */
  readonly key: string | undefined;

  constructor(code: WireGuardErrorCode, message: string, options: { key?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.key = options.key;
  }
}
