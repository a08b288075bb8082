/** The steps that make files: shared by `build`, `generate`, `check` and the tests' set-up. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, run } from './run.ts';

/** The files that programs write and Git keeps: `npm run check` makes them anew and compares. */
export const COMMITTED = ['server/schema.graphql', 'web/src/graphql/generated.ts'];

/** In the order of making: `client` is Prisma's, which the server's sources import. */
export type Part = 'client' | 'server' | 'web';

interface Making {
  /** Where there is no such file, there is no such part yet. */
  readonly entrance: string;
  /** Files and folders that it is made from. */
  readonly from: readonly string[];
  /** Files and folders that must be there afterwards. */
  readonly makes: readonly string[];
  readonly make: (quiet: boolean) => boolean;
}

const PARTS: Readonly<Record<Part, Making>> = {
  client: {
    entrance: 'prisma/schema.prisma',
    from: ['prisma', 'prisma.config.ts', 'package-lock.json'],
    makes: ['server/store/generated', 'server/schema/pothos-types.ts'],
    make: generateClient,
  },
  server: {
    entrance: 'server/main.ts',
    from: ['server', 'prisma', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    makes: ['dist/server/main.js'],
    make(quiet) {
      // Files of sources that are gone must not stay behind.
      rmSync(path.join(ROOT, 'dist/server'), { recursive: true, force: true });
      return run('typescript:tsc', ['-p', 'tsconfig.build.json'], { quiet });
    },
  },
  web: {
    entrance: 'web/src/main.ts',
    from: ['web', 'vite.config.ts', 'package-lock.json'],
    makes: ['dist/web/index.html'],
    make: (quiet) => run('vite', ['build', ...(quiet ? ['--logLevel', 'warn'] : [])], { quiet }),
  },
};

/**
 * Prisma's client and Pothos' types. Generating needs no schema engine; naming one keeps the CLI from
 * fetching it, which fails on closed networks.
 */
export function generateClient(quiet = true): boolean {
  return run('prisma', ['generate', '--no-hints'], {
    quiet,
    env: { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath },
  });
}

/** Types and documents of the page's operations, from the committed SDL. */
export function generateOperations(quiet = true): boolean {
  return run('@graphql-codegen/cli:graphql-codegen', ['--config', 'codegen.ts'], { quiet });
}

/** Makes the parts, or those alone whose sources changed since; throws at the first that fails. */
export function build(options: { readonly onlyStale?: boolean; readonly quiet?: boolean } = {}): Part[] {
  const made: Part[] = [];
  for (const part of Object.keys(PARTS) as Part[]) {
    if (!existsSync(path.join(ROOT, PARTS[part].entrance))) continue;
    const before = fingerprint(PARTS[part].from);
    if (options.onlyStale === true && isFresh(part, before)) continue;
    if (!PARTS[part].make(options.quiet ?? false))
      throw new Error(`the build of the ${part} failed, see above`);
    stamp(part, before);
    made.push(part);
  }
  return made;
}

function isFresh(part: Part, now: string): boolean {
  return stamps()[part] === now && PARTS[part].makes.every((made) => existsSync(path.join(ROOT, made)));
}

/**
 * One text for all that a part is made from, by content: a checkout of an older commit, a deleted file
 * and a copied folder all show, which times would hide. Tests and generated files are no sources.
 */
function fingerprint(from: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of from.flatMap(filesOf)) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(ROOT, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

function filesOf(entry: string): string[] {
  const absolute = path.join(ROOT, entry);
  if (!existsSync(absolute)) return [];
  if (statSync(absolute).isFile()) return [entry];
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => path.relative(ROOT, path.join(file.parentPath, file.name)).replaceAll(path.sep, '/'))
    .filter((file) => !file.endsWith('.test.ts') && !/^server\/(store\/generated|testing)\//.test(file))
    .filter((file) => file !== 'server/schema/pothos-types.ts')
    .sort();
}

/** Beside what was built, so that a deleted `dist` takes them along. */
const STAMPS = path.join(ROOT, 'dist/.sources.json');

function stamps(): Partial<Record<Part, string>> {
  return existsSync(STAMPS)
    ? (JSON.parse(readFileSync(STAMPS, 'utf8')) as Partial<Record<Part, string>>)
    : {};
}

function stamp(part: Part, sources: string): void {
  mkdirSync(path.dirname(STAMPS), { recursive: true });
  writeFileSync(STAMPS, `${JSON.stringify({ ...stamps(), [part]: sources }, null, 2)}\n`);
}
