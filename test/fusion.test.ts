/** Lowering: fused kernels give what the plain form gives, and the model they are in is a valid one without weights. */
import { fromBinary } from '@bufbuild/protobuf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { attention, keyValue } from '../src/graph/blocks/attention.ts';
import { cached } from '../src/graph/blocks/cache.ts';
import type { EncoderLayer } from '../src/graph/blocks/encoder.ts';
import { encoderLayer } from '../src/graph/blocks/encoder.ts';
import { ffn } from '../src/graph/blocks/ffn.ts';
import { mla } from '../src/graph/blocks/mla.ts';
import { moe } from '../src/graph/blocks/moe.ts';
import { norm } from '../src/graph/blocks/norm.ts';
import { causal, rotary, unmasked } from '../src/graph/blocks/position.ts';
import { residual } from '../src/graph/blocks/residual.ts';
import { GraphBuilder } from '../src/graph/builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { Hparams } from '../src/graph/hparams.ts';
import type { Program } from '../src/graph/lower/lower.ts';
import { lower } from '../src/graph/lower/lower.ts';
import type { Target } from '../src/graph/lower/target.ts';
import { add, mul, scale, silu } from '../src/graph/ops/arithmetic.ts';
import { linear } from '../src/graph/ops/matmul.ts';
import { rows, take, topK } from '../src/graph/ops/select.ts';
import { splitHeads } from '../src/graph/ops/shape.ts';
import type { Sizes, Tensor } from '../src/graph/tensor.ts';
import type { Linear, Norm, WeightSource } from '../src/graph/weights.ts';
import { Weights } from '../src/graph/weights.ts';
import { llamaShape, randomSource, tinyLlama } from '../src/io/random.ts';
import { llama } from '../src/models/llama.ts';
import type { Arrays, NdArray } from './cpu.ts';
import { distance, f32, fused, graphOf, i64, noise, plain, runGraph, weight } from './cpu.ts';
import { nmse } from './fixtures.ts';
import { get, made, map } from './reference.ts';

const modelOf = (program: Program) => fromBinary(ModelProtoSchema, program.onnx);

const branchesOf = (node: NodeProto): GraphProto[] => node.attribute.flatMap(({ g }) => (g ? [g] : []));
/** The nodes of a graph and of the branches in it. */
const allNodes = ({ node }: GraphProto): NodeProto[] => node.flatMap((n) => [n, ...branchesOf(n).flatMap(allNodes)]);
const nodesOf = (program: Program): NodeProto[] => allNodes(modelOf(program).graph!);

/** How often each kernel beyond the ONNX standard is there. */
const kernelsOf = (program: Program): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { domain, opType } of nodesOf(program)) {
    const isOwn = domain === 'com.microsoft' || opType === 'SimplifiedLayerNormalization';
    if (isOwn) counts[opType] = (counts[opType] ?? 0) + 1;
  }
  return counts;
};

const D = 64;
const matrix = (nOut: number, nIn: number, seed: number): NdArray =>
  map(noise([nOut, nIn], seed), (v) => Math.fround((1.7 * v) / Math.sqrt(nIn)));
const layer = (name: string, nIn: number, nOut: number, seed: number, type = 'f32'): Linear => ({
  weight: weight(`${name}.weight`, matrix(nOut, nIn, seed), type),
});
const withBias = (name: string, { weight: w }: Linear, seed: number): Linear => ({
  weight: w,
  bias: weight(`${name}.bias`, noise([w.shape[0]!], seed)),
});
const rms = (name: string, n: number, seed: number): Norm => ({
  kind: 'rms',
  weight: weight(`${name}.weight`, noise([n], seed)),
  eps: 1e-5,
});

interface Layer {
  readonly nHead?: number;
  readonly nHeadKv?: number;
  readonly nSeq?: number;
  readonly types?: Readonly<Record<'q' | 'k' | 'v' | 'o', string>>;
  readonly hasBias?: boolean;
  readonly headNorms?: boolean;
  readonly window?: number;
  readonly headDim?: number;
}

const inF32 = { q: 'f32', k: 'f32', v: 'f32', o: 'f32' };
const inQ4 = { q: 'q4_0', k: 'q4_0', v: 'q4_0', o: 'q4_0' };

/** A cached self-attention layer as a model's page writes it. */
const attentionLayer =
  ({ nHead = 4, nHeadKv = 2, nSeq = 1, types = inF32, hasBias, headNorms, window, headDim = 16 }: Layer) =>
  (g: GraphBuilder): void => {
    const linearOf = (name: 'q' | 'k' | 'v', n: number, seed: number) => {
      const l = layer(`attn_${name}`, D, n * headDim, seed, types[name]);
      return hasBias ? withBias(`attn_${name}`, l, seed + 10) : l;
    };
    const pos = g.input('pos', 'i64', [nSeq, 'T']);
    const x = g.input('x', 'f32', [nSeq, 'T', D]);
    const rotate = rotary(g, pos, { nRot: headDim, base: 1000, scaling: { kind: 'none' }, pairs: 'adjacent' });
    const [k, v, q] = [linearOf('k', nHeadKv, 2), linearOf('v', nHeadKv, 3), linearOf('q', nHead, 1)];
    const norms = headNorms ? { qNorm: rms('q_norm', headDim, 5), kNorm: rms('k_norm', headDim, 6) } : {};
    const kv = cached(g, 0, keyValue(g, x, { k, v, nHead: nHeadKv, rotate, ...norms }), pos);
    const mask = { ...causal(pos), ...(window !== undefined && { window }) };
    const o = layer('attn_output', nHead * headDim, D, 4, types.o);
    g.output('y', attention(g, x, { q, o, kv, nHead, mask, rotate, ...norms }));
  };

/** One run for each list of positions, a list of positions being one row for each sequence. */
const decoding = (...positions: readonly (readonly (readonly number[])[])[]): readonly Arrays[] =>
  positions.map((sequences, i) => ({
    x: noise([sequences.length, sequences[0]!.length, D], 30 + i),
    pos: i64([sequences.length, sequences[0]!.length], sequences.flat()),
  }));
const oneSequence = decoding([[0, 1, 2]], [[3]], [[4]], [[5, 6]]);

const x3: readonly Arrays[] = [{ x: noise([2, 3, D], 40) }];
const stream = (g: GraphBuilder): Tensor => g.input('x', 'f32', ['B', 'T', D]);

interface Case {
  readonly title: string;
  readonly build: (g: GraphBuilder) => void;
  readonly runs: readonly Arrays[];
  readonly kernels: Readonly<Record<string, number>>;
  readonly sizes?: Sizes;
}

const gated = (types: readonly [string, string, string]) => (g: GraphBuilder) => {
  const [gate, up, down] = [
    layer('gate', D, 96, 50, types[0]),
    layer('up', D, 96, 51, types[1]),
    layer('down', 96, D, 52, types[2]),
  ];
  g.output('y', ffn(g, stream(g), { gate, up, down, act: 'silu' }));
};

/** Weights of an encoder's layer: keys may lack a bias, as Whisper's do. */
const encoderWeights = (keyHasBias: boolean): EncoderLayer => {
  const biased = (name: string, nIn: number, nOut: number, seed: number) =>
    withBias(name, layer(name, nIn, nOut, seed), seed + 1);
  const centred = (name: string, seed: number): Norm => ({
    kind: 'layer',
    weight: weight(`${name}.weight`, noise([D], seed)),
    bias: weight(`${name}.bias`, noise([D], seed + 1)),
    eps: 1e-6,
  });
  return {
    attnNorm: centred('ln1', 80),
    attn: {
      q: biased('q', D, D, 82),
      k: keyHasBias ? biased('k', D, D, 84) : layer('k', D, D, 84),
      v: biased('v', D, D, 86),
      o: biased('o', D, D, 88),
    },
    ffnNorm: centred('ln2', 90),
    ffn: { up: biased('up', D, 96, 92), down: biased('down', 96, D, 94) },
  };
};
const encoder = (keyHasBias: boolean, nKept?: number) => (g: GraphBuilder) =>
  g.output('y', encoderLayer(g, g.input('x', 'f32', ['B', 3, D]), encoderWeights(keyHasBias), 4, 'gelu', nKept));

const cache = { nCtx: 8, B: 1 };

/** Values that keep a stream about as large as it is. */
const quarter = (values: NdArray): NdArray => map(values, (v) => Math.fround(v / 4));

/** Latent attention as DeepSeek's page writes it. */
const latentLayer =
  (nSeq: number) =>
  (g: GraphBuilder): void => {
    const [nHead, nNope, nRot, kvLoraRank, nValue] = [4, 8, 16, 24, 12];
    const pos = g.input('pos', 'i64', [nSeq, 'T']);
    const x = g.input('x', 'f32', [nSeq, 'T', D]);
    const rotate = rotary(g, pos, { nRot, base: 1000, scaling: { kind: 'none' }, pairs: 'adjacent' });
    const heads = (name: string, n: number, seed: number) =>
      ({ weight: weight(`${name}.weight`, quarter(noise([nHead, n, kvLoraRank], seed))), isTurned: false }) as const;
    const y = mla(g, x, {
      q: layer('q', D, nHead * (nNope + nRot), 90),
      kvDown: layer('kv', D, kvLoraRank + nRot, 91),
      kvNorm: rms('kv_norm', kvLoraRank, 92),
      kUp: heads('k', nNope, 93),
      vUp: heads('v', nValue, 94),
      o: layer('o', nHead * nValue, D, 95),
      form: 'absorb',
      nHead,
      nRot,
      kvLoraRank,
      scale: 0.2,
      rotate,
      pos,
      il: 0,
    });
    g.output('y', y);
  };

/** Eight experts, of which every token chooses two. */
const expertLayer = (g: GraphBuilder): void => {
  const experts = (name: string, nIn: number, nOut: number, seed: number) =>
    weight(`${name}.weight`, quarter(noise([8, nOut, nIn], seed)));
  const y = moe(g, stream(g), {
    router: layer('router', D, 8, 96),
    gate: experts('gate', D, 24, 97),
    up: experts('up', D, 24, 98),
    down: experts('down', 24, D, 99),
    nExpertUsed: 2,
    gating: 'softmax',
    normalise: true,
    scale: 1,
  });
  g.output('y', y);
};

const exact: readonly Case[] = [
  {
    title: 'grouped heads: one kernel for chunks and one for single tokens, q, k and v in one product',
    build: attentionLayer({}),
    runs: oneSequence,
    sizes: cache,
    kernels: { FusedMatMul: 2, GroupQueryAttention: 2, RotaryEmbedding: 2 },
  },
  {
    title: 'a key head for each query head needs one kernel',
    build: attentionLayer({ nHeadKv: 4 }),
    runs: oneSequence,
    sizes: cache,
    kernels: { FusedMatMul: 2, GroupQueryAttention: 1 },
  },
  {
    title: 'two sequences at positions of their own',
    build: attentionLayer({ nSeq: 2 }),
    runs: decoding(
      [
        [0, 1, 2],
        [0, 1, 2],
      ],
      [[3], [2]],
      [[4], [3]],
    ),
    sizes: { nCtx: 8, B: 2 },
    kernels: { FusedMatMul: 2, GroupQueryAttention: 1 },
  },
  {
    title: 'a window of three keys',
    build: attentionLayer({ window: 3 }),
    runs: oneSequence,
    sizes: cache,
    kernels: { FusedMatMul: 2, GroupQueryAttention: 1 },
  },
  {
    title: 'biases are added behind the one product',
    build: attentionLayer({ hasBias: true }),
    runs: oneSequence,
    sizes: cache,
    kernels: { FusedMatMul: 2, GroupQueryAttention: 2, RotaryEmbedding: 2 },
  },
  {
    title: 'heads are normed before the kernel turns them',
    build: attentionLayer({ headNorms: true }),
    runs: oneSequence,
    sizes: cache,
    kernels: { FusedMatMul: 2, GroupQueryAttention: 2, RotaryEmbedding: 2, SimplifiedLayerNormalization: 2 },
  },
  {
    title: 'heads that the kernel cannot turn are turned before it',
    build: attentionLayer({ headDim: 8 }),
    runs: oneSequence,
    sizes: cache,
    kernels: { FusedMatMul: 2, GroupQueryAttention: 2 },
  },
  {
    title: 'heads that turn by themselves',
    build: (g) => {
      const pos = g.input('pos', 'i64', ['B', 'T']);
      const rotate = rotary(g, pos, { nRot: 16, base: 1000, scaling: { kind: 'none' }, pairs: 'adjacent' });
      g.output('y', rotate(splitHeads(g, g.input('x', 'f32', ['B', 'T', D]), D / 16)));
    },
    runs: oneSequence,
    sizes: cache,
    kernels: { RotaryEmbedding: 1 },
  },
  {
    title: 'latent rows: one kernel for chunks and one for single tokens, on one buffer',
    build: latentLayer(1),
    runs: oneSequence,
    sizes: cache,
    kernels: { FusedMatMul: 4, GroupQueryAttention: 2, RotaryEmbedding: 2, SimplifiedLayerNormalization: 1 },
  },
  {
    title: 'latent rows of two sequences',
    build: latentLayer(2),
    runs: decoding(
      [
        [0, 1, 2],
        [0, 1, 2],
      ],
      [[3], [2]],
    ),
    sizes: { nCtx: 8, B: 2 },
    kernels: { FusedMatMul: 4, GroupQueryAttention: 1, RotaryEmbedding: 2, SimplifiedLayerNormalization: 1 },
  },
  {
    title: 'experts: four behind each condition, gate and up in one product',
    build: expertLayer,
    runs: [{ x: noise([2, 3, D], 40) }, { x: noise([1, 1, D], 41) }],
    kernels: { FusedMatMul: 17, QuickGelu: 8 },
  },
  {
    title: 'gate and up are one product',
    build: gated(['f32', 'f32', 'f32']),
    runs: x3,
    kernels: { FusedMatMul: 2, QuickGelu: 1 },
  },
  { title: 'SiLU alone', build: (g) => g.output('y', silu(g, stream(g))), runs: x3, kernels: { QuickGelu: 1 } },
  {
    title: 'a norm by root mean square',
    build: (g) => g.output('y', norm(g, stream(g), rms('n', D, 60))),
    runs: x3,
    kernels: { SimplifiedLayerNormalization: 1 },
  },
  {
    title: 'a residual and the norm that reads it, whose sum others read too',
    build: (g) => {
      const x = stream(g);
      const sum = residual(g, x, scale(g, x, 0.5));
      g.output('y', residual(g, sum, norm(g, sum, rms('n', D, 61))));
    },
    runs: x3,
    kernels: { SkipSimplifiedLayerNormalization: 1 },
  },
  {
    title: "an encoder's layer: q, k and v in one product with one bias",
    build: encoder(true),
    runs: x3,
    kernels: { FusedMatMul: 4, MultiHeadAttention: 1 },
  },
  {
    title: "an encoder's layer whose keys have no bias",
    build: encoder(false),
    runs: x3,
    kernels: { FusedMatMul: 4, MultiHeadAttention: 1 },
  },
  {
    title: "an encoder's layer of which only the first token is read: its query apart from keys and values",
    build: encoder(true, 1),
    runs: x3,
    kernels: { FusedMatMul: 5, MultiHeadAttention: 1 },
  },
  {
    title: 'a product alone',
    build: (g) => g.output('y', linear(g, stream(g), layer('w', D, 5, 62))),
    runs: x3,
    kernels: { FusedMatMul: 1 },
  },
];

describe('fused kernels', () => {
  it.each(exact)('$title, as plain', async ({ build, runs, kernels, sizes = {} }) => {
    expect(kernelsOf(lower(graphOf(build), fused, sizes))).toEqual(kernels);
    expect(kernelsOf(lower(graphOf(build), plain, sizes))).toEqual({});
    const [found, expected] = [
      await runGraph(build, runs, { target: fused, sizes }),
      await runGraph(build, runs, { sizes }),
    ];
    for (const [i, y] of found.entries()) expect(distance(y, expected[i]!)).toBeLessThan(2e-6);
  });
});

describe('products of 8-bit integers', () => {
  const int8: Target = { provider: 'cpu', compute: 'int8', fused: true };

  it('stand for every product of a layer, and differ from float32 by their rounding alone', async () => {
    const build = encoder(true);
    expect(kernelsOf(lower(graphOf(build), int8, {}))).toEqual({
      DynamicQuantizeMatMul: 4,
      MultiHeadAttention: 1,
    });
    const [found] = await runGraph(build, x3, { target: int8 });
    const [expected] = await runGraph(build, x3);
    const error = nmse(Float32Array.from(found!.values), Float32Array.from(expected!.values));
    expect(error).toBeGreaterThan(1e-7);
    expect(error).toBeLessThan(1e-3);
  });

  it('keep a row of zeros, and the largest weight of each row to the last bit', async () => {
    const w = f32([3, 4], [0, 0, 0, 0, 127, -1, 64, 2, -0.5, 0.25, 0, 0.5]);
    const x = f32([1, 1, 4], [255, 0, 1, 2]); // activations of 0 to 255 are integers already
    const build = (g: GraphBuilder) =>
      g.output('y', linear(g, g.input('x', 'f32', [1, 1, 4]), { weight: weight('w.weight', w) }));
    const [y] = await runGraph(build, [{ x }], { target: int8 });
    expect(y!.values[0]).toBe(0);
    expect(y!.values[1]).toBeCloseTo(127 * 255 + 64 + 4, 1);
    expect(y!.values[2]).toBeCloseTo(-0.5 * 255 + 1, 2);
  });

  it('are not asked of devices that lack them', () => {
    const program = lower(graphOf(encoder(true)), { ...int8, provider: 'webgpu' }, {});
    expect(kernelsOf(program)).not.toHaveProperty('DynamicQuantizeMatMul');
  });
});

/** A pattern that looks like a kernel's, but is not: the plain form must be chosen, and the values be the same. */
describe('what only looks like a pattern stays plain', () => {
  const cases: readonly (Case & { readonly without: string })[] = [
    {
      title: 'a gate that somebody else reads',
      build: (g) => {
        const x = stream(g);
        const gate = linear(g, x, layer('gate', D, D, 70));
        g.output('y', add(g, mul(g, silu(g, gate), linear(g, x, layer('up', D, D, 71))), gate));
      },
      runs: x3,
      without: 'Split',
      kernels: { FusedMatMul: 2, QuickGelu: 1 },
    },
    {
      title: 'a gate and an up that read different streams',
      build: (g) => {
        const x = stream(g);
        const other = scale(g, x, 2);
        g.output('y', mul(g, silu(g, linear(g, x, layer('gate', D, D, 70))), linear(g, other, layer('up', D, D, 71))));
      },
      runs: x3,
      without: 'Split',
      kernels: { FusedMatMul: 2, QuickGelu: 1 },
    },
    {
      title: 'a sum that repeats a vector before a norm',
      build: (g) => {
        const sum = add(g, stream(g), g.weight(weight('b', noise([D], 72))));
        g.output('y', norm(g, sum, rms('n', D, 73)));
      },
      runs: x3,
      without: 'SkipSimplifiedLayerNormalization',
      kernels: { SimplifiedLayerNormalization: 1 },
    },
    {
      title: 'keys that are also an output',
      build: (g) => {
        const pos = g.input('pos', 'i64', [1, 'T']);
        const x = g.input('x', 'f32', [1, 'T', D]);
        const kv = cached(g, 0, keyValue(g, x, { k: layer('k', D, D, 74), v: layer('v', D, D, 75), nHead: 4 }), pos);
        const [q, o] = [layer('q', D, D, 76), layer('o', D, D, 77)];
        g.output('keys', kv.k);
        g.output('y', attention(g, x, { q, o, kv, nHead: 4, mask: causal(pos) }));
      },
      runs: oneSequence,
      sizes: cache,
      without: 'GroupQueryAttention',
      kernels: { FusedMatMul: 4 },
    },
    {
      title: 'keys that turn while queries do not',
      build: (g) => {
        const pos = g.input('pos', 'i64', [1, 'T']);
        const x = g.input('x', 'f32', [1, 'T', D]);
        const rotate = rotary(g, pos, { nRot: 16, base: 100, scaling: { kind: 'none' }, pairs: 'halves' });
        const kv = cached(
          g,
          0,
          keyValue(g, x, { k: layer('k', D, D, 74), v: layer('v', D, D, 75), nHead: 4, rotate }),
          pos,
        );
        const [q, o] = [layer('q', D, D, 76), layer('o', D, D, 77)];
        g.output('y', attention(g, x, { q, o, kv, nHead: 4, mask: causal(pos) }));
      },
      runs: oneSequence,
      sizes: cache,
      without: 'GroupQueryAttention',
      kernels: { FusedMatMul: 4, RotaryEmbedding: 1 },
    },
    {
      title: 'heads that turn by other positions than their rows have',
      build: (g) => {
        const pos = g.input('pos', 'i64', [1, 'T']);
        const turns = g.input('turns', 'i64', [1, 'T']);
        const x = g.input('x', 'f32', [1, 'T', D]);
        const rotate = rotary(g, turns, { nRot: 16, base: 100, scaling: { kind: 'none' }, pairs: 'halves' });
        const kv = cached(
          g,
          0,
          keyValue(g, x, { k: layer('k', D, D, 74), v: layer('v', D, D, 75), nHead: 4, rotate }),
          pos,
        );
        const [q, o] = [layer('q', D, D, 76), layer('o', D, D, 77)];
        g.output('y', attention(g, x, { q, o, kv, nHead: 4, mask: causal(pos), rotate }));
      },
      runs: oneSequence.map(({ x, pos }) => ({ x: x!, pos: pos!, turns: map(pos!, (p) => 6 - p) })),
      sizes: cache,
      without: 'GroupQueryAttention',
      kernels: { FusedMatMul: 4, RotaryEmbedding: 2 },
    },
    {
      title: 'attention without a cache',
      build: (g) => {
        const x = stream(g);
        const kv = keyValue(g, x, { k: layer('k', D, D, 74), v: layer('v', D, D, 75), nHead: 4 });
        g.output(
          'y',
          attention(g, x, { q: layer('q', D, D, 76), o: layer('o', D, D, 77), kv, nHead: 4, mask: unmasked }),
        );
      },
      runs: x3,
      without: 'GroupQueryAttention',
      kernels: { FusedMatMul: 2, MultiHeadAttention: 1 },
    },
  ];

  it.each(cases)('$title', async ({ build, runs, kernels, without, sizes = {} }) => {
    const program = lower(graphOf(build), fused, sizes);
    expect(nodesOf(program).map(({ opType }) => opType)).not.toContain(without);
    expect(kernelsOf(program)).toEqual(kernels);
    const [found, expected] = [
      await runGraph(build, runs, { target: fused, sizes }),
      await runGraph(build, runs, { sizes }),
    ];
    for (const [i, y] of found.entries()) expect(distance(y, expected[i]!)).toBeLessThan(2e-6);
  });
});

const block: Target = { provider: 'cpu', compute: 'block', fused: true };

describe('weights in blocks', () => {
  const ids = i64([2, 3], [0, 4, 4, 1, 8, 3]);
  it.each([
    { type: 'q4_0', kernels: { GatherBlockQuantized: 1 } },
    { type: 'q8_0', kernels: { GatherBlockQuantized: 1 } },
    { type: 'f16', kernels: {} },
    { type: 'bf16', kernels: {} },
    { type: 'f32', kernels: {} },
  ])('rows of a table in $type are the stored values exactly', async ({ type, kernels }) => {
    const table = weight('token_embd.weight', noise([9, D], 80), type);
    const build = (g: GraphBuilder) => g.output('y', rows(g, table, g.input('ids', 'i64', ['B', 'T'])));
    expect(kernelsOf(lower(graphOf(build), block, {}))).toEqual(kernels);
    const stored = f32([9, D], Array.from(await table.tensor.decode()));
    const [y] = await runGraph(build, [{ ids }], { target: block });
    expect(y).toEqual(made([2, 3, D], (b, t, i) => get(stored, get(ids, b!, t!), i!)));
  });

  // Activations are rounded to int8 by the largest of each 32, as llama.cpp's kernels do. Whole numbers up to 127 stay
  // what they are.
  it.each(['q4_0', 'q8_0'])('a product of %s is exact where rounding activations changes nothing', async (type) => {
    const build = (g: GraphBuilder) => g.output('y', linear(g, stream(g), layer('w', D, 40, 81, type)));
    expect(kernelsOf(lower(graphOf(build), block, {}))).toEqual({ MatMulNBits: 1 });
    const x = made([2, 3, D], (b, t, i) => (i! % 32 === 0 ? 127 : ((37 * i! + 11 * t! + b!) % 255) - 127));
    const [[y], [expected]] = [await runGraph(build, [{ x }], { target: block }), await runGraph(build, [{ x }])];
    expect(distance(y!, expected!)).toBeLessThan(1e-4);
  });

  // Rounding moves a value by a step / sqrt(12) on average, the step being 1 / 127 of the largest of 32. That is
  // 1.6e-5 of the power of evenly spread values, up to 8e-5 where the largest is four times the usual, at each of the
  // three products here.
  it.each([
    {
      title: 'gate and up of q4_0 in one',
      build: gated(['q4_0', 'q4_0', 'q4_0']),
      kernels: { MatMulNBits: 2, QuickGelu: 1 },
    },
    {
      title: 'gate and up of different types apart',
      build: gated(['q4_0', 'q8_0', 'f32']),
      kernels: { MatMulNBits: 2, FusedMatMul: 1, QuickGelu: 1 },
    },
  ])('$title, close to float32 arithmetic', async ({ build, kernels }) => {
    expect(kernelsOf(lower(graphOf(build), block, {}))).toEqual(kernels);
    const [[y], [expected]] = [await runGraph(build, x3, { target: block }), await runGraph(build, x3)];
    expect(nmse(Float32Array.from(y!.values), Float32Array.from(expected!.values))).toBeLessThan(2e-4);
  });

  it.each([
    { title: 'all of q4_0: one product', types: inQ4, kernels: { MatMulNBits: 2 } },
    { title: 'values of another type: two', types: { ...inQ4, v: 'q8_0' }, kernels: { MatMulNBits: 3 } },
    { title: 'values in f16: two', types: { ...inQ4, v: 'f16' }, kernels: { MatMulNBits: 2, FusedMatMul: 1 } },
    { title: 'each of another type: three', types: { ...inQ4, k: 'q5_0', v: 'q5_1' }, kernels: { MatMulNBits: 4 } },
  ])('q, k and v $title', async ({ types, kernels }) => {
    const build = attentionLayer({ types });
    const attended = { GroupQueryAttention: 2, RotaryEmbedding: 2 };
    expect(kernelsOf(lower(graphOf(build), block, cache))).toEqual({ ...attended, ...kernels });
    const found = await runGraph(build, oneSequence, { target: block, sizes: cache });
    const expected = await runGraph(build, oneSequence, { sizes: cache });
    for (const [i, y] of found.entries())
      expect(nmse(Float32Array.from(y.values), Float32Array.from(expected[i]!.values))).toBeLessThan(1e-4);
  });

  it.each([
    ['cpu', 4n],
    ['coreml', 4n],
    ['cuda', 0n],
    ['webgpu', 0n],
    ['dml', 0n],
  ] as const)('%s rounds activations as it does best', (provider, level) => {
    const graph = graphOf((g) => g.output('y', linear(g, stream(g), layer('w', D, 40, 81, 'q4_0'))));
    const [product] = nodesOf(lower(graph, { ...block, provider }, {}));
    expect(product!.attribute.find(({ name }) => name === 'accuracy_level')?.i).toBe(level);
  });
});

/** The graph of a model with weights of these names and shapes. */
const decoderOf = (source: WeightSource): Graph => {
  const h = llama.hparams(new Hparams(source.metadata, 'llama'));
  const g = new GraphBuilder('decoder');
  llama.graphs.decoder(g, { h, w: llama.weights(new Weights(source), h) });
  return g.build();
};

const small = { nLayer: 2, nEmbd: 64, nHead: 4, nHeadKv: 2, nFf: 96, nVocab: 288, nCtx: 32 };
const sourceOf = (type: string) => randomSource(llamaShape({ ...small, type }));
const targets: readonly Target[] = [
  plain,
  fused,
  block,
  { ...block, provider: 'webgpu' },
  { ...block, provider: 'cuda' },
];
const models = ['f32', 'f16', 'q4_0', 'q8_0'].flatMap((type) =>
  targets.map((target) => ({
    type,
    target,
    what: `${type} for ${target.provider}, ${target.fused ? target.compute : 'plain'}`,
  })),
);
const session = { nCtx: 32, B: 1 };

describe('a lowered model', () => {
  it.each(models)('$what: every value is made once, before it is read', ({ type, target }) => {
    const model = modelOf(lower(decoderOf(sourceOf(type)), target, session));
    expect(model.irVersion).toBe(10n);
    expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([
      ['', 21n],
      ['com.microsoft', 1n],
    ]);
    const graph = model.graph!;
    const names = new Set<string>();
    const check = ({ node, output }: GraphProto, outside: ReadonlySet<string>): void => {
      const known = new Set(outside);
      for (const n of node) {
        expect(n.input.filter((name) => name !== '' && !known.has(name))).toEqual([]);
        for (const branch of branchesOf(n)) check(branch, known);
        for (const name of n.output) {
          expect(names).not.toContain(name);
          names.add(name);
          known.add(name);
        }
      }
      expect(output.filter(({ name }) => !known.has(name))).toEqual([]);
    };
    const given = [...graph.input, ...graph.initializer].map(({ name }) => name);
    expect(new Set(given).size).toBe(given.length);
    check(graph, new Set(given));
    const nodes = allNodes(graph).map(({ name }) => name);
    expect(new Set(nodes).size).toBe(nodes.length);
  });

  it.each(models)('$what: nodes and values bear the names of our tensors', ({ type, target }) => {
    const graph = decoderOf(sourceOf(type));
    const program = lower(graph, target, session);
    const tensors = new Set(graph.nodes.map(({ name }) => name));
    const strangers = nodesOf(program).filter(({ name }) => !tensors.has(name.slice(0, name.lastIndexOf('/'))));
    // The sequence that ends a run belongs to the program, not to the graph.
    expect(strangers.map(({ opType }) => opType)).toEqual(program.stop ? ['SequenceEmpty'] : []);
    const values = new Set(nodesOf(program).flatMap(({ output }) => output));
    expect(values).toContain('logits');
    for (const name of ['blk.0.add', 'blk.1.add', 'blk.1.rms_norm#2', 'blk.1.attn_output', 'blk.1.ffn_down', 'rows'])
      expect(values).toContain(name);
    if (!target.fused) {
      const made = graph.nodes
        .filter(({ inputs, op }) => inputs.length > 0 && op.name !== 'append')
        .map(({ name }) => name);
      const output = graph.outputs[0]!.tensor.name;
      expect(made.filter((name) => name !== output && !values.has(name))).toEqual([]);
    }
  });

  it.each(models)('$what: weights lie outside, one behind the other', ({ type, target }) => {
    const program = lower(decoderOf(sourceOf(type)), target, session);
    const inside = modelOf(program).graph!.initializer.filter(
      ({ dataLocation }) => dataLocation !== TensorProto_DataLocation.EXTERNAL,
    );
    expect(inside.filter(({ rawData, name }) => (rawData?.length ?? 0) > 64 || !name.startsWith('const.'))).toEqual([]);
    const outside = modelOf(program).graph!.initializer.filter(
      ({ dataLocation }) => dataLocation === TensorProto_DataLocation.EXTERNAL,
    );
    expect(outside.length).toBeGreaterThan(10);
    expect(outside.filter(({ rawData }) => (rawData?.length ?? 0) > 0)).toEqual([]);
    const places = outside.map(({ name, externalData }) => {
      const entry = Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
      return { name, offset: Number(entry.offset), byteLength: Number(entry.length) };
    });
    let end = 0;
    const parts = program.initializers.flatMap((group) => group.parts);
    for (const { offset, byteLength } of parts) {
      expect(places.map((place) => [place.offset, place.byteLength])).toContainEqual([offset, byteLength]);
      expect(offset).toBeGreaterThanOrEqual(end);
      expect(offset % 4096).toBe(0);
      end = offset + byteLength;
    }
    expect(end).toBe(program.weightBytes);
    // Each is the whole of one of them, maybe in another shape.
    for (const { offset, byteLength } of places) {
      expect(parts.map((part) => [part.offset, part.byteLength])).toContainEqual([offset, byteLength]);
    }
  });

  it('of 1.1 B parameters is a small file, and lowering reads no weight', () => {
    const { metadata, tensors } = randomSource(llamaShape({ ...tinyLlama, type: 'q4_0' }));
    const refuse = () => Promise.reject(new Error('read while lowering'));
    const unread = new Map(
      [...tensors].map(([name, t]) => [
        name,
        { ...t, read: refuse, decode: refuse, ...(t.blocks && { blocks: { ...t.blocks, pack: refuse } }) },
      ]),
    );
    const program = lower(decoderOf({ metadata, tensors: unread }), block, { nCtx: 2048, B: 1 });
    expect(program.onnx.length).toBeLessThan(200_000);
    // 4.5 bits a weight in the file, 5 with float32 scales.
    expect(program.weightBytes).toBeGreaterThan(600e6);
    expect(program.weightBytes).toBeLessThan(750e6);
  });

  it('needs the size of the context that a session fixes', () => {
    expect(() => lower(decoderOf(sourceOf('f32')), plain, {})).toThrow(
      "dimension 'nCtx' must be given to lower this graph",
    );
  });
});

describe('on a card', () => {
  const card: Target = { provider: 'webgpu', compute: 'block', fused: true };
  const splitsOf = (layer: Layer) =>
    nodesOf(lower(graphOf(attentionLayer(layer)), card, { nCtx: 8, B: 1 })).filter(({ opType }) => opType === 'Split')
      .length;

  it.each<[string, Layer, number]>([
    ['of numbers', {}, 0],
    ['of blocks', { types: inQ4 }, 0],
    ['with biases', { hasBias: true }, 0],
    ['whose heads are normed: they must be apart', { headNorms: true }, 1],
  ])('attention takes one product of queries, keys and values as it is, %s', (_, layer, n) => {
    expect(splitsOf(layer)).toBe(n);
  });

  it('the best of a row and their indices are found by one kernel', () => {
    const build = (g: GraphBuilder) => {
      const x = g.input('x', 'f32', ['n', 8]);
      const best = topK(g, x, 2);
      g.output('at', best);
      g.output('y', take(g, x, best));
    };
    expect(nodesOf(lower(graphOf(build), card, {})).map(({ opType }) => opType)).toEqual(['TopK']);
  });
});

describe('outputs of a graph', () => {
  it('may be one tensor under two names, which others read too', async () => {
    const build = (g: GraphBuilder) => {
      const twice = scale(g, g.input('x', 'f32', [2]), 2);
      g.output('once', twice);
      g.output('y', twice);
      g.output('more', scale(g, twice, 2));
    };
    const [y] = await runGraph(build, [{ x: f32([2], [1, 2]) }]);
    expect(y).toEqual(f32([2], [2, 4]));
    const model = modelOf(lower(graphOf(build), plain, {}));
    expect(model.graph!.output.map(({ name }) => name)).toEqual(['once', 'y', 'more']);
  });

  it('may not be called as another tensor is', () => {
    const g = new GraphBuilder('clash');
    const x = g.input('x', 'f32', [2]);
    g.output('x', scale(g, x, 2));
    expect(() => g.build()).toThrow("output 'x' has the name of another tensor");
  });

  it('may be declared once, and there must be one', () => {
    const g = new GraphBuilder('none');
    expect(() => g.build()).toThrow("graph 'none' has no output");
    const x = g.input('x', 'f32', [2]);
    g.output('y', scale(g, x, 2));
    expect(() => g.output('y', x)).toThrow("output 'y' is declared twice");
  });
});
