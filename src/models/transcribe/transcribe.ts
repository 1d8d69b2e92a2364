/** A whole sound, window after window: each begins where the text of the last one ended (Radford et al. 2022, 4.5). */
import { Interrupted } from '../decoder.ts';
import { alignedSegments } from './aligned-segments.ts';
import type { Suspicion } from './guards.ts';
import { audibleFrames, createGuards } from './guards.ts';
import type { TaskOptions } from './prompt.ts';
import { createPrompt, taskTokens } from './prompt.ts';
import type { Segment } from './segments.ts';
import { endsInSilence, segmentsOf } from './segments.ts';
import { SHORTEST, WINDOW } from './sequence.ts';
import type { SpeechModel } from './speech-model.ts';
import type { Rules } from './token-rules.ts';
import type { DecodingOptions, Fallbacks } from './window.ts';
import { decodeWindow } from './window.ts';

/** A sound as frames of 10 ms. */
export interface Sound {
  /** Frames of sound, without the silence that follows it. */
  readonly nFrame: number;
  /** The log-mel spectrogram of `n` frames from `from` on, `[nMels, n]`; 0 where there is none. */
  mel(from: number, n: number): Promise<Float32Array>;
}

export interface TranscribeOptions extends DecodingOptions, TaskOptions {
  readonly rules: Rules;
  /** Frames that one window of the model holds: fewer than 3000 with a shorter audio context. */
  readonly nWindowFrame: number;
  readonly nTextCtx: number;
  readonly withSpecial: boolean;
  /** Ids of a text that tells the model how and about what is spoken. */
  readonly initialPrompt: readonly number[];
  readonly carriesInitialPrompt: boolean;
  /** Tokens of earlier text at most; Infinity: as many as fit. */
  readonly maxContext: number;
  /** What is transcribed, in frames; `duration` 0: to the end. */
  readonly offset: number;
  readonly duration: number;
  /** Find out when each token was said, by what the model looked at. */
  readonly aligned: boolean;
  /** Leave out what looks made up. */
  readonly guarded: boolean;
  readonly signal: AbortSignal;
  textOf(ids: readonly number[]): string;
}

export type TranscriptEvent =
  | { readonly kind: 'segment'; readonly segment: Segment }
  /** A window is done: so much of all. */
  | { readonly kind: 'window'; readonly done: number; readonly total: number; readonly fallbacks: Fallbacks }
  | { readonly kind: 'left out'; readonly segment: Segment; readonly why: Suspicion };

/** Transcribes; segments come as soon as their window is decoded. */
export async function* transcribe(
  model: SpeechModel,
  sound: Sound,
  o: TranscribeOptions,
): AsyncGenerator<TranscriptEvent, void, undefined> {
  const { special, nTextCtx, offset } = o;
  const end = o.duration === 0 ? sound.nFrame : Math.min(sound.nFrame, offset + o.duration);
  const prompt = createPrompt({
    startOfPrevious: special.startOfPrevious,
    task: taskTokens(o),
    initial: o.initialPrompt,
    carriesInitial: o.carriesInitialPrompt,
    maxContext: Math.min(o.maxContext, Math.floor(nTextCtx / 2)),
  });
  const guards = createGuards();
  const check = () => {
    if (o.signal.aborted) throw new Interrupted();
  };
  for (let seek = offset; seek + SHORTEST < end; ) {
    check();
    const mel = await sound.mel(seek, o.nWindowFrame);
    await model.hear(mel);
    // A short rest is easily taken for a repetition of what came before.
    if (seek > offset && seek + SHORT_REST >= end) prompt.forget();
    const heard = await decodeWindow(model.step, {
      ...o,
      bounds: { nFrame: end - seek, withTimestamps: o.withTimestamps, maxTokens: Math.floor(nTextCtx / 2) - 4 },
      prompt: prompt.at,
      check,
    });
    const { sequence, isSilence, fallbacks } = heard;
    prompt.said(heard.prompt, sequence, isSilence);
    const audible = audibleFrames(mel, o.nWindowFrame);
    const said = isSilence ? [] : segmentsOf(heard, seek, o);
    const nHeard = Math.min(sequence.advance, end - seek, o.nWindowFrame);
    for (const segment of o.aligned ? await alignedSegments(model, said, { ...o, seek, nHeard }) : said) {
      const nAudible = audible.slice(segment.from - seek, segment.to - seek).filter(Boolean).length;
      const why = o.guarded ? guards.suspect({ ...segment, text: o.textOf(segment.shown) }, nAudible / 100) : undefined;
      yield why ? { kind: 'left out', segment, why } : { kind: 'segment', segment };
    }
    seek += endsInSilence(sequence.tokens, special) ? Math.min(end - seek, WINDOW) : sequence.advance;
    yield { kind: 'window', done: Math.min(seek, end) - offset, total: end - offset, fallbacks };
  }
}

/** Five seconds. */
const SHORT_REST = 500;
