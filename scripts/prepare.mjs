/**
 * npm's `prepare`: after `npm ci` in a fresh clone, `npm start` and `npm run demo` have what they run.
 * Plain JavaScript, for an install without the build's own tools (`--omit=dev`) comes here too.
 */
import { spawnSync } from 'node:child_process';

function installed(name) {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}

if (['tsx', 'vite', 'typescript', 'prisma/config'].every(installed)) {
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts'], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} else {
  console.log('Development packages are left out: nothing is built, dist/ stays as it is.');
}
