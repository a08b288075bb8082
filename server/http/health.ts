/** `/livez`: the process answers. `/readyz`: it also counts, with reasons in words where it does not. */
import type { ServerResponse } from 'node:http';
import type { Services } from '../schema/context.ts';
import { sendJson } from './respond.ts';

const INTERVALS = 3;
/** Milliseconds that an answer of the database is good for: anybody may ask, and each asking is a write. */
const WRITE_CHECK_MS = 500;

/** @param simulated said to everybody: also the sign-in page shows what stands behind it */
export function livez(res: ServerResponse, simulated: boolean): void {
  sendJson(res, 200, { status: 'ok', ...(simulated ? { simulated } : {}) });
}

export class Readiness {
  readonly #services: Pick<Services, 'db' | 'collector' | 'now'>;
  #check: { at: number; problem: Promise<string | null> } | null = null;

  constructor(services: Pick<Services, 'db' | 'collector' | 'now'>) {
    this.#services = services;
  }

  async handle(res: ServerResponse): Promise<void> {
    const reasons = await this.reasons();
    sendJson(res, reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons });
  }

  /** Why it is not ready; empty where it is. */
  async reasons(): Promise<string[]> {
    const reasons: string[] = [];
    const problem = await this.#writeProblem();
    if (problem !== null) reasons.push(`database: ${problem}`);
    for (const {
      interface: name,
      reason,
      lastSampleAgeMs: age,
      intervalMs,
    } of this.#services.collector.health()) {
      if (age !== null && age <= INTERVALS * intervalMs) continue;
      const sample = age === null ? 'no sample yet' : `the last sample is ${(age / 1000).toFixed(1)} s old`;
      reasons.push(`${name}: ${sample}${reason === null ? '' : ` (${reason})`}`);
    }
    return reasons;
  }

  #writeProblem(): Promise<string | null> {
    const now = performance.now();
    if (!this.#check || now - this.#check.at >= WRITE_CHECK_MS) {
      this.#check = { at: now, problem: this.#services.db.writeProblem() };
    }
    return this.#check.problem;
  }
}
