/** Every block on the real CPU runtime against plain loops in float64, fused and plain alike. */
import { describe, expect, it } from 'vitest';
import { attention, keyValue } from '../src/graph/blocks/attention.ts';
import { cached } from '../src/graph/blocks/cache.ts';
import { encoderLayer } from '../src/graph/blocks/encoder.ts';
import { ffn } from '../src/graph/blocks/ffn.ts';
import type { MoeOptions } from '../src/graph/blocks/moe.ts';
import { moe } from '../src/graph/blocks/moe.ts';
import { norm } from '../src/graph/blocks/norm.ts';
import { causal, positionTable, rotary, sinusoids, unmasked } from '../src/graph/blocks/position.ts';
import { residual } from '../src/graph/blocks/residual.ts';
import { GraphBuilder } from '../src/graph/builder.ts';
import type { Mask } from '../src/graph/ops/attend.ts';
import type { Sizes, Tensor } from '../src/graph/tensor.ts';
import type { Linear, Norm } from '../src/graph/weights.ts';
import type { Arrays, NdArray } from './cpu.ts';
import { distance, f32, fused, i64, noise, plain, runGraph, weight } from './cpu.ts';
import * as loops from './reference.ts';
import { get, made, map, plus, zip } from './reference.ts';

const D = 32;
const x = noise([2, 3, D], 1);
const stream = (g: GraphBuilder): Tensor => g.input('x', 'f32', ['B', 'T', D]);

/** Values of about the size that a trained layer has, so that nothing saturates. */
const matrix = (nOut: number, nIn: number, seed: number): NdArray =>
  map(noise([nOut, nIn], seed), (v) => Math.fround((1.7 * v) / Math.sqrt(nIn)));

/** A linear layer of the graph and the arrays it is made of. */
const layer = (name: string, nIn: number, nOut: number, seed: number, hasBias = false) => {
  const w = matrix(nOut, nIn, seed);
  const b = hasBias ? noise([nOut], seed + 1000) : undefined;
  const weights: Linear = {
    weight: weight(`${name}.weight`, w),
    ...(b && { bias: weight(`${name}.bias`, b) }),
  };
  return { weights, of: (y: NdArray) => loops.linear(y, w, b) };
};

const EPS = 1e-5;
const rms = (name: string, n: number, seed: number) => {
  const w = noise([n], seed);
  const weights: Norm = { kind: 'rms', weight: weight(`${name}.weight`, w), eps: EPS };
  return { weights, of: (y: NdArray) => loops.rmsNorm(y, w, EPS) };
};
const layerNorm = (name: string, n: number, seed: number) => {
  const [w, b] = [noise([n], seed), noise([n], seed + 1)];
  const weights: Norm = {
    kind: 'layer',
    weight: weight(`${name}.weight`, w),
    bias: weight(`${name}.bias`, b),
    eps: EPS,
  };
  return { weights, of: (y: NdArray) => loops.layerNorm(y, w, b, EPS) };
};

/** Expects the same values, run for run, from fused kernels and from the plain form. */
const expectRuns = async (
  build: (g: GraphBuilder) => Tensor,
  runs: readonly { readonly feeds: Arrays; readonly expected: NdArray }[],
  { sizes = {}, tolerance = 5e-6 }: { readonly sizes?: Sizes; readonly tolerance?: number } = {},
): Promise<void> => {
  for (const target of [plain, fused]) {
    const found = await runGraph(
      (g) => g.output('y', build(g)),
      runs.map(({ feeds }) => feeds),
      { target, sizes },
    );
    for (const [i, { expected }] of runs.entries()) {
      expect(found[i]!.dims).toEqual(expected.dims);
      expect(distance(found[i]!, expected)).toBeLessThan(tolerance);
    }
  }
};

describe('norm and residual', () => {
  it.each([
    { kind: 'root mean square', n: rms('n', D, 10) },
    { kind: 'mean and variance', n: layerNorm('n', D, 11) },
  ])('a norm by $kind', async ({ n }) => {
    await expectRuns((g) => norm(g, stream(g), n.weights), [{ feeds: { x }, expected: n.of(x) }]);
  });

  it('a residual is the sum, and the norm of it too', async () => {
    const n = rms('n', D, 12);
    const y = noise([2, 3, D], 13);
    const both = plus(x, y);
    const build = (g: GraphBuilder) => {
      const sum = residual(g, stream(g), g.input('other', 'f32', ['B', 'T', D]));
      return residual(g, sum, norm(g, sum, n.weights));
    };
    await expectRuns(build, [{ feeds: { x, other: y }, expected: plus(both, n.of(both)) }]);
  });

  it('a residual refuses what would have to be repeated', () => {
    const g = new GraphBuilder('refused');
    expect(() => residual(g, stream(g), g.input('y', 'f32', [D]))).toThrow('residual of [B, T, 32] and [32]');
  });
});

describe('feed-forward', () => {
  it.each([
    { title: 'gated by SiLU', act: 'silu', gated: true, fn: loops.silu },
    { title: 'gated by GELU', act: 'gelu', gated: true, fn: loops.gelu },
    { title: 'without a gate, with GELU', act: 'gelu', gated: false, fn: loops.gelu },
    { title: 'without a gate, with the approximate GELU', act: 'gelu_tanh', gated: false, fn: loops.geluTanh },
    { title: 'without a gate, with SiLU', act: 'silu', gated: false, fn: loops.silu },
  ] as const)('$title', async ({ act, gated, fn }) => {
    for (const hasBias of [false, true]) {
      const [gate, up, down] = [
        layer('gate', D, 48, 20, hasBias),
        layer('up', D, 48, 21, hasBias),
        layer('down', 48, D, 22, hasBias),
      ];
      const inner = gated ? zip(map(gate.of(x), fn), up.of(x), (a, b) => a * b) : map(up.of(x), fn);
      const options = { up: up.weights, down: down.weights, act, ...(gated && { gate: gate.weights }) };
      await expectRuns((g) => ffn(g, stream(g), options), [{ feeds: { x }, expected: down.of(inner) }]);
    }
  });
});

describe('positions', () => {
  it('a table adds the row of each position', async () => {
    const table = noise([9, D], 30);
    const pos = i64([2, 3], [4, 5, 6, 0, 1, 8]);
    const build = (g: GraphBuilder) =>
      positionTable(g, stream(g), weight('pos_embd.weight', table), g.input('pos', 'i64', ['B', 'T']));
    const expected = made([2, 3, D], (b, t, i) => get(x, b!, t!, i!) + get(table, get(pos, b!, t!), i!));
    await expectRuns(build, [{ feeds: { x, pos }, expected }]);
  });

  it('rotary positions depend on their difference alone', async () => {
    const head = noise([1, 1, 1, 8], 31);
    const build = (g: GraphBuilder) => {
      const turn = rotary(g, g.input('pos', 'i64', [1, 'T']), {
        nRot: 8,
        base: 100,
        scaling: { kind: 'none' },
        pairs: 'halves',
      });
      return turn(g.input('x', 'f32', [1, 1, 'T', 8]));
    };
    const two = f32([1, 1, 2, 8], [...head.values, ...head.values]);
    const runs = [
      [3, 5],
      [40, 42],
    ].map((pos) => ({ x: two, pos: i64([1, 2], pos) }));
    const turned = await runGraph((g) => g.output('y', build(g)), runs, { sizes: { nCtx: 64 } });
    const dots = turned.map((y) => loops.sumOf(8, (i) => get(y, 0, 0, 0, i) * get(y, 0, 0, 1, i)));
    expect(dots[0]).toBeCloseTo(dots[1]!, 5);
    expect(turned[0]).not.toEqual(turned[1]);
  });

  it('sinusoids are sines of geometric time scales, then their cosines', () => {
    const table = sinusoids(5, 8);
    expect(table).toHaveLength(40);
    // exp(-i ln(10000) / 3): the time scales of four pairs.
    const scales = [1, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3), 1e-4];
    for (let pos = 0; pos < 5; pos++) {
      for (const [i, scale] of scales.entries()) {
        expect(table[pos * 8 + i]).toBeCloseTo(Math.sin(pos * scale), 6);
        expect(table[pos * 8 + 4 + i]).toBeCloseTo(Math.cos(pos * scale), 6);
      }
    }
  });
});

/** A self-attention layer with a cache: its page of the graph, and the loops over all tokens so far. */
interface Shape {
  readonly nHead: number;
  readonly nHeadKv: number;
  readonly headDim: number;
  readonly pairs?: 'adjacent' | 'halves';
  readonly nRot?: number;
  readonly headNorms?: boolean;
  readonly hasBias?: boolean;
  readonly window?: number;
}

const BASE = 1000;

const selfAttention = ({ nHead, nHeadKv, headDim, pairs, nRot = headDim, headNorms, hasBias, window }: Shape) => {
  const [q, o] = [
    layer('attn_q', D, nHead * headDim, 40, hasBias),
    layer('attn_output', nHead * headDim, D, 43, hasBias),
  ];
  const [k, v] = [
    layer('attn_k', D, nHeadKv * headDim, 41, hasBias),
    layer('attn_v', D, nHeadKv * headDim, 42, hasBias),
  ];
  const [qNorm, kNorm] = [rms('attn_q_norm', headDim, 44), rms('attn_k_norm', headDim, 45)];
  const build = (g: GraphBuilder, nSeq: number): Tensor => {
    const pos = g.input('pos', 'i64', [nSeq, 'T']);
    const a = g.input('x', 'f32', [nSeq, 'T', D]);
    const rotate = pairs && rotary(g, pos, { nRot, base: BASE, scaling: { kind: 'none' }, pairs });
    const mask: Mask = window === undefined ? causal(pos) : { kind: 'causal', pos, window };
    const kvOptions = {
      k: k.weights,
      v: v.weights,
      nHead: nHeadKv,
      ...(rotate && { rotate }),
      ...(headNorms && { kNorm: kNorm.weights }),
    };
    const kv = cached(g, 0, keyValue(g, a, kvOptions), pos);
    return attention(g, a, {
      q: q.weights,
      o: o.weights,
      kv,
      nHead,
      mask,
      ...(rotate && { rotate }),
      ...(headNorms && { qNorm: qNorm.weights }),
    });
  };
  /** What every token of x `[B, T, nEmbd]` says when all come at once at positions 0, 1, ... */
  const expected = (all: NdArray): NdArray => {
    const [nSeq, nToken] = all.dims as readonly [number, number, number];
    const pos = made([nSeq, nToken], (_, t) => t!, 'i64');
    const frequency = (i: number) => BASE ** ((-2 * i) / nRot);
    const turn = (y: NdArray) => (pairs ? loops.rope(y, pos, { pairs, nRot, frequency }) : y);
    const normed = (y: NdArray, n: typeof qNorm) => (headNorms ? n.of(y) : y);
    const queries = turn(normed(loops.splitHeads(q.of(all), nHead), qNorm));
    const keys = turn(normed(loops.splitHeads(k.of(all), nHeadKv), kNorm));
    const values = loops.splitHeads(v.of(all), nHeadKv);
    const y = loops.attend(queries, keys, values, { scale: headDim ** -0.5, sees: loops.causal(pos, window) });
    return o.of(loops.mergeHeads(y));
  };
  return { build, expected };
};

/** Tokens `from` up to `to` of every sequence. */
const tokens = (all: NdArray, from: number, to: number): NdArray =>
  made([all.dims[0]!, to - from, all.dims[2]!], (b, t, i) => get(all, b!, from + t!, i!));

/** The runs that feed `all` in pieces ending at `ends`, and what each must say. */
const inPieces = (all: NdArray, expected: NdArray, ends: readonly number[]) =>
  ends.map((to, i) => {
    const from = ends[i - 1] ?? 0;
    const pos = made([all.dims[0]!, to - from], (_, t) => from + t!, 'i64');
    return { feeds: { x: tokens(all, from, to), pos }, expected: tokens(expected, from, to) };
  });

describe('attention with a cache', () => {
  it.each<[string, Shape]>([
    ['one key head for each query head', { nHead: 2, nHeadKv: 2, headDim: 16, pairs: 'adjacent' }],
    ['grouped heads', { nHead: 4, nHeadKv: 2, headDim: 16, pairs: 'halves' }],
    ['one key head for all', { nHead: 4, nHeadKv: 1, headDim: 16, pairs: 'adjacent' }],
    ['heads too small for the fused kernel to turn', { nHead: 4, nHeadKv: 2, headDim: 8, pairs: 'adjacent' }],
    ['part of each head turning', { nHead: 4, nHeadKv: 2, headDim: 16, nRot: 8, pairs: 'halves' }],
    ['part of each head turning in neighbours', { nHead: 4, nHeadKv: 2, headDim: 32, nRot: 16, pairs: 'adjacent' }],
    ['normed heads', { nHead: 4, nHeadKv: 2, headDim: 16, pairs: 'halves', headNorms: true }],
    ['normed small heads', { nHead: 4, nHeadKv: 2, headDim: 8, pairs: 'halves', headNorms: true }],
    ['biases', { nHead: 4, nHeadKv: 2, headDim: 16, pairs: 'halves', hasBias: true }],
    ['nothing turning', { nHead: 4, nHeadKv: 2, headDim: 16 }],
    ['a window', { nHead: 4, nHeadKv: 2, headDim: 16, pairs: 'adjacent', window: 3 }],
    ['a window without groups', { nHead: 2, nHeadKv: 2, headDim: 16, window: 2 }],
  ])('%s: at once, token by token and in chunks give the same', async (_, shape) => {
    const layer = selfAttention(shape);
    const all = noise([1, 7, D], 50);
    const expected = layer.expected(all);
    for (const ends of [[7], [1, 2, 3, 4, 5, 6, 7], [4, 7], [3, 4, 6, 7]]) {
      await expectRuns((g) => layer.build(g, 1), inPieces(all, expected, ends), { sizes: { nCtx: 8, B: 1 } });
    }
  });

  it('fills the cache to its last row', async () => {
    const layer = selfAttention({ nHead: 4, nHeadKv: 2, headDim: 16, pairs: 'adjacent' });
    const all = noise([1, 7, D], 50);
    await expectRuns((g) => layer.build(g, 1), inPieces(all, layer.expected(all), [5, 6, 7]), {
      sizes: { nCtx: 7, B: 1 },
    });
  });

  it('two sequences see nothing of each other', async () => {
    const layer = selfAttention({ nHead: 4, nHeadKv: 2, headDim: 16, pairs: 'adjacent' });
    const all = noise([2, 6, D], 51);
    await expectRuns((g) => layer.build(g, 2), inPieces(all, layer.expected(all), [4, 5, 6]), {
      sizes: { nCtx: 8, B: 2 },
    });
  });
});

describe('attention without a cache', () => {
  it('across to another stream, each query sees every key', async () => {
    const heard = noise([2, 5, D], 60);
    const [q, k, v, o] = [layer('q', D, D, 61), layer('k', D, D, 62), layer('v', D, D, 63), layer('o', D, D, 64)];
    const build = (g: GraphBuilder) => {
      const kv = keyValue(g, g.input('heard', 'f32', ['B', 'nHeard', D]), { k: k.weights, v: v.weights, nHead: 4 });
      return attention(g, stream(g), { q: q.weights, o: o.weights, kv, nHead: 4, mask: unmasked });
    };
    const split = (y: NdArray) => loops.splitHeads(y, 4);
    const y = loops.attend(split(q.of(x)), split(k.of(heard)), split(v.of(heard)), { scale: 8 ** -0.5 });
    await expectRuns(build, [{ feeds: { x, heard }, expected: o.of(loops.mergeHeads(y)) }]);
  });

  it.each([
    { act: 'gelu', fn: loops.gelu },
    { act: 'gelu_tanh', fn: loops.geluTanh },
  ] as const)('an encoder layer with $act', async ({ act, fn }) => {
    const [n1, n2] = [layerNorm('ln1', D, 70), layerNorm('ln2', D, 72)];
    const [q, k, v, o] = [
      layer('q', D, D, 74, true),
      layer('k', D, D, 75),
      layer('v', D, D, 76, true),
      layer('o', D, D, 77, true),
    ];
    const [up, down] = [layer('up', D, 48, 78, true), layer('down', 48, D, 79, true)];
    const build = (g: GraphBuilder) =>
      encoderLayer(
        g,
        stream(g),
        {
          attnNorm: n1.weights,
          attn: { q: q.weights, k: k.weights, v: v.weights, o: o.weights },
          ffnNorm: n2.weights,
          ffn: { up: up.weights, down: down.weights },
        },
        4,
        act,
      );
    const split = (y: NdArray) => loops.splitHeads(y, 4);
    const a = n1.of(x);
    const attended = loops.attend(split(q.of(a)), split(k.of(a)), split(v.of(a)), { scale: 8 ** -0.5 });
    const y = plus(x, o.of(loops.mergeHeads(attended)));
    await expectRuns(build, [{ feeds: { x }, expected: plus(y, down.of(map(up.of(n2.of(y)), fn))) }]);
  });
});

describe('a mixture of experts', () => {
  const [nExpert, nFf] = [5, 16];
  const router = layer('ffn_gate_inp', D, nExpert, 80);
  const stack = (name: string, nOut: number, nIn: number, seed: number) => {
    const each = Array.from({ length: nExpert }, (_, e) => matrix(nOut, nIn, seed + 10 * e));
    const all = f32(
      [nExpert, nOut, nIn],
      each.flatMap(({ values }) => values),
    );
    return { ref: weight(name, all), each };
  };
  const [gates, ups, downs] = [
    stack('ffn_gate_exps.weight', nFf, D, 100),
    stack('ffn_up_exps.weight', nFf, D, 200),
    stack('ffn_down_exps.weight', D, nFf, 300),
  ];
  const bias = f32([nExpert], [0.6, -0.5, 0.1, -0.3, 0.2]);
  const shared = {
    gate: layer('ffn_gate_shexp', D, 24, 90),
    up: layer('ffn_up_shexp', D, 24, 91),
    down: layer('ffn_down_shexp', 24, D, 92),
  };

  const says =
    (gate: (y: NdArray) => NdArray, up: (y: NdArray) => NdArray, down: (y: NdArray) => NdArray) => (y: NdArray) =>
      down(zip(map(gate(y), loops.silu), up(y), (a, b) => a * b));

  interface Routing {
    readonly nExpertUsed: number;
    readonly gating: MoeOptions['gating'];
    readonly normalise: boolean;
    readonly scale: number;
    readonly hasBias?: boolean;
    readonly hasShared?: boolean;
  }

  /** Token by token: probabilities, the best by bias, their weights, what each chosen expert says. */
  const expected = (r: Routing): NdArray => {
    const token = (row: NdArray): readonly number[] => {
      const scores = router.of(row);
      const probs = r.gating === 'softmax' ? loops.softmax(scores).values : scores.values.map(loops.sigmoid);
      const ranked = [...probs.keys()].sort((a, b) => {
        const at = (e: number) => probs[e]! + (r.hasBias ? bias.values[e]! : 0);
        return at(b) - at(a);
      });
      const chosen = ranked.slice(0, r.nExpertUsed);
      const total = r.normalise ? chosen.reduce((sum, e) => sum + probs[e]!, 0) : 1;
      const out = new Array<number>(D).fill(0);
      for (const e of chosen) {
        const expert = says(
          (y) => loops.linear(y, gates.each[e]!),
          (y) => loops.linear(y, ups.each[e]!),
          (y) => loops.linear(y, downs.each[e]!),
        );
        expert(row).values.forEach((v, i) => {
          out[i]! += ((r.scale * probs[e]!) / total) * v;
        });
      }
      return out;
    };
    const rows = Array.from({ length: 6 }, (_, n) => token(f32([1, D], x.values.slice(n * D, (n + 1) * D))));
    const routed: NdArray = { dtype: 'f32', dims: x.dims, values: rows.flat() };
    return r.hasShared ? plus(routed, says(shared.gate.of, shared.up.of, shared.down.of)(x)) : routed;
  };

  const options = (r: Routing): MoeOptions => ({
    router: router.weights,
    gate: gates.ref,
    up: ups.ref,
    down: downs.ref,
    nExpertUsed: r.nExpertUsed,
    gating: r.gating,
    normalise: r.normalise,
    scale: r.scale,
    ...(r.hasBias && { selectionBias: weight('exp_probs_b.bias', bias) }),
    ...(r.hasShared && {
      shared: { gate: shared.gate.weights, up: shared.up.weights, down: shared.down.weights, act: 'silu' },
    }),
  });

  it.each<[string, Routing]>([
    ['the best two of softmax, made to sum to 1', { nExpertUsed: 2, gating: 'softmax', normalise: true, scale: 1 }],
    ['the best two of softmax as they are', { nExpertUsed: 2, gating: 'softmax', normalise: false, scale: 1 }],
    ['one expert only', { nExpertUsed: 1, gating: 'softmax', normalise: false, scale: 1 }],
    ['every expert', { nExpertUsed: nExpert, gating: 'softmax', normalise: true, scale: 1 }],
    ['weights scaled', { nExpertUsed: 2, gating: 'softmax', normalise: false, scale: 16 }],
    ['sigmoid gating', { nExpertUsed: 3, gating: 'sigmoid', normalise: true, scale: 2.5 }],
    [
      'a bias that chooses but does not weigh',
      { nExpertUsed: 2, gating: 'sigmoid', normalise: true, scale: 1, hasBias: true },
    ],
    ['a shared expert', { nExpertUsed: 2, gating: 'softmax', normalise: false, scale: 1, hasShared: true }],
    [
      'all of it, as in DeepSeek-V3',
      { nExpertUsed: 2, gating: 'sigmoid', normalise: true, scale: 2.5, hasBias: true, hasShared: true },
    ],
  ])('%s', async (_, routing) => {
    await expectRuns((g) => moe(g, stream(g), options(routing)), [{ feeds: { x }, expected: expected(routing) }], {
      tolerance: 2e-5,
    });
  });

  it('the selection bias of this table changes the choice', () => {
    const routing: Routing = { nExpertUsed: 2, gating: 'sigmoid', normalise: true, scale: 1 };
    expect(distance(expected(routing), expected({ ...routing, hasBias: true }))).toBeGreaterThan(0.01);
  });
});
