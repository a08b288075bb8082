/**
 * `npm run check`: all that can be said of the sources without running them. Every step runs, also after
 * one that failed, and a list of them ends the output.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, run } from './run.ts';
import { COMMITTED } from './steps.ts';

const STEPS: readonly (readonly [name: string, step: () => boolean])[] = [
  ['generated files', generatedFilesAreCurrent],
  ['format', () => run('prettier', ['--check', '--log-level', 'warn', '.'])],
  ['lint', () => run('eslint', ['--max-warnings', '0', '.'])],
  ['types', () => run('typescript:tsc', ['--noEmit'])],
  [
    'types of the page',
    () => run('svelte-check', ['--tsconfig', 'web/tsconfig.json', '--fail-on-warnings', '--output', 'human']),
  ],
  ['import floors', importFloors],
];

function importFloors(): boolean {
  const args = ['run', 'server/architecture.test.ts', '--reporter=dot'];
  return run('vitest', args, { quiet: true, env: { WIREMETER_BUILD: 'no' } });
}

/**
 * Makes them anew, in place, and compares with what stood there: in a clean checkout that is what was
 * committed. First of all steps, for the others read the untracked ones.
 */
function generatedFilesAreCurrent(): boolean {
  const before = COMMITTED.map(read);
  const args = ['--import', 'tsx', 'scripts/generate.ts'];
  if (spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }).status !== 0) return false;
  const stale = COMMITTED.filter((file, index) => read(file) !== before[index]);
  for (const file of stale) console.error(`${file} was out of date and is written anew: commit it.`);
  return stale.length === 0;
}

function read(file: string): string | null {
  const absolute = path.join(ROOT, file);
  return existsSync(absolute) ? readFileSync(absolute, 'utf8') : null;
}

const lines: string[] = [];
for (const [name, step] of STEPS) {
  console.log(`\n— ${name}`);
  const start = performance.now();
  const passed = step();
  if (!passed) process.exitCode = 1;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  lines.push(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
}
console.log(`\n${lines.join('\n')}`);
