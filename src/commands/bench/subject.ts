/** A loaded model as a benchmark sees it: something that runs a test once and says what that took. */
import type { Device } from '../../graph/device/device.ts';
import type { Compute } from '../../graph/lower/target.ts';
import type { Test } from './cases.ts';

/** Milliseconds since some moment; handed in, so that tests need not wait. */
export type Clock = () => number;

/** One repetition. */
export interface Sample {
  /** From the first input to the last output. */
  readonly ms: number;
  /** Until a prompt's last logits, where there is a prompt. */
  readonly firstMs?: number;
  /** Of each single token, where there are such. */
  readonly stepMs: readonly number[];
}

/** What of a test is the same at every repetition. */
export interface TestFacts {
  /** Tokens, images, windows, or seconds of sound in a repetition: the rate is of these. */
  readonly nUnit: number;
  readonly unit: 'token' | 'image' | 'window' | 'second';
  /** Tokens of a prompt that go in one run. */
  readonly nRun?: number;
  /** Arithmetic and memory traffic of a repetition by the graph's own count. */
  readonly cost?: { readonly flops: number; readonly bytes: number };
  /** Of what a run of one token copies back from the device. */
  readonly fetchedBytes?: number;
  /** Bytes that the cache takes. */
  readonly cacheBytes?: number;
}

export interface Loaded {
  readonly device: Device;
  readonly threads: number;
  readonly compute: Compute;
  readonly cacheType: 'f32' | 'f16';
  /** Preparing the weights, and creating the session. */
  readonly prepareMs: number;
  readonly createMs: number;
  /** The same together with weights that an earlier start kept, where it was asked for. */
  readonly warmLoadMs?: number;
  /** Operations of a run that the device leaves to the processor. */
  readonly nFallback: number;
  /** Of the prepared weights. */
  readonly weightBytes: number;
}

export interface Subject extends Loaded {
  facts(test: Test): TestFacts;
  /** Runs a test once. Throws Interrupted between two runs when the signal asks to stop. */
  run(test: Test, clock: Clock, signal: AbortSignal): Promise<Sample>;
  /** What is reported apart from the model's own time. */
  readonly apart: Apart;
  close(): Promise<void>;
}

/** Work of a text model that is not the device's. */
export interface Apart {
  /** Choosing a token by the default chain of samplers. */
  readonly sampleMs?: number;
  /** Tokenising, where the file has a vocabulary. */
  readonly tokenizeMsPerToken?: number;
}
