import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootId } from './boot.ts';
import { createDriver, findDevices, type DiscoverOptions } from './discover.ts';
import { SimulatedDevice } from './simulator.ts';

let folder: string;
let options: DiscoverOptions & { sysfsRoot: string };
const devices: SimulatedDevice[] = [];

async function serve(name: string): Promise<void> {
  const device = new SimulatedDevice({ name, socketDir: options.socketDir });
  await device.start();
  devices.push(device);
}

async function kernel(name: string, uevent = 'DEVTYPE=wireguard\nINTERFACE=x\nIFINDEX=7\n'): Promise<void> {
  await mkdir(join(options.sysfsRoot, name), { recursive: true });
  await writeFile(join(options.sysfsRoot, name, 'uevent'), uevent);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wiremeter-find-'));
  options = {
    socketDir: join(folder, 'sockets'),
    only: null,
    wg: true,
    sysfsRoot: join(folder, 'net'),
    wgPath: '/nowhere/wg',
  };
  await mkdir(options.sysfsRoot);
});
afterEach(async () => {
  await Promise.all(devices.splice(0).map((device) => device.stop()));
  await rm(folder, { recursive: true });
});

describe('findDevices', () => {
  it('finds none where there is nothing, not even the folder', async () => {
    expect(await findDevices(options)).toEqual([]);
  });

  it('finds sockets and kernel devices by name, each once', async () => {
    await serve('wg1');
    await serve('home');
    await kernel('wg0');
    await kernel('wg1');
    await kernel('eth0', 'INTERFACE=eth0\n');
    await kernel('wlan0', 'DEVTYPE=wlan\n');
    await writeFile(join(options.socketDir, 'plain.sock'), '');
    await writeFile(join(options.socketDir, 'notes.txt'), '');
    await serve('bad');
    await rename(join(options.socketDir, 'bad.sock'), join(options.socketDir, '-bad name.sock'));
    expect(await findDevices(options)).toEqual([
      { name: 'home', kind: 'socket' },
      { name: 'wg0', kind: 'wg' },
      { name: 'wg1', kind: 'socket' },
    ]);
    expect(await findDevices({ ...options, wg: false })).toEqual([
      { name: 'home', kind: 'socket' },
      { name: 'wg1', kind: 'socket' },
    ]);
  });

  it('does not take the socket of a daemon that died for a device of the kernel', async () => {
    await serve('wg0');
    await kernel('wg0');
    // The path of the socket outlives its server when that is killed.
    const dead = join(options.socketDir, 'kept');
    await rename(join(options.socketDir, 'wg0.sock'), dead);
    await devices.pop()!.stop();
    await rename(dead, join(options.socketDir, 'wg0.sock'));
    expect(await findDevices(options)).toEqual([{ name: 'wg0', kind: 'wg' }]);
    expect(await findDevices({ ...options, wg: false })).toEqual([{ name: 'wg0', kind: 'socket' }]);
  });

  it('gives exactly the names that are asked for, in their order', async () => {
    await serve('wg1');
    await kernel('wg0');
    const only = ['wg9', 'wg1', 'wg0', 'wg1'];
    expect(await findDevices({ ...options, only })).toEqual([
      { name: 'wg9', kind: 'wg' },
      { name: 'wg1', kind: 'socket' },
      { name: 'wg0', kind: 'wg' },
    ]);
    expect(await findDevices({ ...options, only: ['wg9'], wg: false })).toEqual([
      { name: 'wg9', kind: 'socket' },
    ]);
    expect(await findDevices({ ...options, only: [] })).toEqual([]);
    await expect(findDevices({ ...options, only: ['-x'] })).rejects.toMatchObject({
      code: 'NO_DEVICE',
      key: '-x',
    });
  });

  it('asks wg where the system does not list its interfaces', async () => {
    const wgPath = join(folder, 'wg');
    await writeFile(wgPath, '#!/bin/sh\n[ "$*" = "show interfaces" ] && echo "wg0 wg1 --help"\n');
    await chmod(wgPath, 0o755);
    const blind = { ...options, sysfsRoot: '/nowhere', wgPath };
    expect((await findDevices(blind)).map((found) => found.name)).toEqual(['wg0', 'wg1']);
    expect(await findDevices({ ...blind, wgPath: '/nowhere/wg' })).toEqual([]);
  });

  it('says which setting is wrong where the socket folder is none', async () => {
    await writeFile(options.socketDir, '');
    await expect(findDevices(options)).rejects.toMatchObject({
      code: 'NO_DEVICE',
      message: expect.stringContaining('WG_SOCKET_DIR') as string,
    });
  });
});

describe('createDriver', () => {
  it('makes the driver that was found', async () => {
    await serve('wg0');
    const driver = createDriver({ name: 'wg0', kind: 'socket' }, options);
    expect(driver).toMatchObject({ kind: 'socket', name: 'wg0' });
    expect((await driver.read()).name).toBe('wg0');
    const wg = createDriver({ name: 'wg0', kind: 'wg' }, options);
    expect(wg).toMatchObject({ kind: 'wg', name: 'wg0' });
    await expect(wg.read()).rejects.toMatchObject({ code: 'NO_TOOL' });
  });
});

describe('bootId', () => {
  it('is the same twice, and null on a system without one', () => {
    expect(bootId()).toBe(bootId());
    if (process.platform === 'linux') expect(bootId()).toMatch(/^[0-9a-f-]{36}$/);
    expect(bootId('/nowhere')).toBeNull();
  });
});
