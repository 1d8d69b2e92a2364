/** Every operation by table, on the real CPU runtime, against plain loops; what operations refuse; what they cost. */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../src/graph/builder.ts';
import { cost, nodeCost } from '../src/graph/graph.ts';
import type { AnyOp, Op, Tuple } from '../src/graph/op.ts';
import { ADD, DIV, GELU, MUL, RELU, SCALE, SIGMOID, SILU, SOFTMAX, SQRT, SUM } from '../src/graph/ops/arithmetic.ts';
import type { RopePairs } from '../src/graph/ops/attend.ts';
import { ATTEND, ATTEND_CAUSAL, ATTEND_WEIGHTS, append, ROPE, rope, ropeTables } from '../src/graph/ops/attend.ts';
import { CONV, REFLECT, SEQUENCE } from '../src/graph/ops/conv.ts';
import { RESIZE_GRID } from '../src/graph/ops/grid.ts';
import { APPEND, INPUT, ROPE_TABLE, STATE, WEIGHT } from '../src/graph/ops/leaves.ts';
import { LSTM } from '../src/graph/ops/lstm.ts';
import { ADAPTER, BIAS, EXPERT_LINEAR, HEAD_LINEAR, LINEAR } from '../src/graph/ops/matmul.ts';
import { LAYER_NORM, RMS_NORM } from '../src/graph/ops/norm.ts';
import type { RopeTable } from '../src/graph/ops/rope-table.ts';
import { ropeFrequencies } from '../src/graph/ops/rope-table.ts';
import { COLUMNS, LIMIT_GROUPS, PICK, ROWS, TAKE, TOP_K } from '../src/graph/ops/select.ts';
import {
  CONCAT,
  CUT,
  concat,
  FLATTEN,
  GROUP,
  JOIN,
  LIST,
  MEAN_ROWS,
  MERGE_HEADS,
  PREPEND,
  REPEAT_HEADS,
  REPEAT_ROWS,
  SLICE,
  SPLIT_HEADS,
  SUM_ROWS,
  split,
  TRANSPOSE,
  transpose,
  UNFLATTEN,
} from '../src/graph/ops/shape.ts';
import type { Shape, Sizes, Tensor } from '../src/graph/tensor.ts';
import type { Arrays, NdArray } from './cpu.ts';
import { distance, f32, fused, graphOf, i64, noise, plain, runGraph, weight } from './cpu.ts';
import * as loops from './reference.ts';
import { get, made, sumOf } from './reference.ts';

/** What an operation is given: an array of a run, maybe with names for some extents, or a stored weight. */
interface Operand {
  readonly from: 'run' | 'file';
  readonly array: NdArray;
  readonly shape: Shape;
}

const given = (array: NdArray, shape: Shape = array.dims): Operand => ({ from: 'run', array, shape });
const stored = (array: NdArray): Operand => ({ from: 'file', array, shape: array.dims });

interface Row {
  readonly op: AnyOp;
  readonly title: string;
  readonly feeds: Arrays;
  readonly sizes: Sizes;
  readonly build: (g: GraphBuilder) => Tensor;
  readonly expected: NdArray;
  /** The largest difference of any value. */
  readonly tolerance: number;
}

interface RowOptions {
  readonly tolerance?: number;
  readonly sizes?: Sizes;
  /** Inputs by name, where the operation itself declares them. */
  readonly feeds?: Arrays;
}

const row = <N extends number, A>(
  op: Op<N, A>,
  title: string,
  inputs: Tuple<Operand, N>,
  attrs: A,
  expected: NdArray,
  { tolerance = 0, sizes = {}, feeds = {} }: RowOptions = {},
): Row => {
  const operands: readonly Operand[] = inputs;
  const record = op as AnyOp;
  const arrays = operands.flatMap((x, i) => (x.from === 'run' ? [[`x${i}`, x.array] as const] : []));
  return {
    op: record,
    title,
    feeds: { ...feeds, ...Object.fromEntries(arrays) },
    sizes,
    build: (g) =>
      g.add<number, unknown>(
        record,
        operands.map(({ from, array, shape }, i) =>
          from === 'file' ? g.weight(weight(`w${i}`, array)) : g.input(`x${i}`, array.dtype, shape),
        ),
        attrs,
      ),
    expected,
    tolerance,
  };
};

const x234 = noise([2, 3, 4], 1);
const y234 = noise([2, 3, 4], 2);
const wide = f32([2, 4], [-30, -3, -1, -0.1, 0, 0.5, 2, 30]);
const near = noise([3, 5], 3);
const three = loops.map(near, (v) => Math.fround(3 * v));

const arithmetic: readonly Row[] = [
  row(ADD, 'adds value by value', [given(x234), given(y234)], undefined, loops.plus(x234, y234), { tolerance: 2e-7 }),
  row(
    ADD,
    'repeats a vector along the axes it lacks',
    [given(x234), given(noise([4], 4))],
    undefined,
    made([2, 3, 4], (b, t, i) => get(x234, b!, t!, i!) + get(noise([4], 4), i!)),
    { tolerance: 2e-7 },
  ),
  row(
    ADD,
    'repeats both sides where an extent is 1',
    [given(noise([2, 1, 4], 5)), given(noise([3, 1], 6))],
    undefined,
    made([2, 3, 4], (b, t, i) => get(noise([2, 1, 4], 5), b!, 0, i!) + get(noise([3, 1], 6), t!, 0)),
    { tolerance: 2e-7 },
  ),
  row(
    ADD,
    'adds a stored weight',
    [given(x234, ['B', 'T', 4]), stored(noise([4], 4))],
    undefined,
    made([2, 3, 4], (b, t, i) => get(x234, b!, t!, i!) + get(noise([4], 4), i!)),
    { tolerance: 2e-7 },
  ),
  row(
    MUL,
    'multiplies by a column',
    [given(near, ['n', 5]), given(noise([3, 1], 7), ['n', 1])],
    undefined,
    made([3, 5], (r, i) => get(near, r!, i!) * get(noise([3, 1], 7), r!, 0)),
    { tolerance: 1e-7 },
  ),
  row(
    DIV,
    'divides by a column',
    [given(near), given(f32([3, 1], [2, -0.5, 3]))],
    undefined,
    made([3, 5], (r, i) => get(near, r!, i!) / [2, -0.5, 3][r!]!),
    { tolerance: 3e-7 },
  ),
  row(SILU, 'is x sigmoid(x), far from 0 too', [given(wide)], undefined, loops.map(wide, loops.silu), {
    tolerance: 3e-6,
  }),
  row(GELU, 'is exact in the form erf', [given(three)], { form: 'erf' }, loops.map(three, loops.gelu), {
    tolerance: 1e-6,
  }),
  row(GELU, 'is approximate in the form tanh', [given(three)], { form: 'tanh' }, loops.map(three, loops.geluTanh), {
    tolerance: 1e-6,
  }),
  row(SIGMOID, 'lies between 0 and 1', [given(wide)], undefined, loops.map(wide, loops.sigmoid), { tolerance: 1e-6 }),
  row(SOFTMAX, 'sums to 1 along the last axis', [given(x234)], undefined, loops.softmax(x234), { tolerance: 1e-6 }),
  row(
    SOFTMAX,
    'does not overflow, and gives nothing to -Infinity',
    [given(f32([2, 3], [1000, 999, Number.NEGATIVE_INFINITY, -1000, -1000, -1001]))],
    undefined,
    loops.softmax(f32([2, 3], [1000, 999, Number.NEGATIVE_INFINITY, -1000, -1000, -1001])),
    { tolerance: 1e-6 },
  ),
  row(
    SCALE,
    'multiplies by one number',
    [given(near)],
    { by: -2.5 },
    loops.map(near, (v) => -2.5 * v),
    {
      tolerance: 3e-7,
    },
  ),
  row(
    SUM,
    'keeps the last axis with extent 1',
    [given(x234)],
    undefined,
    made([2, 3, 1], (b, t) => sumOf(4, (i) => get(x234, b!, t!, i))),
    { tolerance: 1e-6 },
  ),
];

const table = noise([5, 4], 10);
const frequencies: RopeTable = { nRot: 4, base: 100, scaling: { kind: 'none' } };

const leaves: readonly Row[] = [
  row(INPUT, 'may itself be an output', [], { dtype: 'f32', shape: ['n', 4] }, table, { feeds: { input: table } }),
  row(WEIGHT, 'may itself be an output', [], weight('w', table), table),
  row(STATE, 'is an input of the program', [], { dtype: 'f32', shape: [5, 4] }, table, { feeds: { state: table } }),
  row(
    ROPE_TABLE,
    'holds the cosines of every position, and of some beyond the context',
    [],
    { ...frequencies, part: 'cos' },
    made([4096, 2], (p, i) => Math.cos(p! * 100 ** (-i! / 2))),
    { tolerance: 1e-7, sizes: { nCtx: 6 } },
  ),
  row(
    ROPE_TABLE,
    'holds the sines of every position, and of some beyond the context',
    [],
    { ...frequencies, part: 'sin' },
    made([4096, 2], (p, i) => Math.sin(p! * 100 ** (-i! / 2))),
    { tolerance: 1e-7, sizes: { nCtx: 6 } },
  ),
];

const w53 = noise([5, 4], 11);
const headRows = noise([2, 2, 3, 4], 51);
const oneHead = noise([2, 1, 3, 5], 52);
const headWeight = noise([2, 5, 4], 53);
const experts = noise([3, 2, 4], 12);
const choice = [2, 0, 2, 2, 0];

const products: readonly Row[] = [
  row(LINEAR, 'is x times the transpose', [given(x234), stored(w53)], undefined, loops.linear(x234, w53), {
    tolerance: 1e-6,
  }),
  row(
    LINEAR,
    'takes rows of one value and gives rows of one value',
    [given(f32([3, 1], [1, 2, -3]), ['n', 1]), stored(f32([1, 1], [0.5]))],
    undefined,
    f32([3, 1], [0.5, 1, -1.5]),
  ),
  row(
    BIAS,
    'is added to every row',
    [given(x234, ['B', 'T', 4]), stored(noise([4], 13))],
    undefined,
    made([2, 3, 4], (b, t, i) => get(x234, b!, t!, i!) + get(noise([4], 13), i!)),
    { tolerance: 2e-7 },
  ),
  row(
    ADAPTER,
    'adds a product of two thin matrices, scaled',
    [given(noise([2, 3, 5], 14)), given(x234), stored(noise([2, 4], 15)), stored(noise([5, 2], 16))],
    { scale: 0.5 },
    loops.plus(
      noise([2, 3, 5], 14),
      loops.map(loops.linear(loops.linear(x234, noise([2, 4], 15)), noise([5, 2], 16)), (v) => 0.5 * v),
    ),
    { tolerance: 1e-6 },
  ),
  row(
    EXPERT_LINEAR,
    'gives every row to its own expert; one that nobody chose does nothing',
    [given(noise([5, 4], 14), ['n', 4]), stored(experts), given(i64([5], choice), ['n'])],
    undefined,
    made([5, 2], (r, o) => sumOf(4, (i) => get(noise([5, 4], 14), r!, i) * get(experts, choice[r!]!, o!, i))),
    { tolerance: 1e-6 },
  ),
  row(
    HEAD_LINEAR,
    "is each head's rows times the transpose of its own weight",
    [given(headRows, ['B', 2, 'T', 4]), stored(headWeight)],
    { isTurned: false },
    made([2, 2, 3, 5], (b, h, t, o) => sumOf(4, (i) => get(headRows, b!, h!, t!, i) * get(headWeight, h!, o!, i))),
    { tolerance: 1e-6 },
  ),
  row(
    HEAD_LINEAR,
    'gives one head to all, and takes a weight turned over',
    [given(oneHead, ['B', 1, 'T', 5]), stored(headWeight)],
    { isTurned: true },
    made([2, 2, 3, 4], (b, h, t, o) => sumOf(5, (i) => get(oneHead, b!, 0, t!, i) * get(headWeight, h!, i, o!))),
    { tolerance: 1e-6 },
  ),
];

const w4 = noise([4], 15);
const b4 = noise([4], 16);
const small = loops.map(x234, (v) => Math.fround(v * 1e-4));

const norms: readonly Row[] = [
  row(
    RMS_NORM,
    'divides by the root mean square',
    [given(x234), stored(w4)],
    { eps: 1e-5 },
    loops.rmsNorm(x234, w4, 1e-5),
    {
      tolerance: 1e-6,
    },
  ),
  row(
    RMS_NORM,
    'minds eps where values are small',
    [given(small), stored(w4)],
    { eps: 1e-5 },
    loops.rmsNorm(small, w4, 1e-5),
    {
      tolerance: 1e-7,
    },
  ),
  row(
    RMS_NORM,
    'norms each head',
    [given(noise([1, 2, 3, 4], 17), ['B', 2, 'T', 4]), stored(w4)],
    { eps: 1e-6 },
    loops.rmsNorm(noise([1, 2, 3, 4], 17), w4, 1e-6),
    { tolerance: 1e-6 },
  ),
  row(
    LAYER_NORM,
    'takes the mean away and divides by the deviation',
    [given(x234), stored(w4), stored(b4)],
    { eps: 1e-5 },
    loops.layerNorm(x234, w4, b4, 1e-5),
    { tolerance: 2e-6 },
  ),
  row(
    LAYER_NORM,
    'of equal values is the bias',
    [given(f32([1, 4], [7, 7, 7, 7])), stored(w4), stored(b4)],
    { eps: 1e-5 },
    f32([1, 4], b4.values),
    { tolerance: 1e-6 },
  ),
];

const ids = i64([2, 3], [4, 0, 0, 2, 4, 1]);
const ties = f32([3, 4], [1, 3, 3, 2, 5, 5, 5, 5, -1, -2, -1, 0]);

const selections: readonly Row[] = [
  row(
    ROWS,
    'of a stored table by ids of any shape',
    [stored(table), given(ids, ['B', 'T'])],
    undefined,
    made([2, 3, 4], (b, t, i) => get(table, get(ids, b!, t!), i!)),
  ),
  row(
    PICK,
    'gives rows in the order asked for, one twice',
    [given(near, ['n', 5]), given(i64([4], [2, 0, 2, 1]), ['m'])],
    undefined,
    made([4, 5], (r, i) => get(near, [2, 0, 2, 1][r!]!, i!)),
  ),
  row(PICK, 'may give no row at all', [given(near, ['n', 5]), given(i64([0], []), ['m'])], undefined, f32([0, 5], [])),
  row(
    LIMIT_GROUPS,
    'leaves the groups with the best two neighbours, of equals the first',
    [given(f32([2, 6], [5, 0, 3, 3, 2, 1, 1, 1, 2, 0, 0, 2]), ['n', 6])],
    { nGroup: 3, nGroupUsed: 1 },
    f32([2, 6], [-Infinity, -Infinity, 3, 3, -Infinity, -Infinity, 1, 1, ...new Array<number>(4).fill(-Infinity)]),
  ),
  row(
    TOP_K,
    'gives the largest first, and of equals the earlier',
    [given(ties)],
    { k: 3 },
    i64([3, 3], [1, 2, 3, 0, 1, 2, 3, 0, 2]),
  ),
  row(
    TOP_K,
    'may order the whole row',
    [given(ties, ['n', 4])],
    { k: 4 },
    i64([3, 4], [1, 2, 3, 0, 0, 1, 2, 3, 3, 0, 2, 1]),
  ),
  row(
    TAKE,
    'gives each row by its own indices',
    [given(near, ['n', 5]), given(i64([3, 2], [4, 0, 1, 1, 2, 3]), ['n', 2])],
    undefined,
    made([3, 2], (r, c) => get(near, r!, [4, 0, 1, 1, 2, 3][2 * r! + c!]!)),
  ),
  row(
    COLUMNS,
    'numbers the elements of every row',
    [given(near, ['n', 5])],
    undefined,
    f32([3, 5], (i) => i % 5),
  ),
];

const heads = noise([2, 2, 3, 4], 20);
const flat = noise([6, 5], 21);

const rearrangements: readonly Row[] = [
  row(SPLIT_HEADS, 'moves heads apart', [given(x234, ['B', 'T', 4])], { nHead: 2 }, loops.splitHeads(x234, 2)),
  row(
    REPEAT_HEADS,
    'gives one head to several',
    [given(oneHead, ['B', 1, 'T', 5])],
    { nHead: 3 },
    made([2, 3, 3, 5], (b, _, t, i) => get(oneHead, b!, 0, t!, i!)),
  ),
  row(SPLIT_HEADS, 'may have one head', [given(x234, ['B', 'T', 4])], { nHead: 1 }, loops.splitHeads(x234, 1)),
  row(MERGE_HEADS, 'brings heads together', [given(heads, ['B', 2, 'T', 4])], undefined, loops.mergeHeads(heads)),
  row(
    FLATTEN,
    'makes one axis of all but the last',
    [given(x234, ['B', 'T', 4])],
    { rows: 'n' },
    f32([6, 4], x234.values),
  ),
  row(
    UNFLATTEN,
    'gives the extents of another tensor back',
    [given(flat, ['n', 5]), given(x234, ['B', 'T', 4])],
    undefined,
    f32([2, 3, 5], flat.values),
  ),
  row(
    LIST,
    'puts every value on its own',
    [given(near, ['n', 5])],
    { name: 'm', column: false },
    f32([15], near.values),
  ),
  row(
    LIST,
    'puts every value into a row of its own',
    [given(near, ['n', 5])],
    { name: 'm', column: true },
    f32([15, 1], near.values),
  ),
  row(
    CUT,
    'cuts every row into its parts',
    [
      given(
        f32([2, 6], (i) => i),
        ['n', 6],
      ),
    ],
    { width: 3 },
    f32([2, 2, 3], (i) => i),
  ),
  row(
    JOIN,
    'puts the parts of every row side by side',
    [
      given(
        f32([2, 3, 2], (i) => i),
        ['n', 3, 2],
      ),
    ],
    undefined,
    f32([2, 6], (i) => i),
  ),
  row(
    REPEAT_ROWS,
    'puts the copies of a row behind it',
    [given(near, ['n', 5])],
    { times: 3, name: 'm' },
    made([9, 5], (r, i) => get(near, Math.floor(r! / 3), i!)),
  ),
  row(
    SUM_ROWS,
    'adds every k neighbours',
    [given(flat, ['m', 5])],
    { every: 3, name: 'n' },
    made([2, 5], (r, i) => sumOf(3, (k) => get(flat, 3 * r! + k, i!))),
    { tolerance: 5e-7 },
  ),
  row(
    SLICE,
    'cuts an axis counted from the front',
    [given(x234)],
    { axis: 1, start: 1, length: 2 },
    made([2, 2, 4], (b, t, i) => get(x234, b!, t! + 1, i!)),
  ),
  row(
    SLICE,
    'cuts an axis counted from the back',
    [given(x234, ['B', 'T', 4])],
    { axis: -1, start: 0, length: 3 },
    made([2, 3, 3], (b, t, i) => get(x234, b!, t!, i!)),
  ),
  row(
    CONCAT,
    'lays two side by side along the last axis',
    [given(x234, ['B', 'T', 4]), given(noise([2, 3, 1], 22), ['B', 'T', 1])],
    { axis: -1 },
    made([2, 3, 5], (b, t, i) => (i! < 4 ? get(x234, b!, t!, i!) : get(noise([2, 3, 1], 22), b!, t!, 0))),
  ),
  row(
    CONCAT,
    'lays three one below the other',
    [given(noise([1, 2], 23)), given(noise([2, 2], 24)), stored(noise([1, 2], 25))],
    { axis: 0 },
    f32([4, 2], [...noise([1, 2], 23).values, ...noise([2, 2], 24).values, ...noise([1, 2], 25).values]),
  ),
  row(CONCAT, 'of one is that one', [given(x234)], { axis: 1 }, x234),
  row(
    TRANSPOSE,
    'orders axes anew',
    [given(x234, ['B', 'T', 4])],
    { perm: [2, 0, 1] },
    made([4, 2, 3], (i, b, t) => get(x234, b!, t!, i!)),
  ),
];

const q = noise([2, 4, 3, 6], 30);
const k4 = noise([2, 4, 5, 6], 31);
const v4 = noise([2, 4, 5, 6], 32);
const k2 = noise([2, 2, 5, 6], 33);
const v2 = noise([2, 2, 5, 8], 34);
const k1 = noise([2, 1, 5, 6], 35);
const pos = i64([2, 3], [2, 3, 4, 0, 1, 2]);
const qGiven = given(q, ['B', 4, 'T', 6]);
const kGiven = given(k2, ['B', 2, 'nKv', 6]);
const vGiven = given(v2, ['B', 2, 'nKv', 8]);
const posGiven = given(pos, ['B', 'T']);

const angle = (p: number, i: number): number => p * 50 ** (-i / 2);
const cos = made([6, 2], (p, i) => Math.fround(Math.cos(angle(p!, i!))));
const sin = made([6, 2], (p, i) => Math.fround(Math.sin(angle(p!, i!))));
const turning = { nRot: 4, frequency: (i: number) => angle(1, i) };

const attentions: readonly Row[] = [
  row(
    ATTEND,
    'sees every key',
    [given(q), given(k4), given(v4)],
    { scale: 0.5 },
    loops.attend(q, k4, v4, { scale: 0.5 }),
    { tolerance: 1e-6 },
  ),
  row(
    ATTEND,
    'lets two query heads share a key head, whose values may be wider',
    [qGiven, kGiven, vGiven],
    { scale: 1 },
    loops.attend(q, k2, v2, { scale: 1 }),
    { tolerance: 1e-6 },
  ),
  row(
    ATTEND,
    'lets all query heads share one',
    [qGiven, given(k1, ['B', 1, 'nKv', 6]), given(k1, ['B', 1, 'nKv', 6])],
    { scale: 6 ** -0.5 },
    loops.attend(q, k1, k1, { scale: 6 ** -0.5 }),
    { tolerance: 1e-6 },
  ),
  row(
    ATTEND_CAUSAL,
    'sees keys up to the position of the query, in each sequence its own',
    [qGiven, kGiven, vGiven, posGiven],
    { scale: 0.4 },
    loops.attend(q, k2, v2, { scale: 0.4, sees: loops.causal(pos) }),
    { tolerance: 1e-6 },
  ),
  row(
    ATTEND_CAUSAL,
    'sees the last two keys through a window of two',
    [qGiven, kGiven, vGiven, posGiven],
    { scale: 0.4, window: 2 },
    loops.attend(q, k2, v2, { scale: 0.4, sees: loops.causal(pos, 2) }),
    { tolerance: 1e-6 },
  ),
  row(
    ATTEND_CAUSAL,
    'sees itself alone through a window of one',
    [given(q), given(k4), given(v4), given(pos)],
    { scale: 0.4, window: 1 },
    loops.attend(q, k4, v4, { scale: 0.4, sees: loops.causal(pos, 1) }),
    { tolerance: 1e-6 },
  ),
  row(
    ROPE,
    'turns neighbours and leaves the rest of a head alone',
    [qGiven, posGiven, given(cos), given(sin)],
    { pairs: 'adjacent' },
    loops.rope(q, pos, { ...turning, pairs: 'adjacent' }),
    { tolerance: 5e-7 },
  ),
  row(
    ROPE,
    'turns halves and leaves the rest of a head alone',
    [qGiven, posGiven, given(cos), given(sin)],
    { pairs: 'halves' },
    loops.rope(q, pos, { ...turning, pairs: 'halves' }),
    { tolerance: 5e-7 },
  ),
];

const cacheRows = noise([1, 2, 2, 3], 40);
const fresh = f32([1, 2, 5, 3], () => 0);
const caches: readonly Row[] = [
  row(
    APPEND,
    'gives rows at their positions; what no run wrote is zero',
    [given(fresh), given(cacheRows, [1, 2, 'T', 3]), given(i64([1, 2], [1, 2]), [1, 'T'])],
    undefined,
    made([1, 2, 3, 3], (_, h, j, i) => (j === 0 ? 0 : get(cacheRows, 0, h!, j! - 1, i!))),
  ),
];

const picture = noise([2, 3, 4, 6], 60);
const kernels = noise([5, 3, 2, 2], 61);
const kernelBias = noise([5], 62);
const sound = noise([2, 3, 7], 63);
const soundKernels = noise([4, 3, 3], 64);
const grid = noise([2, 3, 2, 5], 65);
const places = noise([1 + 9, 2], 66);
const few = noise([4, 2], 67);
const stream = noise([2, 3, 4], 68);
const registers = noise([2, 4], 69);
const classRow = noise([4], 70);
const pairs = noise([4, 3, 2], 71);
const heard = noise([3, 2, 4], 80);
const gates = [noise([12, 4], 81), noise([12, 3], 82), noise([12], 83), noise([12], 84)] as const;
const memory = { hidden: noise([1, 2, 3], 85), cell: noise([1, 2, 3], 86) };
const recalled = loops.lstm(heard, ...gates, memory);
const recurrence = [
  given(heard, ['T', 'B', 4]),
  ...gates.map(stored),
  given(memory.hidden, [1, 'B', 3]),
  given(memory.cell, [1, 'B', 3]),
];
const rootOfSize = (v: number): number => Math.sqrt(Math.abs(v));
const mirroredIn = (n: number, i: number): number => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i);
const sounds: readonly Row[] = [
  row(
    RELU,
    'leaves what is positive',
    [given(wide)],
    undefined,
    loops.map(wide, (v) => Math.max(0, v)),
  ),
  row(SQRT, 'is the square root', [given(loops.map(wide, Math.abs))], undefined, loops.map(wide, rootOfSize), {
    tolerance: 5e-7,
  }),
  row(
    REFLECT,
    'mirrors both ends of the last axis',
    [given(sound, ['B', 3, 7])],
    { pad: 2 },
    made([2, 3, 11], (b, c, t) => get(sound, b!, c!, mirroredIn(7, t! - 2))),
  ),
  row(LSTM, 'gives the state after every step', recurrence, { give: 'steps' }, recalled.steps, { tolerance: 1e-6 }),
  row(LSTM, 'gives the state to go on from', recurrence, { give: 'hidden' }, recalled.hidden, { tolerance: 1e-6 }),
  row(LSTM, 'gives what is remembered at the end', recurrence, { give: 'cell' }, recalled.cell, { tolerance: 1e-6 }),
];

const grids: readonly Row[] = [
  row(
    CONV,
    'reads squares of an image, one beside the other',
    [given(picture, ['B', 3, 4, 6]), stored(kernels), stored(kernelBias)],
    { stride: 2, pad: 0 },
    loops.conv(picture, kernels, kernelBias, { stride: 2, pad: 0 }),
    { tolerance: 2e-6 },
  ),
  row(
    CONV,
    'reads a sound with zeros at its ends, every second place',
    [given(sound, ['B', 3, 7]), stored(soundKernels)],
    { stride: 2, pad: 1 },
    loops.conv(sound, soundKernels, undefined, { stride: 2, pad: 1 }),
    { tolerance: 2e-6 },
  ),
  row(
    SEQUENCE,
    'lays a grid out row by row',
    [given(grid, ['B', 3, 2, 5])],
    undefined,
    made([2, 10, 3], (b, t, c) => get(grid, b!, c!, Math.floor(t! / 5), t! % 5)),
  ),
  row(
    RESIZE_GRID,
    'enlarges a grid and leaves the rows before it alone',
    [stored(places)],
    { nPrefix: 1, from: 3, to: 5 },
    loops.resizeGrid(places, { nPrefix: 1, from: 3, to: 5 }),
    { tolerance: 1e-6 },
  ),
  row(
    RESIZE_GRID,
    'smooths a grid that it makes smaller',
    [stored(noise([25, 2], 72))],
    { nPrefix: 0, from: 5, to: 2 },
    loops.resizeGrid(noise([25, 2], 72), { nPrefix: 0, from: 5, to: 2 }),
    { tolerance: 1e-6 },
  ),
  row(RESIZE_GRID, 'keeps a grid of its own size', [stored(few)], { nPrefix: 0, from: 2, to: 2 }, few, {
    tolerance: 1e-6,
  }),
  row(
    PREPEND,
    'puts a row before every sequence',
    [given(stream, ['B', 3, 4]), stored(classRow)],
    undefined,
    made([2, 4, 4], (b, t, i) => (t === 0 ? get(classRow, i!) : get(stream, b!, t! - 1, i!))),
  ),
  row(
    PREPEND,
    'puts several rows before every sequence',
    [given(stream, ['B', 3, 4]), stored(registers)],
    undefined,
    made([2, 5, 4], (b, t, i) => (t! < 2 ? get(registers, t!, i!) : get(stream, b!, t! - 2, i!))),
  ),
  row(
    MEAN_ROWS,
    'gives the mean of each sequence',
    [given(stream, ['B', 3, 4])],
    undefined,
    made([2, 1, 4], (b, _, i) => sumOf(3, (t) => get(stream, b!, t, i!)) / 3),
    { tolerance: 2e-7 },
  ),
  row(
    GROUP,
    'lays sequences that share something end to end',
    [given(pairs, ['B', 3, 2]), given(noise([2, 1], 73), ['W', 1])],
    { rows: 'n' },
    made([2, 6, 2], (w, t, i) => get(pairs, 2 * w! + Math.floor(t! / 3), t! % 3, i!)),
  ),
  row(
    ATTEND_WEIGHTS,
    'gives the shares of the keys',
    [given(q), given(k4)],
    { scale: 0.4 },
    loops.softmax(
      made([2, 4, 3, 5], (b, h, t, j) =>
        sumOf(q.dims[3]!, (i) => 0.4 * get(q, b!, h!, t!, i) * get(k4, b!, h!, j!, i)),
      ),
    ),
    { tolerance: 1e-6 },
  ),
];

const rowsOfAll = [
  ...grids,
  ...sounds,
  ...arithmetic,
  ...leaves,
  ...products,
  ...norms,
  ...selections,
  ...rearrangements,
  ...attentions,
  ...caches,
];

describe('operations on the CPU', () => {
  it.each(rowsOfAll)('$op.name $title', async ({ build, feeds, sizes, expected, tolerance }) => {
    for (const target of [plain, fused]) {
      const [y] = await runGraph((g) => g.output('y', build(g)), [feeds], { target, sizes });
      expect(y!.dims).toEqual(expected.dims);
      expect(distance(y!, expected)).toBeLessThanOrEqual(tolerance);
    }
  });

  it('are all in the table', async () => {
    const folder = new URL('../src/graph/ops/', import.meta.url);
    const records = new Set<string>();
    for (const file of readdirSync(folder)) {
      const module: Readonly<Record<string, unknown>> = await import(new URL(file, folder).href);
      for (const value of Object.values(module)) {
        if (typeof value === 'object' && value !== null && 'infer' in value && 'name' in value)
          records.add(String(value.name));
      }
    }
    expect(records.size).toBeGreaterThan(30);
    const tested = new Set(rowsOfAll.map(({ op }) => op.name));
    expect([...records].filter((name) => !tested.has(name))).toEqual([]);
  });
});

/** A cache of two heads of width 2 for sequences of `nSeq`, `T` rows a run. */
const cacheGraph = (nSeq: number) => (g: GraphBuilder) => {
  const at = g.input('pos', 'i64', ['B', 'T']);
  const state = g.state('cache', 'f32', [nSeq, 2, 'nCtx', 2]);
  const all = append(g, state, g.input('rows', 'f32', [nSeq, 2, 'T', 2]), at);
  g.update(state, all);
  g.output('y', all);
};

/** Rows `[nSeq, 2, positions, 2]` whose values say what they are: sequence, head, position, column, and a mark. */
const marked = (positions: readonly (readonly number[])[], mark = 0): NdArray =>
  made(
    [positions.length, 2, positions[0]!.length, 2],
    (b, h, t, i) => 1000 * b! + 100 * h! + 10 * positions[b!]![t!]! + i! + mark,
  );
const step = (positions: readonly (readonly number[])[], mark = 0): Arrays => ({
  rows: marked(positions, mark),
  pos: i64([positions.length, positions[0]!.length], positions.flat()),
});

describe('what a session keeps', () => {
  it('grows by each run and is seen by the next', async () => {
    const runs = [step([[0, 1]]), step([[2]]), step([[3, 4, 5]])];
    const seen = await runGraph(cacheGraph(1), runs, { sizes: { nCtx: 8, B: 1 } });
    expect(seen).toEqual([marked([[0, 1]]), marked([[0, 1, 2]]), marked([[0, 1, 2, 3, 4, 5]])]);
  });

  it('fills its capacity to the last row', async () => {
    const [, y] = await runGraph(cacheGraph(1), [step([[0, 1]]), step([[2]])], { sizes: { nCtx: 3, B: 1 } });
    expect(y).toEqual(marked([[0, 1, 2]]));
  });

  it('starts over at position 0, and nothing of what was there is in view', async () => {
    const [, y] = await runGraph(cacheGraph(1), [step([[0, 1, 2]]), step([[0, 1]], 5)], { sizes: { nCtx: 4, B: 1 } });
    expect(y).toEqual(marked([[0, 1]], 5));
  });

  it('goes back to an earlier position and writes over what was there', async () => {
    const [, y] = await runGraph(cacheGraph(1), [step([[0, 1, 2]]), step([[1, 2]], 5)], { sizes: { nCtx: 4, B: 1 } });
    const [before, after] = [marked([[0]]), marked([[1, 2]], 5)];
    expect(y).toEqual(
      made([1, 2, 3, 2], (b, h, t, i) => (t === 0 ? get(before, b!, h!, 0, i!) : get(after, b!, h!, t! - 1, i!))),
    );
  });

  it('holds each sequence at positions of its own', async () => {
    const runs = [
      step([
        [0, 1],
        [0, 1],
      ]),
      step([[2], [1]], 5),
    ];
    const [, y] = await runGraph(cacheGraph(2), runs, { sizes: { nCtx: 4, B: 2 } });
    const value = (b: number, h: number, t: number, i: number) =>
      get(
        marked([
          [0, 1, 2],
          [0, 1, 2],
        ]),
        b,
        h,
        t,
        i,
      );
    // The second sequence has written its row 1 anew; its row 2 is in view of nobody and still zero.
    const own = (b: number, h: number, t: number, i: number) => {
      if (b === 1 && t === 2) return 0;
      return value(b, h, t, i) + (t === (b === 0 ? 2 : 1) ? 5 : 0);
    };
    expect(y).toEqual(made([2, 2, 3, 2], (b, h, t, i) => own(b!, h!, t!, i!)));
  });
});

/** Angles per position as the papers give them. */
const unscaled = (base: number, nRot: number) => (i: number) => base ** ((-2 * i) / nRot);

/** Peng et al. 2023, section 3.2: frequencies that turn often within the trained context stay, slow ones are divided. */
const yarn =
  (base: number, nRot: number, y: { factor: number; nCtxOrig: number; betaFast: number; betaSlow: number }) =>
  (i: number) => {
    const pairOfTurns = (turns: number) => (nRot * Math.log(y.nCtxOrig / (2 * Math.PI * turns))) / (2 * Math.log(base));
    const [from, to] = [Math.floor(pairOfTurns(y.betaFast)), Math.ceil(pairOfTurns(y.betaSlow))];
    const theta = unscaled(base, nRot)(i);
    if (i <= from) return theta;
    if (i >= to) return theta / y.factor;
    const slow = (i - from) / (to - from);
    return (theta / y.factor) * slow + theta * (1 - slow);
  };

const factors = [1, 1.5, 4, 8];
const stretch = { factor: 4, nCtxOrig: 4096, betaFast: 32, betaSlow: 1, extFactor: 1 };
const magnitude = 1 + 0.1 * Math.log(4);

describe('rotary positions', () => {
  const scalings: readonly (readonly [
    what: string,
    table: RopeTable,
    frequency: (i: number) => number,
    magnitude: number,
  ])[] = [
    ['as trained', { nRot: 8, base: 10_000, scaling: { kind: 'none' } }, unscaled(10_000, 8), 1],
    ['with another base', { nRot: 8, base: 500_000, scaling: { kind: 'none' } }, unscaled(500_000, 8), 1],
    [
      'interpolated linearly',
      { nRot: 8, base: 10_000, scaling: { kind: 'linear', factor: 4 } },
      (i) => unscaled(10_000, 8)(i) / 4,
      1,
    ],
    [
      'with a divisor for each frequency, as Llama 3.1 has them',
      { nRot: 8, base: 10_000, scaling: { kind: 'none' }, freqFactors: weight('rope_freqs.weight', f32([4], factors)) },
      (i) => unscaled(10_000, 8)(i) / factors[i]!,
      1,
    ],
    [
      'with YaRN, and its magnitude',
      { nRot: 8, base: 10_000, scaling: { kind: 'yarn', ...stretch, magnitude } },
      yarn(10_000, 8, stretch),
      magnitude,
    ],
    ['on a part of the head, as trained', { nRot: 4, base: 10_000, scaling: { kind: 'none' } }, unscaled(10_000, 4), 1],
    [
      'on a part of the head, interpolated linearly',
      { nRot: 6, base: 10_000, scaling: { kind: 'linear', factor: 2 } },
      (i) => unscaled(10_000, 6)(i) / 2,
      1,
    ],
  ];
  const cases = scalings.flatMap((s) =>
    (['adjacent', 'halves'] as const).map((pairs): readonly [RopePairs, ...typeof s] => [pairs, ...s]),
  );

  it.each(cases)('turn %s pairs %s', async (pairs, _, table, frequency, m) => {
    const x = noise([2, 3, 2, 8], 50);
    const at = i64([2, 2], [0, 1, 97, 63]);
    const expected = loops.rope(x, at, { pairs, nRot: table.nRot, frequency, magnitude: m });
    const build = (g: GraphBuilder) => {
      const [cosines, sines] = ropeTables(g, table);
      g.output(
        'y',
        rope(g, g.input('x', 'f32', ['B', 3, 'T', 8]), g.input('pos', 'i64', ['B', 'T']), cosines, sines, pairs),
      );
    };
    const [y] = await runGraph(build, [{ x, pos: at }], { sizes: { nCtx: 98 } });
    expect(distance(y!, expected)).toBeLessThan(1e-6);
  });

  it('with YaRN keep fast frequencies, divide slow ones and mix those between', () => {
    const theta = unscaled(10_000, 8);
    const found = ropeFrequencies({ nRot: 8, base: 10_000, scaling: { kind: 'yarn', ...stretch, magnitude } });
    // 32 turns in 4096 positions are made at pair 1.3, one turn at pair 2.8.
    expect([...found]).toEqual([theta(0), theta(1), (theta(2) / 4 + theta(2)) / 2, theta(3) / 4]);
  });
});

describe('composed rearrangements', () => {
  it('split gives parts that concat joins again', async () => {
    const build = (g: GraphBuilder) => {
      const parts = split(g, g.input('x', 'f32', ['B', 'T', 4]), -1, [1, 2, 1]);
      expect(parts.map(({ shape }) => shape.at(-1))).toEqual([1, 2, 1]);
      g.output('y', concat(g, [parts[2]!, parts[0]!, parts[1]!], -1));
    };
    const [y] = await runGraph(build, [{ x: x234 }]);
    expect(y).toEqual(made([2, 3, 4], (b, t, i) => get(x234, b!, t!, [3, 0, 1, 2][i!]!)));
  });

  it('transpose twice changes nothing', async () => {
    const build = (g: GraphBuilder) =>
      g.output('y', transpose(g, transpose(g, g.input('x', 'f32', [2, 3, 4]), [1, 2, 0]), [2, 0, 1]));
    expect(await runGraph(build, [{ x: x234 }])).toEqual([x234]);
  });
});

describe('what operations refuse', () => {
  const refusal = <N extends number, A>(op: Op<N, A>, shapes: Tuple<Shape, N>, attrs: A, message: string) => {
    const list: readonly Shape[] = shapes;
    const record = op as AnyOp;
    const build = (g: GraphBuilder) =>
      g.add<number, unknown>(
        record,
        list.map((shape, i) => g.input(`x${i}`, 'f32', shape)),
        attrs,
      );
    const inputs = list.map((shape, i) => `x${i} [${shape.join(', ')}]`).join(', ') || 'none';
    return { build, message: `${op.name}: ${message} (inputs: ${inputs})` };
  };

  it.each([
    refusal(ADD, [[2, 3], [4]], undefined, '[2, 3] and [4] do not fit'),
    refusal(
      MUL,
      [
        ['B', 3],
        ['T', 3],
      ],
      undefined,
      '[B, 3] and [T, 3] do not fit',
    ),
    refusal(
      DIV,
      [
        [2, 3],
        [3, 3],
      ],
      undefined,
      '[2, 3] and [3, 3] do not fit',
    ),
    refusal(
      APPEND,
      [
        [1, 2, 8],
        [1, 2, 4],
        [1, 4],
      ],
      undefined,
      'state has shape [1, 2, 8], expected 4 axes',
    ),
    refusal(
      APPEND,
      [
        [1, 2, 8, 4],
        [1, 2, 'T', 5],
        [1, 'T'],
      ],
      undefined,
      'rows has shape [1, 2, T, 5], expected [1, 2, T, 4]',
    ),
    refusal(APPEND, [[1, 2, 8, 4], [1, 2, 'T', 4], ['T']], undefined, 'positions has shape [T], expected 2 axes'),
    refusal(LINEAR, [['T', 4], [8]], undefined, 'weight has shape [8], expected 2 axes'),
    refusal(
      HEAD_LINEAR,
      [
        ['B', 3, 'T', 4],
        [2, 8, 4],
      ],
      { isTurned: false },
      '3 heads meet weights of 2',
    ),
    refusal(
      HEAD_LINEAR,
      [
        ['B', 2, 'T', 4],
        [2, 8, 4],
      ],
      { isTurned: true },
      'rows of 4 times weights of 8',
    ),
    refusal(
      LINEAR,
      [
        ['T', 4],
        [8, 5],
      ],
      undefined,
      'rows of 4 times a weight of 5',
    ),
    refusal(
      ADAPTER,
      [
        ['T', 5],
        ['T', 4],
        [2, 3],
        [5, 2],
      ],
      { scale: 1 },
      'down has shape [2, 3], expected [2, 4]',
    ),
    refusal(
      ADAPTER,
      [
        ['T', 5],
        ['T', 4],
        [2, 4],
        [5, 3],
      ],
      { scale: 1 },
      'up has shape [5, 3], expected [5, 2]',
    ),
    refusal(BIAS, [['T', 4], [5]], undefined, 'a bias of 5 on rows of 4'),
    refusal(EXPERT_LINEAR, [['n', 4], [3, 4], ['n']], undefined, 'weight has shape [3, 4], expected 3 axes'),
    refusal(EXPERT_LINEAR, [['n', 4], [3, 2, 5], ['n']], undefined, 'rows of 4 times a weight of 5'),
    refusal(
      EXPERT_LINEAR,
      [
        ['n', 4],
        [3, 2, 4],
        ['n', 2],
      ],
      undefined,
      'ids has shape [n, 2], expected 1 axes',
    ),
    refusal(RMS_NORM, [['T', 4], [5]], { eps: 1e-5 }, 'weight has shape [5], expected [4]'),
    refusal(LAYER_NORM, [['T', 4], [4], [1, 4]], { eps: 1e-5 }, 'bias has shape [1, 4], expected [4]'),
    refusal(ROWS, [[8, 4, 2], ['T']], undefined, 'table has shape [8, 4, 2], expected 2 axes'),
    refusal(PICK, [['B', 'T', 4], ['n']], undefined, 'x has shape [B, T, 4], expected 2 axes'),
    refusal(
      PICK,
      [
        ['T', 4],
        ['n', 1],
      ],
      undefined,
      'indices has shape [n, 1], expected 1 axes',
    ),
    refusal(TOP_K, [['T', 4]], { k: 5 }, 'the best 5 of 4'),
    refusal(TOP_K, [['T', 4]], { k: 0 }, 'the best 0 of 4'),
    refusal(TOP_K, [['T', 'n']], { k: 1 }, 'axis -1 of [T, n] has no fixed size'),
    refusal(TAKE, [['T', 4], ['T']], undefined, 'indices [T] into rows [T, 4]'),
    refusal(CUT, [['T', 12]], { width: 5 }, '12 do not divide into parts of 5'),
    refusal(JOIN, [['T', 12]], undefined, 'x has shape [T, 12], expected 3 axes'),
    refusal(SPLIT_HEADS, [['T', 12]], { nHead: 3 }, 'x has shape [T, 12], expected 3 axes'),
    refusal(SPLIT_HEADS, [['B', 'T', 10]], { nHead: 3 }, 'width 10 does not divide into 3 heads'),
    refusal(REPEAT_HEADS, [['B', 2, 'T', 4]], { nHead: 4 }, '2 heads where one is to be repeated'),
    refusal(LIMIT_GROUPS, [['n', 6]], { nGroup: 4, nGroupUsed: 2 }, '6 do not divide into 4 groups'),
    refusal(LIMIT_GROUPS, [['n', 6]], { nGroup: 3, nGroupUsed: 4 }, 'the best 4 of 3 groups'),
    refusal(MERGE_HEADS, [['B', 'T', 12]], undefined, 'x has shape [B, T, 12], expected 4 axes'),
    refusal(REPEAT_ROWS, [['B', 'T', 4]], { times: 2, name: 'n' }, 'x has shape [B, T, 4], expected 2 axes'),
    refusal(SUM_ROWS, [[4]], { every: 2, name: 'n' }, 'x has shape [4], expected 2 axes'),
    refusal(SLICE, [['T', 4]], { axis: -1, start: 3, length: 2 }, 'elements 3 to 5 of an axis of 4'),
    refusal(SLICE, [['T', 4]], { axis: 1, start: -1, length: 2 }, 'elements -1 to 1 of an axis of 4'),
    refusal(SLICE, [['T', 4]], { axis: 0, start: 0, length: 1 }, 'axis 0 of [T, 4] has no fixed size'),
    refusal(
      CONCAT,
      [
        [2, 3],
        [2, 4],
      ],
      { axis: 0 },
      '[2, 4] does not fit [2, 3] along axis 0',
    ),
    refusal(
      CONCAT,
      [
        [2, 3],
        [2, 3, 1],
      ],
      { axis: -1 },
      '[2, 3, 1] does not fit [2, 3] along axis -1',
    ),
    refusal(CONCAT, [], { axis: 0 }, 'nothing to concatenate'),
    refusal(TRANSPOSE, [[2, 3]], { perm: [0, 0] }, 'axes [0, 0] of [2, 3]'),
    refusal(TRANSPOSE, [[2, 3, 4]], { perm: [1, 0] }, 'axes [1, 0] of [2, 3, 4]'),
    refusal(
      ROPE,
      [
        ['B', 2, 'T', 4],
        ['B', 'T'],
        [9, 4],
        [9, 4],
      ],
      { pairs: 'halves' },
      '8 rotating dimensions in a head of 4',
    ),
    refusal(
      ROPE,
      [
        ['B', 2, 'T', 4],
        ['B', 'T'],
        [9, 2],
        [9, 1],
      ],
      { pairs: 'halves' },
      'sines has shape [9, 1], expected [9, 2]',
    ),
    refusal(
      ROPE,
      [
        ['B', 'T', 4],
        ['B', 'T'],
        [9, 2],
        [9, 2],
      ],
      { pairs: 'halves' },
      'x has shape [B, T, 4], expected 4 axes',
    ),
    refusal(
      ATTEND,
      [
        ['B', 4, 'T', 8],
        ['B', 3, 'n', 8],
        ['B', 3, 'n', 8],
      ],
      { scale: 1 },
      '4 query heads do not share 3 key heads evenly',
    ),
    refusal(
      ATTEND,
      [
        ['B', 4, 'T', 8],
        ['B', 2, 'n', 6],
        ['B', 2, 'n', 8],
      ],
      { scale: 1 },
      'queries of 8 meet keys of 6',
    ),
    refusal(
      ATTEND,
      [
        ['B', 4, 'T', 8],
        ['B', 2, 'n', 8],
        ['B', 2, 'm', 8],
      ],
      { scale: 1 },
      'n keys for m values',
    ),
    refusal(
      ATTEND,
      [
        ['B', 4, 'T', 8],
        ['B', 2, 'n', 8],
        ['B', 4, 'n', 8],
      ],
      { scale: 1 },
      '2 key heads with 4 value heads',
    ),
    refusal(
      ATTEND_CAUSAL,
      [
        ['B', 4, 'T', 8],
        ['B', 2, 'n', 6],
        ['B', 2, 'n', 8],
        ['B', 'T'],
      ],
      { scale: 1 },
      'queries of 8 meet keys of 6',
    ),
    refusal(
      ATTEND_CAUSAL,
      [['B', 4, 'T', 8], ['B', 2, 'n', 8], ['B', 2, 'n', 8], ['T']],
      { scale: 1 },
      'positions has shape [T], expected 2 axes',
    ),
  ])('$message', ({ build, message }) => {
    expect(() => build(new GraphBuilder('refused'))).toThrow(new Error(message));
  });

  it('is said with the path of the node', () => {
    const g = new GraphBuilder('refused');
    const x = g.input('x', 'f32', ['T', 4]);
    expect(() =>
      g.scope('blk.3', () => g.scope('attn', () => g.add(ADD, [x, g.input('y', 'f32', [5])], undefined))),
    ).toThrow('blk.3.attn.add: [T, 4] and [5] do not fit (inputs: x [T, 4], y [5])');
  });
});

describe('what operations cost', () => {
  const sizes = { B: 2, T: 3, nKv: 10, nCtx: 16, n: 6 };
  const costOf = <N extends number, A>(op: Op<N, A>, shapes: Tuple<Shape, N>, attrs: A) => {
    const list: readonly Shape[] = shapes;
    const record = op as AnyOp;
    const g = new GraphBuilder('cost');
    return nodeCost(
      g.add<number, unknown>(
        record,
        list.map((shape, i) => g.input(`x${i}`, 'f32', shape)),
        attrs,
      ),
      sizes,
    );
  };

  it.each([
    {
      what: 'a sum: one each',
      cost: costOf(ADD, [['B', 'T', 4], [4]], undefined),
      flops: 24,
      bytes: 4 * (24 + 4 + 24),
    },
    {
      what: 'a product: 2 nIn nOut a row',
      cost: costOf(
        LINEAR,
        [
          ['B', 'T', 4],
          [5, 4],
        ],
        undefined,
      ),
      flops: 2 * 6 * 4 * 5,
      bytes: 4 * (24 + 20 + 30),
    },
    {
      what: 'experts: the rows, which expert each goes to, and the weights of those that can have been chosen',
      cost: costOf(EXPERT_LINEAR, [['n', 4], [8, 5, 4], ['n']], undefined),
      flops: 2 * 6 * 4 * 5,
      bytes: 4 * 6 + 4 * (24 + 30) + 6 * 4 * 20,
    },
    {
      what: 'attention: scores and sums over every key',
      cost: costOf(
        ATTEND,
        [
          ['B', 4, 'T', 8],
          ['B', 2, 'nKv', 8],
          ['B', 2, 'nKv', 6],
        ],
        { scale: 1 },
      ),
      flops: 2 * (2 * 4 * 3) * 10 * (8 + 6),
      bytes: 4 * (2 * 4 * 3 * 8 + 2 * 2 * 10 * 8 + 2 * 2 * 10 * 6 + 2 * 4 * 3 * 6),
    },
    {
      what: 'an append: the new rows, read and written',
      cost: costOf(
        APPEND,
        [
          ['B', 2, 'nCtx', 4],
          ['B', 2, 'T', 4],
          ['B', 'T'],
        ],
        undefined,
      ),
      flops: 0,
      bytes: 2 * 4 * (2 * 2 * 3 * 4),
    },
    {
      what: 'rows of a table: only those read',
      cost: costOf(
        ROWS,
        [
          [100, 4],
          ['B', 'T'],
        ],
        undefined,
      ),
      flops: 0,
      bytes: 2 * 4 * (6 * 4),
    },
  ])('$what', ({ cost, flops, bytes }) => {
    expect(cost).toEqual({ flops, bytes });
  });

  it('add up over a graph, in which inputs and weights are free', () => {
    const graph = graphOf((g) => {
      const x = g.input('x', 'f32', ['B', 'T', 4]);
      const y = g.add(LINEAR, [x, g.weight(weight('w', w53))], undefined);
      g.output('y', g.add(SUM, [y], undefined));
    });
    expect(cost(graph, sizes)).toEqual({ flops: 2 * 6 * 20 + 30, bytes: 4 * (24 + 20 + 30) + 4 * (30 + 6) });
  });

  it('need every size', () => {
    const graph = graphOf((g) => g.output('y', g.add(SUM, [g.input('x', 'f32', ['B', 'm'])], undefined)));
    expect(() => cost(graph, sizes)).toThrow("dimension 'm' has no value");
  });
});
