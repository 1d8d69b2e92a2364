/** One answer: feeds a prompt at a position of the cache, streams text as it is written, and says how it ended. */
import { detokenizer } from '../io/text/detokenizer.ts';
import type { Tokenizer } from '../io/text/tokenizer.ts';
import { Interrupted } from '../models/decoder.ts';
import type { FinishReason, Step } from '../models/generate.ts';
import { generate } from '../models/generate.ts';
import type { Sampler } from '../models/sampling.ts';

export interface AnswerOptions {
  readonly step: Step;
  readonly sampler: Sampler;
  readonly tokenizer: Tokenizer;
  /** Position of the prompt's first token. */
  readonly pos: number;
  readonly nCtx: number;
  /** -1: until an end token, -2: until the context is full. */
  readonly nPredict: number;
  /** Texts that end an answer; they are part of it, with what came in the same token. */
  readonly stops: readonly string[];
  readonly special: boolean;
  readonly signal: AbortSignal;
  /** Receives text as soon as it is certain. */
  write(text: string): Promise<void>;
}

export interface Answer {
  readonly text: string;
  readonly ids: readonly number[];
  readonly finish: FinishReason | 'reverse';
  readonly promptMs: number;
  readonly firstTokenMs: number;
  readonly generateMs: number;
}

/** Generates from `prompt` and streams what comes. */
export const answer = async (prompt: readonly number[], o: AnswerOptions): Promise<Answer> => {
  const start = performance.now();
  let promptEnd = start;
  let first: number | undefined;
  let last = start;
  const ids: number[] = [];
  const pieces = detokenizer(o.tokenizer, { special: o.special });
  let text = '';
  let finish: Answer['finish'] = 'interrupt';

  const step: Step = async (tokens, pos) => {
    const logits = await o.step(tokens, pos);
    if (ids.length === 0) promptEnd = performance.now();
    return logits;
  };
  const tokens = generate(step, prompt, {
    sampler: o.sampler,
    pos: o.pos,
    nCtx: o.nCtx,
    endOfGeneration: o.nPredict === -2 ? new Set() : o.tokenizer.endOfGeneration,
    maxTokens: o.nPredict < 0 ? Number.POSITIVE_INFINITY : o.nPredict,
    signal: o.signal,
  });
  try {
    for (;;) {
      const next = await tokens.next();
      if (next.done) {
        finish = next.value;
        break;
      }
      last = performance.now();
      first ??= last;
      ids.push(next.value);
      const piece = pieces.push(next.value);
      text += piece;
      await o.write(piece);
      if (o.stops.some((stop) => text.includes(stop, text.length - piece.length - stop.length))) {
        finish = 'reverse';
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  }
  const rest = pieces.end();
  text += rest;
  await o.write(rest);
  return {
    text,
    ids,
    finish,
    promptMs: promptEnd - start,
    firstTokenMs: (first ?? promptEnd) - start,
    generateMs: first === undefined ? 0 : last - first,
  };
};
