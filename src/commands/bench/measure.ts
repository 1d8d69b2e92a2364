/** One test, again and again. */
import { Interrupted } from '../../models/decoder.ts';
import type { Test } from './cases.ts';
import type { Clock, Sample, Subject } from './subject.ts';

export interface MeasureOptions {
  readonly repetitions: number;
  /** Whether there is one more before, which is not counted. */
  readonly warmup: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told before every repetition; 0 is the warm-up. */
  progress(repetition: number, of: number): void;
}

/** Every repetition but the warm-up, in turn. Throws Interrupted when the signal asks to stop. */
export const measure = async (
  subject: Pick<Subject, 'run'>,
  test: Test,
  { repetitions, warmup, clock, signal, progress }: MeasureOptions,
): Promise<readonly Sample[]> => {
  const samples: Sample[] = [];
  for (let i = warmup ? 0 : 1; i <= repetitions; i++) {
    if (signal.aborted) throw new Interrupted();
    progress(i, repetitions);
    const sample = await subject.run(test, clock, signal);
    if (i > 0) samples.push(sample);
  }
  return samples;
};
