/** Convolutions, and the way from an image's grid to a sequence. */
import type { GraphBuilder } from '../builder.ts';
import { expectRank, expectShape, op } from '../op.ts';
import type { Dim, Tensor } from '../tensor.ts';
import { elements, size, withDim } from '../tensor.ts';
import type { Linear } from '../weights.ts';

interface ConvAttrs {
  /** Steps along every axis of the grid. */
  readonly stride: number;
  /** Zeros added at both ends of every axis of the grid. */
  readonly pad: number;
}

/**
 * Convolution over any number of axes: x `[B, nIn, ...extents]`, weight `[nOut, nIn, ...kernel]` and maybe a bias
 * `[nOut]` -> `[B, nOut, ...extents]`.
 */
export const CONV = op<number, ConvAttrs>({
  name: 'conv',
  infer([x, weight, bias], { stride, pad }) {
    if (!x || !weight) throw new Error('a convolution needs a grid and a weight');
    expectRank(x, weight.shape.length, 'x');
    if (size(x, 1) !== size(weight, 1)) throw new Error(`${size(x, 1)} channels meet a weight for ${size(weight, 1)}`);
    if (bias) expectShape(bias, [size(weight, 0)], 'bias');
    const extents = weight.shape.slice(2).map((_, i) => {
      const [extent, kernel] = [size(x, i + 2) + 2 * pad, size(weight, i + 2)];
      if (extent < kernel) throw new Error(`a kernel of ${kernel} on an axis of ${extent}`);
      return Math.floor((extent - kernel) / stride) + 1;
    });
    return { dtype: x.dtype, shape: [x.shape[0] as Dim, size(weight, 0), ...extents] };
  },
  lower(o, inputs, { stride, pad }, [, weight]) {
    const nAxis = (weight?.shape.length ?? 0) - 2;
    return o.node('Conv', inputs, {
      strides: new Array<number>(nAxis).fill(stride),
      pads: new Array<number>(2 * nAxis).fill(pad),
    });
  },
  flops: ([, weight], y) => 2 * y.size * elements(weight?.dims.slice(1) ?? []),
});

/** The last axis longer by `pad` on both sides, where it mirrors what follows its ends, which are not repeated. */
export const REFLECT = op<1, { pad: number }>({
  name: 'reflect',
  infer([x], { pad }) {
    if (pad >= size(x, -1)) throw new Error(`${pad} values cannot mirror an axis of ${size(x, -1)}`);
    return { dtype: x.dtype, shape: withDim(x.shape, -1, size(x, -1) + 2 * pad) };
  },
  lower(o, [x], { pad }, [type]) {
    const others = new Array<number>(type.shape.length - 1).fill(0);
    return o.node('Pad', [x, o.i64([...others, pad, ...others, pad])], { mode: 'reflect' });
  },
});

/** A grid as a sequence of its places, row by row: `[B, d, ...extents]` -> `[B, product of extents, d]`. */
export const SEQUENCE = op<1>({
  name: 'sequence',
  infer([x]) {
    const extents = x.shape.slice(2).map((_, i) => size(x, i + 2));
    return { dtype: x.dtype, shape: [x.shape[0] as Dim, elements(extents), x.shape[1] as Dim] };
  },
  lower: (o, [x]) => o.node('Transpose', [o.node('Reshape', [x, o.i64([0, 0, -1])])], { perm: [0, 2, 1] }),
});

/**
 * Convolves x `[B, nIn, ...extents]` with a stored kernel `[nOut, nIn, ...kernel]` and adds its bias -> `[B, nOut,
 * ...extents]`.
 */
export const conv = (g: GraphBuilder, x: Tensor, { weight, bias }: Linear, attrs: ConvAttrs): Tensor =>
  g.add(CONV, bias ? [x, g.weight(weight), g.weight(bias)] : [x, g.weight(weight)], attrs);
/** A grid `[B, d, ...extents]` as a sequence of its places, row by row: `[B, product of extents, d]`. */
export const sequence = (g: GraphBuilder, x: Tensor): Tensor => g.add(SEQUENCE, [x], undefined);
/** The last axis longer by `pad` on both sides, mirrored at its ends. */
export const reflect = (g: GraphBuilder, x: Tensor, pad: number): Tensor => g.add(REFLECT, [x], { pad });
