/** Which WireGuard devices this host has, and the driver for each. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { WireGuardError } from './errors.ts';
import { run } from './run.ts';
import type { Driver } from './types.ts';
import { UapiDriver } from './uapi.ts';
import { checkInterfaceName, isInterfaceName } from './values.ts';
import { WgDriver } from './wg.ts';

export interface FoundDevice {
  readonly name: string;
  readonly kind: Driver['kind'];
}

export interface DiscoverOptions {
  /** The folder of userspace devices' sockets, `NAME.sock`. It need not exist. */
  readonly socketDir: string;
  /** These and no others, in this order, there or not (`WG_INTERFACE`); null is all that are there. */
  readonly only: readonly string[] | null;
  /** Whether kernel devices are looked for, and read through the `wg` program. */
  readonly wg: boolean;
  /** `wg` by default. */
  readonly wgPath?: string;
  /** `/sys/class/net` by default. */
  readonly sysfsRoot?: string;
}

/**
 * Devices by name; with `only`, in its order.
 * @throws WireGuardError `NO_PERMISSION` or `NO_DEVICE` where the socket folder is there and cannot be read,
 *   `NO_DEVICE` where `only` has a name that no interface can have
 */
export async function findDevices(options: DiscoverOptions): Promise<FoundDevice[]> {
  const sockets = await socketNames(options.socketDir);
  const kernel = options.wg ? await kernelNames(options) : new Set<string>();
  // A socket left behind by a daemon that died must not hide the kernel's device of the same name.
  for (const name of sockets) {
    if (kernel.has(name) && !(await isServed(join(options.socketDir, `${name}.sock`)))) sockets.delete(name);
  }
  if (options.only === null) {
    const names = [...new Set([...sockets, ...kernel])].sort();
    return names.map((name) => ({ name, kind: sockets.has(name) ? 'socket' : 'wg' }));
  }
  options.only.forEach(checkInterfaceName);
  return [...new Set(options.only)].map((name) => ({
    name,
    kind: sockets.has(name) || !options.wg ? 'socket' : 'wg',
  }));
}

/** @throws WireGuardError `NO_DEVICE` for a name that no interface can have */
export function createDriver(
  found: FoundDevice,
  options: Pick<DiscoverOptions, 'socketDir' | 'wgPath' | 'sysfsRoot'> & { readonly deadlineMs?: number },
): Driver {
  const { deadlineMs, wgPath, sysfsRoot } = options;
  const deadline = deadlineMs === undefined ? {} : { deadlineMs };
  if (found.kind === 'socket')
    return new UapiDriver({ name: found.name, socketDir: options.socketDir, ...deadline });
  return new WgDriver({
    name: found.name,
    ...deadline,
    ...(wgPath === undefined ? {} : { wgPath }),
    ...(sysfsRoot === undefined ? {} : { sysfsRoot }),
  });
}

async function socketNames(folder: string): Promise<Set<string>> {
  let files: string[];
  try {
    files = await readdir(folder);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return new Set();
    const denied = code === 'EACCES' || code === 'EPERM';
    throw new WireGuardError(
      denied ? 'NO_PERMISSION' : 'NO_DEVICE',
      denied
        ? `${folder} may not be read by this user: run as root, or set WG_SOCKET_DIR to the devices' folder`
        : `${folder} cannot be read as a folder (${code}): set WG_SOCKET_DIR to the devices' folder`,
      { key: folder, cause },
    );
  }
  const names = new Set<string>();
  for (const file of files) {
    const name = file.slice(0, -'.sock'.length);
    if (!file.endsWith('.sock') || !isInterfaceName(name)) continue;
    const isSocket = await stat(join(folder, file)).then(
      (found) => found.isSocket(),
      () => false,
    );
    if (isSocket) names.add(name);
  }
  return names;
}

async function kernelNames(options: DiscoverOptions): Promise<Set<string>> {
  const root = options.sysfsRoot ?? '/sys/class/net';
  const names = new Set<string>();
  let interfaces: string[];
  try {
    interfaces = await readdir(root);
  } catch {
    return namesByTool(options.wgPath ?? 'wg');
  }
  for (const name of interfaces) {
    if (!isInterfaceName(name)) continue;
    // An interface may go between the two reads.
    const event = await readFile(join(root, name, 'uevent'), 'utf8').catch(() => '');
    if (/^DEVTYPE=wireguard$/m.test(event)) names.add(name);
  }
  return names;
}

/** No tool, no right, no devices: here all the same, and reading a device by name will say which. */
async function namesByTool(wgPath: string): Promise<Set<string>> {
  const result = await run(wgPath, ['show', 'interfaces'], { deadlineMs: 5000, maxBuffer: 65_536 }).catch(
    () => null,
  );
  const words = result?.code === 0 ? result.stdout.split(/\s+/) : [];
  return new Set(words.filter(isInterfaceName));
}

/** Whether somebody listens: only a refusal says that nobody does. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once('connect', () => resolve(true));
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      resolve(cause.code !== 'ECONNREFUSED' && cause.code !== 'ENOENT');
    });
    socket.once('connect', () => socket.destroy());
  });
}
