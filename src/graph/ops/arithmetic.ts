/** Element by element: sums, products, activations, softmax. */
import type { GraphBuilder } from '../builder.ts';
import { op } from '../op.ts';
import type { Dim, Shape, Tensor, TensorType } from '../tensor.ts';
import { showShape } from '../tensor.ts';

/** The shape of two operands of which one may repeat along missing axes or axes of extent 1. */
const broadcast = (a: Shape, b: Shape): Shape => {
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, i: number): Dim => shape[i - (rank - shape.length)] ?? 1;
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [at(a, i), at(b, i)];
    if (x !== y && x !== 1 && y !== 1) throw new Error(`${showShape(a)} and ${showShape(b)} do not fit`);
    return x === 1 ? y : x;
  });
};

const binary = (name: string, onnx: string) =>
  op<2>({
    name,
    infer: ([a, b]) => ({ dtype: a.dtype, shape: broadcast(a.shape, b.shape) }),
    lower: (o, [a, b]) => o.node(onnx, [a, b]),
    flops: (_, y) => y.size,
  });

const same = (x: TensorType): TensorType => ({ dtype: x.dtype, shape: x.shape });

/** a + b, either of which may repeat along axes of extent 1. */
export const ADD = binary('add', 'Add');
/** a * b, element by element, repeated likewise. */
export const MUL = binary('mul', 'Mul');
/** a / b, element by element, repeated likewise. */
export const DIV = binary('div', 'Div');

/** x * sigmoid(x): Elfwing et al. 2017. */
export const SILU = op<1>({
  name: 'silu',
  infer: ([x]) => same(x),
  lower: (o, [x]) => o.node('Mul', [x, o.node('Sigmoid', [x])]),
  flops: (_, y) => 5 * y.size,
});

/** Hendrycks & Gimpel 2016: x * Phi(x), exactly (erf) or by the tanh approximation. */
export const GELU = op<1, { form: 'erf' | 'tanh' }>({
  name: 'gelu',
  infer: ([x]) => same(x),
  lower: (o, [x], { form }) => o.node('Gelu', [x], { approximate: form === 'erf' ? 'none' : 'tanh' }),
  flops: (_, y) => 8 * y.size,
});

/** 1 / (1 + exp(-x)). */
export const SIGMOID = op<1>({
  name: 'sigmoid',
  infer: ([x]) => same(x),
  lower: (o, [x]) => o.node('Sigmoid', [x]),
  flops: (_, y) => 4 * y.size,
});

/** x where it is positive, else 0. */
export const RELU = op<1>({
  name: 'relu',
  infer: ([x]) => same(x),
  lower: (o, [x]) => o.node('Relu', [x]),
  flops: (_, y) => y.size,
});

/** The square root of each element. */
export const SQRT = op<1>({
  name: 'sqrt',
  infer: ([x]) => same(x),
  lower: (o, [x]) => o.node('Sqrt', [x]),
  flops: (_, y) => y.size,
});

/** Over the last axis. */
export const SOFTMAX = op<1>({
  name: 'softmax',
  infer: ([x]) => same(x),
  lower: (o, [x]) => o.node('Softmax', [x], { axis: -1 }),
  flops: (_, y) => 5 * y.size,
});

/** Each element times one number. */
export const SCALE = op<1, { by: number }>({
  name: 'scale',
  infer: ([x]) => same(x),
  lower: (o, [x], { by }) => o.node('Mul', [x, o.f32([by])]),
  flops: (_, y) => y.size,
});

/** The sum over the last axis, which stays with extent 1. */
export const SUM = op<1>({
  name: 'sum',
  infer: ([x]) => ({ dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }),
  lower: (o, [x]) => o.node('ReduceSum', [x, o.i64([-1])], { keepdims: 1 }),
  flops: ([x]) => x.size,
});

/** What a feed-forward layer applies between its products. */
export type Activation = 'silu' | 'gelu' | 'gelu_tanh';

/** a + b, either of which may repeat along axes of extent 1. */
export const add = (g: GraphBuilder, a: Tensor, b: Tensor): Tensor => g.add(ADD, [a, b], undefined);
/** a * b, element by element, repeated likewise. */
export const mul = (g: GraphBuilder, a: Tensor, b: Tensor): Tensor => g.add(MUL, [a, b], undefined);
/** a / b, element by element, repeated likewise. */
export const div = (g: GraphBuilder, a: Tensor, b: Tensor): Tensor => g.add(DIV, [a, b], undefined);
/** x * sigmoid(x). */
export const silu = (g: GraphBuilder, x: Tensor): Tensor => g.add(SILU, [x], undefined);
/** x * Phi(x), exactly or by the tanh approximation. */
export const gelu = (g: GraphBuilder, x: Tensor, form: 'erf' | 'tanh' = 'erf'): Tensor => g.add(GELU, [x], { form });
/** 1 / (1 + exp(-x)). */
export const sigmoid = (g: GraphBuilder, x: Tensor): Tensor => g.add(SIGMOID, [x], undefined);
/** x where it is positive, else 0. */
export const relu = (g: GraphBuilder, x: Tensor): Tensor => g.add(RELU, [x], undefined);
/** The square root of each element. */
export const sqrt = (g: GraphBuilder, x: Tensor): Tensor => g.add(SQRT, [x], undefined);
/** Over the last axis: exp(x) / sum(exp(x)). */
export const softmax = (g: GraphBuilder, x: Tensor): Tensor => g.add(SOFTMAX, [x], undefined);
/** Each element times one number. */
export const scale = (g: GraphBuilder, x: Tensor, by: number): Tensor => g.add(SCALE, [x], { by });
/** The sum over the last axis, which stays with extent 1. */
export const sum = (g: GraphBuilder, x: Tensor): Tensor => g.add(SUM, [x], undefined);

/** The activation by its name. */
export const activate = (g: GraphBuilder, x: Tensor, act: Activation): Tensor => {
  switch (act) {
    case 'silu':
      return silu(g, x);
    case 'gelu':
      return gelu(g, x, 'erf');
    case 'gelu_tanh':
      return gelu(g, x, 'tanh');
  }
};
