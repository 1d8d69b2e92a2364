/** Which tokens may come next, and how likely each is then: openai/whisper's logit filters as whisper.cpp applies them. */
import type { Sequence, Token } from './sequence.ts';
import type { SpecialTokens } from './special-tokens.ts';

export interface RuleOptions {
  readonly special: SpecialTokens;
  readonly withTimestamps: boolean;
  /** Words that are never said. */
  readonly suppressed: Iterable<number>;
  /** A text does not begin with this word, a lone space. */
  readonly blank?: number;
  /** Whether the model may tell that speakers take turns. */
  readonly speakerTurns: boolean;
  /** The first timestamp is one of so many, so that a window's beginning is not skipped. */
  readonly nFirstTimestamp: number;
}

/** What may come next, by log-probability; -Infinity for what may not. */
export interface Choice {
  readonly logProbs: Float32Array;
  readonly timestamp: Token['timestamp'];
}

/** Applies the rules to the logits `[nVocab]` that follow a sequence, and changes them in place. */
export type Rules = (logits: Float32Array, sequence: Sequence, temperature: number) => Choice;

const NEVER = Number.NEGATIVE_INFINITY;

/** Which tokens may come next: the rules on timestamps, and what is suppressed (Radford et al. 2022, section 4.5). */
export const tokenRules = (o: RuleOptions): Rules => {
  const t = o.special;
  const always = Int32Array.from([
    t.noTimestamps,
    t.startOfTranscript,
    t.noSpeech,
    t.translate,
    t.transcribe,
    t.startOfPrevious,
    ...(o.speakerTurns ? [] : [t.speakerTurn]),
    ...t.languages.values(),
    ...o.suppressed,
  ]);
  return (logits, { tokens, hasTimestamp, advance }, temperature) => {
    if (temperature > 0) for (let i = 0; i < logits.length; i++) logits[i]! /= temperature;
    for (const id of always) logits[id] = NEVER;
    const forbid = (from: number, to: number) => logits.fill(NEVER, from, to);
    const isFirst = tokens.length === 0;
    if (isFirst) {
      logits[t.endOfText] = NEVER;
      if (o.blank !== undefined) logits[o.blank] = NEVER;
      forbid(t.firstTimestamp + o.nFirstTimestamp, logits.length);
    }
    if (!o.withTimestamps) forbid(t.firstTimestamp, logits.length);
    // Timestamps come in pairs, except directly before the end.
    const isTimestamp = (back: number) => (tokens.at(-back)?.id ?? -1) >= t.firstTimestamp;
    if (isTimestamp(1)) {
      if (tokens.length < 2 || isTimestamp(2)) forbid(t.firstTimestamp, logits.length);
      else forbid(0, t.endOfText);
    }
    // They never decrease.
    if (hasTimestamp) forbid(t.firstTimestamp, t.firstTimestamp + Math.floor(advance / 2));
    toLogProbs(logits);
    return { logProbs: logits, timestamp: preferTimestamp(logits, t.firstTimestamp) };
  };
};

/** Log-softmax in place. */
const toLogProbs = (logits: Float32Array): void => {
  const sum = logSumExp(logits, 0, logits.length).logSum;
  for (let i = 0; i < logits.length; i++) logits[i]! -= sum;
};

/** The largest of a range, where it is, and the logarithm of the sum of exponentials. */
const logSumExp = (x: Float32Array, from: number, to: number) => {
  let most = NEVER;
  let at = from;
  for (let i = from; i < to; i++) {
    const value = x[i]!;
    if (value > most) {
      most = value;
      at = i;
    }
  }
  if (most === NEVER) return { most, at, logSum: NEVER };
  let sum = 0;
  for (let i = from; i < to; i++) {
    const value = x[i]!;
    if (value > most - FAR) sum += Math.exp(value - most);
  }
  return { most, at, logSum: most + Math.log(sum) };
};

/** Terms this far below the largest vanish in float32: exp(-30) is 1e-13. */
const FAR = 30;

/** Where timestamps together are likelier than any word, only they may come. Gives the likeliest timestamp. */
const preferTimestamp = (logProbs: Float32Array, first: number): Token['timestamp'] => {
  const times = logSumExp(logProbs, first, logProbs.length);
  let word = NEVER;
  for (let i = 0; i < first; i++) if (logProbs[i]! > word) word = logProbs[i]!;
  if (times.logSum > word) logProbs.fill(NEVER, 0, first);
  const sum = Math.exp(times.logSum);
  return { id: times.at, p: Math.exp(times.most) / (sum + 1e-10), sum };
};

/** Softmax of some logits: by id, in their order. */
export const probabilities = (logits: Float32Array, ids: Iterable<number>): Map<number, number> => {
  const list = [...ids];
  const most = Math.max(...list.map((id) => logits[id] ?? NEVER));
  const exps = list.map((id) => Math.exp((logits[id] ?? NEVER) - most));
  const sum = exps.reduce((a, b) => a + b, 0);
  return new Map(list.map((id, i) => [id, exps[i]! / sum]));
};

/** The probability of one token among all, before any rule. */
export const rawProbability = (logits: Float32Array, id: number): number =>
  Math.exp((logits[id] ?? NEVER) - logSumExp(logits, 0, logits.length).logSum);
