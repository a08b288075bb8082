/** The process's own figures, gathered as they happen; `/metrics` shows them. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export class Metrics {
  readonly registry = new Registry();
  readonly #ticks = new Counter({
    name: 'wiremeter_ticks_total',
    help: 'Samples taken and committed.',
    registers: [this.registry],
  });
  readonly #failures = new Counter({
    name: 'wiremeter_failed_reads_total',
    help: 'Reads of an interface that gave no sample, by reason.',
    labelNames: ['interface', 'code'],
    registers: [this.registry],
  });
  readonly #durations = new Histogram({
    name: 'wiremeter_tick_duration_seconds',
    help: 'Seconds from the read of an interface to its commit.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** A sample was committed. @param seconds from its read to its commit */
  observeTick(seconds: number): void {
    this.#ticks.inc();
    this.#durations.observe(seconds);
  }

  countFailure(interfaceName: string, code: string): void {
    this.#failures.inc({ interface: interfaceName, code });
  }

  /** A figure that is read when it is shown. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
