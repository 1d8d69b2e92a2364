/** How a graph of text is set up: what every decoder begins with, and what it ends with. */
import type { GraphBuilder } from '../builder.ts';
import { pick } from '../ops/select.ts';
import { flatten } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';

/** The ids of a run's tokens and their positions in their sequences, both `[B, T]`. */
export const textInputs = (g: GraphBuilder, batch = 'B'): { readonly tokens: Tensor; readonly pos: Tensor } => ({
  tokens: g.input('tokens', 'i64', [batch, 'T']),
  pos: g.input('pos', 'i64', [batch, 'T']),
});

/** The rows of a stream `[B, T, nEmbd]` that somebody wants logits of, counted over all sequences: `[nOut, nEmbd]`. */
export const askedRows = (g: GraphBuilder, x: Tensor): Tensor =>
  pick(g, flatten(g, x, 'nToken'), g.input('outIds', 'i64', ['nOut']));
