/**
 * The CPU of a whole tick beside its floor, in one run: a bare read of the same reply from the same socket,
 * split into lines.
 *
 *     npx tsx bench/tick.ts [peers] [changing]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fork } from 'node:child_process';
import { pino } from 'pino';
import { Calendar } from '../server/accounting/calendar.ts';
import { Collector } from '../server/collector.ts';
import { systemClock } from '../server/collector/clock.ts';
import { EventHub } from '../server/events.ts';
import { Database } from '../server/store/database.ts';
import { SimulatedDevice } from '../server/wireguard/simulator.ts';
import { bootId } from '../server/wireguard/boot.ts';

const peers = Number(process.argv[2] ?? 10_000);
const changing = Number(process.argv[3] ?? peers);
const ROUNDS = 15;

if (process.send && process.argv[4] === 'device') {
  // The device is another process: its CPU is not the tick's.
  const socketDir = process.argv[5] ?? '';
  const device = new SimulatedDevice({ name: 'wgbench', socketDir });
  const keys = Array.from(
    { length: peers },
    (_, i) =>
      device.addPeer({
        allowedIPs: [`10.${String((i >> 16) & 255)}.${String((i >> 8) & 255)}.${String(i & 255)}/32`],
        rx: BigInt(i) * 1_000_003n,
        tx: BigInt(i) * 7_000_003n,
        latestHandshake: BigInt(Date.now()) * 1_000_000n,
        endpoint: `203.0.113.7:${String(1024 + (i % 60_000))}`,
      }).publicKey,
  );
  await device.start();
  process.on('message', () => {
    for (const key of keys.slice(0, changing)) device.transfer(key, 1_117n, 13_441n);
    process.send?.('moved');
  });
  process.send('ready');
} else {
  const dir = mkdtempSync(path.join(tmpdir(), 'wm-tick-'));
  const child = fork(import.meta.filename, [String(peers), String(changing), 'device', dir], {
    execArgv: process.execArgv,
  });
  const said = () => new Promise((resolve) => child.once('message', resolve));
  await said();
  const move = async () => {
    child.send('move');
    await said();
  };
  const db = await Database.open(`file:${path.join(dir, 'wiremeter.db')}`);
  const collector = new Collector(
    {
      gateway: 'bench',
      interfaces: ['wgbench'],
      socketDir: dir,
      configDir: dir,
      endpoint: null,
      intervalMs: 1000,
      kernel: false,
      simulated: true,
      keepMinutes: 2880,
      keepHours: 129_600,
    },
    {
      db,
      calendar: new Calendar('UTC'),
      events: new EventHub(),
      clock: systemClock(bootId()),
      log: pino({ level: 'silent' }),
    },
  );
  const bare = () =>
    new Promise<number>((resolve) => {
      const chunks: Buffer[] = [];
      const socket = connect(path.join(dir, 'wgbench.sock'), () => socket.write('get=1\n\n'));
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        if (chunk.subarray(-2).toString() === '\n\n') socket.end();
      });
      socket.on('close', () => {
        resolve(Buffer.concat(chunks).toString().split('\n').length);
      });
    });
  const measure = async (work: () => Promise<unknown>): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      await move();
      const before = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / 1000);
    }
    return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  };
  await measure(bare);
  await measure(() => collector.collect());
  const floor = await measure(bare);
  const tick = await measure(() => collector.collect());
  console.log(
    `${String(peers)} peers, ${String(changing)} changing: bare read ${floor.toFixed(1)} ms, tick ${tick.toFixed(1)} ms CPU, ` +
      `${(tick / floor).toFixed(1)} times`,
  );
  await collector.stop();
  await db.close();
  child.kill();
  rmSync(dir, { recursive: true });
}
