/** `grafo llama --perplexity FILE`: the estimate after each chunk, as llama.cpp's tool prints it. */
import { UserError } from '../../errors.ts';
import type { PerplexitySoFar } from '../../models/perplexity.ts';
import { perplexity } from '../../models/perplexity.ts';
import { write } from '../terminal.ts';
import type { TextModelFile } from './open.ts';

export interface PrintPerplexityOptions {
  /** So many chunks at most; -1: all. */
  readonly chunks: number;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/**
 * Measures a text and prints the result.
 * @throws UserError 'usage' for a text of less than two contexts, Interrupted when the signal asks to stop
 */
export const printPerplexity = async (
  { tokenizer, decoder, nCtx }: TextModelFile,
  text: string,
  { chunks, json, signal }: PrintPerplexityOptions,
): Promise<void> => {
  const ids = tokenizer.encode(text);
  if (ids.length < 2 * nCtx)
    throw new UserError(
      'usage',
      `the text has ${ids.length} tokens, two chunks of ${nCtx} are needed`,
      'use a longer text or a smaller -c',
    );
  const { addBos, bos } = tokenizer;
  const estimates = perplexity(decoder, ids, {
    nCtx,
    signal,
    ...(addBos && bos !== undefined && { bos }),
    ...(chunks > 0 && { nChunk: chunks }),
  });
  let last: PerplexitySoFar | undefined;
  for await (const estimate of estimates) {
    if (!json) await write(`[${estimate.chunk}]${estimate.perplexity.toFixed(4)},`);
    last = estimate;
  }
  if (json) {
    const result = { perplexity: last?.perplexity, error: last?.error, chunks: last?.chunk, context: nCtx };
    await write(`${JSON.stringify(result)}\n`);
  } else await write(`\nFinal estimate: PPL = ${last?.perplexity.toFixed(4)} +/- ${last?.error.toFixed(5)}\n`);
};
