/** Perplexity as llama.cpp's tool defines it: chunks of the context's length, the second half of each is scored. */
import type { Decoder } from './decoder.ts';

export interface PerplexityOptions {
  /** Length of a chunk. */
  readonly nCtx: number;
  /** Chunks at most; all of them if absent. */
  readonly nChunk?: number;
  /** Replaces the first token of every chunk, where the model begins texts with one. */
  readonly bos?: number;
  readonly signal?: AbortSignal;
}

export interface PerplexitySoFar {
  readonly chunk: number;
  readonly nChunk: number;
  readonly perplexity: number;
  /** One standard error; NaN with a single scored token. */
  readonly error: number;
}

/** -log softmax(logits)[id], by log-sum-exp in float64. */
export const negativeLogLikelihood = (logits: Float32Array, id: number): number => {
  let max = Number.NEGATIVE_INFINITY;
  for (const x of logits) if (x > max) max = x;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - max);
  return max + Math.log(sum) - (logits[id] ?? Number.NaN);
};

/** The estimate after each chunk. Positions nCtx/2 to nCtx - 2 are scored by how well they predict their successor. */
export async function* perplexity(
  decoder: Decoder,
  ids: readonly number[],
  { nCtx, bos, signal, ...options }: PerplexityOptions,
): AsyncGenerator<PerplexitySoFar> {
  const nChunk = Math.min(Math.floor(ids.length / nCtx), options.nChunk ?? Number.POSITIVE_INFINITY);
  const first = Math.floor(nCtx / 2);
  let [n, sum, squares] = [0, 0, 0];
  for (let chunk = 0; chunk < nChunk; chunk++) {
    const tokens = ids.slice(chunk * nCtx, (chunk + 1) * nCtx);
    const fed = bos === undefined ? tokens : [bos, ...tokens.slice(1)];
    let pos = 0;
    for await (const rows of decoder.all(fed, 0, signal)) {
      for (let at = 0; at < rows.length; at += decoder.nVocab, pos++) {
        const next = tokens[pos + 1];
        if (pos < first || next === undefined) continue;
        const nll = negativeLogLikelihood(rows.subarray(at, at + decoder.nVocab), next);
        n++;
        sum += nll;
        squares += nll * nll;
      }
    }
    const mean = sum / n;
    const value = Math.exp(mean);
    const error = value * Math.sqrt((squares / n - mean * mean) / (n - 1));
    yield { chunk: chunk + 1, nChunk, perplexity: value, error };
  }
}
