import type { GraphBuilder } from '../builder.ts';
import { add } from '../ops/arithmetic.ts';
import type { Tensor } from '../tensor.ts';
import { sameShape, showShape } from '../tensor.ts';
import { block } from './block.ts';

/** The stream plus what a layer says (He et al. 2015). Both must have the same shape: nothing is broadcast here. */
export const residual = block('residual', (g: GraphBuilder, x: Tensor, y: Tensor): Tensor => {
  if (!sameShape(x.shape, y.shape)) throw new Error(`residual of ${showShape(x.shape)} and ${showShape(y.shape)}`);
  return add(g, x, y);
});
