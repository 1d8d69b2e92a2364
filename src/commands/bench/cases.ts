/** Which cases a command line stands for: everything it lists, multiplied out, in llama-bench's order. */
import type { Activations, Wish } from '../../graph/device/device.ts';
import type { Compute } from '../../graph/lower/target.ts';
import type { Family } from '../../models/index.ts';
import type { OnOffAuto } from '../arguments.ts';

/** How a model is loaded. */
export interface Placement {
  readonly device: Wish;
  readonly threads: number;
  readonly compute: 'auto' | Compute;
  readonly flashAttention: OnOffAuto;
  /** Of what is computed between weights, and so of the cache. */
  readonly activations: Activations;
}

/** What is timed of a loaded model. */
export type Test = TextTest | SpeechTest | RecordingTest | ImageTest;

/** A prompt of so many tokens, then so many tokens one by one, after so many others. */
export interface TextTest {
  readonly kind: 'text';
  readonly nPrompt: number;
  readonly nGen: number;
  readonly nDepth: number;
  /** The most for `nRun`. */
  readonly nBatch: number;
  /** Tokens in one run; by device if absent. */
  readonly nRun?: number;
}

/** The parts of a transcription that whisper-bench times. */
export interface SpeechTest {
  readonly kind: 'speech';
  readonly part: 'encode' | 'decode' | 'batchd' | 'prompt';
}

/** A whole transcription. */
export interface RecordingTest {
  readonly kind: 'recording';
  readonly path: string;
}

export interface ImageTest {
  readonly kind: 'image';
  readonly nImage: number;
}

/** What a command line lists. */
export interface Lists {
  readonly devices: readonly Wish[];
  readonly threads: readonly number[];
  readonly computes: readonly ('auto' | Compute)[];
  readonly flashAttention: readonly OnOffAuto[];
  readonly activations: readonly Activations[];
  readonly nPrompt: readonly number[];
  readonly nGen: readonly number[];
  readonly promptsAndTokens: readonly (readonly [nPrompt: number, nGen: number])[];
  readonly nDepth: readonly number[];
  readonly nBatch: readonly number[];
  /** Empty: by device. */
  readonly nRun: readonly number[];
  readonly nImage: readonly number[];
  readonly recordings: readonly string[];
}

/** All placements. */
export const placementsOf = (l: Lists): readonly Placement[] =>
  l.devices.flatMap((device) =>
    l.threads.flatMap((threads) =>
      l.computes.flatMap((compute) =>
        l.flashAttention.flatMap((flashAttention) =>
          l.activations.map((activations) => ({ device, threads, compute, flashAttention, activations })),
        ),
      ),
    ),
  );

/** All tests of a model of this family in one placement. */
export const testsOf = (family: Family, l: Lists): readonly Test[] => {
  if (family === 'vit') return l.nImage.map((nImage) => ({ kind: 'image', nImage }));
  if (family === 'whisper')
    return [
      ...(['encode', 'decode', 'batchd', 'prompt'] as const).map((part) => ({ kind: 'speech' as const, part })),
      ...l.recordings.map((path) => ({ kind: 'recording' as const, path })),
    ];
  const lengths = [
    ...l.nPrompt.map((nPrompt) => [nPrompt, 0] as const),
    ...l.nGen.map((nGen) => [0, nGen] as const),
    ...l.promptsAndTokens,
  ].filter(([nPrompt, nGen]) => nPrompt + nGen > 0);
  const runs: readonly (number | undefined)[] = l.nRun.length > 0 ? l.nRun : [undefined];
  return l.nDepth.flatMap((nDepth) =>
    l.nBatch.flatMap((nBatch) =>
      runs.flatMap((nRun) =>
        lengths.map(([nPrompt, nGen]) => ({
          kind: 'text' as const,
          nPrompt,
          nGen,
          nDepth,
          nBatch,
          ...(nRun !== undefined && { nRun }),
        })),
      ),
    ),
  );
};

/** `pp512`, `tg128`, `pp512+tg128 @ d1024`, `encode`, `images x8`. */
export const testName = (test: Test): string => {
  switch (test.kind) {
    case 'text': {
      const { nPrompt, nGen, nDepth } = test;
      const parts = [...(nPrompt > 0 ? [`pp${nPrompt}`] : []), ...(nGen > 0 ? [`tg${nGen}`] : [])];
      return parts.join('+') + (nDepth > 0 ? ` @ d${nDepth}` : '');
    }
    case 'speech':
      return test.part;
    case 'recording':
      return `real time`;
    case 'image':
      return `batch ${test.nImage}`;
  }
};
