/**
 * `npm run dev`: the demo server on port 4000, started again at each change, and the page with hot
 * reloading on Vite's port. Arguments go to the server: `npm run dev -- serve`.
 */
import { spawn } from 'node:child_process';
import { ROOT } from './run.ts';
import { generateClient } from './steps.ts';

if (!generateClient()) process.exit(1);

const serverArgs = process.argv.length > 2 ? process.argv.slice(2) : ['demo'];
const children = [
  ['--watch', '--watch-preserve-output', '--import', 'tsx', 'server/main.ts', ...serverArgs],
  ['node_modules/vite/bin/vite.js'],
].map((args) => spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }));

// One that ends takes the other along; Ctrl-C reaches both by the terminal itself.
for (const child of children) {
  child.on('exit', (code) => {
    process.exitCode ??= code ?? 0;
    for (const other of children) other.kill();
  });
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const child of children) child.kill(signal);
  });
}
