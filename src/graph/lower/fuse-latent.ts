/** Latent attention whose cache is one row per token, as ONNX Runtime's GroupQueryAttention kernel. */
import type { Tuple } from '../op.ts';
import { float } from '../op.ts';
import { ATTEND_CAUSAL } from '../ops/attend.ts';
import { APPEND } from '../ops/leaves.ts';
import { SLICE } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { named } from './emitter.ts';
import { copiesBias, oneToken } from './fuse-attention.ts';
import type { Fusion, Users } from './patterns.ts';
import { input, is, onlyUser } from './patterns.ts';

interface LatentAttention {
  /** Queries `[B, nHead, T, width]`. */
  readonly q: Tensor;
  /** This run's rows `[B, 1, T, width]`, which are key and, at their beginning, value. */
  readonly rows: Tensor;
  readonly state: Tensor;
  readonly pos: Tensor;
  readonly nHead: number;
  readonly width: number;
  readonly nValue: number;
  readonly scale: number;
}

const latentAttention = (attend: Tensor, users: Users): (LatentAttention & Pick<Fusion, 'covers'>) | undefined => {
  if (!is(attend, ATTEND_CAUSAL)) return undefined;
  const [q, k, v, pos] = attend.inputs as Tuple<Tensor, 4>;
  const { scale, window } = attend.attrs as { scale: number; window?: number };
  if (!is(k, APPEND) || !is(v, SLICE) || input(v, 0) !== k || size(k, 1) !== 1 || window !== undefined)
    return undefined;
  const { axis, start, length } = v.attrs as { axis: number; start: number; length: number };
  const isBeginning = (axis === -1 || axis === 3) && start === 0;
  if (!isBeginning || !onlyUser(v, users) || users.get(k)?.length !== 2) return undefined;
  const shape = { nHead: size(q, 1), width: size(q, -1), nValue: length };
  return { q, rows: input(k, 1), state: input(k, 0), pos, scale, ...shape, covers: [k, v, attend] };
};

/**
 * append + attend over one row per token -> GroupQueryAttention with the same buffer as keys and values: values come
 * out as wide as keys, and what is too much is cut off.
 */
export const latentQueryAttention = (attend: Tensor, users: Users, o: Emitter): Fusion | undefined => {
  // Elsewhere than on the CPU one buffer for two outputs is nobody's promise.
  if (!o.has('GroupQueryAttention') || o.target.provider !== 'cpu') return undefined;
  const found = latentAttention(attend, users);
  if (!found) return undefined;
  const { q, rows, state, pos } = found;
  return {
    anchor: attend,
    covers: found.covers,
    emit(o, valueAt) {
      const [last, nKv] = o.cache.lastPositions(pos.shape[0] ?? 1);
      const values = { q: valueAt(q), rows: valueAt(rows), state: valueAt(state), last, nKv };
      const all = () => byHeads(o, found, values);
      const readsRowsOnce = o.sizeOf('B') === 1 && found.nHead > 1;
      if (readsRowsOnce) o.cache.spareRows(found.nHead - 1);
      const [y, k, v] = readsRowsOnce
        ? o.either<3>(oneToken(o, valueAt(pos)), { yes: () => byTokens(o, found, values), no: all }, [
            { dtype: 'f32', shape: attend.shape },
            state,
            state,
          ])
        : all();
      o.cache.keepInPlace(values.state, state, named(k, `${state.name}.next`), valueAt(pos));
      o.cache.keepInPlace(values.state, state, named(v, `${state.name}.next_value`), valueAt(pos));
      return new Map([[attend, y]]);
    },
  };
};

type Values = Readonly<Record<'q' | 'rows' | 'state' | 'last' | 'nKv', Value>>;

/** Every head reads all rows: the form for several tokens. */
const byHeads = (o: Emitter, { nHead, width, nValue, scale }: LatentAttention, v: Values): Tuple<Computed, 3> => {
  const q = o.node('Reshape', [o.node('Transpose', [v.q], { perm: [0, 2, 1, 3] }), o.i64([0, 0, nHead * width])]);
  const rows = o.node('Squeeze', [v.rows, o.i64([1])]);
  const [y, k, value] = o.nodeOf('GroupQueryAttention', [q, rows, rows, v.state, v.state, v.last, v.nKv], 3, {
    num_heads: nHead,
    kv_num_heads: 1,
    scale: float(scale),
  });
  const heads = o.node('Reshape', [y, o.i64([0, 0, nHead, width])]);
  return [o.node('Transpose', [values(o, heads, nValue)], { perm: [0, 2, 1, 3] }), k, value];
};

/** One token's heads as if they were tokens, so that each row is read once; see `oneTokenKernel` in fuse-attention. */
const byTokens = (o: Emitter, { nHead, width, nValue, scale }: LatentAttention, v: Values): Tuple<Computed, 3> => {
  const copies = o.node('Expand', [o.node('Squeeze', [v.rows, o.i64([1])]), o.i64([1, nHead, 1])]);
  const [y, k, value] = o.nodeOf(
    'GroupQueryAttention',
    [
      o.node('Reshape', [v.q, o.i64([1, nHead, width])]),
      copies,
      copies,
      v.state,
      v.state,
      o.node('Add', [v.last, o.i32([nHead - 1])]),
      o.node('Add', [v.nKv, o.i32Scalar(nHead - 1)]),
      undefined,
      undefined,
      undefined,
      copiesBias(o, v, nHead),
    ],
    3,
    { num_heads: 1, kv_num_heads: 1, scale: float(scale) },
  );
  return [o.node('Reshape', [values(o, y, nValue), o.i64([1, nHead, 1, nValue])]), k, value];
};

const values = (o: Emitter, y: Value, nValue: number): Computed =>
  o.node('Slice', [y, o.i64([0]), o.i64([nValue]), o.i64([-1])]);
