/** Attention with a cache as ONNX Runtime's GroupQueryAttention kernel. */
import type { Tuple } from '../op.ts';
import { float } from '../op.ts';
import { ATTEND_CAUSAL, ROPE } from '../ops/attend.ts';
import { APPEND } from '../ops/leaves.ts';
import { RMS_NORM } from '../ops/norm.ts';
import { MERGE_HEADS, SPLIT_HEADS } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { named } from './emitter.ts';
import type { LinearPattern, Matcher, Users, ValueAt } from './patterns.ts';
import { emitLinears, emitTogether, input, is, linearPattern, onlyUser } from './patterns.ts';

/** A linear layer split into heads, maybe normed per head, maybe turned: how attention gets its q, k and v. */
interface HeadsPattern {
  readonly layer: LinearPattern;
  readonly split: Tensor;
  readonly nHead: number;
  readonly headDim: number;
  readonly norm?: Tensor;
  readonly rope?: Tensor;
  readonly covers: readonly Tensor[];
}

const headsPattern = (heads: Tensor, users: Users): HeadsPattern | undefined => {
  const rope = is(heads, ROPE) ? heads : undefined;
  const normed = rope ? input(rope, 0) : heads;
  const norm = is(normed, RMS_NORM) ? normed : undefined;
  const split = norm ? input(norm, 0) : normed;
  if (!is(split, SPLIT_HEADS)) return undefined;
  const layer = linearPattern(input(split, 0));
  if (!layer) return undefined;
  const covers = [...layer.covers, split, ...(norm ? [norm] : []), ...(rope ? [rope] : [])];
  if (!covers.every((x) => onlyUser(x, users))) return undefined;
  return {
    layer,
    split,
    nHead: size(split, 1),
    headDim: size(split, -1),
    ...(norm && { norm }),
    ...(rope && { rope }),
    covers,
  };
};

/** What GroupQueryAttention is made of. */
interface CachedAttention {
  readonly q: HeadsPattern;
  readonly k: HeadsPattern;
  readonly v: HeadsPattern;
  readonly kState: Tensor;
  readonly vState: Tensor;
  /** Positions `[B, T]`. */
  readonly pos: Tensor;
  readonly scale: number;
  readonly window?: number;
}

const cachedAttention = (
  merged: Tensor,
  users: Users,
): (CachedAttention & { readonly covers: readonly Tensor[] }) | undefined => {
  if (!is(merged, MERGE_HEADS)) return undefined;
  const attend = input(merged, 0);
  if (!is(attend, ATTEND_CAUSAL)) return undefined;
  const [qHeads, kAll, vAll, pos] = attend.inputs as readonly [Tensor, Tensor, Tensor, Tensor];
  if (!is(kAll, APPEND) || !is(vAll, APPEND)) return undefined;
  const q = headsPattern(qHeads, users);
  const k = headsPattern(input(kAll, 1), users);
  const v = headsPattern(input(vAll, 1), users);
  if (!q || !k || !v || v.norm || v.rope || v.headDim !== k.headDim) return undefined;
  // The kernel knows one position for a token: where its row goes, how far it turns and what it sees.
  if (![kAll, vAll, ...(q.rope ? [q.rope] : [])].every((x) => x.inputs.includes(pos))) return undefined;
  if (![kAll, vAll, attend].every((x) => onlyUser(x, users)) || !turnAlike(q.rope, k.rope)) return undefined;
  const covers = [...q.covers, ...k.covers, ...v.covers, kAll, vAll, attend, merged];
  const attrs = attend.attrs as { scale: number; window?: number };
  return { q, k, v, pos, kState: input(kAll, 0), vState: input(vAll, 0), ...attrs, covers };
};

const turnAlike = (q: Tensor | undefined, k: Tensor | undefined): boolean =>
  q && k ? pairsOf(q) === pairsOf(k) && [1, 2, 3].every((i) => q.inputs[i] === k.inputs[i]) : q === k;

/**
 * append + rope + attend -> GroupQueryAttention, which turns q and k, writes k and v into the cache's own buffers and
 * reads only the keys in view. The products that feed it become one where their weights stack.
 */
export const groupedQueryAttention: Matcher = (merged, users, o) => {
  const found = o.has('GroupQueryAttention') ? cachedAttention(merged, users) : undefined;
  if (!found) return undefined;
  return {
    anchor: merged,
    covers: found.covers,
    emit(o, valueAt) {
      const { q, pos, kState, vState } = found;
      const turnsInside = kernelTurns(q);
      const rows = emitRows(o, found, valueAt);
      const [last, nKv] = o.cache.lastPositions(pos.shape[0] ?? 1);
      const cache = { past: [valueAt(kState), valueAt(vState)], last, nKv };
      const turn = turnsInside ? turnOf(q, pos, valueAt) : undefined;
      const all = () => kernel(o, found, rows, cache, turn);
      const [y, kNext, vNext] =
        rows.kind === 'apart' && readsKeysOnce(o, found)
          ? o.either<3>(
              oneToken(o, valueAt(pos)),
              { yes: () => oneTokenKernel(o, found, rows, cache, turn), no: all },
              [{ dtype: 'f32', shape: merged.shape }, kState, vState],
            )
          : all();
      o.cache.keepInPlace(valueAt(kState), kState, named(kNext, `${kState.name}.next`), valueAt(pos));
      o.cache.keepInPlace(valueAt(vState), vState, named(vNext, `${vState.name}.next`), valueAt(pos));
      return new Map([[merged, y]]);
    },
  };
};

/**
 * What the kernel is given of this run. Cards take one product as it is where nothing is done to its parts: there, a
 * kernel less counts for more than its work.
 */
const emitRows = (o: Emitter, { q, k, v }: CachedAttention, valueAt: ValueAt): Rows => {
  const layers = [q.layer, k.layer, v.layer];
  const isUntouched = kernelTurns(q) && q.rope !== undefined && nRotOf(q.rope) === q.headDim && !q.norm && !k.norm;
  const all = o.target.provider === 'webgpu' && isUntouched ? emitTogether(o, layers, valueAt) : undefined;
  if (all) return { kind: 'packed', all };
  const [qx, kx, vx] = emitLinears(o, layers, valueAt) as [Computed, Computed, Computed];
  const ready = kernelTurns(q) ? perHeadNorm : perHeadPlain;
  return { kind: 'apart', q: ready(o, qx, q, valueAt), k: ready(o, kx, k, valueAt), v: vx };
};

/** What a head needs to turn: positions, cosines, sines, and which of its dimensions are pairs. */
interface Turn {
  readonly pos: Value;
  readonly cos: Value;
  readonly sin: Value;
  readonly isInterleaved: 0 | 1;
}

const turnOf = ({ rope }: HeadsPattern, pos: Tensor, valueAt: ValueAt): Turn | undefined =>
  rope && {
    pos: valueAt(pos),
    cos: valueAt(input(rope, 2)),
    sin: valueAt(input(rope, 3)),
    isInterleaved: pairsOf(rope) === 'adjacent' ? 1 : 0,
  };

/** Rows of this run, `[B, T, heads * d]`. */
type Apart = Readonly<Record<'q' | 'k' | 'v', Value>> & { readonly kind: 'apart' };
/** The same side by side, or each for itself. */
type Rows = Apart | { readonly kind: 'packed'; readonly all: Value };

interface CacheValues {
  readonly past: readonly Value[];
  /** Each sequence's last position, and the keys in view. */
  readonly last: Value;
  readonly nKv: Value;
}

type Attended = Tuple<Computed, 3>;

const kernel = (o: Emitter, a: CachedAttention, rows: Rows, cache: CacheValues, turn: Turn | undefined): Attended =>
  o.nodeOf(
    'GroupQueryAttention',
    [
      ...(rows.kind === 'packed' ? [rows.all, undefined, undefined] : [rows.q, rows.k, rows.v]),
      ...cache.past,
      cache.last,
      cache.nKv,
      ...(turn ? [turn.cos, turn.sin] : []),
    ],
    3,
    {
      num_heads: a.q.nHead,
      kv_num_heads: a.k.nHead,
      scale: float(a.scale),
      do_rotary: turn ? 1 : 0,
      rotary_interleaved: turn?.isInterleaved ?? 0,
      ...(a.window !== undefined && { local_window_size: a.window }),
    },
  );

/**
 * On the CPU the kernel reads a key once for every query head that shares it. For one token of one sequence the heads
 * of a group can be given as if they were tokens: then each key is read once. The kernel writes their copies of the
 * token's key behind it, where the next token will write over them; a bias hides them.
 */
const oneTokenKernel = (
  o: Emitter,
  a: CachedAttention,
  rows: Apart,
  cache: CacheValues,
  turn: Turn | undefined,
): Attended => {
  const [nHeadKv, headDim] = [a.k.nHead, a.k.headDim];
  const nShared = a.q.nHead / nHeadKv;
  const turned = (x: Value, nHead: number) =>
    turn
      ? o.node('RotaryEmbedding', [x, turn.pos, turn.cos, turn.sin], {
          interleaved: turn.isInterleaved,
          num_heads: nHead,
          rotary_embedding_dim: a.q.rope ? nRotOf(a.q.rope) : 0,
        })
      : x;
  const swap = (x: Value, from: readonly number[], to: readonly number[]) =>
    o.node('Reshape', [o.node('Transpose', [o.node('Reshape', [x, o.i64(from)])], { perm: [0, 2, 1, 3] }), o.i64(to)]);
  const q = swap(turned(rows.q, a.q.nHead), [1, nHeadKv, nShared, headDim], [1, nShared, nHeadKv * headDim]);
  const copies = (x: Value) => o.node('Expand', [x, o.i64([1, nShared, 1])]);
  const [y, kNext, vNext] = o.nodeOf(
    'GroupQueryAttention',
    [
      q,
      copies(turned(rows.k, nHeadKv)),
      copies(rows.v),
      ...cache.past,
      o.node('Add', [cache.last, o.i32([nShared - 1])]),
      o.node('Add', [cache.nKv, o.i32Scalar(nShared - 1)]),
      undefined,
      undefined,
      undefined,
      copiesBias(o, cache, nShared),
    ],
    3,
    { num_heads: nHeadKv, kv_num_heads: nHeadKv, scale: float(a.scale) },
  );
  return [swap(y, [1, nShared, nHeadKv, headDim], [1, 1, a.q.nHead * headDim]), kNext, vNext];
};

/** Whether one token's heads are to be given as tokens. */
const readsKeysOnce = (o: Emitter, { q, k, window }: CachedAttention): boolean => {
  const nShared = q.nHead / k.nHead;
  if (o.target.provider !== 'cpu' || o.sizeOf('B') !== 1 || nShared < 2 || window !== undefined) return false;
  o.cache.spareRows(nShared - 1);
  return true;
};

/** Whether this run has one token, a boolean `[1]`. */
export const oneToken = (o: Emitter, pos: Value): Value =>
  o.once('one_token', () => o.node('Equal', [o.node('Gather', [o.node('Shape', [pos]), o.i64([1])]), o.i64([1])]));

/** 0 for the keys in view, -Infinity for the copies behind them: `[1, 1, nShared, nKv + nShared - 1]`. */
export const copiesBias = (o: Emitter, { last, nKv }: Pick<CacheValues, 'last' | 'nKv'>, nShared: number): Value =>
  o.once(`copies_bias.${nShared}`, () => {
    const nAll = o.node('Add', [o.cast(nKv, 'i64'), o.i64Scalar(nShared - 1)]);
    const key = o.node('Range', [o.i64Scalar(0), nAll, o.i64Scalar(1)]);
    const inView = o.node('LessOrEqual', [key, o.cast(last, 'i64')]);
    const row = o.node('Where', [inView, o.f32([0]), o.f32([Number.NEGATIVE_INFINITY])]);
    return o.node('Expand', [row, o.i64([1, 1, nShared, 1])]);
  });

const pairsOf = (rope: Tensor): string => (rope.attrs as { pairs: string }).pairs;

/** GroupQueryAttention turns only multiples of this: of a head's dimensions, and of those that turn. */
const TURNING = 16;

const kernelTurns = ({ rope, headDim }: HeadsPattern): boolean =>
  rope !== undefined && headDim % TURNING === 0 && nRotOf(rope) % TURNING === 0;

/** How many dimensions of a head turn. */
const nRotOf = (rope: Tensor): number => 2 * size(input(rope, 2), -1);

/** Heads moved apart, normed, turned and brought together again by the operations' own forms. */
const perHeadPlain = (o: Emitter, x: Computed, p: HeadsPattern, valueAt: ValueAt): Value => {
  const { split, norm, rope } = p;
  let heads = split.op.lower(o, [x], split.attrs, split.inputs);
  if (norm) heads = norm.op.lower(o, [heads, valueAt(input(norm, 1))], norm.attrs, norm.inputs);
  if (rope) heads = rope.op.lower(o, [heads, ...rope.inputs.slice(1).map(valueAt)], rope.attrs, rope.inputs);
  return MERGE_HEADS.lower(o, [heads], undefined, [split]);
};

/** RMS norm of each head's part of a row `[B, T, nHead * d]`, without moving the heads apart. */
const perHeadNorm = (o: Emitter, x: Computed, p: HeadsPattern, valueAt: ValueAt): Value => {
  if (!p.norm) return x;
  const heads = o.node('Reshape', [x, o.i64([0, 0, p.nHead, p.headDim])]);
  const { eps } = p.norm.attrs as { eps: number };
  const normed = o.node('SimplifiedLayerNormalization', [heads, valueAt(input(p.norm, 1))], {
    axis: -1,
    epsilon: float(eps),
  });
  return o.node('Reshape', [normed, o.i64([0, 0, p.nHead * p.headDim])]);
};
