/**
 * `npm test`: all tests, or those that the arguments name as for `vitest run`. The last line is
 * `N passed, N failed, N skipped`; the exit code is Vitest's, and 1 where no test ran at all.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from './run.ts';

/** The parts of Vitest's JSON report that are read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: 'passed' | 'failed';
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

function count(report: Report): Count {
  // A file that cannot be loaded, or whose hooks fail, has no failed test of its own.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

const folder = mkdtempSync(path.join(tmpdir(), 'wiremeter-test-'));
const reportFile = path.join(folder, 'report.json');
const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
let ok = run('vitest', [...args, ...process.argv.slice(2)]);

let counted: Count = { passed: 0, failed: 0, skipped: 0 };
try {
  counted = count(JSON.parse(readFileSync(reportFile, 'utf8')) as Report);
} catch (error) {
  console.error(`No report of the tests: ${(error as Error).message}`);
  ok = false;
}
rmSync(folder, { recursive: true, force: true });

if (ok && counted.passed + counted.failed === 0) {
  console.error('No test ran: that is a failure.');
  ok = false;
}
// What fails the run outside of any test (an unhandled rejection, nothing to run) is counted as one.
const failed = ok ? counted.failed : Math.max(counted.failed, 1);
process.exitCode = ok ? 0 : 1;
console.log(`${counted.passed} passed, ${failed} failed, ${counted.skipped} skipped`);
