/**
 * The rules of the house, each a function from one source to the violations in it.
 * `server/architecture.test.ts` runs them over the checkout, and each over a made-up source that breaks it.
 */
import { isBuiltin } from 'node:module';
import ts from 'typescript';
import { commentsOf, each, importsOf, lineOf, parse, UNKNOWN, type Source } from './imports.ts';

/** `path:line: what is wrong and what to do` */
export type Violation = string;
export type Rule = (source: Source) => Violation[];

/**
 * The floors, lowest first: a unit imports what stands on lower floors, and itself. Units of one floor
 * keep apart.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['log', 'refusal'],
  ['wireguard', 'accounting', 'events', 'config'],
  ['store'],
  ['collector', 'peers'],
  ['schema'],
  ['http'],
  ['main'],
];

/** The parts of the top floor: they wire everything together, each other too. */
const TOP = new Set(['app', 'data-dir', 'demo', 'main']);

const ALSO_ALLOWED = new Set([
  // Peers are changed after a last sample, which the collector takes.
  'peers → collector',
  // The calendar that counts months says which time zones there are.
  'config → accounting',
]);

/** The environment is parsed once, by those that wire the parts together. */
const READ_CONFIG = new Set(['collector', 'http', 'main']);

/** Pure packages: no clock, no I/O of their own. */
const PURE_PACKAGES = new Set(['luxon']);

const MAX_LINES = 400;

/** `server/store/ledger.ts` → `store`; null for what belongs to no floor. */
export function unitOf(path: string): string | null {
  const unit = /^server\/([^/.]+)(?:\.ts$|\/)/.exec(path)?.[1] ?? null;
  if (unit !== null && TOP.has(unit)) return 'main';
  return unit !== null && FLOORS.some((floor) => floor.includes(unit)) ? unit : null;
}

const floorOf = (unit: string): number => FLOORS.findIndex((floor) => floor.includes(unit));

/** Tests and what only they use may reach everywhere, and nothing else may reach them. */
export const isTest = (path: string): boolean =>
  /\.test\.ts$|^server\/testing\/|^tests\/|^bench\//.test(path);

const isGenerated = (path: string): boolean =>
  /^server\/store\/generated\/|^server\/schema\/pothos-types\.ts$|^web\/src\/graphql\/generated\.ts$/.test(
    path,
  );

const isServer = ({ path }: Source): boolean =>
  path.startsWith('server/') && !isTest(path) && !isGenerated(path);

/** A file of the server imports only from lower floors. */
export const floors: Rule = (source) => {
  if (!isServer(source)) return [];
  const unit = unitOf(source.path);
  if (unit === null)
    return [`${source.path}:1: belongs to no floor: name it in tests/support/architecture.ts`];
  return importsOf(source).flatMap(({ target, line }) => {
    const at = `${source.path}:${line}`;
    if (target === UNKNOWN) return [`${at}: a computed import() cannot be checked`];
    if (/^(web|cli)\//.test(target)) return [`${at}: the server imports ${target}`];
    if (isTest(target)) return [`${at}: imports ${target}, which is there for tests alone`];
    if (!target.startsWith('server/')) return [];
    const other = unitOf(target);
    if (other === null) return [`${at}: ${target} belongs to no floor`];
    if (other === unit || ALSO_ALLOWED.has(`${unit} → ${other}`)) return [];
    if (unit === 'config') return [`${at}: config imports ${other}; it is a leaf`];
    if (other === 'config' && !READ_CONFIG.has(unit))
      return [`${at}: ${unit} reads config; take a parameter`];
    return floorOf(other) < floorOf(unit) ? [] : [`${at}: ${unit} imports ${other}, which is not below it`];
  });
};

/** server/accounting: arithmetic without I/O, clock or chance. */
export const pureAccounting: Rule = (source) => {
  if (!isServer(source) || unitOf(source.path) !== 'accounting') return [];
  const file = parse(source);
  const found: Violation[] = [];
  for (const { target, line } of importsOf(source, file)) {
    const inside = target.startsWith('server/accounting/');
    const pure = PURE_PACKAGES.has(target) && !isBuiltin(target);
    if (!inside && !pure)
      found.push(`${source.path}:${line}: accounting imports ${target}, which is not pure`);
  }
  each(file, (node) => {
    const impure = impureUse(node);
    if (impure) found.push(`${source.path}:${lineOf(file, node)}: accounting uses ${impure}; let it come in`);
  });
  return found;
};

const IMPURE_MEMBERS =
  /^(Date\.now|Math\.random|performance\.now|DateTime\.(now|utc|local)|Settings\..+|crypto\..+|console\..+)$/;
const IMPURE_NAMES = /^(process|fetch|setTimeout|setInterval|setImmediate|queueMicrotask)$/;

function impureUse(node: ts.Node): string | null {
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length)
    return 'new Date()';
  if (ts.isPropertyAccessExpression(node)) {
    const text = node.getText();
    // With arguments these two are told the moment; without, they ask the clock.
    const told =
      /^DateTime\.(utc|local)$/.test(text) &&
      ts.isCallExpression(node.parent) &&
      node.parent.arguments.length > 0;
    return IMPURE_MEMBERS.test(text) && !told ? text : null;
  }
  if (!ts.isIdentifier(node) || !IMPURE_NAMES.test(node.text)) return null;
  const { parent } = node;
  const uses = ts.isExpression(node) && !(ts.isPropertyAccessExpression(parent) && parent.name === node);
  const declares =
    ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodSignature(parent);
  return uses && !declares ? node.text : null;
}

/** Prisma's client, adapters and engine stay in server/store, and in Pothos' builder. */
export const onlyTheStoreKnowsPrisma: Rule = (source) => {
  if (!isServer(source) || unitOf(source.path) === 'store' || source.path === 'server/schema/builder.ts')
    return [];
  return importsOf(source)
    .filter(({ target }) =>
      /^@prisma\/|^prisma($|\/)|^better-sqlite3$|^server\/store\/generated\//.test(target),
    )
    .map(({ target, line }) => `${source.path}:${line}: imports ${target}; ask server/store`);
};

/** web/src: lib ← graphql ← state ← views; components take props and ask nothing. */
export const pageFloors: Rule = (source) => {
  const folder = /^web\/src\/(\w+)\//.exec(source.path)?.[1];
  if (!source.path.startsWith('web/src/') || isTest(source.path) || isGenerated(source.path)) return [];
  const below = folder === undefined ? undefined : PAGE[folder];
  return importsOf(source).flatMap(({ target, line }) => {
    const at = `${source.path}:${line}`;
    if (/^(server|cli|tests|scripts)\//.test(target)) return [`${at}: the page imports ${target}`];
    if (!below) return [];
    const asks = /^(@urql\/|urql$|graphql($|-)|@graphql)/.test(target);
    if (asks && (folder === 'lib' || folder === 'components')) return [`${at}: ${folder} imports ${target}`];
    const other = /^web\/src\/(?:(\w+)\/)?/.exec(target);
    if (!other || (other[1] !== undefined && below.includes(other[1]))) return [];
    return [`${at}: ${folder} imports ${target}, which is not below it`];
  });
};

const PAGE: Readonly<Record<string, readonly string[]>> = {
  lib: ['lib'],
  components: ['lib', 'components'],
  graphql: ['lib', 'graphql'],
  state: ['lib', 'graphql', 'state'],
  views: ['lib', 'graphql', 'state', 'components', 'views'],
};

/** Only what re-exports is a barrel: a reader wants the file that says it. */
export const noBarrels: Rule = (source) => {
  if (isGenerated(source.path) || source.path.endsWith('.svelte') || source.path === 'server/schema/index.ts')
    return [];
  const { statements } = parse(source);
  const reexports = (node: ts.Statement): boolean =>
    ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined;
  const barrel =
    statements.some(reexports) && statements.every((node) => reexports(node) || ts.isImportDeclaration(node));
  if (barrel) return [`${source.path}:1: is a barrel: import from where a thing is`];
  return /(^|\/)index\.ts$/.test(source.path)
    ? [`${source.path}:1: is an index: name it for what it does`]
    : [];
};

/** A file tells one story. */
export const shortFiles: Rule = (source) => {
  const lines = source.text.split('\n').length - 1;
  const counted =
    /^(server|cli|web\/src)\//.test(source.path) && !isGenerated(source.path) && !isTest(source.path);
  return counted && lines > MAX_LINES
    ? [`${source.path}:${lines}: over ${MAX_LINES} lines: which second story does it tell?`]
    : [];
};

const LATER = /\b(TODO|FIXME|XXX)\b/;

/** Nothing is left for later in a comment: an issue is where it is found again. */
export const nothingLeftForLater: Rule = (source) => {
  if (isGenerated(source.path) || !LATER.test(source.text)) return [];
  const marks = source.path.endsWith('.svelte')
    ? source.text.split('\n').map((text, index) => ({ text, line: index + 1 }))
    : commentsOf(parse(source));
  return marks
    .filter(({ text }) => LATER.test(text))
    .map(({ line }) => `${source.path}:${line}: a mark for later; open an issue instead`);
};

/** All tests run: no `.only`, and a skipped one says why. */
export const allTestsRun: Rule = (source) => {
  if (!isTest(source.path) || !source.path.endsWith('.ts')) return [];
  const file = parse(source);
  const found: Violation[] = [];
  each(file, (node) => {
    if (!ts.isCallExpression(node)) return;
    const call = node.expression.getText(file);
    const line = lineOf(file, node);
    if (/^(it|test|describe|suite)(\.\w+)*\.only(\.\w+)*$/.test(call))
      found.push(`${source.path}:${line}: .only leaves the others out`);
    if (/^(it|test|describe|suite)(\.\w+)*\.(skip|todo)$/.test(call) && !hasCommentAbove(file, line)) {
      found.push(`${source.path}:${line}: a skipped test gives its reason in a comment above`);
    }
    const [reason] = node.arguments;
    const reasonless = reason === undefined || (ts.isStringLiteralLike(reason) && reason.text === '');
    if (
      /^(\w+\.)*skip$/.test(call) &&
      !/^(it|test|describe|suite)\b/.test(call) &&
      call.includes('.') &&
      reasonless
    ) {
      found.push(`${source.path}:${line}: skip() gives its reason as a text`);
    }
  });
  return found;
};

function hasCommentAbove(file: ts.SourceFile, line: number): boolean {
  return /^\s*(\/\/|\*|\/\*)/.test(file.text.split('\n')[line - 2] ?? '');
}

/** The command line reaches into the server by one entrance, and everything else over GraphQL. */
export function oneEntranceForTheCli(sources: readonly Source[]): Violation[] {
  const entrances = new Map<string, string>();
  for (const source of sources.filter(({ path }) => path.startsWith('cli/') && !isTest(path))) {
    for (const { target, line } of importsOf(source)) {
      if (target.startsWith('server/')) entrances.set(target, `${source.path}:${line}`);
    }
  }
  if (entrances.size <= 1) return [];
  return [...entrances].map(
    ([target, at]) => `${at}: imports ${target}; cli/ has one entrance to server/, not ${entrances.size}`,
  );
}

export const RULES: readonly Rule[] = [
  floors,
  pureAccounting,
  onlyTheStoreKnowsPrisma,
  pageFloors,
  noBarrels,
  shortFiles,
  nothingLeftForLater,
  allTestsRun,
];
