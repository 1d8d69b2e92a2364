/** Products with weights. Which kernel and which form of the weight is the emitter's choice, by target. */
import type { GraphBuilder } from '../builder.ts';
import type { Computed, Emitter, Value } from '../lower/emitter.ts';
import { expectRank, expectShape, op, type Tuple } from '../op.ts';
import type { Dim, Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { HeadLinear, Linear } from '../weights.ts';

/** x `[..., nIn]` times the transpose of weight `[nOut, nIn]` -> `[..., nOut]`. */
export const LINEAR = op<2>({
  name: 'linear',
  infer([x, weight]) {
    expectRank(weight, 2, 'weight');
    if (size(x, -1) !== size(weight, 1)) throw new Error(`rows of ${size(x, -1)} times a weight of ${size(weight, 1)}`);
    return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), size(weight, 0)] };
  },
  lower: (o, [x, weight], _, [type]) => o.product(x, [weight], type.shape.length),
  flops: ([x, weight]) => 2 * x.size * (weight.dims[0] ?? 0),
});

/**
 * Products with the weights of chosen experts (ggml's mul_mat_id): row r of x `[nRow, nIn]` meets the weights
 * `[nExpert, nOut, nIn]` of expert ids[r], `[nRow]` -> `[nRow, nOut]`. Only rows of a chosen expert are computed.
 */
export const EXPERT_LINEAR = op<3>({
  name: 'expert_linear',
  infer([x, weight, ids]) {
    expectRank(weight, 3, 'weight');
    expectRank(ids, 1, 'ids');
    if (size(x, -1) !== size(weight, 2)) throw new Error(`rows of ${size(x, -1)} times a weight of ${size(weight, 2)}`);
    return { dtype: x.dtype, shape: [x.shape[0] as Dim, size(weight, 1)] };
  },
  lower(o, [x, weight, ids], _, [, type]) {
    const nRow = o.node('Shape', [ids]);
    let y = o.node('Expand', [o.f32([0]), o.node('Concat', [nRow, o.i64([size(type, 1)])], { axis: 0 })]);
    for (let expert = 0; expert < size(type, 0); expert++) {
      const chosen = o.node('NonZero', [o.node('Equal', [ids, o.i64([expert])])]); // [1, nChosen]
      const rows = o.node('Gather', [x, o.node('Squeeze', [chosen, o.i64([0])])], { axis: 0 });
      const product = o.product(rows, [o.expert(weight, expert)], 2);
      y = o.node('ScatterND', [y, o.node('Transpose', [chosen], { perm: [1, 0] }), product]);
    }
    return y;
  },
  flops: ([x, weight]) => 2 * x.size * (weight.dims[1] ?? 0),
  bytes: ([x, weight, ids], y) =>
    ids.bytes +
    4 * (x.size + y.size) +
    Math.min(weight.dims[0] ?? 0, x.dims[0] ?? 0) * (weight.bytes / (weight.dims[0] ?? 1)),
});

/**
 * Every head's rows times the transpose of that head's own weight: x `[B, nHead, T, nIn]`, or `[B, 1, T, nIn]` that all
 * heads share, weight `[nHead, nOut, nIn]` (turned: `[nHead, nIn, nOut]`) -> `[B, nHead, T, nOut]`.
 */
export const HEAD_LINEAR = op<2, { isTurned: boolean }>({
  name: 'head_linear',
  infer([x, weight], { isTurned }) {
    expectRank(x, 4, 'x');
    expectRank(weight, 3, 'weight');
    const nHead = size(weight, 0);
    const [nIn, nOut] = isTurned ? [size(weight, 1), size(weight, 2)] : [size(weight, 2), size(weight, 1)];
    if (size(x, -1) !== nIn) throw new Error(`rows of ${size(x, -1)} times weights of ${nIn}`);
    if (size(x, 1) !== 1 && size(x, 1) !== nHead) throw new Error(`${size(x, 1)} heads meet weights of ${nHead}`);
    return { dtype: x.dtype, shape: [x.shape[0] as Dim, nHead, x.shape[2] as Dim, nOut] };
  },
  lower: (o, [x, weight], { isTurned }, [type]) =>
    o.headProduct(x, weight, { isTurned, isShared: size(type, 1) === 1 }),
  flops: ([x], y) => 2 * y.size * (x.dims.at(-1) ?? 0),
});

/** x times a layer's weight, plus its bias and its adapters where it has them. The node is named after the weight. */
export const linear = (g: GraphBuilder, x: Tensor, { weight, bias, adapters = [] }: Linear): Tensor => {
  const label = weight.name.replace(/^(.*\.)?([^.]+)\.weight(\[.*\])?$/, '$2$3');
  const y = g.add(LINEAR, [x, g.weight(weight)], undefined, label);
  const biased = bias ? g.add(BIAS, [y, g.weight(bias)], undefined) : y;
  return adapters.reduce(
    (sum, a) => g.add(ADAPTER, [sum, x, g.weight(a.down), g.weight(a.up)], { scale: a.scale }),
    biased,
  );
};

/** Adds a layer's bias `[nOut]` to every row. */
export const BIAS = op<2>({
  name: 'bias',
  infer([x, bias]) {
    if (size(bias, 0) !== size(x, -1)) throw new Error(`a bias of ${size(bias, 0)} on rows of ${size(x, -1)}`);
    return { dtype: x.dtype, shape: x.shape };
  },
  lower: (o, [x, bias]) => o.node('Add', [x, bias]),
  flops: (_, y) => y.size,
});

/**
 * What a low-rank adapter adds to a product y `[..., nOut]` of x `[..., nIn]`: x times the transposes of down
 * `[rank, nIn]` and of up `[nOut, rank]`, scaled. Two thin products: the stored weight stays as it is.
 */
export const ADAPTER = op<4, { scale: number }>({
  name: 'adapter',
  infer([y, x, down, up]) {
    expectShape(down, [size(down, 0), size(x, -1)], 'down');
    expectShape(up, [size(y, -1), size(down, 0)], 'up');
    return { dtype: y.dtype, shape: y.shape };
  },
  lower: (o, inputs, attrs, [type]) => lowerAdapter(o, inputs, attrs, type.shape.length),
  flops: ([y, x, down]) => 2 * (down.dims[0] ?? 0) * (x.size + y.size) + 2 * y.size,
});

/** @param rank axes of x */
export const lowerAdapter = (
  o: Emitter,
  [y, x, down, up]: Tuple<Value, 4>,
  { scale }: { readonly scale: number },
  rank: number,
): Computed => {
  const added = o.product(o.product(x, [down], rank), [up], rank);
  return o.node('Add', [y, o.node('Mul', [added, o.f32([scale])])]);
};

/**
 * Each row of x `[nChoice, nIn]` times the weight of its own expert, `[nExpert, nOut, nIn]` by ids `[nChoice]` ->
 * `[nChoice, nOut]`.
 */
export const expertLinear = (g: GraphBuilder, x: Tensor, weight: Tensor, ids: Tensor): Tensor =>
  g.add(EXPERT_LINEAR, [x, weight, ids], undefined);

/** Each head's rows `[B, nHead or 1, T, nIn]` times that head's weight -> `[B, nHead, T, nOut]`. */
export const headLinear = (g: GraphBuilder, x: Tensor, { weight, isTurned }: HeadLinear): Tensor =>
  g.add(HEAD_LINEAR, [x, g.weight(weight)], { isTurned });

/** The layer with its weights transposed: from outputs back to inputs. */
export const turnedOver = ({ weight, isTurned }: HeadLinear): HeadLinear => ({ weight, isTurned: !isTurned });
