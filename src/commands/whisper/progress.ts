/** How far a transcription is: a line that is rewritten on a terminal, or lines for a log. */
import type { WhisperFlags } from './options.ts';

export interface Progress {
  /** In hundredths of a second of sound. */
  update(done: number, total: number): void;
  /** Prints something else: the line is cleared before. */
  beside<R>(print: () => R): R;
  end(): void;
}

/** Percents between two lines of a log. */
const STEP = 5;

/** Tells how far a recording has been heard, where somebody looks. */
export const createProgress = (name: string, flags: WhisperFlags): Progress => {
  const isQuiet = flags.quiet || flags['no-prints'];
  const hasLine = process.stderr.isTTY === true && !process.env.CI && !isQuiet && !flags['print-progress'];
  const start = performance.now();
  let told = 0;
  let isShown = false;
  const clear = (): void => {
    if (isShown) process.stderr.write('\r\x1b[2K');
    isShown = false;
  };
  return {
    update(done, total) {
      const part = total === 0 ? 1 : done / total;
      const left = part > 0 ? ((performance.now() - start) * (1 - part)) / part / 1000 : 0;
      const text = `progress = ${String(Math.floor(100 * part)).padStart(3)}%`;
      if (flags['print-progress']) {
        if (100 * part < told + STEP) return;
        told = Math.floor((100 * part) / STEP) * STEP;
        process.stderr.write(`${text}, ${left.toFixed(0)} s left\n`);
      } else if (hasLine) {
        clear();
        process.stderr.write(`${name}: ${text}, ${left.toFixed(0)} s left`);
        isShown = true;
      }
    },
    beside(print) {
      clear();
      return print();
    },
    end: clear,
  };
};
