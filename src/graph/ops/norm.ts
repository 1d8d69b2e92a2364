/** Normalisations over the last axis. */
import type { GraphBuilder } from '../builder.ts';
import { expectShape, float, op } from '../op.ts';
import type { Dim, Tensor } from '../tensor.ts';

/** Zhang & Sennrich 2019: x / sqrt(mean(x^2) + eps) * weight. */
export const RMS_NORM = op<2, { eps: number }>({
  name: 'rms_norm',
  infer([x, weight]) {
    expectShape(weight, [x.shape.at(-1) as Dim], 'weight');
    return { dtype: x.dtype, shape: x.shape };
  },
  lower(o, [x, weight], { eps }) {
    if (o.has('SimplifiedLayerNormalization'))
      return o.node('SimplifiedLayerNormalization', [x, weight], { axis: -1, epsilon: float(eps) });
    const mean = o.node('ReduceMean', [o.node('Mul', [x, x]), o.i64([-1])]);
    return o.node('Mul', [o.node('Div', [x, o.node('Sqrt', [o.node('Add', [mean, o.f32([eps])])])]), weight]);
  },
  flops: ([x]) => 4 * x.size,
});

/** Ba et al. 2016: (x - mean) / sqrt(variance + eps) * weight + bias. */
export const LAYER_NORM = op<3, { eps: number }>({
  name: 'layer_norm',
  infer([x, weight, bias]) {
    expectShape(weight, [x.shape.at(-1) as Dim], 'weight');
    expectShape(bias, [x.shape.at(-1) as Dim], 'bias');
    return { dtype: x.dtype, shape: x.shape };
  },
  lower: (o, [x, weight, bias], { eps }) =>
    o.node('LayerNormalization', [x, weight, bias], { axis: -1, epsilon: float(eps) }),
  flops: ([x]) => 8 * x.size,
});

/** Rows of x `[..., d]` divided by their root mean square, times weight `[d]`. */
export const rmsNorm = (g: GraphBuilder, x: Tensor, weight: Tensor, eps: number): Tensor =>
  g.add(RMS_NORM, [x, weight], { eps });
/** Rows of x `[..., d]` without their mean, divided by their deviation, times weight `[d]`, plus bias `[d]`. */
export const layerNorm = (g: GraphBuilder, x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor =>
  g.add(LAYER_NORM, [x, weight, bias], { eps });
