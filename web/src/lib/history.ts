/** One instant of the whole gateway. Rates in bytes a second; null where nothing was seen: the line breaks. */
export interface Sample {
  /** ms since 1970, the server's clock. */
  at: number;
  receiveRate: number | null;
  sendRate: number | null;
}

/** As uPlot wants it: seconds since 1970, then a series each. */
export type Columns = readonly [number[], (number | null)[], (number | null)[]];

/** The last `span` of samples, oldest first. Not more than one sample in `grain`, so several interfaces' ticks are one. */
export class History {
  readonly columns: Columns = [[], [], []];
  readonly #span: number;

  constructor(span: number) {
    this.#span = span / 1000;
  }

  /** @param grain ms: a sample that follows another more closely takes its place */
  push(sample: Sample, grain: number): void {
    const [times, received, sent] = this.columns;
    const at = sample.at / 1000;
    const last = times.at(-1);
    // The server's clock was set back: what lies ahead of it now would never leave.
    if (last !== undefined && at < last - grain / 1000) this.clear();
    else if (last !== undefined && received.at(-1) !== null && at - last < grain / 1000) {
      received[received.length - 1] = sample.receiveRate;
      sent[sent.length - 1] = sample.sendRate;
      return;
    }
    times.push(at);
    received.push(sample.receiveRate);
    sent.push(sample.sendRate);
    let gone = 0;
    while (times[gone]! < at - this.#span) gone += 1;
    if (gone > 0) for (const column of this.columns) column.splice(0, gone);
  }

  /** Nothing was seen from the last sample to the next: the line must not claim what lies between. */
  break(): void {
    const [times, received] = this.columns;
    const last = times.at(-1);
    if (last === undefined || received.at(-1) === null) return;
    this.push({ at: last * 1000 + 1, receiveRate: null, sendRate: null }, 0);
  }

  clear(): void {
    for (const column of this.columns) column.length = 0;
  }
}
