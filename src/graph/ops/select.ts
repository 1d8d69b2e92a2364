/** Picking: rows of a table, rows of a stream, the best of a row. */
import type { GraphBuilder } from '../builder.ts';
import type { Value } from '../lower/emitter.ts';
import { expectRank, op } from '../op.ts';
import type { Dim, Tensor } from '../tensor.ts';
import { showShape, size } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';

/** Rows of a stored table `[n, d]` by ids `[...]` -> `[..., d]`. */
export const ROWS = op<2>({
  name: 'rows',
  infer([table, ids]) {
    expectRank(table, 2, 'table');
    return { dtype: table.dtype, shape: [...ids.shape, size(table, 1)] };
  },
  lower: (o, [table, ids]) => o.rows(table, ids),
  bytes: (_, y) => 8 * y.size,
});

/** Rows of x `[n, d]` by indices `[m]` -> `[m, d]`. */
export const PICK = op<2>({
  name: 'pick',
  infer([x, at]) {
    expectRank(x, 2, 'x');
    expectRank(at, 1, 'indices');
    return { dtype: x.dtype, shape: [at.shape[0] as Dim, x.shape[1] as Dim] };
  },
  lower: (o, [x, at]) => o.node('Gather', [x, at], { axis: 0 }),
  bytes: (_, y) => 8 * y.size,
});

/** Indices of the k largest of each row, the largest first: `[..., n]` -> `[..., k]`. */
export const TOP_K = op<1, { k: number }>({
  name: 'top_k',
  infer([x], { k }) {
    if (k < 1 || k > size(x, -1)) throw new Error(`the best ${k} of ${size(x, -1)}`);
    return { dtype: 'i64', shape: [...x.shape.slice(0, -1), k] };
  },
  lower: (o, [x], { k }) => o.nodeOf('TopK', [x, o.i64([k])], 2, { axis: -1, largest: 1, sorted: 1 })[1] as Value,
  flops: ([x]) => x.size,
});

/** Elements of each row by that row's own indices: x `[..., n]`, indices `[..., k]` -> `[..., k]`. */
export const TAKE = op<2>({
  name: 'take',
  infer([x, at]) {
    if (x.shape.length !== at.shape.length)
      throw new Error(`indices ${showShape(at.shape)} into rows ${showShape(x.shape)}`);
    return { dtype: x.dtype, shape: at.shape };
  },
  lower: (o, [x, at]) => o.node('GatherElements', [x, at], { axis: -1 }),
});

/** Rows of a stored table by ids. */
export const rows = (g: GraphBuilder, table: WeightRef, ids: Tensor): Tensor =>
  g.add(ROWS, [g.weight(table), ids], undefined);
export const pick = (g: GraphBuilder, x: Tensor, at: Tensor): Tensor => g.add(PICK, [x, at], undefined);
export const topK = (g: GraphBuilder, x: Tensor, k: number): Tensor => g.add(TOP_K, [x], { k });
export const take = (g: GraphBuilder, x: Tensor, at: Tensor): Tensor => g.add(TAKE, [x, at], undefined);
