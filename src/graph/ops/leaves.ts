/** Nodes without a computation: what comes from outside, and the cache's one way to grow. */
import { expectRank, expectShape, op } from '../op.ts';
import type { Dim, TensorType } from '../tensor.ts';
import { bytesPerElement, elements } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import type { RopeTable } from './rope-table.ts';
import { ropeTable } from './rope-table.ts';

/** A value that every run brings. */
export const INPUT = op<0, TensorType>({
  name: 'input',
  infer: (_, type) => type,
  lower: (o, _, type) => o.input(o.nodeName, type),
  bytes: () => 0,
});

/** A weight of the model: float32 to whoever asks for it as it is; a product may take its blocks instead. */
export const WEIGHT = op<0, WeightRef>({
  name: 'weight',
  infer: (_, ref) => ({ dtype: 'f32', shape: ref.shape }),
  lower: (o, _, ref) => o.weight(ref),
  bytes: () => 0,
  storedBytes: ({ tensor, shape }) => (tensor.byteLength * elements(shape)) / elements(tensor.shape),
});

/** A value that the session keeps between runs, at its full capacity. */
export const STATE = op<0, TensorType>({
  name: 'state',
  infer: (_, type) => type,
  lower: (o, _, type) => o.input(o.nodeName, type),
  bytes: () => 0,
});

/**
 * The rows of a cache in view after this run: those kept by earlier runs, then the new ones, each at its position.
 * (state `[B, nHead, nCtx, d]`, rows `[B, nHead, T, d]`, positions `[B, T]`) -> `[B, nHead, nKv, d]`, nKv being the
 * largest position plus one. Rows that no position wrote are undefined; a causal mask hides them.
 */
export const APPEND = op<3, undefined>({
  name: 'append',
  infer([state, rows, pos]) {
    expectRank(state, 4, 'state');
    const [b, h, , d] = state.shape as readonly [Dim, Dim, Dim, Dim];
    expectRank(pos, 2, 'positions');
    expectShape(rows, [b, h, pos.shape[1] as Dim, d], 'rows');
    return { dtype: state.dtype, shape: [b, h, 'nKv', d] };
  },
  lower(o, [state, rows, pos], _, [stateType, rowsType]) {
    const nKv = o.node('Add', [o.node('ReduceMax', [pos], { keepdims: 0 }), o.i64Scalar(1)]);
    const view = o.node('Slice', [state, o.i64([0]), o.node('Unsqueeze', [nKv, o.i64([0])]), o.i64([2])]);
    const at = o.node('Unsqueeze', [pos, o.i64([1, 3])]);
    const index = o.node('Expand', [at, o.node('Shape', [rows])]);
    // A value of its own, whoever else gives out the rows.
    o.cache.keepRows(state, stateType, o.node('Identity', [rows]), rowsType, pos);
    return o.node('ScatterElements', [view, index, rows], { axis: 2 });
  },
  bytes: ([, rows]) => 2 * rows.size * bytesPerElement[rows.dtype],
});

/** Somewhat longer than the context: then contexts of different lengths are one program, whose weights are kept once. */
const wholeTable = (nCtx: number): number => Math.max(4096, 2 ** Math.ceil(Math.log2(nCtx)));

/**
 * Cosines or sines of the rotary angles of every position up to the context's length, `[nCtx, nRot / 2]`,
 * computed in float64 while lowering; rows beyond the context may follow.
 */
export const ROPE_TABLE = op<0, RopeTable & { readonly part: 'cos' | 'sin' }>({
  name: 'rope_table',
  infer: (_, { nRot }) => ({ dtype: 'f32', shape: ['nCtx', nRot / 2] }),
  lower: (o, _, table) => {
    const nRow = wholeTable(o.sizeOf('nCtx'));
    const recipe = JSON.stringify({ ...table, freqFactors: table.freqFactors?.name });
    return o.computed(o.nodeName, [nRow, table.nRot / 2], recipe, () => ropeTable(table, table.part, nRow));
  },
  bytes: () => 0,
});
