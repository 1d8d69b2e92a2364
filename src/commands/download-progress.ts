/** How far a download is: a line on stderr that is rewritten, with speed and the time that is left. */
import { bytesText } from '../io/hub/bytes.ts';
import { CLEAR_LINE, progressBar, showsProgress } from './terminal.ts';

/** Rates are of the last so many milliseconds: what a connection does now, not what it did before it was cut. */
const WINDOW_MS = 5000;

/** Times between two lines that nobody could read. */
const REWRITE_MS = 100;

interface Sample {
  readonly at: number;
  readonly done: number;
}

/** What is told of a download, from what came when. The clock is in milliseconds. */
export const createMeter = () => {
  let samples: readonly Sample[] = [];
  return (done: number, total: number, at: number): string => {
    const kept = samples.filter((sample) => sample.at > at - WINDOW_MS && sample.done <= done);
    samples = [...kept, { at, done }];
    const [first = { at, done }] = samples;
    const perSecond = at > first.at ? (1000 * (done - first.done)) / (at - first.at) : 0;
    const share = done / Math.max(1, total);
    const part = `${progressBar(share)} ${Math.floor(100 * share)}% of ${bytesText(total)}`;
    if (perSecond === 0) return part;
    return `${part}, ${bytesText(perSecond)}/s, ${clockText((total - done) / perSecond)} left`;
  };
};

/** `0:07`, `12:30`, `1:02:03`. */
const clockText = (seconds: number): string => {
  const whole = Math.ceil(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
};

export interface DownloadProgress {
  update(done: number, total: number): void;
  /** Takes the line away; must come before anything else is written there. */
  end(): void;
}

/** Shown where stderr is a terminal and nobody asked for silence. */
export const downloadProgress = (isQuiet: boolean): DownloadProgress => {
  const isShown = showsProgress(isQuiet);
  const meter = createMeter();
  let last: number | undefined;
  return {
    update(done, total) {
      const now = performance.now();
      if (!isShown || (last !== undefined && now - last < REWRITE_MS && done < total)) return;
      last = now;
      process.stderr.write(`${CLEAR_LINE}${meter(done, total, now)}`);
    },
    end() {
      if (last !== undefined) process.stderr.write(CLEAR_LINE);
      last = undefined;
    },
  };
};
