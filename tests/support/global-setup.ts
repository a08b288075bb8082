/**
 * Before all tests: the generated client and `dist/` are there and made from the sources as they stand.
 * After all: what was left out for want of a tool.
 */
import type { TestProject } from 'vitest/node';
import { build } from '../../scripts/steps.ts';
import { formatLeftOut, leftOut } from './left-out.ts';
import { failsWithoutTools } from './tools.ts';

let project: TestProject | undefined;

export function setup(testProject: TestProject): void {
  project = testProject;
  // `npm run check` reads the sources alone.
  if (process.env['WIREMETER_BUILD'] === 'no') return;
  const start = performance.now();
  try {
    const made = build({ onlyStale: true, quiet: true });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    if (made.length > 0) console.log(`Built from changed sources: ${made.join(', ')} (${seconds} s)`);
  } catch (error) {
    // In the middle of a change the unit tests are still worth running; tests of dist/ speak for themselves.
    if (failsWithoutTools()) throw error;
    console.error(`wiremeter: ${(error as Error).message}; the tests run all the same.`);
  }
}

export async function teardown(): Promise<void> {
  if (!project) return;
  console.log(`\n${formatLeftOut(await leftOut(project.vitest.state.getTestModules()))}`);
}
