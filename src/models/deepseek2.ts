/**
 * DeepSeek-V2 (DeepSeek-AI 2024), V2-Lite, V2.5, V3, V3.1 and R1 (DeepSeek-AI 2025): the LLaMA page with latent
 * attention and experts. The generations differ by what their headers say.
 */
import { feedForward } from '../graph/blocks/feed-forward.ts';
import type { MlaForm, MlaOptions } from '../graph/blocks/mla.ts';
import { mla } from '../graph/blocks/mla.ts';
import { norm } from '../graph/blocks/norm.ts';
import { rotary } from '../graph/blocks/position.ts';
import { residual } from '../graph/blocks/residual.ts';
import { askedRows, textInputs } from '../graph/blocks/text.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import { linear } from '../graph/ops/matmul.ts';
import { rows } from '../graph/ops/select.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { HeadLinear, Weights } from '../graph/weights.ts';
import { expertHparams, feedForwardWeights } from './deepseek-experts.ts';
import { define } from './definition.ts';
import { expectHparam } from './expect-hparam.ts';
import { ropeBase, ropeScaling } from './rope-scaling.ts';

/** What the header says; all generations speak the same keys. */
export const hparams = (m: Hparams) => {
  const nRot = m.int('rope.dimension_count');
  // Files for the absorbed form call a head's real sizes ..._mla; the plain keys then speak of the latent row.
  const headDim = m.int('attention.key_length_mla', m.int('attention.key_length'));
  const experts = expertHparams(m);
  expectHparam(nRot % 2 === 0 && nRot < headDim, 'rope.dimension_count', nRot, `even and below key_length ${headDim}`);
  return {
    nEmbd: m.int('embedding_length'),
    nLayer: m.layerCount(),
    nLayerNext: m.count('nextn_predict_layers', 0),
    nVocab: m.vocabSize(),
    nCtxTrain: m.int('context_length'),
    nLoraQ: m.count('attention.q_lora_rank', 0),
    headDim,
    nValue: m.int('attention.value_length_mla', m.int('attention.value_length', headDim)),
    latent: {
      nHead: m.int('attention.head_count'),
      nRot,
      kvLoraRank: m.int('attention.kv_lora_rank'),
      scale: attentionScale(m, headDim),
    },
    experts,
    routing: routing(m, experts),
    eps: m.num('attention.layer_norm_rms_epsilon'),
    rope: { nRot, base: ropeBase(m), scaling: latentScaling(m), pairs: 'adjacent' },
  } as const;
};

/** 1 / sqrt(d), and as YaRN stretches the context the scores grow by m² (`yarn_log_multiplier` is 0.1 mscale_all_dim). */
const attentionScale = (m: Hparams, headDim: number): number => {
  const scaling = ropeScaling(m);
  const stretch = scaling.kind === 'yarn' ? 1 + logMultiplier(m) * Math.log(scaling.factor) : 1;
  return stretch ** 2 / Math.sqrt(headDim);
};

/** What YaRN would multiply turned queries and keys by is in the scores' scale already. */
const latentScaling = (m: Hparams) => {
  const scaling = ropeScaling(m);
  return scaling.kind === 'yarn' && logMultiplier(m) !== 0 ? { ...scaling, magnitude: 1 } : scaling;
};

const logMultiplier = (m: Hparams): number => m.num('rope.scaling.yarn_log_multiplier', 0);

const routing = (m: Hparams, { nExpert, nExpertUsed }: { readonly nExpert: number; readonly nExpertUsed: number }) => {
  const gating = m.count('expert_gating_func', 0);
  const [nGroup, nGroupUsed] = [m.count('expert_group_count', 0), m.count('expert_group_used_count', 0)];
  expectHparam(gating <= 2, 'expert_gating_func', gating, '1 (softmax) or 2 (sigmoid)');
  if (nGroup > 1) {
    const divides = nExpert % nGroup === 0 && nGroupUsed <= nGroup;
    expectHparam(divides, 'expert_group_count', nGroup, `a divisor of expert_count ${nExpert}`);
    const room = ((nGroupUsed || nGroup) * nExpert) / nGroup;
    expectHparam(nExpertUsed <= room, 'expert_used_count', nExpertUsed, `at most the ${room} of the groups used`);
  }
  return {
    nExpertUsed,
    gating: gating === 2 ? 'sigmoid' : 'softmax',
    normalise: m.flag('expert_weights_norm', false),
    scale: m.num('expert_weights_scale', 1) || 1,
    ...(nGroup > 1 && nGroupUsed > 0 && nGroupUsed < nGroup && { groups: { nGroup, nGroupUsed } }),
  } as const;
};

export type Deepseek2Hparams = ReturnType<typeof hparams>;

const weights = (w: Weights, h: Deepseek2Hparams) => {
  // Layers that predict further tokens stand behind the model's own.
  for (let il = h.nLayer; il < h.nLayer + h.nLayerNext; il++) w.ignoreBelow(`blk.${il}`);
  const tokEmbd = w.tensor('token_embd.weight', [h.nVocab, h.nEmbd]);
  return {
    tokEmbd,
    blocks: w.each('blk', h.nLayer, (w, il) => layerWeights(w, il, h)),
    outputNorm: w.rmsNorm('output_norm', h.nEmbd, h.eps),
    output: w.has('output.weight') ? w.linear('output', h.nEmbd, h.nVocab) : { weight: tokEmbd },
  };
};

/** The weights of layer `il`, below the cursor. */
export const layerWeights = (w: Weights, il: number, h: Deepseek2Hparams) => ({
  attnNorm: w.rmsNorm('attn_norm', h.nEmbd, h.eps),
  attn: {
    q: queries(w, h),
    kvDown: w.linear('attn_kv_a_mqa', h.nEmbd, h.latent.kvLoraRank + h.latent.nRot),
    kvNorm: w.rmsNorm('attn_kv_a_norm', h.latent.kvLoraRank, h.eps),
    ...latentUp(w, h),
    o: w.linear('attn_output', h.latent.nHead * h.nValue, h.nEmbd),
  },
  ffnNorm: w.rmsNorm('ffn_norm', h.nEmbd, h.eps),
  ffn: feedForwardWeights(w, il, h.nEmbd, h.experts),
});

/** The big models' queries go by way of a smaller row; V2-Lite has no such rank, and its files say so or say 0. */
const queries = (w: Weights, h: Deepseek2Hparams) => {
  const width = h.latent.nHead * h.headDim;
  if (!w.has('attn_q_a.weight')) return w.linear('attn_q', h.nEmbd, width);
  return {
    down: w.linear('attn_q_a', h.nEmbd, h.nLoraQ),
    norm: w.rmsNorm('attn_q_a_norm', h.nLoraQ, h.eps),
    up: w.linear('attn_q_b', h.nLoraQ, width),
  };
};

/** Files have keys and values in one matrix, head by head, or apart, and then the keys' part turned over. */
const latentUp = (w: Weights, h: Deepseek2Hparams): { readonly kUp: HeadLinear; readonly vUp: HeadLinear } => {
  const { nHead, nRot, kvLoraRank } = h.latent;
  const nNope = h.headDim - nRot;
  const [k, v] = w.has('attn_k_b.weight')
    ? [
        ...w.slices('attn_k_b.weight', nHead, [kvLoraRank], nNope),
        ...w.slices('attn_v_b.weight', nHead, [h.nValue], kvLoraRank),
      ]
    : w.slices('attn_kv_b.weight', nHead, [nNope, h.nValue], kvLoraRank);
  if (!k || !v) throw new Error('keys or values have no rows');
  if (w.has('attn_k_b.weight')) w.ignore('attn_kv_b.weight'); // some files hold both
  return { kUp: { weight: k, isTurned: w.has('attn_k_b.weight') }, vUp: { weight: v, isTurned: false } };
};

interface Deepseek2 {
  readonly h: Deepseek2Hparams;
  readonly w: ReturnType<typeof weights>;
}

/** Where the tokens of a run stand, and how the cache holds them. */
type Place = Pick<MlaOptions, 'form' | 'rotate' | 'pos' | 'il'>;

/** The stream `[B, T, nEmbd]` after one layer. */
export const layer = (
  g: GraphBuilder,
  x: Tensor,
  b: ReturnType<typeof layerWeights>,
  h: Deepseek2Hparams,
  at: Place,
): Tensor =>
  g.scope(`blk.${at.il}`, () => {
    const a = norm(g, x, b.attnNorm);
    const y = residual(g, x, mla(g, a, { ...b.attn, ...h.latent, ...at }));
    return residual(g, y, feedForward(g, norm(g, y, b.ffnNorm), b.ffn, h.routing));
  });

const stream = (g: GraphBuilder, { h, w }: Deepseek2, form: MlaForm): Tensor => {
  const { tokens, pos } = textInputs(g);
  const rotate = rotary(g, pos, h.rope);
  let x = rows(g, w.tokEmbd, tokens); // [B, T, nEmbd]
  w.blocks.forEach((b, il) => {
    x = layer(g, x, b, h, { form, rotate, pos, il });
  });
  return x;
};

const decoder = (form: MlaForm) => (g: GraphBuilder, m: Deepseek2) => {
  const x = stream(g, m, form);
  g.output('logits', linear(g, norm(g, askedRows(g, x), m.w.outputNorm), m.w.output));
};

/** The decoder that also tells every token's last row, which the layers that predict further tokens go on from. */
const telling = (g: GraphBuilder, m: Deepseek2) => {
  const x = norm(g, stream(g, m, 'absorb'), m.w.outputNorm);
  g.output('logits', linear(g, askedRows(g, x), m.w.output));
  g.output('hidden', x);
};

/** The latent cache, every head's own cache, and the decoder that tells its last rows too. */
export const deepseek2 = define({
  arch: 'deepseek2',
  hparams,
  weights,
  graphs: { decoder: decoder('absorb'), expanded: decoder('expand'), telling },
});
