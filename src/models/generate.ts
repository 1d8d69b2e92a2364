/** The loop of text generation: a step of the model, a choice, and so on. It knows no session and no text. */
import type { Row } from './best.ts';

/** Feeds tokens, the first of which stands at `pos`; gives what the next is chosen from. */
export type Step<R extends Row> = (tokens: readonly number[], pos: number) => Promise<R>;

/** An end token was chosen; enough tokens; the context is full; somebody asked to stop. */
export type FinishReason = 'eog' | 'limit' | 'context' | 'interrupt';

export interface GenerateOptions<R extends Row> {
  readonly sampler: { sample(row: R): number; accept(id: number): void };
  /** Position of the prompt's first token; what stands before it is in the cache already. */
  readonly pos: number;
  readonly nCtx: number;
  /** Tokens that end the text; they are chosen, not given out. */
  readonly endOfGeneration: ReadonlySet<number>;
  readonly maxTokens: number;
  /** Looked at before every step. */
  readonly signal: AbortSignal;
}

/**
 * Gives tokens as they are chosen and returns why it ended. The prompt is fed in one step, even when no token is
 * wanted; a token is fed only when another one is to be chosen after it.
 */
export async function* generate<R extends Row>(
  step: Step<R>,
  prompt: readonly number[],
  o: GenerateOptions<R>,
): AsyncGenerator<number, FinishReason, undefined> {
  let [tokens, pos] = [prompt, o.pos];
  for (let n = 0; ; n++) {
    if (o.signal.aborted) return 'interrupt';
    if (pos + tokens.length > o.nCtx) return 'context';
    if (n > 0 && n >= o.maxTokens) return 'limit';
    const row = await step(tokens, pos);
    if (o.maxTokens === 0) return 'limit';
    if (o.signal.aborted) return 'interrupt';
    const id = o.sampler.sample(row);
    o.sampler.accept(id);
    if (o.endOfGeneration.has(id)) return 'eog';
    yield id;
    [tokens, pos] = [[id], pos + tokens.length];
  }
}
