/** What the work on images took. */
import type { Prepared } from './images.ts';

export interface Stopwatch {
  /** Images done so far, also those that could not be read. */
  readonly nImage: number;
  /** Those that the model has seen. */
  readonly nSeen: number;
  inference<R>(nImage: number, run: () => Promise<R>): Promise<R>;
  prepared(batch: readonly Pick<Prepared, 'ms'>[]): void;
  /** `[ load 120 ms | per image: preprocess 6.1 ms, inference 12.3 ms | 10 images in 0.15 s, 66.7 images/s ]` */
  line(): string;
  /** The same as a table, as the other commands have it. */
  table(): string;
}

/** Begins to count. Preprocessing goes on beside inference, so the whole takes less than the sum. */
export const createStopwatch = (loadMs: number): Stopwatch => {
  const begin = performance.now();
  let [nImage, nSeen, inferenceMs, preparedMs] = [0, 0, 0, 0];
  return {
    get nImage() {
      return nImage;
    },
    get nSeen() {
      return nSeen;
    },
    async inference(n, run) {
      const start = performance.now();
      const result = await run();
      inferenceMs += performance.now() - start;
      nSeen += n;
      return result;
    },
    prepared(batch) {
      nImage += batch.length;
      for (const { ms } of batch) preparedMs += ms;
    },
    line() {
      const seconds = (performance.now() - begin) / 1000;
      const each = (ms: number, n: number) => `${(ms / Math.max(1, n)).toFixed(1)} ms`;
      const count = nSeen === 1 ? '1 image' : `${nSeen} images`;
      return `[ load ${loadMs.toFixed(0)} ms | per image: preprocess ${each(preparedMs, nImage)}, inference ${each(inferenceMs, nSeen)} | ${count} in ${seconds.toFixed(2)} s, ${(nSeen / seconds).toFixed(1)} images/s ]`;
    },
    table() {
      const seconds = (performance.now() - begin) / 1000;
      const row = (name: string, ms: number, n?: number): string => {
        const head = `${name.padStart(18)} time = ${ms.toFixed(2).padStart(10)} ms`;
        if (n === undefined || n === 0) return head;
        const rate = ms > 0 ? (1000 * n) / ms : 0;
        return `${head} / ${String(n).padStart(5)} images (${(ms / n).toFixed(2).padStart(8)} ms per image, ${rate.toFixed(2).padStart(8)} images per second)`;
      };
      return [
        row('load', loadMs),
        row('preprocess', preparedMs, nImage),
        row('inference', inferenceMs, nSeen),
        row('total', loadMs + 1000 * seconds, nSeen),
      ].join('\n');
    },
  };
};
