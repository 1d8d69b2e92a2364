/**
 * The Vision Transformer (Dosovitskiy et al. 2020) and what is built like it: DeiT with its second head (Touvron et
 * al. 2020), register tokens (Darcet et al. 2023), pooling by the mean instead of by the class token.
 */
import { keyValue, queries } from '../graph/blocks/attention.ts';
import { encoderLayer } from '../graph/blocks/encoder.ts';
import { norm } from '../graph/blocks/norm.ts';
import { classToken, patchEmbedding } from '../graph/blocks/vision.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import { add, scale, softmax } from '../graph/ops/arithmetic.ts';
import { attendWeights } from '../graph/ops/attend.ts';
import { resizeGrid } from '../graph/ops/grid.ts';
import { linear } from '../graph/ops/matmul.ts';
import { flatten, meanRows, slice } from '../graph/ops/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { size } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { define } from './definition.ts';
import { expectHparam } from './expect-hparam.ts';

/** `vit.pooling_type` as llama.cpp numbers it. */
const MEAN = 1;
const CLASS_TOKEN = 2;

const hparams = (m: Hparams) => {
  const trainedSize = m.int('image_size');
  const pooling = m.int('pooling_type', CLASS_TOKEN);
  const h = {
    nEmbd: m.int('embedding_length'),
    nHead: m.int('attention.head_count'),
    nLayer: m.layerCount(),
    nFf: m.int('feed_forward_length'),
    nClass: m.count('class_count', 0),
    eps: m.num('attention.layer_norm_epsilon'),
    act: m.string('hidden_act', 'gelu') === 'gelu_tanh' ? 'gelu_tanh' : 'gelu',
    pooling: pooling === MEAN ? 'mean' : 'class',
    patchSize: m.int('patch_size'),
    trainedSize,
    /** Side of the images to be classified, maybe another than the model was trained on. */
    imageSize: m.int('input_size', trainedSize),
  } as const;
  const { nEmbd, nHead, patchSize } = h;
  expectHparam(nEmbd % nHead === 0, 'attention.head_count', nHead, `a divisor of embedding_length ${nEmbd}`);
  expectHparam(trainedSize % patchSize === 0, 'patch_size', patchSize, `a divisor of image_size ${trainedSize}`);
  expectHparam(h.imageSize % patchSize === 0, 'input_size', h.imageSize, `a multiple of patch_size ${patchSize}`);
  expectHparam([MEAN, CLASS_TOKEN].includes(pooling), 'pooling_type', pooling, '1 (mean) or 2 (class token)');
  return h;
};

export type VitHparams = ReturnType<typeof hparams>;

const weights = (file: Weights, h: VitHparams) => {
  const w = file.at('v');
  const nRegister = w.has('reg_embd') ? (w.shape('reg_embd')[0] ?? 0) : 0;
  const tokens = [
    ...(w.has('class_embd') ? [w.tensor('class_embd', [h.nEmbd])] : []),
    ...(w.has('dist_embd') ? [w.tensor('dist_embd', [h.nEmbd])] : []),
    ...(nRegister > 0 ? [w.tensor('reg_embd', [nRegister, h.nEmbd])] : []),
  ];
  const hasSummary = h.pooling === 'mean' || w.has('class_embd');
  expectHparam(hasSummary, 'pooling_type', CLASS_TOKEN, '1 (mean), for there is no class token');
  const nToken = tokens.reduce((n, { shape }) => n + (shape.length === 1 ? 1 : nRegister), 0);
  const nPatch = (h.trainedSize / h.patchSize) ** 2;
  // Learned positions are those of the patches alone (DeiT III), or of the tokens before them too.
  const nPlaced = w.shape('position_embd.weight')[0] === nPatch ? 0 : nToken;
  return {
    patch: w.conv('patch_embd', 3, h.nEmbd, [h.patchSize, h.patchSize]),
    tokens,
    nToken,
    nPlaced,
    posEmbd: w.tensor('position_embd.weight', [nPlaced + nPatch, h.nEmbd]),
    preNorm: optionalNorm(w, 'pre_ln', h),
    blocks: w.each('blk', h.nLayer, (w) => ({
      attnNorm: w.layerNorm('ln1', h.nEmbd, h.eps),
      attn: { ...queryKeyValue(w, h), o: w.linear('attn_out', h.nEmbd, h.nEmbd) },
      ffnNorm: w.layerNorm('ln2', h.nEmbd, h.eps),
      ffn: { up: w.linear('ffn_up', h.nEmbd, h.nFf), down: w.linear('ffn_down', h.nFf, h.nEmbd) },
      ...(w.has('ls1.weight') && {
        attnScale: w.tensor('ls1.weight', [h.nEmbd]),
        ffnScale: w.tensor('ls2.weight', [h.nEmbd]),
      }),
    })),
    postNorm: optionalNorm(w, 'post_ln', h),
    headNorm: optionalNorm(w, 'head_norm', h),
    head: h.nClass > 0 ? w.linear('head', h.nEmbd, h.nClass) : undefined,
    headDist: h.nClass > 0 && w.has('head_dist.weight') ? w.linear('head_dist', h.nEmbd, h.nClass) : undefined,
  };
};

const optionalNorm = (w: Weights, name: string, h: VitHparams) =>
  w.has(`${name}.weight`) ? w.layerNorm(name, h.nEmbd, h.eps) : undefined;

/** Three layers, or one that holds the rows of all three. */
const queryKeyValue = (w: Weights, { nEmbd }: VitHparams) => {
  const [q, k, v] = w.has('attn_qkv.weight') ? w.linears('attn_qkv', nEmbd, [nEmbd, nEmbd, nEmbd]) : [];
  if (q && k && v) return { q, k, v };
  return {
    q: w.linear('attn_q', nEmbd, nEmbd),
    k: w.linear('attn_k', nEmbd, nEmbd),
    v: w.linear('attn_v', nEmbd, nEmbd),
  };
};

export type VitWeights = ReturnType<typeof weights>;

interface Vit {
  readonly h: VitHparams;
  readonly w: VitWeights;
}

/** The image as tokens that know their places: `[B, nToken + nPatch, nEmbd]`. */
const embed = (g: GraphBuilder, { h, w }: Vit): Tensor => {
  const image = g.input('image', 'f32', ['B', 3, h.imageSize, h.imageSize]);
  const patches = patchEmbedding(g, image, w.patch, h.patchSize); // [B, nPatch, nEmbd]
  const withTokens = (x: Tensor) => w.tokens.reduceRight((x, token) => classToken(g, x, token), x);
  const places = positions(g, { h, w });
  const x = w.nPlaced > 0 ? add(g, withTokens(patches), places) : withTokens(add(g, patches, places));
  return w.preNorm ? norm(g, x, w.preNorm) : x;
};

const positions = (g: GraphBuilder, { h, w }: Vit): Tensor => {
  const table = g.weight(w.posEmbd);
  const [from, to] = [h.trainedSize / h.patchSize, h.imageSize / h.patchSize];
  return from === to ? table : resizeGrid(g, table, { nPrefix: w.nPlaced, from, to });
};

/** What the image is, from the last layer's stream. */
const answer = (g: GraphBuilder, { h, w }: Vit, x: Tensor): void => {
  const y = w.postNorm ? norm(g, x, w.postNorm) : x;
  const token = (i: number) => flatten(g, slice(g, y, 1, i, 1), 'B'); // [B, nEmbd]
  const patches = () => flatten(g, meanRows(g, slice(g, y, 1, w.nToken, size(y, 1) - w.nToken)), 'B');
  const pooled = h.pooling === 'class' ? token(0) : patches();
  const summary = w.headNorm ? norm(g, pooled, w.headNorm) : pooled;
  g.output('embedding', summary);
  if (!w.head) return;
  const said = linear(g, summary, w.head);
  const logits = w.headDist ? scale(g, add(g, said, linear(g, token(1), w.headDist)), 0.5) : said;
  g.output('logits', logits);
  g.output('probs', softmax(g, logits));
};

/** How many tokens, the first ones, are read in the end; undefined: all. */
const nRead = ({ h, w }: Vit): number | undefined => (h.pooling === 'mean' ? undefined : w.headDist ? 2 : 1);

const classify = (g: GraphBuilder, m: Vit): void => {
  let x = embed(g, m);
  m.w.blocks.forEach((b, il) => {
    const nKept = il === m.h.nLayer - 1 ? nRead(m) : undefined;
    x = g.scope(`v.blk.${il}`, () => encoderLayer(g, x, b, m.h.nHead, m.h.act, nKept));
  });
  answer(g, m, x);
};

/** The same, with how much each token looks at each other: `[B, nHead, T, T]` for every layer. */
const look = (g: GraphBuilder, m: Vit): void => {
  const { nHead, act } = m.h;
  let x = embed(g, m);
  m.w.blocks.forEach((b, il) => {
    g.scope(`v.blk.${il}`, () => {
      const a = norm(g, x, b.attnNorm);
      const { k } = keyValue(g, a, { ...b.attn, nHead });
      g.output(`attention.${il}`, attendWeights(g, queries(g, a, { ...b.attn, nHead }), k));
      x = encoderLayer(g, x, b, nHead, act);
    });
  });
  answer(g, m, x);
};

/** Classes of images, and where the model looked. */
export const vit = define({ arch: 'vit', hparams, weights, graphs: { classify, look } });
