/**
 * `npm run demo`: the same server over a simulated device that speaks WireGuard's userspace protocol on a real
 * socket. It has its own data directory, made anew each time, and looks at no real device.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Calendar } from './accounting/calendar.ts';
import { startApp, type App } from './app.ts';
import { readConfig } from './config.ts';
import { firstRunToken, openDataDir, tokenFile } from './data-dir.ts';
import { demoConfigFile } from './demo/config-file.ts';
import { seedYear } from './demo/seed.ts';
import { createLogger } from './log.ts';
import { Database } from './store/database.ts';
import { publicKeyOf } from './wireguard/keys.ts';
import { SimulatedDevice } from './wireguard/simulator.ts';
import { TrafficModel } from './wireguard/simulator-traffic.ts';
import { Secret } from './wireguard/types.ts';

export const DEMO_INTERFACE = 'wg-demo';
const PEERS = 40;
/** 0 to 31: the key of a device that carries no traffic. */
const PRIVATE_KEY = new Secret(Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('base64'));
const STEP_MS = 250;
const LISTEN_PORT = 51_820;

export async function startDemo(environment: NodeJS.ProcessEnv): Promise<App> {
  const settings = readConfig({ LOG_LEVEL: 'warn', ...environment });
  const dataDir = path.join(settings.dataDir, 'demo');
  const socketDir = mkdtempSync(path.join(tmpdir(), 'wiremeter-demo-'));
  const config = {
    ...settings,
    dataDir,
    socketDir,
    databaseUrl: `file:${path.join(dataDir, 'wiremeter.db')}`,
    configDir: path.join(dataDir, 'wireguard'),
    gateway: environment['GATEWAY'] ?? 'demo',
    interfaces: [DEMO_INTERFACE],
    endpoint: settings.endpoint ?? 'vpn.example.com',
  };
  openDataDir(dataDir);
  for (const left of ['wiremeter.db', 'wiremeter.db-wal', 'wiremeter.db-shm', 'wireguard']) {
    rmSync(path.join(dataDir, left), { recursive: true, force: true });
  }
  const now = Date.now();
  const traffic = new TrafficModel({ count: PEERS, growthUntilMs: now });
  mkdirSync(config.configDir, { mode: 0o700 });
  writeFileSync(
    path.join(config.configDir, `${DEMO_INTERFACE}.conf`),
    demoConfigFile(PRIVATE_KEY, LISTEN_PORT, traffic.peers),
    { mode: 0o600 },
  );
  const db = await Database.open(config.databaseUrl);
  await seedYear(db, new Calendar(config.zone), {
    gateway: config.gateway,
    name: DEMO_INTERFACE,
    publicKey: publicKeyOf(PRIVATE_KEY),
    traffic,
    now,
  });
  await db.close();

  const device = new SimulatedDevice({
    name: DEMO_INTERFACE,
    socketDir,
    privateKey: PRIVATE_KEY,
    listenPort: LISTEN_PORT,
  });
  traffic.attach(device, now);
  await device.start();
  const timer = setInterval(() => {
    traffic.advance(Date.now());
  }, STEP_MS);
  const clean = async () => {
    clearInterval(timer);
    await device.stop();
    rmSync(socketDir, { recursive: true, force: true });
  };
  try {
    const app = await startApp(config, {
      log: createLogger(config.logLevel),
      kernel: false,
      simulated: true,
    });
    process.stdout.write(banner(app, dataDir, config.adminToken));
    return {
      ...app,
      stop: async () => {
        await app.stop();
        await clean();
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

/** The demo's token guards nothing real: it is shown, so that trying it needs no second step. */
function banner(app: App, dataDir: string, given: string | null): string {
  const token =
    given === null
      ? `the token ${firstRunToken(dataDir)} (kept in ${tokenFile(dataDir)})`
      : 'WIREMETER_ADMIN_TOKEN';
  return [
    '',
    '  Wiremeter demo – a SIMULATED device, no real traffic',
    '',
    `  Dashboard  ${app.url}/`,
    `  GraphiQL   ${app.url}/graphql`,
    `  Sign in with ${token}`,
    '',
    '  Stop it with Ctrl-C.',
    '',
    '',
  ].join('\n');
}
