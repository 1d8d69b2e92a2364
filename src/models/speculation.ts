/**
 * Speculation: while one token is computed, the next ones have been guessed, and all are computed in one run. A guess
 * that comes true saves a run; the tokens chosen are the same either way, for each is chosen from its own logits.
 */
import type { HostTensor } from '../graph/device/engine.ts';
import type { RowOptions, Runner } from './decoder.ts';
import { Interrupted, runInputs } from './decoder.ts';

/** What a run gives, by name. */
export type Outputs = Readonly<Record<string, HostTensor>>;

/** Where guesses come from. It is told of every token of the text, and of none that was only guessed. */
export interface Guesser {
  /** The token at this position is about to be computed, or was computed ahead. A text may go on from any position. */
  follow(token: number, pos: number): void;
  /** The token that was followed last is row `i` of what this run gave. */
  learn?(outputs: Outputs, i: number): void;
  /** What may come after the token that was followed last: at most `room` tokens. */
  guess(room: number): Promise<readonly number[]>;
}

export interface SpeculationOptions {
  readonly nVocab: number;
  readonly nCtx: number;
  /** At most so many tokens in one run. */
  readonly nTokenPerRun: number;
}

/** A token that was computed before it was chosen. */
interface Ahead {
  readonly token: number;
  readonly pos: number;
  readonly outputs: Outputs;
  /** Its row of them. */
  readonly i: number;
}

export interface Speculation {
  /** Feeds tokens from `pos` on; gives the logits after the last, as the model's own decoder does. */
  step(tokens: readonly number[], pos: number, options?: Pick<RowOptions, 'signal'>): Promise<Float32Array>;
  /** Guesses so far, and those that came true. */
  readonly count: { readonly guessed: number; readonly right: number };
}

/** @param model gives `logits` of the rows asked for, and what the guesser learns from */
export const createSpeculation = (
  model: Pick<Runner, 'run'>,
  guesser: Guesser,
  { nVocab, nCtx, nTokenPerRun }: SpeculationOptions,
): Speculation => {
  const count = { guessed: 0, right: 0 };
  let ahead: readonly Ahead[] = [];

  const logitsOf = ({ logits }: Outputs, i: number): Float32Array => rowOf(logits, i, nVocab);

  const prompt = async (tokens: readonly number[], pos: number, signal?: AbortSignal): Promise<Float32Array> => {
    let logits: Float32Array | undefined;
    for (let from = 0; from < tokens.length; from += nTokenPerRun) {
      if (signal?.aborted) throw new Interrupted();
      const chunk = tokens.slice(from, from + nTokenPerRun);
      const outputs = await model.run(runInputs([chunk], [pos + from], [chunk.length - 1]));
      chunk.forEach((token, i) => {
        guesser.follow(token, pos + from + i);
        guesser.learn?.(outputs, i);
      });
      await guesser.guess(0);
      logits = logitsOf(outputs, 0);
    }
    if (!logits) throw new Error('no token to decode');
    return logits;
  };

  return {
    count,
    async step(tokens, pos, { signal } = {}) {
      const [known, ...further] = ahead;
      ahead = [];
      const [token] = tokens;
      if (token === undefined || tokens.length > 1) return prompt(tokens, pos, signal);
      guesser.follow(token, pos);
      if (known?.token === token && known.pos === pos) {
        count.right++;
        ahead = further;
        guesser.learn?.(known.outputs, known.i);
        return logitsOf(known.outputs, known.i);
      }
      // What wrong guesses left in the cache is overwritten before anybody sees it.
      const guesses = await guesser.guess(Math.min(nCtx - pos, nTokenPerRun) - 1);
      const all = [token, ...guesses];
      const outputs = await model.run(runInputs([all], [pos], [...all.keys()]));
      count.guessed += guesses.length;
      guesser.learn?.(outputs, 0);
      ahead = guesses.map((guess, g) => ({ token: guess, pos: pos + 1 + g, outputs, i: 1 + g }));
      return logitsOf(outputs, 0);
    },
  };
};

/** Row `i` of an output `[n, width]`; the same memory. */
export const rowOf = (output: HostTensor | undefined, i: number, width: number): Float32Array => {
  const data = output?.data as Float32Array;
  return data.subarray(i * width, (i + 1) * width);
};
