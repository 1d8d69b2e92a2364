/**
 * whisper.cpp's estimate of when each token was said: a segment's time is shared out by how long its tokens take to
 * say, moved where the model was sure of a timestamp, and fitted to where the sound is loud. For what the model itself
 * looked at while it wrote, see dtw.ts.
 */
import type { Segment, TimedToken } from './segments.ts';
import type { SpecialTokens } from './special-tokens.ts';

/** Samples in a hundredth of a second. */
const PER_TICK = 160;
/** Samples on both sides over which the loudness of one is averaged. */
const HALF_WINDOW = 32;
/** Samples around a token by which its loudness is judged. */
const AROUND = 2000;

/** Mean absolute value around each sample. */
export const loudness = (samples: Float32Array): Float32Array => {
  const out = new Float32Array(samples.length);
  let sum = 0;
  for (let i = -HALF_WINDOW; i < samples.length; i++) {
    const [entering, leaving] = [i + HALF_WINDOW, i - HALF_WINDOW - 1];
    if (entering < samples.length) sum += Math.abs(samples[entering]!);
    if (leaving >= 0) sum -= Math.abs(samples[leaving]!);
    if (i >= 0) out[i] = Math.max(0, sum) / (2 * HALF_WINDOW + 1);
  }
  return out;
};

export interface TokenTimesOptions {
  readonly special: SpecialTokens;
  /** A timestamp is believed from this part of all timestamps' probability on. */
  readonly threshold: number;
  /** Loudness of the sound from its beginning on. */
  readonly loudness: Float32Array;
  textOf(id: number): string;
}

/** Gives the tokens of segment after segment their times. */
export type TokenTimes = (segment: Segment) => Segment;

/** How much of all probability timestamps must have for one to be believed. */
const SUM_THRESHOLD = 0.01;

/**
 * When each token of a segment is said, guessed from the timestamps that the model nearly wrote and from the loudness, as
 * `whisper_exp_compute_token_level_timestamps` of whisper.cpp does.
 */
export const tokenTimes = (o: TokenTimesOptions): TokenTimes => {
  const t = o.special;
  /** The window's beginning, the end of the last segment, and the last timestamp that was believed. */
  let [begin, last, lastId] = [0, 0, 0];

  return (segment) => {
    const { from, to } = segment;
    const n = segment.tokens.length;
    if (n === 0) return segment;
    if (n === 1) return { ...segment, tokens: segment.tokens.map((token) => ({ ...token, from, to })) };
    const tokens = segment.tokens.map((token) => ({ ...token, from: UNKNOWN, to: UNKNOWN }));
    if (tokens[0]!.id === t.firstTimestamp) {
      tokens[0]!.from = tokens[0]!.to = tokens[1]!.from = from;
      [begin, last, lastId] = [from, from, t.firstTimestamp];
    } else {
      tokens[0]!.from = last;
    }
    tokens.forEach((token, i) => {
      const { id, p, sum } = token.timestamp;
      const at = begin + 2 * (id - t.firstTimestamp);
      if (p <= o.threshold || sum <= SUM_THRESHOLD || id <= lastId || at > to) return;
      if (i > 0) tokens[i - 1]!.to = at;
      token.from = at;
      lastId = id;
    });
    tokens[n - 2]!.to = to;
    tokens[n - 1]!.from = tokens[n - 1]!.to = to;
    last = to;

    const lengths = tokens.map(({ id }) => voiceLength(o.textOf(id)));
    shareOut(tokens, lengths);
    putInOrder(tokens);
    fitToSound(tokens, segment, o);
    return { ...segment, tokens: tokens satisfies TimedToken[] };
  };
};

const UNKNOWN = -1;

interface Timed {
  readonly id: number;
  from: number;
  to: number;
}

/** Times between two that are known, in proportion to how long tokens take to say. */
const shareOut = (tokens: readonly Timed[], lengths: readonly number[]): void => {
  for (let first = 0; first < tokens.length; ) {
    let end = first;
    while (end < tokens.length - 1 && tokens[end]!.to < 0) end++;
    const total = lengths.slice(first, end + 1).reduce((a, b) => a + b, 0);
    const time = tokens[end]!.to - tokens[first]!.from;
    for (let i = first + 1; i <= end; i++) {
      const before = tokens[i - 1]!;
      const at = Math.trunc(before.from + (time * lengths[i - 1]!) / total);
      before.to = tokens[i]!.from = at;
    }
    first = end + 1;
  }
};

const putInOrder = (tokens: readonly Timed[]): void => {
  tokens.slice(0, -1).forEach((token, i) => {
    if (token.to < 0) tokens[i + 1]!.from = token.to;
    const before = tokens[i - 1];
    if (!before || before.to <= token.from) return;
    token.from = before.to;
    token.to = Math.max(token.from, token.to);
  });
};

/** Moves the edges of tokens to where it becomes quiet, or loud. */
const fitToSound = (tokens: readonly Timed[], { from }: Segment, { special, loudness: loud }: TokenTimesOptions) => {
  const n = loud.length;
  if (n === 0) return;
  // The loudness is looked up as if the segment were the sound's first, as whisper.cpp does.
  const sampleAt = (tick: number) => Math.max(0, Math.min(n - 1, (tick - from) * PER_TICK));
  const tickAt = (sample: number) => Math.floor(sample / PER_TICK) + from;
  tokens.forEach((token, i) => {
    if (token.id >= special.endOfText) return;
    const [before, after] = [tokens[i - 1], tokens[i + 1]];
    let first = sampleAt(token.from);
    let end = sampleAt(token.to);
    const around = loud.subarray(Math.max(first - AROUND, 0), Math.min(end + AROUND, n));
    const threshold = (0.5 * around.reduce((a, b) => a + b, 0)) / around.length;
    const at = (k: number) => loud[k]!;

    let k = first;
    if (at(k) > threshold && before) {
      while (k > 0 && at(k) > threshold) k--;
      token.from = tickAt(k);
      if (token.from < before.to) token.from = before.to;
      else first = k;
    } else {
      while (at(k) < threshold && k < end) k++;
      first = k;
      token.from = tickAt(k);
    }

    k = end;
    if (at(k) > threshold) {
      while (k < n - 1 && at(k) > threshold) k++;
      token.to = tickAt(k);
      if (after && token.to > after.from) token.to = after.from;
      else end = k;
    } else {
      while (at(k) < threshold && k > first) k--;
      end = k;
      token.to = tickAt(k);
    }
  });
};

const PAUSES = new Set(' \u3000');
const COMMAS = new Set(',，、；：');
const STOPS = new Set('.!?。．！？…');

/** How long a text takes to say, in letters: digits are words, commas and stops are pauses. */
const voiceLength = (text: string): number => {
  let length = 0;
  for (const char of text) {
    if (PAUSES.has(char)) length = Math.fround(length + Math.fround(0.01));
    else if (COMMAS.has(char)) length += 2;
    else if (STOPS.has(char) || /[0-9０-９]/.test(char)) length += 3;
    else length += 1;
  }
  return length;
};
