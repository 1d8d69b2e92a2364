/** What files of ViT may have beside the plain model, each against plain loops; and what comes of those that do not fit. */
import { describe, expect, it } from 'vitest';
import { lower } from '../../src/graph/lower/lower.ts';
import type { MetadataValue, StoredTensor, WeightSource } from '../../src/graph/weights.ts';
import { readModel } from '../../src/models/definition.ts';
import { vit } from '../../src/models/vit.ts';
import type { Arrays, NdArray } from '../cpu.ts';
import { distance, f32, fused, graphOf, noise, plain, runAll, weight } from '../cpu.ts';
import * as loops from '../reference.ts';
import { get, made, map, plus, sumOf } from '../reference.ts';

const [D, FF, PATCH, SIDE, CLASSES, LAYERS, HEADS] = [16, 24, 4, 16, 3, 2, 2];
const EPS = 1e-5;

/** A tensor of these values, small enough for the softmax to have something to say. */
const made1 = (name: string, dims: readonly number[], seed: number, middle = 0): [string, NdArray] => [
  name,
  map(noise(dims, seed), (v) => Math.fround(middle + 0.4 * v)),
];

const layerNorm = (name: string, seed: number) => [
  made1(`${name}.weight`, [D], seed, 1),
  made1(`${name}.bias`, [D], seed + 1),
];
const linear = (name: string, nIn: number, nOut: number, seed: number) => [
  made1(`${name}.weight`, [nOut, nIn], seed),
  made1(`${name}.bias`, [nOut], seed + 1),
];

const block = (il: number) =>
  [
    layerNorm(`v.blk.${il}.ln1`, 100 * il + 10),
    linear(`v.blk.${il}.attn_qkv`, D, 3 * D, 100 * il + 20),
    linear(`v.blk.${il}.attn_out`, D, D, 100 * il + 30),
    layerNorm(`v.blk.${il}.ln2`, 100 * il + 40),
    linear(`v.blk.${il}.ffn_up`, D, FF, 100 * il + 50),
    linear(`v.blk.${il}.ffn_down`, FF, D, 100 * il + 60),
  ].flat();

/** The plain model: class token, positions of all, pooling by the class token. */
const plainTensors: ReadonlyMap<string, NdArray> = new Map([
  made1('v.patch_embd.weight', [D, 3, PATCH, PATCH], 1),
  made1('v.patch_embd.bias', [D], 2),
  made1('v.class_embd', [D], 3),
  made1('v.position_embd.weight', [1 + (SIDE / PATCH) ** 2, D], 4),
  ...Array.from({ length: LAYERS }, (_, il) => block(il)).flat(),
  ...layerNorm('v.post_ln', 5),
  ...linear('v.head', D, CLASSES, 7),
]);

const plainMetadata: ReadonlyMap<string, MetadataValue> = new Map<string, MetadataValue>([
  ['vit.image_size', SIDE],
  ['vit.patch_size', PATCH],
  ['vit.embedding_length', D],
  ['vit.block_count', LAYERS],
  ['vit.feed_forward_length', FF],
  ['vit.attention.head_count', HEADS],
  ['vit.attention.layer_norm_epsilon', EPS],
  ['vit.class_count', CLASSES],
]);

interface Variant {
  readonly tensors?: Readonly<Record<string, NdArray | undefined>>;
  readonly metadata?: Readonly<Record<string, MetadataValue>>;
}

const tensorsOf = ({ tensors = {} }: Variant): ReadonlyMap<string, NdArray> => {
  const all = new Map(plainTensors);
  for (const [name, array] of Object.entries(tensors)) {
    if (array) all.set(name, array);
    else all.delete(name);
  }
  return all;
};

const sourceOf = (variant: Variant): WeightSource => ({
  metadata: new Map([...plainMetadata, ...Object.entries(variant.metadata ?? {})]),
  tensors: new Map(
    [...tensorsOf(variant)].map(([name, array]): [string, StoredTensor] => [name, weight(name, array).tensor]),
  ),
});

/** Logits `[B, classes]` and the pooled embedding by plain loops. */
const reference = (variant: Variant, image: NdArray): { readonly logits: NdArray; readonly embedding: NdArray } => {
  const all = tensorsOf(variant);
  const metadata = new Map([...plainMetadata, ...Object.entries(variant.metadata ?? {})]);
  const w = (name: string): NdArray => all.get(`v.${name}`)!;
  const norm = (x: NdArray, name: string) => loops.layerNorm(x, w(`${name}.weight`), w(`${name}.bias`), EPS);
  const product = (x: NdArray, name: string) => loops.linear(x, w(`${name}.weight`), all.get(`v.${name}.bias`));
  const rowsOf = (a: NdArray, from: number, to: number): NdArray => {
    const width = a.values.length / a.dims[0]!;
    return { ...a, dims: [to - from, ...a.dims.slice(1)], values: a.values.slice(from * width, to * width) };
  };
  const nSeq = image.dims[0]!;
  const side = image.dims[2]! / PATCH;
  const convolved = loops.conv(image, w('patch_embd.weight'), w('patch_embd.bias'), { stride: PATCH, pad: 0 });
  const patches = made([nSeq, side * side, D], (b, t, i) => get(convolved, b!, i!, Math.floor(t! / side), t! % side));
  const tokens = ['class_embd', 'dist_embd', 'reg_embd'].flatMap((name) => {
    const a = all.get(`v.${name}`);
    return a ? [a.dims.length === 1 ? { ...a, dims: [1, D] } : a] : [];
  });
  const before = {
    dtype: 'f32',
    dims: [tokens.reduce((n, t) => n + t.dims[0]!, 0), D],
    values: tokens.flatMap((t) => [...t.values]),
  } as const;
  const nToken = before.dims[0]!;
  const table = w('position_embd.weight');
  const nPlaced = table.dims[0] === (SIDE / PATCH) ** 2 ? 0 : nToken;
  const places = loops.resizeGrid(table, { nPrefix: nPlaced, from: SIDE / PATCH, to: side });
  const place = (t: number, i: number) => (t - nToken + nPlaced < 0 ? 0 : get(places, t - nToken + nPlaced, i));
  let x = made(
    [nSeq, nToken + side * side, D],
    (b, t, i) => (t! < nToken ? get(before, t!, i!) : get(patches, b!, t! - nToken, i!)) + place(t!, i!),
  );
  if (all.has('v.pre_ln.weight')) x = norm(x, 'pre_ln');
  const gelu = metadata.get('vit.hidden_act') === 'gelu_tanh' ? loops.geluTanh : loops.gelu;
  for (let il = 0; il < LAYERS; il++) {
    const a = norm(x, `blk.${il}.ln1`);
    const part = (i: number, name: string): NdArray => {
      if (all.has(`v.blk.${il}.${name}.weight`)) return product(a, `blk.${il}.${name}`);
      const [weight, bias] = [w(`blk.${il}.attn_qkv.weight`), w(`blk.${il}.attn_qkv.bias`)];
      return loops.linear(a, rowsOf(weight, i * D, (i + 1) * D), rowsOf(bias, i * D, (i + 1) * D));
    };
    const [q, k, v] = [part(0, 'attn_q'), part(1, 'attn_k'), part(2, 'attn_v')].map((y) => loops.splitHeads(y, HEADS));
    const attended = loops.attend(q!, k!, v!, { scale: (D / HEADS) ** -0.5 });
    const scaled = (y: NdArray, name: string): NdArray => {
      const by = all.get(`v.blk.${il}.${name}.weight`);
      return by ? made(y.dims, (b, t, i) => get(y, b!, t!, i!) * get(by, i!)) : y;
    };
    x = plus(x, scaled(product(loops.mergeHeads(attended), `blk.${il}.attn_out`), 'ls1'));
    const inner = map(product(norm(x, `blk.${il}.ln2`), `blk.${il}.ffn_up`), gelu);
    x = plus(x, scaled(product(inner, `blk.${il}.ffn_down`), 'ls2'));
  }
  const y = all.has('v.post_ln.weight') ? norm(x, 'post_ln') : x;
  const token = (n: number) => made([nSeq, D], (b, i) => get(y, b!, n, i!));
  const n = side * side;
  const mean = () => made([nSeq, D], (b, i) => sumOf(n, (t) => get(y, b!, nToken + t, i!)) / n);
  const pooled = metadata.get('vit.pooling_type') === 1 ? mean() : token(0);
  const embedding = all.has('v.head_norm.weight') ? norm(pooled, 'head_norm') : pooled;
  const first = product(embedding, 'head');
  const logits = all.has('v.head_dist.weight')
    ? loops.zip(first, product(token(1), 'head_dist'), (a, b) => (a + b) / 2)
    : first;
  return { logits, embedding };
};

const drop = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, undefined]));
const tensors = (...entries: readonly (readonly [string, NdArray])[]) => Object.fromEntries(entries);
const nPatch = (SIDE / PATCH) ** 2;
const blocks = [...Array(LAYERS).keys()];

const apart: Variant = {
  tensors: {
    ...drop(...blocks.flatMap((il) => [`v.blk.${il}.attn_qkv.weight`, `v.blk.${il}.attn_qkv.bias`])),
    ...tensors(
      ...blocks.flatMap((il) => [
        ...linear(`v.blk.${il}.attn_q`, D, D, 300 + il),
        made1(`v.blk.${il}.attn_k.weight`, [D, D], 310 + il), // a key without a bias
        ...linear(`v.blk.${il}.attn_v`, D, D, 320 + il),
      ]),
    ),
  },
};

const variants: readonly [string, Variant, number?][] = [
  ['the plain model', {}],
  ['queries, keys and values apart', apart],
  ['the tanh form of GELU', { metadata: { 'vit.hidden_act': 'gelu_tanh' } }],
  [
    "DeiT's second token and head, averaged",
    {
      tensors: tensors(
        made1('v.dist_embd', [D], 400),
        made1('v.position_embd.weight', [2 + nPatch, D], 401),
        ...linear('v.head_dist', D, CLASSES, 402),
      ),
    },
  ],
  [
    'registers and the mean of the patches, without a class token; positions of the patches alone',
    {
      metadata: { 'vit.pooling_type': 1 },
      tensors: {
        ...drop('v.class_embd', 'v.post_ln.weight', 'v.post_ln.bias'),
        ...tensors(
          made1('v.reg_embd', [3, D], 410),
          made1('v.position_embd.weight', [nPatch, D], 411),
          ...layerNorm('v.head_norm', 412),
        ),
      },
    },
  ],
  [
    'a class token and registers with positions, a norm before the layers, scaled layers',
    {
      tensors: tensors(
        made1('v.reg_embd', [2, D], 420),
        made1('v.position_embd.weight', [3 + nPatch, D], 421),
        ...layerNorm('v.pre_ln', 422),
        ...blocks.flatMap((il) => [
          made1(`v.blk.${il}.ls1.weight`, [D], 424 + il),
          made1(`v.blk.${il}.ls2.weight`, [D], 426 + il),
        ]),
      ),
    },
  ],
  ['larger images than it was trained on', { metadata: { 'vit.input_size': 24 } }, 24],
  ['smaller images than it was trained on', { metadata: { 'vit.input_size': 12 } }, 12],
];

describe('a model gives the logits and the embedding of plain loops with', () => {
  it.each<[string, Variant, number?]>([...variants])('%s', async (_, variant, side = SIDE) => {
    const image = noise([2, 3, side, side], 9);
    const model = readModel(vit, sourceOf(variant));
    const expected = reference(variant, image);
    for (const target of [plain, fused]) {
      for (const graph of ['classify', 'look'] as const) {
        const program = lower(
          graphOf((g) => vit.graphs[graph](g, model)),
          target,
          {},
        );
        const [outputs] = await runAll(program, [{ image } satisfies Arrays]);
        expect(distance(outputs!.logits!, expected.logits)).toBeLessThan(2e-5);
        expect(distance(outputs!.embedding!, expected.embedding)).toBeLessThan(2e-5);
        expect(distance(outputs!.probs!, loops.softmax(expected.logits))).toBeLessThan(1e-5);
      }
    }
  });

  it('how much each token looks at each, in every layer', async () => {
    const model = readModel(vit, sourceOf({}));
    const image = noise([1, 3, SIDE, SIDE], 9);
    const [outputs] = await runAll(
      lower(
        graphOf((g) => vit.graphs.look(g, model)),
        plain,
        {},
      ),
      [{ image }],
    );
    for (const il of blocks) {
      const looks = outputs![`attention.${il}`]!;
      expect(looks.dims).toEqual([1, HEADS, 1 + nPatch, 1 + nPatch]);
      const sums = f32([HEADS * (1 + nPatch)], (r) =>
        looks.values.slice(r * (1 + nPatch), (r + 1) * (1 + nPatch)).reduce((a, b) => a + b, 0),
      );
      expect(sums.values.every((sum) => Math.abs(sum - 1) < 1e-5)).toBe(true);
    }
  });

  it('no classifier: the embedding alone', async () => {
    const model = readModel(
      vit,
      sourceOf({ metadata: { 'vit.class_count': 0 }, tensors: drop('v.head.weight', 'v.head.bias') }),
    );
    const [outputs] = await runAll(
      lower(
        graphOf((g) => vit.graphs.classify(g, model)),
        plain,
        {},
      ),
      [{ image: noise([1, 3, SIDE, SIDE], 9) }],
    );
    expect(Object.keys(outputs!)).toEqual(['embedding']);
  });
});

describe('a model is refused in a sentence with', () => {
  it.each<[string, Variant, RegExp]>([
    [
      'heads that do not divide its width',
      { metadata: { 'vit.attention.head_count': 3 } },
      /head_count is 3, expected a divisor of embedding_length 16/,
    ],
    [
      'patches that do not fill its images',
      { metadata: { 'vit.patch_size': 5 } },
      /patch_size is 5, expected a divisor of image_size 16/,
    ],
    [
      'images that its patches do not fill',
      { metadata: { 'vit.input_size': 18 } },
      /input_size is 18, expected a multiple of patch_size 4/,
    ],
    [
      'a way of pooling that it does not know',
      { metadata: { 'vit.pooling_type': 3 } },
      /pooling_type is 3, expected 1 \(mean\) or 2/,
    ],
    ['endless layers', { metadata: { 'vit.block_count': 1e6 } }, /block_count' is 1000000, expected 1 to 10000/],
    [
      'positions of another grid',
      { tensors: tensors(made1('v.position_embd.weight', [26, D], 1)) },
      /'v\.position_embd\.weight': shape \[26, 16\], expected \[17, 16\]/,
    ],
    ['no positions', { tensors: drop('v.position_embd.weight') }, /'v\.position_embd\.weight' is missing/],
    [
      'a tensor that nothing reads',
      { tensors: tensors(made1('v.mystery', [D], 1)) },
      /does not use 1 of the file's tensors: 'v\.mystery'/,
    ],
  ])('%s', (_, variant, sentence) => {
    expect(() => readModel(vit, sourceOf(variant))).toThrowError(
      expect.objectContaining({ kind: 'model', message: expect.stringMatching(sentence) }),
    );
  });
});
