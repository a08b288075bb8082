/** Runs programs for the other scripts: no shell, the same on every system. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's top folder, absolute. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const BIN = path.join(ROOT, 'node_modules/.bin');

const require = createRequire(import.meta.url);

/** The file behind a package's `bin`, absolute. */
function binOf(packageName: string, bin: string): string {
  for (const folder of require.resolve.paths(packageName) ?? []) {
    const manifest = path.join(folder, packageName, 'package.json');
    try {
      const { bin: bins } = require(manifest) as { bin: string | Record<string, string> };
      const file = typeof bins === 'string' ? bins : bins[bin];
      if (file) return path.join(path.dirname(manifest), file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error(`${packageName} is not installed: run npm ci`);
}

export interface RunOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: its output is shown only where it fails. */
  readonly quiet?: boolean;
}

/**
 * Runs an installed package's program in the checkout and waits for it.
 * @param program the package, with `:bin` where the program has another name
 * @returns true where it exits with 0
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): boolean {
  const [packageName = program, bin = packageName] = program.split(':');
  const output = options.quiet === true ? 'pipe' : 'inherit';
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [binOf(packageName, bin), ...args], {
    cwd: ROOT,
    // As npm has it: Prisma looks for its generators on the path.
    env: { ...process.env, PATH: `${BIN}${path.delimiter}${process.env['PATH'] ?? ''}`, ...options.env },
    stdio: ['ignore', output, output],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  if (status !== 0 && output === 'pipe') process.stderr.write(stdout + stderr);
  return status === 0;
}
