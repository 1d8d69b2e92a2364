/** Where the time of a transcription goes. */
import type { SpeechModel } from '../../models/transcribe/speech-model.ts';
import type { Fallbacks } from '../../models/transcribe/window.ts';

interface Lap {
  readonly ms: number;
  readonly runs: number;
}

type Part = 'mel' | 'encode' | 'prompt' | 'decode' | 'batchd';

export interface Stopwatch {
  /** Measures one piece of work. */
  time<R>(part: Part, work: () => Promise<R>): Promise<R>;
  /** A model whose work is measured. */
  model(model: SpeechModel): SpeechModel;
  lap(part: Part): Lap;
}

/** Adds up what each part of the work takes. */
export const createStopwatch = (): Stopwatch => {
  const laps = new Map<Part, Lap>();
  const lap = (part: Part) => laps.get(part) ?? { ms: 0, runs: 0 };
  const time = async <R>(part: Part, work: () => Promise<R>): Promise<R> => {
    const start = performance.now();
    const result = await work();
    const { ms, runs } = lap(part);
    laps.set(part, { ms: ms + performance.now() - start, runs: runs + 1 });
    return result;
  };
  return {
    time,
    lap,
    model: (model) => ({
      hear: (mel) => time('encode', () => model.hear(mel)),
      step: (tokens, pos, parents) => {
        const isPrompt = (tokens[0]?.length ?? 0) > 1;
        const part = isPrompt ? 'prompt' : tokens.length > 1 ? 'batchd' : 'decode';
        return time(part, () => model.step(tokens, pos, parents));
      },
      align: (tokens) => time('batchd', () => model.align(tokens)),
    }),
  };
};

export interface SpeechTimings {
  readonly loadMs: number;
  readonly totalMs: number;
  /** Seconds of sound. */
  readonly seconds: number;
  readonly fallbacks: Fallbacks;
  readonly stopwatch: Stopwatch;
}

/** Seconds of sound in one second of work. */
const realTimes = (t: SpeechTimings): number => (1000 * t.seconds) / (t.totalMs - t.loadMs);

/** whisper.cpp's table, and how many times faster than speech. */
export const speechTimings = (t: SpeechTimings): string => {
  const line = (name: string, text: string) => `${name.padStart(12)} = ${text}`;
  const ms = (x: number) => `${x.toFixed(2).padStart(8)} ms`;
  const runs = (name: string, part: Part) => {
    const { ms: total, runs: n } = t.stopwatch.lap(part);
    return line(name, `${ms(total)} / ${String(n).padStart(5)} runs (${ms(n > 0 ? total / n : 0)} per run)`);
  };
  return [
    line('load time', ms(t.loadMs)),
    line('fallbacks', `${String(t.fallbacks.p).padStart(3)} p / ${String(t.fallbacks.h).padStart(3)} h`),
    line('mel time', ms(t.stopwatch.lap('mel').ms)),
    runs('encode time', 'encode'),
    runs('prompt time', 'prompt'),
    runs('decode time', 'decode'),
    runs('batchd time', 'batchd'),
    line('total time', ms(t.totalMs)),
    line('speed', `${realTimes(t).toFixed(1)} times real time (${(1 / realTimes(t)).toFixed(3)} of it)`),
  ].join('\n');
};

/** Names as in `--json`. */
export const speechTimingsJson = (t: SpeechTimings) => ({
  load_ms: t.loadMs,
  mel_ms: t.stopwatch.lap('mel').ms,
  encode_ms: t.stopwatch.lap('encode').ms,
  prompt_ms: t.stopwatch.lap('prompt').ms,
  decode_ms: t.stopwatch.lap('decode').ms,
  decode_runs: t.stopwatch.lap('decode').runs,
  batchd_ms: t.stopwatch.lap('batchd').ms,
  batchd_runs: t.stopwatch.lap('batchd').runs,
  total_ms: t.totalMs,
  real_time_factor: 1 / realTimes(t),
});
