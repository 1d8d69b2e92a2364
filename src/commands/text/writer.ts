/** Writes answers one after the other and remembers which tokens the cache holds: only what changed is computed. */
import { UserError } from '../../errors.ts';
import type { Piece } from '../../io/text/thoughts.ts';
import { opensThought } from '../../io/text/thoughts.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import type { Row } from '../../models/best.ts';
import type { RowOptions } from '../../models/decoder.ts';
import type { Constraint } from '../../models/grammar/constraint.ts';
import type { SamplingOptions } from '../../models/sampling.ts';
import { createSampler } from '../../models/sampling.ts';
import type { Answer, AnswerOptions, ThoughtOptions } from './answer.ts';
import { answer } from './answer.ts';
import type { Timings } from './timings.ts';

/** Feeds tokens from a position on; gives what the next is chosen from. The signal is looked at between two runs. */
export type StoppableStep = (tokens: readonly number[], pos: number, options: RowOptions) => Promise<Row>;

export interface WriterOptions extends Pick<AnswerOptions, 'nCtx' | 'nPredict' | 'stops' | 'special' | 'logprobs'> {
  readonly step: StoppableStep;
  readonly tokenizer: Tokenizer;
  readonly sampling: SamplingOptions;
  /** Present where thoughts are told apart from the text. */
  readonly thoughts?: Pick<ThoughtOptions, 'budget'>;
  /** What every answer must be. */
  readonly constraint?: () => Constraint;
  readonly whenFull: WhenFull;
  /** How long the model took to load, for the timings. */
  readonly loadMs: number;
}

/** An answer, and what it took. */
export interface Written extends Answer {
  readonly promptTokens: number;
  /** Its prompt tokens are those that were computed, not those that were still in the cache. */
  readonly timings: Timings;
}

/** Who asks for an answer. */
export interface Listener extends Pick<AnswerOptions, 'signal'> {
  /** Receives text as soon as it is certain. */
  hear(piece: Piece): Promise<void>;
  /** Is told what a person should know while the answer comes. */
  tell(line: string): void;
}

/** What is done where the context is full: the answer ends, or the older half of it is forgotten. */
export type WhenFull =
  | { readonly kind: 'end' }
  /** `keep`: tokens at the beginning that are never forgotten; -1: the prompt. */
  | { readonly kind: 'forget'; readonly keep: number };

export interface Writer {
  /** Tokens whose rows the cache holds, from its first position on. */
  readonly cached: readonly number[];
  /**
   * Writes on from a whole prompt, of which earlier prompts and answers may be the beginning.
   * @throws UserError 'capacity' for a prompt longer than the context
   */
  write(prompt: readonly number[], listener: Listener): Promise<Written>;
  /** The cache holds the rows of these tokens now, as another run has computed them. */
  resume(tokens: readonly number[]): void;
  /** Chooses tokens in another way from now on. */
  choose(sampling: SamplingOptions): void;
}

/** Writes texts with one model and one way to choose tokens, one after another. */
export const createWriter = ({
  step,
  sampling,
  loadMs,
  thoughts,
  constraint,
  whenFull,
  ...options
}: WriterOptions): Writer => {
  const { tokenizer, nCtx } = options;
  const cached: number[] = [];
  let sampler = createSampler(sampling, tokenizer.vocabSize);
  return {
    cached,
    resume(tokens) {
      cached.length = 0;
      for (const id of tokens) {
        cached.push(id);
        sampler.accept(id);
      }
    },
    choose(changed) {
      sampler = createSampler(changed, tokenizer.vocabSize);
      for (const id of cached) sampler.accept(id);
    },
    async write(prompt, { signal, hear, tell }) {
      if (prompt.length > nCtx)
        throw new UserError(
          'capacity',
          `the prompt has ${prompt.length} tokens, the context ${nCtx}`,
          'use a larger -c or a shorter prompt',
        );
      // The last token is computed in any case: its logits are not kept.
      const kept = Math.min(commonPrefix(cached, prompt), prompt.length - 1);
      const fresh = prompt.slice(kept);
      for (const id of fresh) sampler.accept(id);
      const nBest = constraint || options.logprobs !== undefined ? undefined : sampler.nBest;
      const forgets = whenFull.kind === 'forget' && options.nPredict !== -2;
      /** Tokens forgotten while this answer is written: positions have moved by so many. */
      let gone = 0;
      const done = await answer(fresh, {
        ...options,
        ...(thoughts && { thoughts: { ...thoughts, isOpen: opensThought(tailOf(prompt, tokenizer)) } }),
        ...(constraint && { constraint: constraint() }),
        sampler,
        signal,
        write: hear,
        pos: kept,
        nCtx: forgets ? Number.POSITIVE_INFINITY : nCtx,
        step: async (tokens, counted) => {
          let [given, pos] = [tokens, counted - gone];
          if (forgets && pos + tokens.length > nCtx) {
            const first = whenFull.keep < 0 ? prompt.length : Math.max(whenFull.keep, tokenizer.addBos ? 1 : 0);
            const nKeep = Math.min(first, pos - 1);
            const nForgotten = Math.max(1, Math.floor((pos - nKeep) / 2));
            given = [...cached.slice(nKeep + nForgotten, pos), ...tokens];
            pos = nKeep;
            gone += nForgotten;
            tell(
              `the context of ${nCtx} tokens is full: ${nForgotten} are forgotten, ${given.length} after them are computed again`,
            );
          }
          cached.length = pos; // what an interrupted run wrote is not known
          const row = await step(given, pos, { signal, nBest });
          cached.push(...given);
          return row;
        },
      });
      const timings: Timings = {
        loadMs,
        promptTokens: fresh.length,
        promptMs: done.promptMs,
        firstTokenMs: done.firstTokenMs,
        generatedTokens: done.ids.length,
        generateMs: done.generateMs,
      };
      return { ...done, promptTokens: prompt.length, timings };
    },
  };
};

/** The end of a prompt, long enough for a tag and a line break, of whatever tokens they are made. */
const tailOf = (prompt: readonly number[], tokenizer: Tokenizer): string =>
  tokenizer.decode(prompt.slice(-16), { special: true });

const commonPrefix = (a: readonly number[], b: readonly number[]): number => {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
};
