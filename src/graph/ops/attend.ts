/** Attention's own operations: the weighted sum over keys in view, and rotary positions. */
import type { GraphBuilder } from '../builder.ts';
import type { Emitter, Value } from '../lower/emitter.ts';
import { expectRank, expectShape, op } from '../op.ts';
import type { Dim, Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import { APPEND, ROPE_TABLE } from './leaves.ts';
import type { RopeTable } from './rope-table.ts';

/** Which two dimensions of a head turn together: neighbours (2i, 2i+1), or halves (i, i + nRot/2) as in GPT-NeoX. */
export type RopePairs = 'adjacent' | 'halves';

/**
 * Rotary positions: x `[B, nHead, T, d]`, positions `[B, T]`, cosines and sines `[nCtx, nRot / 2]`. Dimensions of a
 * head beyond nRot stay as they are.
 */
export const ROPE = op<4, { pairs: RopePairs }>({
  name: 'rope',
  infer([x, pos, cos, sin]) {
    expectRank(x, 4, 'x');
    expectRank(pos, 2, 'positions');
    expectShape(sin, cos.shape, 'sines');
    if (2 * size(cos, -1) > size(x, -1))
      throw new Error(`${2 * size(cos, -1)} rotating dimensions in a head of ${size(x, -1)}`);
    return { dtype: x.dtype, shape: x.shape };
  },
  lower(o, [x, pos, cos, sin], { pairs }, [type, , table]) {
    const [headDim, nRot] = [size(type, -1), 2 * size(table, -1)];
    const all = nRot === headDim;
    const turning = all ? x : o.node('Slice', [x, o.i64([0]), o.i64([nRot]), o.i64([-1])]);
    // Pairs lie along the last axis ([.., nRot/2, 2]) or across it ([.., 2, nRot/2]).
    const axis = pairs === 'adjacent' ? -1 : -2;
    const apart = pairs === 'adjacent' ? [0, 0, 0, nRot / 2, 2] : [0, 0, 0, 2, nRot / 2];
    const pair = o.node('Reshape', [turning, o.i64(apart)]);
    const a = o.node('Gather', [pair, o.i64Scalar(0)], { axis });
    const b = o.node('Gather', [pair, o.i64Scalar(1)], { axis });
    const c = o.node('Unsqueeze', [o.node('Gather', [cos, pos]), o.i64([1])]); // [B, 1, T, nRot / 2]
    const s = o.node('Unsqueeze', [o.node('Gather', [sin, pos]), o.i64([1])]);
    const parts = [
      o.node('Sub', [o.node('Mul', [a, c]), o.node('Mul', [b, s])]),
      o.node('Add', [o.node('Mul', [a, s]), o.node('Mul', [b, c])]),
    ].map((part) => o.node('Unsqueeze', [part, o.i64([axis])]));
    const turned = o.node('Reshape', [o.node('Concat', parts, { axis }), o.i64([0, 0, 0, nRot])]);
    if (all) return turned;
    const rest = o.node('Slice', [x, o.i64([nRot]), o.i64([headDim]), o.i64([-1])]);
    return o.node('Concat', [turned, rest], { axis: -1 });
  },
  flops: ([x]) => 3 * x.size,
  // Of the tables only the rows of these positions.
  bytes: ([x, pos, cos], y) => x.bytes + y.bytes + pos.bytes + (2 * pos.size * cos.bytes) / (cos.dims[0] ?? 1),
});

/** What a query sees: every key, or those up to its own position (`[B, T]`), the last `window` of them if given. */
export type Mask =
  | { readonly kind: 'none' }
  | { readonly kind: 'causal'; readonly pos: Tensor; readonly window?: number };

interface AttendAttrs {
  readonly scale: number;
  readonly window?: number;
}

const attendType = (q: { dtype: Tensor['dtype']; shape: Tensor['shape'] }, k: Tensor['shape'], v: Tensor['shape']) => {
  const [nHead, nHeadKv] = [q.shape[1], k[1]];
  if (typeof nHead !== 'number' || typeof nHeadKv !== 'number' || nHead % nHeadKv !== 0)
    throw new Error(`${nHead} query heads do not share ${nHeadKv} key heads evenly`);
  if (q.shape.at(-1) !== k.at(-1)) throw new Error(`queries of ${q.shape.at(-1)} meet keys of ${k.at(-1)}`);
  if (nHeadKv !== v[1]) throw new Error(`${nHeadKv} key heads with ${v[1]} value heads`);
  if (k[2] !== v[2]) throw new Error(`${k[2]} keys for ${v[2]} values`);
  return { dtype: q.dtype, shape: [...q.shape.slice(0, -1), v.at(-1) as Dim] };
};

/** Multiply-adds of scores and sums. */
const attendFlops = (q: readonly number[], k: readonly number[], v: readonly number[]): number =>
  2 * q.slice(0, 3).reduce((a, b) => a * b, 1) * (k[2] ?? 0) * ((k[3] ?? 0) + (v[3] ?? 0));

interface AttentionForm {
  readonly scale: number;
  readonly nHead: number;
  readonly nHeadKv: number;
  /** `[B, 1, T, nKv]`, true where a query sees a key; absent: everywhere. */
  readonly seen?: Value;
}

/** Extents `from` up to, not including, `to` of a value's shape, as it is when running. */
const extents = (o: Emitter, x: Value, from: number, to: number): Value =>
  o.node('Slice', [o.node('Shape', [x]), o.i64([from]), o.i64([to])]);

/** softmax(scale q k^T) v in plain ONNX. Heads that share a key lie one below the other, so that no key is copied. */
const attention = (o: Emitter, { q, k, v }: Readonly<Record<'q' | 'k' | 'v', Value>>, a: AttentionForm): Value => {
  const isShared = a.nHead !== a.nHeadKv;
  const reshaped = (x: Value, ...extents: readonly Value[]) =>
    o.node('Reshape', [x, o.node('Concat', extents, { axis: 0 })]);
  const group = (x: Value) =>
    isShared ? reshaped(x, extents(o, x, 0, 1), o.i64([a.nHeadKv, -1]), extents(o, x, 3, 4)) : x;
  const ungroup = (x: Value) => (isShared ? reshaped(x, extents(o, q, 0, 3), extents(o, x, 3, 4)) : x);
  const keys = o.node('Transpose', [k], { perm: [0, 1, 3, 2] });
  const scores = o.node('Mul', [ungroup(o.node('MatMul', [group(q), keys])), o.f32([a.scale])]); // [B, nHead, T, nKv]
  const masked = a.seen ? o.node('Where', [a.seen, scores, o.f32([Number.NEGATIVE_INFINITY])]) : scores;
  return ungroup(o.node('MatMul', [group(o.node('Softmax', [masked], { axis: -1 })), v]));
};

/** Vaswani et al. 2017, with heads grouped over keys (Ainslie et al. 2023); every query sees every key. */
export const ATTEND = op<3, { scale: number }>({
  name: 'attend',
  infer: ([q, k, v]) => attendType(q, k.shape, v.shape),
  lower: (o, [q, k, v], { scale }, [qt, kt]) =>
    attention(o, { q, k, v }, { scale, nHead: size(qt, 1), nHeadKv: size(kt, 1) }),
  flops: ([q, k, v]) => attendFlops(q.dims, k.dims, v.dims),
});

/** The same, but key j is seen from position p only if j <= p (and j > p - window). The last input is `[B, T]`. */
export const ATTEND_CAUSAL = op<4, AttendAttrs>({
  name: 'attend_causal',
  infer([q, k, v, pos]) {
    expectRank(pos, 2, 'positions');
    return attendType(q, k.shape, v.shape);
  },
  lower(o, [q, k, v, pos], { scale, window }, [qt, kt]) {
    const nKv = o.node('Gather', [o.node('Shape', [k]), o.i64Scalar(2)]);
    const key = o.node('Range', [o.i64Scalar(0), nKv, o.i64Scalar(1)]);
    const at = o.node('Unsqueeze', [pos, o.i64([1, 3])]); // [B, 1, T, 1]
    const past = o.node('LessOrEqual', [key, at]);
    const seen = window ? o.node('And', [past, o.node('Greater', [key, o.node('Sub', [at, o.i64([window])])])]) : past;
    return attention(o, { q, k, v }, { scale, seen, nHead: size(qt, 1), nHeadKv: size(kt, 1) });
  },
  flops: ([q, k, v]) => attendFlops(q.dims, k.dims, v.dims),
});

/** How much each query looks at each key: q `[B, nHead, T, d]`, k `[B, nHead, nKv, d]` -> softmax of `[B, nHead, T, nKv]`. */
export const ATTEND_WEIGHTS = op<2, { scale: number }>({
  name: 'attend_weights',
  infer([q, k]) {
    expectShape(k, [q.shape[0] as Dim, q.shape[1] as Dim, k.shape[2] as Dim, q.shape[3] as Dim], 'keys');
    return { dtype: q.dtype, shape: [...q.shape.slice(0, -1), k.shape[2] as Dim] };
  },
  lower(o, [q, k], { scale }) {
    const keys = o.node('Transpose', [k], { perm: [0, 1, 3, 2] });
    return o.node('Softmax', [o.node('Mul', [o.node('MatMul', [q, keys]), o.f32([scale])])], { axis: -1 });
  },
  flops: ([q], y) => 2 * y.size * (q.dims[3] ?? 0),
});

export interface AttendOptions {
  readonly mask: Mask;
  /** What scores are multiplied by; 1 / sqrt(headDim) if absent. */
  readonly scale?: number;
}

/** Queries `[B, nHead, T, d]`, keys `[B, nHeadKv, nKv, d]`, values `[B, nHeadKv, nKv, dv]` -> `[B, nHead, T, dv]`. */
export const attend = (g: GraphBuilder, q: Tensor, k: Tensor, v: Tensor, a: AttendOptions): Tensor => {
  const scale = a.scale ?? size(q, -1) ** -0.5;
  if (a.mask.kind === 'none') return g.add(ATTEND, [q, k, v], { scale });
  const { pos, window } = a.mask;
  return g.add(ATTEND_CAUSAL, [q, k, v, pos], window === undefined ? { scale } : { scale, window });
};

/** How much each query looks at each key, without what it gathers there. */
export const attendWeights = (g: GraphBuilder, q: Tensor, k: Tensor): Tensor =>
  g.add(ATTEND_WEIGHTS, [q, k], { scale: size(q, -1) ** -0.5 });

/** Rows `[B, n, T, d]` written to their positions `[B, T]` of a state; gives all rows in view, `[B, n, nKv, d]`. */
export const append = (g: GraphBuilder, state: Tensor, rows: Tensor, pos: Tensor): Tensor =>
  g.add(APPEND, [state, rows, pos], undefined);

/**
 * Pairs of each head of x `[B, nHead, T, d]` turned by the angles of their positions `[B, T]`, from tables `[nCtx, nRot
 * / 2]`.
 */
export const rope = (g: GraphBuilder, x: Tensor, pos: Tensor, cos: Tensor, sin: Tensor, pairs: RopePairs): Tensor =>
  g.add(ROPE, [x, pos, cos, sin], { pairs });

/** The tables `[nCtx, nRot / 2]` that `rope` takes. */
export const ropeTables = (g: GraphBuilder, table: RopeTable): readonly [cos: Tensor, sin: Tensor] => [
  g.add(ROPE_TABLE, [], { ...table, part: 'cos' }, 'rope_cos'),
  g.add(ROPE_TABLE, [], { ...table, part: 'sin' }, 'rope_sin'),
];
