/** How a model knows where a token stands: turned queries and keys, a learned table, or fixed sinusoids. */

import type { GraphBuilder } from '../builder.ts';
import { add } from '../ops/arithmetic.ts';
import type { Mask, RopePairs } from '../ops/attend.ts';
import { rope, ropeTables } from '../ops/attend.ts';
import type { RopeTable } from '../ops/rope-table.ts';
import { rows } from '../ops/select.ts';
import type { Tensor } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import { block } from './block.ts';

/** Turns queries or keys `[B, nHead, T, headDim]` by their positions. */
export type Rotate = (x: Tensor) => Tensor;

/** Rotary positions for tokens at `pos`, `[B, T]`: Su et al. 2021. */
export const rotary = block(
  'rotary',
  (g: GraphBuilder, pos: Tensor, table: RopeTable & { readonly pairs: RopePairs }): Rotate => {
    const { pairs, ...angles } = table;
    const [cos, sin] = ropeTables(g, angles);
    return (x) => rope(g, x, pos, cos, sin, pairs);
  },
);

/** The stream plus each position's row of a stored table `[nCtx, nEmbd]`; learned or sinusoid is the file's affair. */
export const positionTable = block(
  'positionTable',
  (g: GraphBuilder, x: Tensor, table: WeightRef, pos: Tensor): Tensor => add(g, x, rows(g, table, pos)),
);

/** A token sees itself and what came before it. */
export const causal = (pos: Tensor): Mask => ({ kind: 'causal', pos });

/** Every key is seen. */
export const unmasked: Mask = { kind: 'none' };

/** The fixed table of Whisper's encoder `[n, width]`: sines of geometrically spaced time scales, then their cosines. */
export const sinusoids = (n: number, width: number): Float32Array => {
  const half = width / 2;
  const step = Math.log(10_000) / (half - 1);
  const out = new Float32Array(n * width);
  for (let pos = 0; pos < n; pos++) {
    for (let i = 0; i < half; i++) {
      const angle = pos * Math.exp(-step * i);
      out[pos * width + i] = Math.sin(angle);
      out[pos * width + half + i] = Math.cos(angle);
    }
  }
  return out;
};
