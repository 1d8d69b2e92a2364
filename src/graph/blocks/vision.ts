/** From an image to a sequence of tokens: Dosovitskiy et al. 2020. */

import type { GraphBuilder } from '../builder.ts';
import { conv, sequence } from '../ops/conv.ts';
import { prepend } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import type { Linear, WeightRef } from '../weights.ts';
import { block } from './block.ts';

/** Each square of patchSize by patchSize pixels of an image `[B, 3, height, width]` as one token `[B, nPatch, nEmbd]`. */
export const patchEmbedding = block(
  'patchEmbedding',
  (g: GraphBuilder, image: Tensor, proj: Linear, patchSize: number): Tensor =>
    sequence(g, conv(g, image, proj, { stride: patchSize, pad: 0 })),
);

/** Learned tokens `[nEmbd]` or `[n, nEmbd]`, the same for every image, before the stream `[B, T, nEmbd]`. */
export const classToken = block(
  'classToken',
  (g: GraphBuilder, x: Tensor, token: WeightRef): Tensor => prepend(g, x, g.weight(token)),
);
