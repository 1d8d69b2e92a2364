/** One recording from its first sample to its last segment. */
import { SAMPLE_RATE } from '../../io/audio/mel.ts';
import type { Listen } from '../../io/audio/mel-windows.ts';
import type { Recording } from '../../io/audio/recording.ts';
import type { Segment, Span } from '../../io/transcript/segment.ts';
import { detectLanguage } from '../../models/transcribe/detect-language.ts';
import { nonSpeechWords } from '../../models/transcribe/non-speech.ts';
import type { Segment as HeardSegment } from '../../models/transcribe/segments.ts';
import { tokenRules } from '../../models/transcribe/token-rules.ts';
import { loudness, tokenTimes } from '../../models/transcribe/token-times.ts';
import type { Clip, TranscribeOptions } from '../../models/transcribe/transcribe.ts';
import { transcribe } from '../../models/transcribe/transcribe.ts';
import type { Fallbacks } from '../../models/transcribe/window.ts';
import { wrapped } from '../../models/transcribe/wrap.ts';
import { joinedSpeech, originalSpan } from '../../models/vad/timeline.ts';
import type { SpeechModelFile } from './open.ts';
import type { WhisperFlags } from './options.ts';
import type { Spelling } from './segments.ts';
import { spelling, written } from './segments.ts';
import type { OpenSound } from './sound.ts';
import { beginningOf, bothSides, openSound, speakers } from './sound.ts';
import type { Stopwatch } from './timings.ts';
import type { VoiceDetector } from './vad.ts';

export interface HearOptions {
  readonly flags: WhisperFlags;
  /** Present: only speech is transcribed. */
  readonly detector?: VoiceDetector;
  readonly signal: AbortSignal;
  readonly stopwatch: Stopwatch;
  notice(line: string): void;
  /** So much of the sound is done, in hundredths of a second. */
  progress(done: number, total: number): void;
}

export type Languages = readonly (readonly [code: string, p: number])[];

/** What is known before the first segment. */
export interface Opened {
  readonly nSample: number;
  /** What is spoken, or was asked for. */
  readonly language: string;
  /** Where it was detected: the likeliest languages. */
  readonly detected?: Languages;
  segments(): AsyncGenerator<Segment, Fallbacks>;
  close(): Promise<void>;
}

/**
 * Opens a recording and finds out its language.
 * @throws UserError 'file' for what cannot be read
 */
export const openTranscription = async (
  file: SpeechModelFile,
  recording: Recording,
  o: HearOptions,
): Promise<Opened> => {
  const listen = o.flags.diarize ? () => bothSides(recording) : recording.mono;
  const part = o.detector ? await speechOf(listen, o.detector, o) : wholeOf(listen);
  const sound = await o.stopwatch.time('mel', () => openSound(part.listen, file.bank));
  const timed = { ...sound, mel: (from: number, n: number) => o.stopwatch.time('mel', () => sound.mel(from, n)) };
  const detected = await languagesOf(file, timed, o);
  const language = detected?.[0]?.[0] ?? (file.special.isMultilingual ? (o.flags.language ?? 'en') : 'en');
  return {
    nSample: part.nSample ?? sound.nSample,
    language,
    ...(detected && { detected }),
    segments: () => segmentsOf(file, timed, language, { recording, ...part }, o),
    close: () => sound.close(),
  };
};

/** What of a recording is transcribed. */
interface Heard {
  readonly listen: Listen;
  /** Of the whole recording, where it is known. */
  readonly nSample?: number;
  /** From times of what is heard to those of the recording. */
  spanOf(span: Span): Span;
}

const wholeOf = (listen: Listen): Heard => ({ listen, spanOf: (span) => span });

const speechOf = async (listen: Listen, detector: VoiceDetector, { notice }: HearOptions): Promise<Heard> => {
  const { timeline, nSample } = await detector.hear(listen);
  const kept = timeline.parts.reduce((n, { from, to }) => n + to - from, 0);
  notice(`${timeline.parts.length} parts of speech, ${seconds(kept)} of ${seconds(nSample)} s`);
  return { nSample, listen: () => joinedSpeech(listen(), timeline), spanOf: (span) => originalSpan(timeline, span) };
};

const seconds = (nSample: number): string => (nSample / SAMPLE_RATE).toFixed(2);

/** The likeliest languages, where they are asked for. */
const languagesOf = async (file: SpeechModelFile, sound: OpenSound, o: HearOptions): Promise<Languages | undefined> => {
  const asks = (o.flags.language ?? 'auto') === 'auto' || o.flags['detect-language'];
  if (!file.special.isMultilingual || !asks) return undefined;
  const model = o.stopwatch.model(file.model);
  await model.hear(await sound.mel(0, 2 * file.h.audio.nCtx));
  return detectLanguage(model, file.special);
};

async function* segmentsOf(
  file: SpeechModelFile,
  sound: OpenSound,
  language: string,
  { recording, listen, spanOf }: Heard & { readonly recording: Recording },
  o: HearOptions,
): AsyncGenerator<Segment, Fallbacks> {
  const { flags } = o;
  const { special } = file;
  const spelt = spelling(file.words, special);
  const timeTokens = await tokenTimer(file, spelt, listen, flags);
  const speakerOf = flags.diarize ? await speakers(recording) : undefined;
  const wrap = (segment: HeardSegment): HeardSegment[] => {
    const timed = timeTokens(segment);
    const maxLength = flags['output-words'] && flags['max-len'] === 0 ? KARAOKE_LENGTH : flags['max-len'];
    if (maxLength === 0 && flags['max-words'] === 0) return [timed];
    return wrapped(timed, {
      maxLength: maxLength || Number.POSITIVE_INFINITY,
      maxWords: flags['max-words'] || Number.POSITIVE_INFINITY,
      atWords: flags['split-on-word'],
      endOfText: special.endOfText,
      bytesOf: spelt.bytesOf,
    });
  };
  const writing = {
    special,
    spelling: spelt,
    spanOf,
    ...(speakerOf && { speakerOf }),
    ...(wantsWords(flags) && { wordsIn: language }),
  };
  const fallbacks = { p: 0, h: 0 };
  const events = transcribe(o.stopwatch.model(file.model), sound, transcribeOptions(file, spelt, language, o));
  for await (const event of events) {
    if (event.kind === 'segment') {
      for (const segment of wrap(event.segment)) yield written(segment, writing);
    } else if (event.kind === 'left out') {
      const { from, to, shown } = event.segment;
      const why = event.why === 'repeated' ? 'it only repeats what was said before' : 'there is only silence';
      o.notice(`left out ${(from / 100).toFixed(2)} to ${(to / 100).toFixed(2)} s, ${why}:${spelt.textOf(shown)}`);
    } else {
      fallbacks.p += event.fallbacks.p;
      fallbacks.h += event.fallbacks.h;
      o.progress(event.done, event.total);
    }
  }
  return fallbacks;
}

/** Whether words are to have the times at which they were said. */
const wantsWords = (flags: WhisperFlags): boolean =>
  flags['word-timestamps'] || flags['highlight-words'] || flags['one-word'] || flags.dtw !== undefined;

/** Characters of a segment in a karaoke video. */
const KARAOKE_LENGTH = 60;

/** A window's first timestamp is one of 0.00, 0.02 ... 1.00 s. */
const FIRST_TIMESTAMPS = 51;

const tokenTimer = async (file: SpeechModelFile, spelt: Spelling, listen: Listen, flags: WhisperFlags) => {
  const isAsked = flags['output-words'] || flags['output-json-full'] || flags['max-len'] > 0 || flags['max-words'] > 0;
  if (!isAsked || wantsWords(flags)) return (segment: HeardSegment) => segment;
  return tokenTimes({
    special: file.special,
    threshold: flags['word-thold'],
    loudness: loudness(await beginningOf(listen)),
    textOf: (id) => spelt.textOf([id]),
  });
};

const transcribeOptions = (
  file: SpeechModelFile,
  spelt: Spelling,
  language: string,
  { flags, signal }: HearOptions,
): TranscribeOptions => {
  const { special, words, h } = file;
  const withTimestamps = !flags['no-timestamps'] && !knowsNoTimestamps(file);
  const languageId = special.languages.get(language);
  const blank = words.idOf(' ');
  const pattern = flags['suppress-regex'];
  return {
    special,
    rules: tokenRules({
      special,
      withTimestamps,
      suppressed: [
        ...(flags['suppress-nst'] ? nonSpeechWords(words.idOf) : []),
        ...(pattern ? words.matching(pattern) : []),
      ],
      ...(blank !== undefined && { blank }),
      speakerTurns: flags.tinydiarize,
      nFirstTimestamp: FIRST_TIMESTAMPS,
    }),
    nWindowFrame: 2 * h.audio.nCtx,
    nTextCtx: h.text.nCtx,
    ...(special.isMultilingual && languageId !== undefined && { language: languageId }),
    translate: flags.translate,
    withTimestamps,
    withSpecial: flags['print-special'],
    initialPrompt: flags.prompt === '' ? [] : words.encode(flags.prompt),
    carriesInitialPrompt: flags['carry-initial-prompt'],
    maxContext: flags['max-context'] < 0 ? Number.POSITIVE_INFINITY : flags['max-context'],
    clips: flags['clip-timestamps'] ?? [clipOf(flags)],
    guarded: flags.guards,
    aligned: wantsWords(flags),
    signal,
    textOf: spelt.textOf,
    temperatures: temperatures(flags),
    bestOf: flags['best-of'],
    beamSize: flags['beam-size'],
    ...(flags.patience !== undefined && { patience: flags.patience }),
    ...(flags['length-penalty'] !== undefined && { lengthPenalty: flags['length-penalty'] }),
    entropyThreshold: flags['entropy-thold'],
    logProbThreshold: flags['logprob-thold'],
    noSpeechThreshold: flags['no-speech-thold'],
    seed: flags.seed,
  };
};

/** What --offset-t and --duration leave, in frames of 10 ms. */
const clipOf = (flags: WhisperFlags): Clip => {
  const [from, duration] = [Math.floor(flags['offset-t'] / 10), Math.floor(flags.duration / 10)];
  return { from, to: duration === 0 ? Number.POSITIVE_INFINITY : from + duration, hearsOn: true };
};

/** The first distilled models, of two text layers, were not trained on timestamps. */
export const knowsNoTimestamps = ({ h }: SpeechModelFile): boolean => h.text.nLayer === 2 && h.nVocab !== 51_866;

/** From the first one up to 1. */
const temperatures = (flags: WhisperFlags): number[] => {
  const [first, step] = [flags.temperature, flags['no-fallback'] ? 0 : flags['temperature-inc']];
  if (step === 0) return [first];
  const n = Math.floor((1 - first) / step + 1e-6) + 1;
  return Array.from({ length: Math.max(1, n) }, (_, i) => first + i * step);
};
