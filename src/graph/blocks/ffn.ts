import type { GraphBuilder } from '../builder.ts';
import type { Activation } from '../ops/arithmetic.ts';
import { activate, mul } from '../ops/arithmetic.ts';
import { linear } from '../ops/matmul.ts';
import type { Tensor } from '../tensor.ts';
import type { Linear } from '../weights.ts';
import { block } from './block.ts';

export interface FfnOptions {
  readonly up: Linear;
  readonly down: Linear;
  /** Present: act(x gate) * (x up) (Shazeer 2020, GLU variants); absent: act(x up). */
  readonly gate?: Linear;
  readonly act: Activation;
}

/** Two products with an activation between them, for each token `[B, T, nEmbd]` alone. */
export const ffn = block('ffn', (g: GraphBuilder, x: Tensor, { up, down, gate, act }: FfnOptions): Tensor => {
  const inner = gate
    ? mul(g, activate(g, linear(g, x, gate), act), linear(g, x, up))
    : activate(g, linear(g, x, up), act);
  return linear(g, inner, down);
});
