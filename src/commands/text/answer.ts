/** One answer: feeds a prompt at a position of the cache, streams text as it is written, and says how it ended. */
import { detokenizer } from '../../io/text/detokenizer.ts';
import type { Piece, ThoughtSplitter } from '../../io/text/thoughts.ts';
import { thoughtSplitter } from '../../io/text/thoughts.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import type { Row } from '../../models/best.ts';
import { wholeRow } from '../../models/best.ts';
import { Interrupted } from '../../models/decoder.ts';
import type { FinishReason, GenerateOptions, Step } from '../../models/generate.ts';
import { generate } from '../../models/generate.ts';
import type { Constraint } from '../../models/grammar/constraint.ts';
import { type ChoiceLogprobs, logprobsOf } from '../../models/logprobs.ts';
import type { Sampler } from '../../models/sampling.ts';

export interface AnswerOptions {
  readonly step: Step<Row>;
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
  /** What the text must be; thoughts that are told apart are free. */
  readonly constraint?: Constraint;
  /** Present where thoughts are told apart from the text. */
  readonly thoughts?: ThoughtOptions;
  /** Present where it is to be told how sure the model was: so many of the likeliest tokens beside each. */
  readonly logprobs?: number;
  /** Receives text as soon as it is certain. */
  write(piece: Piece): Promise<void>;
}

export interface ThoughtOptions {
  /** The prompt has begun a thought. */
  readonly isOpen: boolean;
  /** Tokens of thought before it is closed; -1: as many as the model likes. */
  readonly budget: number;
}

export interface Answer {
  /** What the model says; thoughts are not in it where they are told apart. */
  readonly text: string;
  /** What it thought before; empty where thoughts are not told apart. */
  readonly reasoning: string;
  readonly ids: readonly number[];
  readonly finish: FinishReason | 'reverse';
  /** One for each of `ids`, where they were asked for. */
  readonly logprobs?: readonly ChoiceLogprobs[];
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
  const pieces = detokenizer(o.tokenizer, { special: o.special, specials: thinkTags(o) });
  const splitter = o.thoughts && thoughtSplitter(o.thoughts.isOpen);
  const said = { thought: '', text: '' };
  let all = '';
  let finish: Answer['finish'] = 'interrupt';

  const sampler = o.constraint ? constrained(o.sampler, o.constraint, splitter) : o.sampler;
  const step: Step<Row> = async (tokens, pos) => {
    const row = await o.step(tokens, pos);
    if (ids.length === 0) promptEnd = performance.now();
    return row;
  };
  const give = async (given: readonly Piece[]): Promise<void> => {
    for (const piece of given) {
      said[piece.kind] += piece.text;
      await o.write(piece);
    }
  };
  const choice = o.thoughts && splitter ? closing(sampler, o.tokenizer, o.thoughts.budget, splitter) : sampler;
  const logprobs: ChoiceLogprobs[] = [];
  const tokens = generate(step, prompt, {
    sampler: o.logprobs === undefined ? choice : recording(choice, o.logprobs, logprobs),
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
      all += piece;
      await give(splitter ? splitter.push(piece) : [{ kind: 'text', text: piece }]);
      if (o.stops.some((stop) => all.includes(stop, all.length - piece.length - stop.length))) {
        finish = 'reverse';
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  }
  const rest = pieces.end();
  await give(splitter ? [...splitter.push(rest), ...splitter.end()] : [{ kind: 'text', text: rest }]);
  return {
    text: said.text,
    reasoning: said.thought,
    ids,
    finish,
    // An end token is chosen, but no part of the text.
    ...(o.logprobs !== undefined && { logprobs: logprobs.slice(0, ids.length) }),
    promptMs: promptEnd - start,
    firstTokenMs: (first ?? promptEnd) - start,
    generateMs: first === undefined ? 0 : last - first,
  };
};

/** A sampler that chooses what the constraint allows, unless it is thinking. */
const constrained = (
  sampler: Sampler,
  constraint: Constraint,
  splitter: Pick<ThoughtSplitter, 'isThinking'> | undefined,
): Choice => {
  let chosen: number | undefined;
  return {
    sample(row) {
      chosen = splitter?.isThinking ? undefined : sampler.sample(row, constraint);
      return chosen ?? sampler.sample(row);
    },
    accept(id) {
      sampler.accept(id);
      if (id === chosen) constraint.accept(id);
      chosen = undefined;
    },
  };
};

/** A sampler whose choices are noted down with their probabilities. */
const recording = (choice: Choice, n: number, notes: ChoiceLogprobs[]): Choice => ({
  sample(row) {
    const noteOf = logprobsOf(wholeRow(row), n);
    const id = choice.sample(row);
    notes.push(noteOf(id));
    return id;
  },
  accept: choice.accept,
});

/** What the loop of generation needs of a sampler. */
type Choice = GenerateOptions<Row>['sampler'];

/** A sampler that ends a thought of more tokens than the budget: it then chooses the closing tag, token by token. */
const closing = (
  sampler: Choice,
  tokenizer: Tokenizer,
  budget: number,
  splitter: Pick<ThoughtSplitter, 'isThinking'>,
): Choice => {
  if (budget < 0) return sampler;
  const tag = tokenizer.encode('</think>\n\n', { addSpecial: false });
  let spent = 0;
  let next = 0;
  return {
    sample(row) {
      if (next === 0 && splitter.isThinking && spent++ < budget) return sampler.sample(row);
      const isClosing = splitter.isThinking || next > 0;
      const id = isClosing ? tag[next] : undefined;
      if (id === undefined) return sampler.sample(row);
      next++;
      return id;
    },
    accept: (id) => sampler.accept(id),
  };
};

/** Thoughts are told apart by their tags, which must be seen even where a vocabulary calls them control tokens. */
const thinkTags = ({ thoughts, tokenizer }: AnswerOptions): ReadonlySet<number> =>
  new Set(thoughts ? ['<think>', '</think>'].flatMap((tag) => tokenizer.idOf(tag) ?? []) : []);
