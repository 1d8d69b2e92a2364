import type { GraphBuilder } from '../builder.ts';
import type { Tensor } from '../tensor.ts';
import type { FfnOptions } from './ffn.ts';
import { ffn } from './ffn.ts';
import type { ExpertWeights, Routing } from './moe.ts';
import { moe } from './moe.ts';

/** The weights of a layer's feed-forward part, of which a model may have either kind. */
export type FeedForward =
  | ({ readonly kind: 'dense' } & Omit<FfnOptions, 'act'>)
  | ({ readonly kind: 'moe' } & ExpertWeights);

/** A gated feed-forward part (SiLU), or experts of them, for each token of `[B, T, nEmbd]`. */
export const feedForward = (g: GraphBuilder, x: Tensor, f: FeedForward, routing: Routing): Tensor =>
  f.kind === 'moe' ? moe(g, x, { ...f, ...routing }) : ffn(g, x, { ...f, act: 'silu' });
