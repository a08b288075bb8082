/** `npm run generate`: Prisma's client, the printed schema and the page's operations, each from the one before. */
import { spawnSync } from 'node:child_process';
import { ROOT } from './run.ts';
import { generateClient, generateOperations } from './steps.ts';

/** In a process of its own: it imports the server, which imports what was generated just now. */
function printSchema(): boolean {
  const args = ['--import', 'tsx', 'scripts/print-schema.ts'];
  return spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }).status === 0;
}

process.exitCode = generateClient() && printSchema() && generateOperations() ? 0 : 1;
