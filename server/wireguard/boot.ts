import { readFileSync } from 'node:fs';

/**
 * The kernel's id of this boot, another after each reboot (proc_sys_kernel(5)); null where there is none, as on other systems
 * than Linux. Counters of before a reboot are gone, whatever their values say.
 * @param path for tests
 */
export function bootId(path = '/proc/sys/kernel/random/boot_id'): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null;
  } catch {
    return null;
  }
}
