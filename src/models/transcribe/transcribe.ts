/** A whole sound, window after window: each begins where the text of the last one ended (Radford et al. 2022, 4.5). */
import { Interrupted } from '../decoder.ts';
import { alignedSegments } from './aligned-segments.ts';
import type { Suspicion } from './guards.ts';
import { audibleFrames, createGuards, isAlike } from './guards.ts';
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

/** A part of a sound, in frames; one that ends behind the sound ends with it. */
export interface Clip {
  readonly from: number;
  readonly to: number;
  /** Whether its last window hears what comes after it, as with whisper.cpp's --duration; else there is silence. */
  readonly hearsOn: boolean;
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
  /** What is transcribed, in this order. */
  readonly clips: readonly Clip[];
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
  const { special, nTextCtx } = o;
  const clips = o.clips.map((clip) => ({ ...clip, to: Math.min(clip.to, sound.nFrame) }));
  const total = clips.reduce((n, { from, to }) => n + Math.max(0, to - from), 0);
  let before = 0;
  const task = taskTokens(o);
  const prompt = createPrompt({
    startOfPrevious: special.startOfPrevious,
    task,
    initial: o.initialPrompt,
    carriesInitial: o.carriesInitialPrompt,
    maxContext: Math.min(o.maxContext, Math.floor(nTextCtx / 2)),
  });
  const guards = createGuards();
  const check = () => {
    if (o.signal.aborted) throw new Interrupted();
  };
  /** Hears and decodes the window at `seek`. */
  const listen = async (seek: number, { to, hearsOn }: Clip, promptAt: (temperature: number) => readonly number[]) => {
    check();
    const window = await sound.mel(seek, o.nWindowFrame);
    const mel = hearsOn ? window : silentFrom(window, to - seek, o.nWindowFrame);
    await model.hear(mel);
    const maxTokens = Math.floor(nTextCtx / 2) - 4;
    const bounds = { nFrame: to - seek, withTimestamps: o.withTimestamps, maxTokens };
    const heard = await decodeWindow(model.step, { ...o, bounds, prompt: promptAt, check });
    return { mel, heard, said: heard.isSilence ? [] : segmentsOf(heard, seek, o) };
  };
  for (const clip of clips) {
    const { from, to: end } = clip;
    // The window begins with what came again and again, and was not heard without what came before.
    let isDoubted = false;
    for (let seek = from; seek + SHORTEST < end; ) {
      // A short rest is easily taken for a repetition of what came before.
      const isAlone = isDoubted || (seek > from && seek + SHORT_REST >= end);
      if (isAlone) prompt.forget();
      const { mel, heard, said } = await listen(seek, clip, isAlone ? () => task : prompt.at);
      const { sequence, isSilence, fallbacks } = heard;
      prompt.said(heard.prompt, sequence, isSilence);
      const audible = audibleFrames(mel, o.nWindowFrame);
      const nHeard = Math.min(sequence.advance, end - seek, o.nWindowFrame);
      let next = seek + (endsInSilence(sequence.tokens, special) ? Math.min(end - seek, WINDOW) : sequence.advance);
      isDoubted = false;
      for (const segment of o.aligned ? await alignedSegments(model, said, { ...o, seek, nHeard }) : said) {
        const nAudible = audible.slice(segment.from - seek, segment.to - seek).filter(Boolean).length;
        const text = o.textOf(segment.shown);
        const why = o.guarded ? guards.suspect({ ...segment, text }, nAudible / 100) : undefined;
        if (why === 'repeated') {
          const [again] = (await listen(segment.from, clip, () => task)).said;
          isDoubted = !again || !isAlike(again.shown, segment.shown);
        }
        yield why === 'silent' || isDoubted
          ? { kind: 'left out', segment, why: why ?? 'repeated' }
          : { kind: 'segment', segment };
        if (!isDoubted) continue;
        next = segment.from;
        break;
      }
      seek = next;
      yield { kind: 'window', done: before + Math.min(seek, end) - from, total, fallbacks };
    }
    before += Math.max(0, end - from);
  }
}

/** A spectrogram `[nMels, nFrame]` that is as silent from a frame on as its darkest place. */
const silentFrom = (mel: Float32Array, from: number, nFrame: number): Float32Array => {
  if (from >= nFrame) return mel;
  const least = mel.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  return mel.map((value, i) => (i % nFrame < from ? value : least));
};

/** Five seconds. */
const SHORT_REST = 500;
