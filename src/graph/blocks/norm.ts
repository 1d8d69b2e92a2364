import type { GraphBuilder } from '../builder.ts';
import { layerNorm, rmsNorm } from '../ops/norm.ts';
import type { Tensor } from '../tensor.ts';
import type { Norm } from '../weights.ts';
import { block } from './block.ts';

/** Normalises the last axis by the kind that the weights are of. */
export const norm = block(
  'norm',
  (g: GraphBuilder, x: Tensor, n: Norm): Tensor =>
    n.kind === 'rms'
      ? rmsNorm(g, x, g.weight(n.weight), n.eps)
      : layerNorm(g, x, g.weight(n.weight), g.weight(n.bias), n.eps),
);
