/**
 * What a test needs of the machine beyond Node: found, or skipped with the reason and the cure.
 * Under `CI=true` a missing tool fails the test, so that nothing goes untested there unseen.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { describe, test, type SuiteFactory, type TestContext } from 'vitest';

export interface Tool {
  readonly name: ToolName;
  /** What is missing, in words; null where all is there. */
  readonly missing: string | null;
  /** How to get it: a command. */
  readonly cure: string;
  /** The program's absolute path, where the tool is one program. */
  readonly path: string | null;
}

export type ToolName = 'wireguard-go' | 'chromium' | 'postgres' | 'redis' | 'iperf3' | 'tmux';

/** Where the services listen, as FACTS and `.ci/run` have it. */
export const POSTGRES_URL = 'postgresql://postgres@127.0.0.1:5432';
export const REDIS_URL = 'redis://127.0.0.1:6379';

interface Finding {
  readonly missing: string | null;
  readonly path?: string | null;
}

const TOOLS: Readonly<
  Record<ToolName, { readonly cure: string; readonly find: () => Finding | Promise<Finding> }>
> = {
  'wireguard-go': {
    cure: 'as root: apt-get install wireguard-go wireguard-tools iproute2 iputils-ping',
    find() {
      const absent = ['wireguard-go', 'wg', 'ip', 'ping'].filter((program) => which(program) === null);
      if (absent.length > 0) return { missing: `no ${absent.join(', ')}` };
      if (process.getuid?.() !== 0) return { missing: 'not root' };
      if (!existsSync('/dev/net/tun')) return { missing: 'no /dev/net/tun' };
      const allowed = spawnSync('unshare', ['--net', 'true']).status === 0;
      return { missing: allowed ? null : 'no right to make network namespaces', path: which('wireguard-go') };
    },
  },
  chromium: {
    cure: 'apt-get install chromium',
    find: () => programs('chromium', 'chromium-browser', 'google-chrome'),
  },
  postgres: {
    cure: 'apt-get install postgresql, then let postgres in from 127.0.0.1 without a password (.ci/run does)',
    find: () => service(5432),
  },
  redis: {
    cure: 'apt-get install redis-server && redis-server --daemonize yes',
    find: () => service(6379),
  },
  iperf3: { cure: 'apt-get install iperf3', find: () => programs('iperf3') },
  tmux: { cure: 'apt-get install tmux', find: () => programs('tmux') },
};

const found = new Map<ToolName, Promise<Tool>>();

/** Looks for a tool, once a process. */
export function tool(name: ToolName): Promise<Tool> {
  let result = found.get(name);
  if (!result) {
    const { cure, find } = TOOLS[name];
    result = Promise.resolve(find()).then((finding) => ({ name, cure, path: null, ...finding }));
    found.set(name, result);
  }
  return result;
}

/**
 * The first line of a test that needs tools: `await requireTool(ctx, 'chromium')`.
 * Skips the test where one is missing; under `CI=true` it throws.
 */
export async function requireTool(
  ctx: Pick<TestContext, 'skip'>,
  ...names: readonly ToolName[]
): Promise<void> {
  const missing = await missingTools(names);
  if (missing.length === 0) return;
  const reason = missing.map(describeMissing).join('; ');
  if (failsWithoutTools()) throw new Error(reason);
  ctx.skip(reason);
}

/**
 * `describe` for a suite whose hooks need the tools too: `await describeWith(['postgres'], 'the store', () => …)`
 * at the top of a test file. The suite's title names the tools, which is how the list at the end of a run
 * knows them.
 */
export async function describeWith(
  names: readonly ToolName[],
  title: string,
  body: SuiteFactory,
): Promise<void> {
  const missing = await missingTools(names);
  const full = `${title} [needs ${names.join(', ')}]`;
  if (missing.length === 0) {
    describe(full, body);
  } else if (failsWithoutTools()) {
    describe(full, () => {
      test('has its tools', () => {
        throw new Error(missing.map(describeMissing).join('; '));
      });
    });
  } else {
    // The reason is in the title and in the list at the end of the run.
    describe.skip(full, body);
  }
}

/** `needs chromium (no chromium on PATH): apt-get install chromium` */
export function describeMissing(missing: Tool): string {
  return `needs ${missing.name} (${missing.missing ?? 'found'}): ${missing.cure}`;
}

export async function missingTools(names: readonly ToolName[]): Promise<Tool[]> {
  return (await Promise.all(names.map(tool))).filter(({ missing }) => missing !== null);
}

export const TOOL_NAMES = Object.keys(TOOLS) as ToolName[];

export function failsWithoutTools(): boolean {
  return process.env['CI'] === 'true' || process.env['CI'] === '1';
}

/** Absolute path of a program on PATH, or null. */
export function which(program: string): string | null {
  // Root's tools are at times not on a user's PATH.
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders.filter(Boolean)) {
    const file = path.join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this one.
    }
  }
  return null;
}

function programs(...names: readonly string[]): Finding {
  const file = names.map(which).find((candidate) => candidate !== null) ?? null;
  return { missing: file === null ? `no ${names[0] ?? 'program'} on PATH` : null, path: file };
}

function service(port: number): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const settle = (missing: string | null): void => {
      socket.destroy();
      resolve({ missing });
    };
    socket.setTimeout(2_000, () => settle(`no answer from 127.0.0.1:${String(port)}`));
    socket.once('connect', () => settle(null));
    socket.once('error', () => settle(`nothing listens on 127.0.0.1:${String(port)}`));
  });
}
