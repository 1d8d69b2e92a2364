/** Rearranging without computing: heads apart and together, slices, concatenation. */
import type { GraphBuilder } from '../builder.ts';
import { expectRank, op } from '../op.ts';
import type { Dim, Tensor, TensorType } from '../tensor.ts';
import { axisOf, sameShape, showShape, size, withDim } from '../tensor.ts';

/** `[B, T, nHead * d]` -> `[B, nHead, T, d]`. */
export const SPLIT_HEADS = op<1, { nHead: number }>({
  name: 'split_heads',
  infer([x], { nHead }) {
    expectRank(x, 3, 'x');
    const width = size(x, -1);
    if (width % nHead !== 0) throw new Error(`width ${width} does not divide into ${nHead} heads`);
    return { dtype: x.dtype, shape: [x.shape[0] as Dim, nHead, x.shape[1] as Dim, width / nHead] };
  },
  lower: (o, [x], { nHead }, [type]) =>
    o.node('Transpose', [o.node('Reshape', [x, o.i64([0, 0, nHead, size(type, -1) / nHead])])], { perm: [0, 2, 1, 3] }),
});

/** `[B, nHead, T, d]` -> `[B, T, nHead * d]`. */
export const MERGE_HEADS = op<1>({
  name: 'merge_heads',
  infer([x]) {
    expectRank(x, 4, 'x');
    return { dtype: x.dtype, shape: [x.shape[0] as Dim, x.shape[2] as Dim, size(x, 1) * size(x, -1)] };
  },
  lower: (o, [x], _, [type]) =>
    o.node('Reshape', [
      o.node('Transpose', [x], { perm: [0, 2, 1, 3] }),
      o.i64([0, 0, size(type, 1) * size(type, -1)]),
    ]),
});

/** One head given to n: `[B, 1, T, d]` -> `[B, n, T, d]`. */
export const REPEAT_HEADS = op<1, { nHead: number }>({
  name: 'repeat_heads',
  infer([x], { nHead }) {
    expectRank(x, 4, 'x');
    if (size(x, 1) !== 1) throw new Error(`${size(x, 1)} heads where one is to be repeated`);
    return { dtype: x.dtype, shape: withDim(x.shape, 1, nHead) };
  },
  lower: (o, [x], { nHead }) => o.node('Expand', [x, o.i64([1, nHead, 1, 1])]),
});

/** All axes but the last become one, whose name is given: `[B, T, d]` -> `[nRow, d]`. */
export const FLATTEN = op<1, { rows: string }>({
  name: 'flatten',
  infer: ([x], { rows }) => ({ dtype: x.dtype, shape: [rows, x.shape.at(-1) as Dim] }),
  extents: ([x], { rows }) => ({ [rows]: x.size / (x.dims.at(-1) ?? 1) }),
  lower: (o, [x], _, [type]) => o.node('Reshape', [x, o.i64([-1, size(type, -1)])]),
});

/** Every element of `[n, k]` on its own: `[n * k]`, or `[n * k, 1]`; the extent n * k is given a name. */
export const LIST = op<1, { name: string; column: boolean }>({
  name: 'list',
  infer: ([x], { name, column }) => ({ dtype: x.dtype, shape: column ? [name, 1] : [name] }),
  lower: (o, [x], { column }) => o.node('Reshape', [x, o.i64(column ? [-1, 1] : [-1])]),
  extents: ([x], { name }) => ({ [name]: x.size }),
});

/** Every row k times in a row: `[n, d]` -> `[n * k, d]`, whose number of rows is given a name. */
export const REPEAT_ROWS = op<1, { times: number; name: string }>({
  name: 'repeat_rows',
  infer([x], { name }) {
    expectRank(x, 2, 'x');
    return { dtype: x.dtype, shape: [name, size(x, -1)] };
  },
  lower(o, [x], { times }, [type]) {
    const wide = o.node('Expand', [o.node('Unsqueeze', [x, o.i64([1])]), o.i64([1, times, 1])]);
    return o.node('Reshape', [wide, o.i64([-1, size(type, -1)])]);
  },
  extents: ([x], { times, name }) => ({ [name]: times * (x.dims[0] ?? 1) }),
});

/** The sum of every k rows: `[n * k, d]` -> `[n, d]`, whose number of rows is given a name. */
export const SUM_ROWS = op<1, { every: number; name: string }>({
  name: 'sum_rows',
  infer([x], { name }) {
    expectRank(x, 2, 'x');
    return { dtype: x.dtype, shape: [name, size(x, -1)] };
  },
  lower(o, [x], { every }, [type]) {
    const groups = o.node('Reshape', [x, o.i64([-1, every, size(type, -1)])]);
    return o.node('ReduceSum', [groups, o.i64([1])], { keepdims: 0 });
  },
  flops: ([x]) => x.size,
  extents: ([x], { every, name }) => ({ [name]: (x.dims[0] ?? 1) / every }),
});

/** The extents of another tensor given back to a flattened one: `[nRow, d]` -> `[B, T, d]`. */
export const UNFLATTEN = op<2>({
  name: 'unflatten',
  infer: ([x, like]) => ({ dtype: x.dtype, shape: [...like.shape.slice(0, -1), x.shape.at(-1) as Dim] }),
  lower: (o, [x, like], _, [type]) => {
    const leading = o.node('Slice', [o.node('Shape', [like]), o.i64([0]), o.i64([-1]), o.i64([0])]);
    return o.node('Reshape', [x, o.node('Concat', [leading, o.i64([size(type, -1)])], { axis: 0 })]);
  },
  bytes: ([x], y) => x.bytes + y.bytes,
});

/** Sequences side by side that belong to one row of another tensor: `[B, T, d]` -> `[W, nRow, d]`, W being that tensor's first axis. */
export const GROUP = op<2, { rows: string }>({
  name: 'group',
  infer([x, like], { rows }) {
    expectRank(x, 3, 'x');
    return { dtype: x.dtype, shape: [like.shape[0] as Dim, rows, size(x, -1)] };
  },
  lower(o, [x, like], _, [type]) {
    const groups = o.node('Slice', [o.node('Shape', [like]), o.i64([0]), o.i64([1]), o.i64([0])]);
    return o.node('Reshape', [x, o.node('Concat', [groups, o.i64([-1, size(type, -1)])], { axis: 0 })]);
  },
  extents: ([x, like], { rows }) => ({ [rows]: x.size / (x.dims.at(-1) ?? 1) / (like.dims[0] ?? 1) }),
});

/** Elements `start` up to, not including, `start + length` of one axis. */
export const SLICE = op<1, { axis: number; start: number; length: number }>({
  name: 'slice',
  infer([x], { axis, start, length }) {
    const extent = size(x, axis);
    if (start < 0 || length < 1 || start + length > extent)
      throw new Error(`elements ${start} to ${start + length} of an axis of ${extent}`);
    return { dtype: x.dtype, shape: withDim(x.shape, axis, length) };
  },
  lower: (o, [x], { axis, start, length }) =>
    o.node('Slice', [x, o.i64([start]), o.i64([start + length]), o.i64([axis])]),
  bytes: ([x], y) => (x.bytes / x.size) * y.size + y.bytes,
});

/** Side by side along one axis; every other axis must agree. */
export const CONCAT = op<number, { axis: number }>({
  name: 'concat',
  infer(inputs, { axis }) {
    const [first] = inputs;
    if (!first) throw new Error('nothing to concatenate');
    for (const x of inputs) {
      if (!sameShape(withDim(x.shape, axis, 0), withDim(first.shape, axis, 0)))
        throw new Error(`${showShape(x.shape)} does not fit ${showShape(first.shape)} along axis ${axis}`);
    }
    const extent = inputs.reduce((total, x) => total + size(x, axis), 0);
    return { dtype: first.dtype, shape: withDim(first.shape, axis, extent) };
  },
  lower: (o, inputs, { axis }, [type]) => o.node('Concat', inputs, { axis: axisOf(type?.shape ?? [], axis) }),
});

/** Rows `[d]` or `[n, d]` before those of every sequence: x `[B, T, d]` -> `[B, n + T, d]`. */
export const PREPEND = op<2>({
  name: 'prepend',
  infer([x, rows]) {
    expectRank(x, 3, 'x');
    if (size(rows, -1) !== size(x, -1)) throw new Error(`rows of ${size(rows, -1)} before rows of ${size(x, -1)}`);
    return { dtype: x.dtype, shape: withDim(x.shape, 1, leadingRows(rows) + size(x, 1)) };
  },
  lower(o, [x, rows], _, [stream]) {
    // A reshape is what the runtime does not carry a transpose across: images come turned, and every layer would be.
    const upright = o.node('Reshape', [x, o.i64([0, size(stream, 1), size(stream, 2)])]);
    // As many sequences as x has, said without its shape: GPUs leave arithmetic with shapes to the processor.
    const row = o.node('Slice', [upright, o.i64([0]), o.i64([1]), o.i64([1])]); // [B, 1, d]
    const zeros = o.node('Mul', [row, o.f32([0])]);
    return o.node('Concat', [o.node('Add', [zeros, rows]), upright], { axis: 1 });
  },
});

const leadingRows = (rows: TensorType): number => (rows.shape.length === 1 ? 1 : size(rows, 0));

/** The mean of all rows of each sequence: `[B, T, d]` -> `[B, 1, d]`. */
export const MEAN_ROWS = op<1>({
  name: 'mean_rows',
  infer([x]) {
    expectRank(x, 3, 'x');
    return { dtype: x.dtype, shape: withDim(x.shape, 1, 1) };
  },
  lower: (o, [x]) => o.node('ReduceMean', [x, o.i64([1])], { keepdims: 1 }),
  flops: ([x]) => x.size,
});

/** The axes in another order: axis i of the output is axis perm[i] of x. */
export const TRANSPOSE = op<1, { perm: readonly number[] }>({
  name: 'transpose',
  infer([x], { perm }) {
    if (perm.length !== x.shape.length || !x.shape.every((_, axis) => perm.includes(axis)))
      throw new Error(`axes ${showShape(perm)} of ${showShape(x.shape)}`);
    return { dtype: x.dtype, shape: perm.map((axis) => x.shape[axis] as Dim) };
  },
  lower: (o, [x], { perm }) => o.node('Transpose', [x], { perm }),
});

/** `[B, T, nHead * d]` -> `[B, nHead, T, d]`. */
export const splitHeads = (g: GraphBuilder, x: Tensor, nHead: number): Tensor => g.add(SPLIT_HEADS, [x], { nHead });
/** `[B, nHead, T, d]` -> `[B, T, nHead * d]`. */
export const mergeHeads = (g: GraphBuilder, x: Tensor): Tensor => g.add(MERGE_HEADS, [x], undefined);
/** One head given to n: `[B, 1, T, d]` -> `[B, nHead, T, d]`. */
export const repeatHeads = (g: GraphBuilder, x: Tensor, nHead: number): Tensor => g.add(REPEAT_HEADS, [x], { nHead });
/** All axes but the last become one, called `rows`: `[B, T, d]` -> `[rows, d]`. */
export const flatten = (g: GraphBuilder, x: Tensor, rows: string): Tensor => g.add(FLATTEN, [x], { rows });
/** The extents of `like` given back to a flattened one: `[nRow, d]` -> `[B, T, d]`. */
export const unflatten = (g: GraphBuilder, x: Tensor, like: Tensor): Tensor => g.add(UNFLATTEN, [x, like], undefined);
/** Sequences that belong to one row of `like` as one long sequence: `[B, T, d]` -> `[W, rows, d]`. */
export const group = (g: GraphBuilder, x: Tensor, like: Tensor, rows: string): Tensor =>
  g.add(GROUP, [x, like], { rows });
/** Every element of `[n, k]` on its own: `[n * k]`, or as a column `[n * k, 1]`. */
export const list = (g: GraphBuilder, x: Tensor, name: string, column = false): Tensor =>
  g.add(LIST, [x], { name, column });
/** Every row `times` times in a row: `[n, d]` -> `[n * times, d]`. */
export const repeatRows = (g: GraphBuilder, x: Tensor, times: number, name: string): Tensor =>
  g.add(REPEAT_ROWS, [x], { times, name });
/** The sum of every so many rows: `[n * every, d]` -> `[n, d]`. */
export const sumRows = (g: GraphBuilder, x: Tensor, every: number, name: string): Tensor =>
  g.add(SUM_ROWS, [x], { every, name });
/** Elements `start` up to, not including, `start + length` of one axis. */
export const slice = (g: GraphBuilder, x: Tensor, axis: number, start: number, length: number): Tensor =>
  g.add(SLICE, [x], { axis, start, length });
/** Side by side along one axis; every other axis must agree. */
export const concat = (g: GraphBuilder, xs: readonly Tensor[], axis: number): Tensor => g.add(CONCAT, xs, { axis });
/** Rows `[d]` or `[n, d]` before those of every sequence: `[B, T, d]` -> `[B, n + T, d]`. */
export const prepend = (g: GraphBuilder, x: Tensor, rows: Tensor): Tensor => g.add(PREPEND, [x, rows], undefined);
/** The mean of all rows of each sequence: `[B, T, d]` -> `[B, 1, d]`. */
export const meanRows = (g: GraphBuilder, x: Tensor): Tensor => g.add(MEAN_ROWS, [x], undefined);
/** The axes in another order: axis i of the answer is axis perm[i] of x. */
export const transpose = (g: GraphBuilder, x: Tensor, perm: readonly number[]): Tensor =>
  g.add(TRANSPOSE, [x], { perm });

/** Cuts one axis into parts of these extents. */
export const split = (g: GraphBuilder, x: Tensor, axis: number, extents: readonly number[]): Tensor[] => {
  let start = 0;
  return extents.map((length) => {
    const part = slice(g, x, axis, start, length);
    start += length;
    return part;
  });
};
