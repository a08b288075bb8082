/**
 * A whole server as users start it: `node dist/server/main.js` in a folder of its own, set up by its
 * environment alone, spoken to over HTTP and a real WebSocket. What it printed is kept, so that a test can
 * look for secrets in all of it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient, type Client } from 'graphql-ws';
import { expect } from 'vitest';
import WebSocket from 'ws';

const MAIN = fileURLToPath(new URL('../../dist/server/main.js', import.meta.url));
/** A start has to be there in this time, on a machine that does other things too. */
const START_MS = 90_000;

const folders: string[] = [];
const running = new Set<ChildProcess>();
const started: Output[] = [];
const secrets = new Set<string>();

// Where the run is broken off, no hook runs any more.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface Output {
  readonly stdout: string[];
  readonly stderr: string[];
}

export interface ServerOptions {
  /** Kept between starts; a new one in a temporary folder by default. */
  readonly dataDir?: string;
  readonly command?: 'serve' | 'demo';
  /** Over the defaults of {@link settings}; undefined leaves a setting out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A new one by default; null: the server makes its own. */
  readonly token?: string | null;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A refusal as the API gives it. */
export class GqlError extends Error {
  override readonly name = 'GqlError';
  readonly code: string | null;
  readonly status: number;
  constructor(message: string, code: string | null, status: number) {
    super(code === null ? message : `${code}: ${message}`);
    this.code = code;
    this.status = status;
  }
}

/** A folder that is gone after the tests, mode 0700. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'wm-e2e-'));
  folders.push(folder);
  return folder;
}

/** What no server may ever print; see {@link expectNoSecretPrinted}. */
export function keepSecret(text: string): string {
  secrets.add(text);
  return text;
}

export function newToken(): string {
  return keepSecret(`t-${randomBytes(24).toString('hex')}`);
}

/** Kills what runs, removes the folders: in `afterAll`, also after failures. */
export function cleanUpServers(): void {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** In all that all servers of this file printed, base64 and hex. */
export function expectNoSecretPrinted(): void {
  const printed = started.map(({ stdout, stderr }) => stdout.join('') + stderr.join('')).join('\n');
  expect(started.length).toBeGreaterThan(0);
  for (const secret of secrets) {
    const forms = [secret, secret.replaceAll('/', '\\/')];
    if (/^[A-Za-z0-9+/]{43}=$/.test(secret)) forms.push(Buffer.from(secret, 'base64').toString('hex'));
    for (const form of forms) expect(printed.includes(form), 'a secret was printed').toBe(false);
  }
}

/** The environment of a server: nothing of the tests' own but PATH. */
function environment(dataDir: string, options: ServerOptions, token: string | null): NodeJS.ProcessEnv {
  const home = path.dirname(dataDir);
  const defaults: Record<string, string | undefined> = {
    PATH: process.env['PATH'],
    HOME: home,
    HOST: '127.0.0.1',
    PORT: '0',
    WIREMETER_DATA_DIR: dataDir,
    GATEWAY: 'gw',
    WG_SOCKET_DIR: path.join(home, 'run'),
    WG_CONFIG_DIR: path.join(home, 'wireguard'),
    COLLECT_INTERVAL: '0.2',
    WIREMETER_ADMIN_TOKEN: token ?? undefined,
  };
  const all = { ...defaults, ...options.env };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function launch(options: ServerOptions): {
  child: ChildProcess;
  output: Output;
  dataDir: string;
  token: string;
} {
  const dataDir = options.dataDir ?? path.join(temporaryFolder(), 'data');
  const token = options.token === undefined ? newToken() : options.token;
  const home = path.dirname(dataDir);
  if (!existsSync(home)) mkdirSync(home, { recursive: true });
  const child = spawn(process.execPath, [MAIN, ...(options.command === 'demo' ? ['demo'] : [])], {
    cwd: home,
    env: environment(dataDir, options, token),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const output: Output = { stdout: [], stderr: [] };
  started.push(output);
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.stdout.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => output.stderr.push(text));
  return { child, output, dataDir, token: token ?? '' };
}

function endOf(child: ChildProcess, output: Output): Promise<Ended> {
  return new Promise((resolve) => {
    // 'close' and not 'exit': then all output is there.
    child.once('close', (code, signal) =>
      resolve({ code, signal, stdout: output.stdout.join(''), stderr: output.stderr.join('') }),
    );
  });
}

/** Starts a server that is expected not to stay. */
export async function runToEnd(options: ServerOptions = {}): Promise<Ended> {
  const { child, output } = launch(options);
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const ended = await endOf(child, output);
  clearTimeout(timer);
  return ended;
}

export class TestServer {
  readonly url: string;
  readonly dataDir: string;
  token: string;
  readonly pid: number;
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #output: Output;
  #client: Client | null = null;

  private constructor(parts: {
    url: string;
    dataDir: string;
    token: string;
    child: ChildProcess;
    output: Output;
    ended: Promise<Ended>;
  }) {
    this.url = parts.url;
    this.dataDir = parts.dataDir;
    this.token = parts.token;
    this.pid = parts.child.pid ?? 0;
    this.ended = parts.ended;
    this.#child = parts.child;
    this.#output = parts.output;
  }

  /** @throws Error with the output where it ends before it serves */
  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const { child, output, dataDir, token } = launch(options);
    const ended = endOf(child, output);
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`the server did not start in ${START_MS} ms\n${output.stderr.join('')}`));
      }, START_MS);
      const look = (): void => {
        const [, found] =
          /Wiremeter serves (http:\/\/[^\s"]+)/.exec(output.stderr.join('')) ??
          /Dashboard +(http:\/\/\S+?)\/\n/.exec(output.stdout.join('')) ??
          [];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      };
      child.stdout?.on('data', look);
      child.stderr?.on('data', look);
      void ended.then(({ code, stderr }) => {
        clearTimeout(timer);
        reject(new Error(`the server ended with ${String(code)} before it served\n${stderr}`));
      });
    });
    return new TestServer({ url, dataDir, token, child, output, ended });
  }

  get stdout(): string {
    return this.#output.stdout.join('');
  }

  get stderr(): string {
    return this.#output.stderr.join('');
  }

  /** SIGTERM, and how it ended. */
  async stop(): Promise<Ended> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }

  /** SIGKILL: gone when this resolves. */
  async kill(): Promise<Ended> {
    this.#child.kill('SIGKILL');
    return this.ended;
  }

  /** A request with the token, unless `headers` says otherwise. */
  fetch(pathname: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers({ authorization: `Bearer ${this.token}` });
    new Headers(init.headers).forEach((value, name) => headers.set(name, value));
    return fetch(`${this.url}${pathname}`, { redirect: 'manual', ...init, headers });
  }

  /** An operation's data. @throws GqlError */
  async gql<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
    const response = await this.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const body = (await response.json()) as {
      data?: T | null;
      errors?: { message: string; extensions?: { code?: string } }[];
    };
    const [error] = body.errors ?? [];
    if (error) throw new GqlError(error.message, error.extensions?.code ?? null, response.status);
    if (!response.ok || body.data == null) throw new GqlError('no data', null, response.status);
    return body.data;
  }

  /** The refusal of an operation that must be refused. */
  async refusal(query: string, variables: Record<string, unknown> = {}): Promise<GqlError> {
    const answer = await this.gql<unknown>(query, variables).catch((error: unknown) => error);
    if (answer instanceof GqlError) return answer;
    throw new Error(`not refused: ${JSON.stringify(answer)}`);
  }

  /** One event a time over the WebSocket; the field's own value. */
  subscribe<T>(query: string, variables: Record<string, unknown> = {}): Stream<T> {
    this.#client ??= createClient({
      url: `${this.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${this.token}` },
      retryAttempts: 0,
      lazy: true,
    });
    return new Stream<T>(this.#client, query, variables);
  }
}

/** Events of one subscription, kept in order. */
export class Stream<T> {
  readonly events: T[] = [];
  /** Why it ended: null for an end in order. */
  readonly ended: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  readonly #dispose: () => void;

  constructor(client: Client, query: string, variables: Record<string, unknown>) {
    let settle: (cause: unknown) => void = () => undefined;
    this.ended = new Promise((resolve) => (settle = resolve));
    this.#dispose = client.subscribe<Record<string, T>>(
      { query, variables },
      {
        next: ({ data, errors }) => {
          if (errors) return settle(errors);
          this.events.push(...Object.values(data ?? {}));
          for (const look of this.#waiting) look();
        },
        error: settle,
        complete: () => settle(null),
      },
    );
  }

  /** The first event, seen already or yet to come, that `matches`. */
  async first(matches: (event: T) => boolean, ms = 20_000): Promise<T> {
    let look: () => void = () => undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        look = () => {
          const found = this.events.find(matches);
          if (found !== undefined) resolve(found);
        };
        timer = setTimeout(
          () => reject(new Error(`no such event in ${ms} ms; ${this.events.length} others`)),
          ms,
        );
        this.#waiting.add(look);
        void this.ended.then((cause) => reject(new Error(`the stream ended: ${JSON.stringify(cause)}`)));
        look();
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  close(): void {
    this.#dispose();
  }
}

/** Asks again and again until the answer is neither null nor false; what it threw last is told. */
export async function until<T>(
  what: string,
  probe: () => T | null | false | Promise<T | null | false>,
  { ms = 20_000, everyMs = 50 } = {},
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    let last: unknown;
    try {
      const answer = await probe();
      if (answer !== null && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not in ${ms} ms: ${what}${last instanceof Error ? ` (${last.message})` : ''}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
