/** Picking: rows of a table, rows of a stream, the best of a row. */
import type { GraphBuilder } from '../builder.ts';
import type { Computed, Emitter, Value } from '../lower/emitter.ts';
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
  bytes: ([table], y) => y.bytes + (table.bytes / table.size) * y.size,
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

/** The k largest of each row and their indices, the largest first; of equals, the first. */
export const topKOf = (o: Emitter, x: Value, k: number): readonly [values: Computed, indices: Computed] =>
  o.nodeOf('TopK', [x, o.i64([k])], 2, { axis: -1, largest: 1, sorted: 1 });

/** Indices of the k largest of each row, the largest first: `[..., n]` -> `[..., k]`. */
export const TOP_K = op<1, { k: number }>({
  name: 'top_k',
  infer([x], { k }) {
    if (k < 1 || k > size(x, -1)) throw new Error(`the best ${k} of ${size(x, -1)}`);
    return { dtype: 'i64', shape: [...x.shape.slice(0, -1), k] };
  },
  lower: (o, [x], { k }) => topKOf(o, x, k)[1],
  flops: ([x]) => x.size,
});

/**
 * Leaves the best groups of each row `[nRow, n]` as they are and the others out of any choice, -Infinity: n / nGroup
 * neighbours are a group, which is worth the sum of its two best (DeepSeek-V3, section 2.1.2). Of equals, the first.
 */
export const LIMIT_GROUPS = op<1, { nGroup: number; nGroupUsed: number }>({
  name: 'limit_groups',
  infer([x], { nGroup, nGroupUsed }) {
    expectRank(x, 2, 'x');
    if (size(x, 1) % nGroup !== 0) throw new Error(`${size(x, 1)} do not divide into ${nGroup} groups`);
    if (nGroupUsed < 1 || nGroupUsed > nGroup) throw new Error(`the best ${nGroupUsed} of ${nGroup} groups`);
    return { dtype: x.dtype, shape: x.shape };
  },
  lower(o, [x], { nGroup, nGroupUsed }, [type]) {
    const width = size(type, 1) / nGroup;
    const groups = o.node('Reshape', [x, o.i64([-1, nGroup, width])]);
    const [best] = topKOf(o, groups, Math.min(2, width));
    const worth = o.node('ReduceSum', [best, o.i64([-1])], { keepdims: 0 }); // [nRow, nGroup]
    const [, chosen] = topKOf(o, worth, nGroupUsed);
    const shut = o.node('Expand', [o.f32([Number.NEGATIVE_INFINITY]), o.node('Shape', [worth])]);
    const open = o.node('Expand', [o.f32([0]), o.node('Shape', [chosen])]);
    const mask = o.node('ScatterElements', [shut, chosen, open], { axis: -1 });
    const limited = o.node('Add', [groups, o.node('Unsqueeze', [mask, o.i64([-1])])]);
    return o.node('Reshape', [limited, o.i64([-1, size(type, 1)])]);
  },
  flops: ([x]) => 2 * x.size,
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

/**
 * Which element of its row each is: of x `[..., n]`, the numbers 0 to n - 1 `[..., n]`. As float32, which is exact up to
 * 2^24 and which, unlike whole numbers, every device can take elements of.
 */
export const COLUMNS = op<1>({
  name: 'columns',
  infer: ([x]) => ({ dtype: 'f32', shape: x.shape }),
  lower(o, [x], _, [type]) {
    const row = o.node(
      'Range',
      [0, size(type, -1), 1].map((value) => o.exactScalar(value)),
    );
    return o.node('Expand', [row, o.node('Shape', [x])]);
  },
  bytes: (_, y) => y.bytes,
});

/** Rows of a stored table by ids. */
export const rows = (g: GraphBuilder, table: WeightRef, ids: Tensor): Tensor =>
  g.add(ROWS, [g.weight(table), ids], undefined);
/** Rows of x `[n, d]` by indices `[m]` -> `[m, d]`. */
export const pick = (g: GraphBuilder, x: Tensor, at: Tensor): Tensor => g.add(PICK, [x, at], undefined);
/** Indices of the k largest of each row, the largest first: `[..., n]` -> `[..., k]`. */
export const topK = (g: GraphBuilder, x: Tensor, k: number): Tensor => g.add(TOP_K, [x], { k });
/** Elements of each row `[..., n]` by that row's own indices `[..., k]` -> `[..., k]`. */
export const take = (g: GraphBuilder, x: Tensor, at: Tensor): Tensor => g.add(TAKE, [x, at], undefined);
/** Which element of its row each of x `[..., n]` is. */
export const columns = (g: GraphBuilder, x: Tensor): Tensor => g.add(COLUMNS, [x], undefined);
/** The scores `[nRow, n]`, -Infinity where they are not in one of the best groups (DeepSeek-V3, section 2.1.2). */
export const limitGroups = (g: GraphBuilder, x: Tensor, nGroup: number, nGroupUsed: number): Tensor =>
  g.add(LIMIT_GROUPS, [x], { nGroup, nGroupUsed });
