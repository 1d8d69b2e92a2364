/** Which test runs now and how long all will take, on a line that is rewritten. */
import { CLEAR_LINE } from '../terminal.ts';

export interface Progress {
  /** A test begins; `of` tests of this model and placement, in all `total` of the command line. */
  test(name: string, done: number, total: number): void;
  repetition(i: number, of: number): void;
  /** Something else goes on: weights are prepared. */
  say(what: string): void;
  /** Takes the line away, so that results can be written. */
  clear(): void;
}

export interface Screen {
  readonly isShown: boolean;
  write(text: string): void;
  /** Milliseconds since some moment. */
  now(): number;
}

/** Takes the time that a test took for the time that the next ones will take. */
export const createProgress = ({ isShown, write, now }: Screen): Progress => {
  const begun = now();
  let current: { readonly name: string; readonly done: number; readonly total: number } | undefined;
  let isWritten = false;
  const show = (text: string): void => {
    if (!isShown) return;
    write(`${CLEAR_LINE}${text}`);
    isWritten = true;
  };
  const eta = (part: number): string => {
    if (!current) return '';
    const share = (current.done + part) / current.total;
    return share > 0 ? `, ${duration(((now() - begun) * (1 - share)) / share)} left` : '';
  };
  return {
    test(name, done, total) {
      current = { name, done, total };
      show(`${done + 1}/${total} ${name}${eta(0)}`);
    },
    repetition(i, of) {
      if (!current) return;
      const { name, done, total } = current;
      show(`${done + 1}/${total} ${name}: ${i === 0 ? 'warm-up' : `${i} of ${of}`}${eta(Math.max(0, i - 1) / of)}`);
    },
    say: (what) => show(what),
    clear() {
      if (isWritten) write(CLEAR_LINE);
      isWritten = false;
    },
  };
};

/** `48 s`, `3 min 5 s`. */
const duration = (ms: number): string => {
  const s = Math.round(ms / 1e3);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
};
