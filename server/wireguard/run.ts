import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface RunResult {
  /** Null where the program was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it was killed, where it was. */
  readonly stopped: 'deadline' | 'too much output' | null;
}

export interface RunOptions {
  readonly deadlineMs: number;
  /** Bytes on standard output. */
  readonly maxBuffer: number;
  /** File descriptor for standard input; none by default. */
  readonly stdin?: number | undefined;
}

/** The programs' whole environment: no colours, English messages, no endless name look-ups by `wg`. */
const ENVIRONMENT = {
  PATH: process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  WG_COLOR_MODE: 'never',
  WG_ENDPOINT_RESOLUTION_RETRIES: '0',
};

/**
 * Runs a program with a list of arguments, without a shell, and collects what it prints.
 * `execFile` would do but for standard input: it gives a socket there, which `/dev/stdin` cannot be opened on.
 * @throws the system's error (`ENOENT`, `EACCES`) where the program cannot be started
 */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: ENVIRONMENT,
      shell: false,
      stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
      windowsHide: true,
    }) as ChildProcessByStdio<null, Readable, Readable>;
    const stdout: Buffer[] = [];
    let size = 0;
    let stderr = '';
    let stopped: RunResult['stopped'] = null;
    const stop = (why: RunResult['stopped']): void => {
      stopped ??= why;
      child.kill('SIGKILL');
      // A grandchild could hold the pipes open: `close` must come all the same.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => stop('deadline'), options.deadlineMs);

    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > options.maxBuffer) stop('too much output');
      else stdout.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < 4096) stderr += chunk.toString('utf8');
    });
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(cause);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(stdout).toString('latin1'), stderr, stopped });
    });
  });
}
