/** One window: decoded at rising temperatures until the result can be believed (Radford et al. 2022, section 4.5). */
import { createRandom } from '../samplers/random.ts';
import type { SpeechStep, Strategy } from './search.ts';
import { search } from './search.ts';
import type { Bounds, Score, Sequence } from './sequence.ts';
import { ENTROPY_TOKENS, scoreOf } from './sequence.ts';
import type { SpecialTokens } from './special-tokens.ts';
import type { Rules } from './token-rules.ts';
import { rawProbability } from './token-rules.ts';

export interface DecodingOptions {
  /** The first is tried first; each later one only if the result before it cannot be believed. */
  readonly temperatures: readonly number[];
  /** Sequences drawn at temperatures above 0, of which the best is taken. */
  readonly bestOf: number;
  /** Sequences followed at temperature 0; 1 is greedy. */
  readonly beamSize: number;
  /** How many times as many beams must end before the best is taken; see Beams. */
  readonly patience?: number;
  /** How much a long text is favoured (Wu et al. 2016, equation 14); the mean of log-probabilities decides if absent. */
  readonly lengthPenalty?: number;
  /** Repeating itself more than this (in nats) is failure. */
  readonly entropyThreshold: number;
  /** Less certain than this, on average, is failure, unless nothing seems to be said. */
  readonly logProbThreshold: number;
  readonly noSpeechThreshold: number;
  readonly seed: number;
}

export interface WindowOptions extends DecodingOptions {
  readonly special: SpecialTokens;
  readonly rules: Rules;
  readonly bounds: Bounds;
  /** What the model is given before the text, at this temperature. */
  prompt(temperature: number): readonly number[];
  check(): void;
}

/** What a window holds. */
export interface Heard {
  readonly sequence: Sequence;
  readonly score: Score;
  readonly noSpeechProb: number;
  readonly temperature: number;
  readonly prompt: readonly number[];
  /** Whether the text is too uncertain to be believed where perhaps nothing is said. */
  readonly isSilence: boolean;
  readonly fallbacks: Fallbacks;
}

/** How often a result was given up: for its probability, and for repeating itself. */
export interface Fallbacks {
  readonly p: number;
  readonly h: number;
}

/** Decodes one window at rising temperatures until what is heard is trusted (Radford et al. 2022, section 4.5). */
export const decodeWindow = async (step: SpeechStep, o: WindowOptions): Promise<Heard> => {
  const fallbacks = { p: 0, h: 0 };
  let heard: Heard | undefined;
  for (const [i, temperature] of o.temperatures.entries()) {
    o.check();
    const prompt = o.prompt(temperature);
    const [logits] = await step([prompt], 0, [0]);
    if (!logits) throw new Error('the model gave no logits');
    const noSpeechProb = rawProbability(logits, o.special.noSpeech);
    const found = await search(step, logits, prompt.length, { ...o, strategy: strategyAt(temperature, o) });
    const ranked = found.map((sequence) => judged(sequence, o));
    fallbacks.h += ranked.filter(({ repeats }) => repeats).length;
    const { sequence, score, isFailed } = bestOf(ranked);
    const isUncertain = score.avgLogProb < o.logProbThreshold;
    const isSilence = noSpeechProb > o.noSpeechThreshold && isUncertain;
    heard = { sequence, score, noSpeechProb, temperature, prompt, isSilence, fallbacks };
    const isBelieved = !isFailed && !(isUncertain && noSpeechProb < o.noSpeechThreshold);
    if (isBelieved || i === o.temperatures.length - 1) break;
    fallbacks.p += 1;
  }
  if (!heard) throw new Error('no temperature to decode at');
  return heard;
};

const strategyAt = (temperature: number, o: DecodingOptions): Strategy => {
  if (temperature > 0) {
    const random = Array.from({ length: o.bestOf }, (_, i) => createRandom(o.seed + i));
    return { kind: 'draw', temperature, random };
  }
  if (o.beamSize === 1) return { kind: 'greedy' };
  return { kind: 'beam', width: o.beamSize, ...(o.patience !== undefined && { patience: o.patience }) };
};

interface Judged {
  readonly sequence: Sequence;
  readonly score: Score;
  /** What the best of several sequences has most of. */
  readonly rank: number;
  readonly isFailed: boolean;
  readonly repeats: boolean;
}

const judged = (sequence: Sequence, o: DecodingOptions): Judged => {
  if (sequence.state === 'failed') {
    return { sequence, score: { avgLogProb: NEVER, entropy: 0 }, rank: NEVER, isFailed: true, repeats: false };
  }
  const score = scoreOf(sequence);
  const repeats = sequence.nResult > ENTROPY_TOKENS && score.entropy < o.entropyThreshold;
  return {
    sequence: { ...sequence, tokens: sequence.tokens.slice(0, sequence.nResult) },
    score,
    rank: rankOf(score, sequence.nResult, o.lengthPenalty),
    isFailed: repeats,
    repeats,
  };
};

const NEVER = Number.NEGATIVE_INFINITY;

const rankOf = ({ avgLogProb }: Score, nToken: number, lengthPenalty: number | undefined): number =>
  lengthPenalty === undefined || nToken === 0
    ? avgLogProb
    : (avgLogProb * nToken) / ((5 + nToken) / 6) ** lengthPenalty;

/** The sequence that ranks first of those that did not fail; where all did, the first. */
const bestOf = (ranked: readonly Judged[]): Judged => {
  const [first] = ranked;
  if (!first) throw new Error('the search found nothing');
  const good = ranked.filter(({ isFailed }) => !isFailed);
  return good.reduce((a, b) => (b.rank > a.rank ? b : a), good[0] ?? first);
};
