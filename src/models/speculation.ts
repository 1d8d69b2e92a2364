/**
 * Self-speculation: while one token is computed, the model's own layer for further tokens has guessed the next one, and
 * both are computed in one run. A guess that comes true saves the next run; the tokens chosen are the same either way.
 */
import type { HostTensor } from '../graph/device/engine.ts';
import type { Runner } from './decoder.ts';
import { Interrupted, runInputs } from './decoder.ts';

export interface SpeculationOptions {
  readonly nVocab: number;
  readonly nEmbd: number;
  readonly nCtx: number;
  readonly nTokenPerRun: number;
}

/** Tokens in a row from position `pos` on, each with the row of the token before it. */
interface Pending {
  pos: number;
  tokens: number[];
  rows: Float32Array[];
}

/** A token that was computed before it was chosen. */
interface Ahead {
  readonly token: number;
  readonly pos: number;
  readonly logits: Float32Array;
  readonly row: Float32Array;
}

export interface Speculation {
  /** Feeds tokens from `pos` on; gives the logits after the last, as the model's own decoder does. */
  step(tokens: readonly number[], pos: number, signal?: AbortSignal): Promise<Float32Array>;
  /** Guesses so far, and those that came true. */
  readonly count: { readonly guessed: number; readonly right: number };
}

/**
 * @param model gives `logits` of the rows asked for, and `hidden`, every token's last row
 * @param next takes tokens and the rows before them, and gives `logits` of what follows each
 */
export const createSpeculation = (
  model: Pick<Runner, 'run'>,
  next: Pick<Runner, 'run'>,
  { nVocab, nEmbd, nCtx, nTokenPerRun }: SpeculationOptions,
): Speculation => {
  const count = { guessed: 0, right: 0 };
  let ahead: Ahead | undefined;
  /** The last row whose next token is not known yet. */
  let last: { readonly pos: number; readonly row: Float32Array } | undefined;
  let pending: Pending = { pos: 0, tokens: [], rows: [] };

  const compute = async (tokens: readonly number[], pos: number, outIds: readonly number[]) => {
    const { logits, hidden } = await model.run(runInputs([tokens], [pos], outIds));
    const [all, rows] = [logits?.data as Float32Array, hidden?.data as Float32Array];
    return {
      logits: (i: number) => all.subarray(i * nVocab, (i + 1) * nVocab),
      row: (i: number) => rows.slice(i * nEmbd, (i + 1) * nEmbd),
    };
  };

  /** The row before `token` is known: the two go together. */
  const follow = (token: number, pos: number): void => {
    if (last?.pos !== pos - 1) {
      pending = { pos, tokens: [], rows: [] };
      return;
    }
    if (pending.tokens.length === 0) pending.pos = last.pos;
    pending.tokens.push(token);
    pending.rows.push(last.row);
  };

  /** Takes what is pending into the cache of the further layer; the likeliest token after it, if there is any. */
  const guess = async (): Promise<number | undefined> => {
    const { pos, tokens, rows } = pending;
    pending = { pos: 0, tokens: [], rows: [] };
    if (tokens.length === 0) return undefined;
    const data = new Float32Array(tokens.length * nEmbd);
    rows.forEach((row, i) => {
      data.set(row, i * nEmbd);
    });
    const hidden: HostTensor = { dtype: 'f32', dims: [1, tokens.length, nEmbd], data };
    const { logits } = await next.run({ ...runInputs([tokens], [pos], [tokens.length - 1]), hidden });
    return likeliest(logits?.data as Float32Array);
  };

  const prompt = async (tokens: readonly number[], pos: number, signal?: AbortSignal): Promise<Float32Array> => {
    let logits: Float32Array | undefined;
    for (let from = 0; from < tokens.length; from += nTokenPerRun) {
      if (signal?.aborted) throw new Interrupted();
      const chunk = tokens.slice(from, from + nTokenPerRun);
      const made = await compute(chunk, pos + from, [chunk.length - 1]);
      chunk.forEach((token, i) => {
        follow(token, pos + from + i);
        last = { pos: pos + from + i, row: made.row(i) };
      });
      await guess();
      logits = made.logits(0);
    }
    if (!logits) throw new Error('no token to decode');
    return logits;
  };

  return {
    count,
    async step(tokens, pos, signal) {
      const known = ahead;
      ahead = undefined;
      const [token] = tokens;
      if (token === undefined || tokens.length > 1) return prompt(tokens, pos, signal);
      follow(token, pos);
      if (known?.token === token && known.pos === pos) {
        count.right++;
        last = { pos, row: known.row };
        return known.logits;
      }
      const guessed = pos + 1 < nCtx ? await guess() : undefined;
      if (guessed === undefined) {
        const made = await compute([token], pos, [0]);
        last = { pos, row: made.row(0) };
        return made.logits(0);
      }
      count.guessed++;
      const made = await compute([token, guessed], pos, [0, 1]);
      last = { pos, row: made.row(0) };
      ahead = { token: guessed, pos: pos + 1, logits: made.logits(1), row: made.row(1) };
      return made.logits(0);
    },
  };
};

const likeliest = (logits: Float32Array): number => {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] ?? 0) > (logits[best] ?? 0)) best = i;
  return best;
};
