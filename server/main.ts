/** `npm start` and `npm run demo`: reads the settings, runs a server, stops it in order. */
import { startApp, type App } from './app.ts';
import { ConfigError, readConfig } from './config.ts';
import { tokenFile } from './data-dir.ts';
import { startDemo } from './demo.ts';
import { createLogger } from './log.ts';

const STOP_MS = 9_000;

async function serve(): Promise<App> {
  const config = readConfig(process.env);
  const log = createLogger(config.logLevel);
  const app = await startApp(config, { log });
  const token =
    app.madeToken === null ? 'WIREMETER_ADMIN_TOKEN' : `the token in ${tokenFile(config.dataDir)}`;
  log.info({ url: app.url }, `Wiremeter serves ${app.url} – sign in with ${token}`);
  return app;
}

async function main(): Promise<void> {
  const [command = 'serve'] = process.argv.slice(2);
  if (command !== 'serve' && command !== 'demo') {
    process.stderr.write(`wiremeter: unknown command ${command}: use serve or demo\n`);
    process.exitCode = 2;
    return;
  }
  let stopping = false;
  const starting = command === 'demo' ? startDemo(process.env) : serve();
  const stop = () => {
    if (stopping) return;
    stopping = true;
    // Whatever hangs, the process is gone in time.
    setTimeout(() => process.exit(1), STOP_MS).unref();
    void starting
      .then((app) => app.stop())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`wiremeter: did not stop in order: ${String(error)}\n`);
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  await starting;
}

main().catch((error: unknown) => {
  const line =
    error instanceof ConfigError
      ? error.message
      : error instanceof Error
        ? (error.stack ?? '')
        : String(error);
  process.stderr.write(`wiremeter: ${line}\n`);
  process.exit(1);
});
