/**
 * The one place that replaces patterns of our operations by a runtime's fused kernels. Each fusion names the kernel
 * it needs; where the target lacks it, the operations' plain forms run instead and give the same values.
 */
import type { Graph } from '../graph.ts';
import type { AnyOp } from '../op.ts';
import { float } from '../op.ts';
import { ADD, MUL, SILU } from '../ops/arithmetic.ts';
import { ATTEND_CAUSAL, ROPE } from '../ops/attend.ts';
import { APPEND } from '../ops/leaves.ts';
import { BIAS, LINEAR } from '../ops/matmul.ts';
import { RMS_NORM } from '../ops/norm.ts';
import { MERGE_HEADS, SPLIT_HEADS } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { sameShape, size } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { stackable } from './forms.ts';

/** Emits a whole pattern when its anchor's turn comes, and says which of our tensors that makes. */
export interface Fusion {
  readonly anchor: Tensor;
  /** Every tensor of the pattern; those it does not make are seen by nobody else. */
  readonly covers: readonly Tensor[];
  emit(o: Emitter, valueAt: ValueAt): ReadonlyMap<Tensor, Value>;
}

export interface Fusions {
  readonly at: ReadonlyMap<Tensor, Fusion>;
  readonly covered: ReadonlySet<Tensor>;
}

/** The value of a tensor that has been emitted. */
type ValueAt = (x: Tensor) => Value;

type Users = ReadonlyMap<Tensor, readonly Tensor[]>;

const matchers: readonly ((x: Tensor, users: Users, o: Emitter) => Fusion | undefined)[] = [
  groupedQueryAttention,
  gatedFeedForward,
  skipNorm,
  fastSilu,
];

/** The fusions that this target allows in this graph; none where fused kernels are off. */
export const findFusions = (graph: Graph, o: Emitter): Fusions => {
  const users = usersOf(graph);
  const at = new Map<Tensor, Fusion>();
  const covered = new Set<Tensor>();
  for (const matcher of matchers) {
    for (const node of graph.nodes) {
      const fusion = covered.has(node) ? undefined : matcher(node, users, o);
      if (!fusion || fusion.covers.some((x) => covered.has(x))) continue;
      at.set(fusion.anchor, fusion);
      for (const x of fusion.covers) covered.add(x);
    }
  }
  return { at, covered };
};

const usersOf = (graph: Graph): Users => {
  const users = new Map<Tensor, Tensor[]>(graph.nodes.map((node) => [node, []]));
  for (const node of graph.nodes) for (const input of node.inputs) users.get(input)?.push(node);
  return users;
};

const is = (x: Tensor | undefined, op: unknown): x is Tensor => x !== undefined && x.op === (op as AnyOp);
const input = (x: Tensor, i: number): Tensor => {
  const value = x.inputs[i];
  if (!value) throw new Error(`'${x.name}' has no input ${i}`);
  return value;
};
const onlyUser = (x: Tensor, users: Users): boolean => users.get(x)?.length === 1;

/** x W^T, maybe plus a bias. */
interface LinearPattern {
  readonly x: Tensor;
  readonly weight: WeightRef;
  readonly weightTensor: Tensor;
  readonly bias?: Tensor;
  readonly covers: readonly Tensor[];
}

const linearPattern = (y: Tensor): LinearPattern | undefined => {
  if (is(y, BIAS)) {
    const inner = linearPattern(input(y, 0));
    return inner && !inner.bias ? { ...inner, bias: input(y, 1), covers: [...inner.covers, y] } : undefined;
  }
  if (!is(y, LINEAR)) return undefined;
  const weightTensor = input(y, 1);
  return { x: input(y, 0), weightTensor, weight: weightTensor.attrs as WeightRef, covers: [y] };
};

/** One product for several layers of the same input where their forms allow it; each layer's part is split off. */
const emitLinears = (o: Emitter, layers: readonly LinearPattern[], valueAt: ValueAt): Computed[] => {
  const [first] = layers;
  const together = layers.every((l) => l.x === first?.x) && stackable(layers.map((l) => l.weight));
  const biased = (y: Computed, l: LinearPattern) => (l.bias ? o.node('Add', [y, valueAt(l.bias)]) : y);
  if (!together || !first) return layers.map((l) => biased(o.product(valueAt(l.x), [valueAt(l.weightTensor)]), l));
  const all = o.product(
    valueAt(first.x),
    layers.map((l) => valueAt(l.weightTensor)),
  );
  const widths = layers.map((l) => l.weight.shape[0] ?? 0);
  return o.nodeOf('Split', [all, o.i64(widths)], layers.length, { axis: -1 }).map((y, i) => biased(y, layers[i]!));
};

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

/**
 * append + rope + attend -> GroupQueryAttention, which turns q and k, writes k and v into the cache's own buffers and
 * reads only the keys in view. The products that feed it become one where their weights stack.
 */
function groupedQueryAttention(merged: Tensor, users: Users, o: Emitter): Fusion | undefined {
  if (!o.has('GroupQueryAttention') || !is(merged, MERGE_HEADS)) return undefined;
  const attend = input(merged, 0);
  if (!is(attend, ATTEND_CAUSAL)) return undefined;
  const [qHeads, kAll, vAll, pos] = attend.inputs as readonly [Tensor, Tensor, Tensor, Tensor];
  if (!is(kAll, APPEND) || !is(vAll, APPEND)) return undefined;
  const q = headsPattern(qHeads, users);
  const k = headsPattern(input(kAll, 1), users);
  const v = headsPattern(input(vAll, 1), users);
  if (!q || !k || !v || v.norm || v.rope || v.headDim !== k.headDim) return undefined;
  if (![kAll, vAll, attend].every((x) => onlyUser(x, users))) return undefined;
  const sameTurn =
    q.rope?.attrs && k.rope?.attrs
      ? pairsOf(q.rope) === pairsOf(k.rope) && [1, 2, 3].every((i) => q.rope?.inputs[i] === k.rope?.inputs[i])
      : q.rope === k.rope;
  if (!sameTurn) return undefined;
  const { scale, window } = attend.attrs as { scale: number; window?: number };
  const [kState, vState] = [input(kAll, 0), input(vAll, 0)];

  return {
    anchor: merged,
    covers: [...q.covers, ...k.covers, ...v.covers, kAll, vAll, attend, merged],
    emit(o, valueAt) {
      const [qx, kx, vx] = emitLinears(o, [q.layer, k.layer, v.layer], valueAt) as [Computed, Computed, Computed];
      const [last, nKv] = o.fusedCache(pos.shape[0] ?? 1);
      const turnsInside = q.rope !== undefined && q.headDim % TURNING_HEAD === 0;
      const ready = turnsInside ? perHeadNorm : perHeadPlain;
      const turn = turnsInside && q.rope ? [valueAt(input(q.rope, 2)), valueAt(input(q.rope, 3))] : [];
      const [y, kNext, vNext] = o.nodeOf(
        'GroupQueryAttention',
        [
          o.node('Mul', [ready(o, qx, q, valueAt), o.f32([scale])]),
          ready(o, kx, k, valueAt),
          vx,
          valueAt(kState),
          valueAt(vState),
          last,
          nKv,
          ...turn,
        ],
        3,
        {
          num_heads: q.nHead,
          kv_num_heads: k.nHead,
          scale: float(1),
          do_rotary: turnsInside ? 1 : 0,
          rotary_interleaved: q.rope && pairsOf(q.rope) === 'adjacent' ? 1 : 0,
          ...(window !== undefined && { local_window_size: window }),
        },
      ) as [Computed, Computed, Computed];
      kNext.name = `${kState.name}.next`;
      vNext.name = `${vState.name}.next`;
      o.keepInPlace(valueAt(kState), kNext, valueAt(pos));
      o.keepInPlace(valueAt(vState), vNext, valueAt(pos));
      return new Map([[merged, y]]);
    },
  };
}

const pairsOf = (rope: Tensor): string => (rope.attrs as { pairs: string }).pairs;

/** GroupQueryAttention turns only heads of a multiple of this. */
const TURNING_HEAD = 16;

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

/** silu(x gate^T) * (x up^T) -> one product, split, one activation kernel. */
function gatedFeedForward(product: Tensor, users: Users, o: Emitter): Fusion | undefined {
  if (!o.has('QuickGelu') || !is(product, MUL)) return undefined;
  const [act, upOut] = product.inputs as readonly [Tensor, Tensor];
  if (!is(act, SILU)) return undefined;
  const gate = linearPattern(input(act, 0));
  const up = linearPattern(upOut);
  if (!gate || !up || gate.x !== up.x) return undefined;
  const inner = [...gate.covers, ...up.covers, act];
  if (!inner.every((x) => onlyUser(x, users))) return undefined;
  return {
    anchor: product,
    covers: [...inner, product],
    emit(o, valueAt) {
      const [a, b] = emitLinears(o, [gate, up], valueAt) as [Computed, Computed];
      return new Map([[product, o.node('Mul', [o.node('QuickGelu', [a], { alpha: float(1) }), b])]]);
    },
  };
}

/** A residual sum and the norm that reads it -> one kernel with both as outputs. */
function skipNorm(sum: Tensor, users: Users, o: Emitter): Fusion | undefined {
  if (!o.has('SkipSimplifiedLayerNormalization') || !is(sum, ADD)) return undefined;
  const [x, y] = sum.inputs as readonly [Tensor, Tensor];
  const norm = users.get(sum)?.find((user) => is(user, RMS_NORM));
  if (!norm || !sameShape(x.shape, y.shape) || x.shape.length !== 3) return undefined;
  const { eps } = norm.attrs as { eps: number };
  return {
    anchor: sum,
    covers: [sum, norm],
    emit(o, valueAt) {
      const gamma = o.weight(input(norm, 1).attrs as WeightRef);
      const outputs = o.nodeOf('SkipSimplifiedLayerNormalization', [valueAt(x), valueAt(y), gamma], 4, {
        epsilon: float(eps),
      });
      return new Map<Tensor, Value>([
        [norm, outputs[0]!],
        [sum, outputs[3]!],
      ]);
    },
  };
}

/** SiLU is QuickGelu with alpha 1: one kernel instead of two. */
function fastSilu(x: Tensor, _users: Users, o: Emitter): Fusion | undefined {
  if (!o.has('QuickGelu') || !is(x, SILU)) return undefined;
  return {
    anchor: x,
    covers: [x],
    emit: (o, valueAt) => new Map([[x, o.node('QuickGelu', [valueAt(input(x, 0))], { alpha: float(1) })]]),
  };
}
