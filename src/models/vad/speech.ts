/** Where there is speech: from a probability for every chunk of 512 samples to spans, by whisper.cpp's rules. */

/** Samples at 16 kHz that one probability is about. */
export const CHUNK = 512;
/** Samples in a hundredth of a second: spans begin and end at multiples. */
const PER_CS = 160;

/** Samples as the nearest hundredth of a second. */
export const centiseconds = (n: number): number => Math.floor(n / PER_CS + 0.5);

export interface SpeechOptions {
  /** From which probability on a chunk is speech; speech ends 0.15 below it. */
  readonly threshold: number;
  /** Shorter speech is dropped. */
  readonly minSpeechMs: number;
  /** Shorter silence does not end speech. */
  readonly minSilenceMs: number;
  /** Longer speech is cut, at a silence where it has one. */
  readonly maxSpeechS: number;
  /** Added before and after speech. */
  readonly speechPadMs: number;
}

/** whisper.cpp's defaults. */
export const defaultSpeech: SpeechOptions = {
  threshold: 0.5,
  minSpeechMs: 250,
  minSilenceMs: 100,
  maxSpeechS: Number.POSITIVE_INFINITY,
  speechPadMs: 30,
};

/** A part of a recording, in samples at 16 kHz. */
export interface SampleSpan {
  readonly from: number;
  readonly to: number;
}

/** The silence, in samples, at which speech that is too long may be cut: Silero's 98 ms. */
const CUT_SILENCE = (16_000 * 98) / 1000;
/** Speech parts with less between them are one. */
const MERGE_GAP = (16_000 * 200) / 1000;

const samples = (ms: number): number => Math.trunc((16_000 * ms) / 1000);

/** The spans of speech, in order, not overlapping; they begin and end at hundredths of a second. */
export const speechSpans = (probabilities: ArrayLike<number>, options: SpeechOptions): SampleSpan[] => {
  const minSpeech = samples(options.minSpeechMs);
  const found = findSpeech(probabilities, options);
  const merged: SampleSpan[] = [];
  for (const span of found) {
    const last = merged.at(-1);
    if (last && span.from - last.to < MERGE_GAP) merged[merged.length - 1] = { from: last.from, to: span.to };
    else merged.push(span);
  }
  const long = merged.filter(({ from, to }) => to - from >= minSpeech);
  return padded(long, samples(options.speechPadMs), probabilities.length * CHUNK).map(({ from, to }) => ({
    from: rounded(from),
    to: rounded(to),
  }));
};

const rounded = (n: number): number => centiseconds(n) * PER_CS;

const findSpeech = (probabilities: ArrayLike<number>, options: SpeechOptions): SampleSpan[] => {
  const { threshold } = options;
  const endThreshold = Math.max(0.01, threshold - 0.15);
  const minSpeech = samples(options.minSpeechMs);
  const minSilence = samples(options.minSilenceMs);
  const maxSpeech = longest(options);
  const spans: SampleSpan[] = [];

  /** Where the speech we are in began. */
  let start: number | undefined;
  /** Where it went quiet, and has been since. */
  let quietFrom: number | undefined;
  /** The last silence long enough to cut at: where it began, and where speech went on. */
  let cut: { readonly from: number; speechFrom?: number } | undefined;

  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i]!;
    const at = i * CHUNK;
    if (p >= threshold) {
      if (quietFrom !== undefined && cut && cut.speechFrom === undefined) cut.speechFrom = at;
      quietFrom = undefined;
      if (start === undefined) {
        start = at;
        continue;
      }
    }
    if (start !== undefined && at - start > maxSpeech) {
      spans.push({ from: start, to: cut?.from ?? at });
      const goesOn: number | undefined = cut?.speechFrom;
      const wasCut = cut !== undefined;
      [start, quietFrom, cut] = [goesOn, undefined, undefined];
      if (!wasCut) continue;
    }
    if (p < endThreshold && start !== undefined) {
      quietFrom ??= at;
      if (at - quietFrom > CUT_SILENCE) cut = { from: quietFrom };
      if (at - quietFrom < minSilence) continue;
      if (quietFrom - start > minSpeech) spans.push({ from: start, to: quietFrom });
      [start, quietFrom, cut] = [undefined, undefined, undefined];
    }
  }
  const end = probabilities.length * CHUNK;
  if (start !== undefined && end - start > minSpeech) spans.push({ from: start, to: end });
  return spans;
};

/** In samples; whole seconds count, as in whisper.cpp, and what is shorter than its padding is no limit. */
const longest = ({ maxSpeechS, speechPadMs }: SpeechOptions): number => {
  const most = 16_000 * Math.trunc(maxSpeechS) - CHUNK - 2 * samples(speechPadMs);
  return most < 0 ? Number.POSITIVE_INFINITY : most;
};

/** Spans longer by `pad` on either side; where two are close they share what is between them. */
const padded = (spans: readonly SampleSpan[], pad: number, end: number): SampleSpan[] =>
  spans.map(({ from, to }, i) => {
    const [before, after] = [spans[i - 1], spans[i + 1]];
    const room = (gap: number): number => (gap < 2 * pad ? Math.trunc(gap / 2) : pad);
    return {
      from: Math.max(0, from - (before ? room(from - before.to) : pad)),
      to: Math.min(end, to + (after ? room(after.from - to) : pad)),
    };
  });
