/** What a source file imports, by TypeScript's own parser. */
import path from 'node:path/posix';
import ts from 'typescript';

/** A file of the checkout: its path from the top, with slashes, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** A path from the top of the checkout for a relative import, else the package or `node:` module. */
  readonly target: string;
  readonly line: number;
}

/** The TypeScript of a file: all of it, or what stands in a Svelte file's `<script>`s, on its own lines. */
export function parse(source: Source): ts.SourceFile {
  let file = parsed.get(source);
  if (!file) {
    const text = source.path.endsWith('.svelte') ? scriptsOf(source.text) : source.text;
    file = ts.createSourceFile(source.path, text, ts.ScriptTarget.ES2023, true, ts.ScriptKind.TS);
    parsed.set(source, file);
  }
  return file;
}

const parsed = new WeakMap<Source, ts.SourceFile>();

function scriptsOf(svelte: string): string {
  let kept = '';
  let end = 0;
  const blank = (text: string): string => text.replaceAll(/[^\n]/g, ' ');
  for (const match of svelte.matchAll(/(<script\b[^>]*>)([\s\S]*?)<\/script>/g)) {
    const start = match.index + match[1]!.length;
    kept += blank(svelte.slice(end, start)) + match[2]!;
    end = start + match[2]!.length;
  }
  return kept;
}

/** `import`, `import type`, `export … from`, `import()`, `require()` and `import('…').Type`. */
export function importsOf(source: Source, file: ts.SourceFile = parse(source)): Import[] {
  const imports: Import[] = [];
  const add = (specifier: ts.Node | undefined): void => {
    if (!specifier) return;
    const name = ts.isStringLiteralLike(specifier) ? specifier.text : null;
    const line = lineOf(file, specifier);
    imports.push({ target: name === null ? UNKNOWN : resolve(source.path, name), line });
  };
  each(file, (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    else if (ts.isExternalModuleReference(node)) add(node.expression);
    else if (ts.isCallExpression(node)) {
      const { expression } = node;
      const isRequire = ts.isIdentifier(expression) && expression.text === 'require';
      if (expression.kind === ts.SyntaxKind.ImportKeyword || isRequire) add(node.arguments[0]);
    }
  });
  return imports;
}

/** The target of an `import()` whose specifier is no literal. */
export const UNKNOWN = '(computed)';

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return path.join(path.dirname(from), specifier).replace(/\.js$/, '.ts');
}

export function each(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => {
    each(child, visit);
  });
}

/** Counted from 1. */
export function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
}

/** All comments' texts, whatever stands in strings. */
export function commentsOf(file: ts.SourceFile): { readonly text: string; readonly line: number }[] {
  const ranges = new Map<number, number>();
  const visit = (node: ts.Node): void => {
    for (const range of ts.getLeadingCommentRanges(file.text, node.getFullStart()) ?? [])
      ranges.set(range.pos, range.end);
    for (const range of ts.getTrailingCommentRanges(file.text, node.getEnd()) ?? [])
      ranges.set(range.pos, range.end);
    for (const child of node.getChildren(file)) visit(child);
  };
  visit(file);
  return [...ranges].map(([start, end]) => ({
    text: file.text.slice(start, end),
    line: file.getLineAndCharacterOfPosition(start).line + 1,
  }));
}
