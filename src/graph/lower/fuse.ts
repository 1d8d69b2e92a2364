/**
 * The one place that replaces patterns of our operations by a runtime's fused kernels. Each fusion names the kernel
 * it needs; where the target lacks it, the operations' plain forms run instead and give the same values.
 */
import type { Graph } from '../graph.ts';
import { float } from '../op.ts';
import { ADD, MUL, SILU } from '../ops/arithmetic.ts';
import { ROPE } from '../ops/attend.ts';
import { WEIGHT } from '../ops/leaves.ts';
import { RMS_NORM } from '../ops/norm.ts';
import { TAKE, TOP_K, topKOf } from '../ops/select.ts';
import type { Tensor } from '../tensor.ts';
import { sameShape, size } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { groupedQueryAttention } from './fuse-attention.ts';
import { expertBranches } from './fuse-experts.ts';
import { latentQueryAttention } from './fuse-latent.ts';
import { multiHeadAttention } from './fuse-whole-attention.ts';
import type { Fusion, Matcher, Users } from './patterns.ts';
import { emitLinears, input, is, linearPattern, onlyUser } from './patterns.ts';

export interface Fusions {
  readonly at: ReadonlyMap<Tensor, Fusion>;
  readonly covered: ReadonlySet<Tensor>;
}

const matchers: readonly Matcher[] = [
  groupedQueryAttention,
  latentQueryAttention,
  multiHeadAttention,
  expertBranches,
  gatedFeedForward,
  skipNorm,
  fastRope,
  fastSilu,
  bestWithIndices,
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
  // Whoever runs the graph reads its outputs: they must be made.
  for (const { tensor } of graph.outputs) users.get(tensor)?.push(tensor);
  return users;
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
  const norm = users
    .get(sum)
    ?.find((user) => is(user, RMS_NORM) && input(user, 0) === sum && is(input(user, 1), WEIGHT));
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

/** Turning heads that no attention kernel turns by itself; all of a head's dimensions must turn. */
function fastRope(x: Tensor, _users: Users, o: Emitter): Fusion | undefined {
  if (!o.has('RotaryEmbedding') || !is(x, ROPE)) return undefined;
  const [heads, pos, cos, sin] = x.inputs as readonly [Tensor, Tensor, Tensor, Tensor];
  if (2 * size(cos, -1) !== size(heads, -1)) return undefined;
  const { pairs } = x.attrs as { pairs: string };
  return {
    anchor: x,
    covers: [x],
    emit: (o, valueAt) =>
      new Map([
        [
          x,
          o.node('RotaryEmbedding', [heads, pos, cos, sin].map(valueAt), { interleaved: pairs === 'adjacent' ? 1 : 0 }),
        ],
      ]),
  };
}

/** The best of a row, taken by the indices of the best: one kernel gives both. */
function bestWithIndices(best: Tensor, users: Users, o: Emitter): Fusion | undefined {
  if (!o.target.fused || !is(best, TOP_K)) return undefined;
  const x = input(best, 0);
  const taken = users.get(best)?.find((user) => is(user, TAKE) && input(user, 0) === x && input(user, 1) === best);
  if (!taken) return undefined;
  return {
    anchor: best,
    covers: [best, taken],
    emit(o, valueAt) {
      const { k } = best.attrs as { k: number };
      const [values, indices] = topKOf(o, valueAt(x), k);
      return new Map([
        [best, indices],
        [taken, values],
      ]);
    },
  };
}
