/** How sure a model was of what was chosen, and what else it thought of. */
import { Candidates } from './samplers/candidates.ts';

export interface TokenLogprob {
  readonly id: number;
  /** Natural logarithm of the model's own probability, before any sampler. */
  readonly logprob: number;
}

/** A chosen token, and the likeliest ones in its place, the best first. */
export interface ChoiceLogprobs extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

/**
 * Reads a row of logits `[nVocab]` before samplers change it; gives what to say once a token is chosen.
 * @param n how many of the likeliest tokens to tell
 */
export const logprobsOf = (logits: Float32Array, n: number): ((chosen: number) => ChoiceLogprobs) => {
  const row = logits.slice();
  const candidates = new Candidates(row.length);
  candidates.fill(row);
  const max = candidates.max();
  const sum = row.reduce((total, logit) => total + Math.exp(logit - max), 0);
  const of = (id: number): TokenLogprob => ({ id, logprob: (row[id] ?? Number.NaN) - max - Math.log(sum) });
  const nTop = Math.min(n, candidates.length);
  if (nTop > 0) candidates.keepBest(nTop);
  const top = Array.from(candidates.ids.subarray(0, nTop), of);
  return (chosen) => ({ ...of(chosen), top });
};
