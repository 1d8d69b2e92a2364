/** Guesses by the model's own layer for further tokens (DeepSeek-V3, section 2.2): one token ahead. */
import type { HostTensor } from '../../graph/device/engine.ts';
import type { Runner } from '../decoder.ts';
import { runInputs } from '../decoder.ts';
import type { Guesser } from '../speculation.ts';
import { rowOf } from '../speculation.ts';

/** Tokens in a row from position `pos` on, each with the row of the token before it. */
interface Pending {
  pos: number;
  tokens: number[];
  rows: Float32Array[];
}

/**
 * A guesser that learns from `hidden`, every token's last row.
 * @param next takes tokens and the rows before them, and gives `logits` of what follows each
 */
export const guessByLayer = (next: Pick<Runner, 'run'>, { nEmbd }: { readonly nEmbd: number }): Guesser => {
  /** Where the text has got to, and the row of that token once it is known. */
  let last: { readonly pos: number; readonly row?: Float32Array } | undefined;
  let pending: Pending = { pos: 0, tokens: [], rows: [] };

  return {
    follow(token, pos) {
      if (last?.row && last.pos === pos - 1) {
        if (pending.tokens.length === 0) pending.pos = last.pos;
        pending.tokens.push(token);
        pending.rows.push(last.row);
      } else pending = { pos, tokens: [], rows: [] };
      last = { pos };
    },
    learn({ hidden }, i) {
      if (last) last = { ...last, row: rowOf(hidden, i, nEmbd).slice() };
    },
    /** Takes what is pending into the layer's cache, even where there is no room for a guess. */
    async guess(room) {
      const { pos, tokens, rows } = pending;
      pending = { pos: 0, tokens: [], rows: [] };
      if (tokens.length === 0) return [];
      const data = new Float32Array(tokens.length * nEmbd);
      rows.forEach((row, i) => {
        data.set(row, i * nEmbd);
      });
      const hidden: HostTensor = { dtype: 'f32', dims: [1, tokens.length, nEmbd], data };
      const { logits } = await next.run({ ...runInputs([tokens], [pos], [tokens.length - 1]), hidden });
      return room > 0 ? [likeliest(logits?.data as Float32Array)] : [];
    },
  };
};

const likeliest = (logits: Float32Array): number => {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] ?? 0) > (logits[best] ?? 0)) best = i;
  return best;
};
