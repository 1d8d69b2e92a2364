/**
 * LLaMA (Touvron et al. 2023) and what is built like it: Llama 1 to 3.x, Mistral, Mixtral, TinyLlama, SmolLM;
 * Qwen2 turns other pairs, Qwen3 also norms each head's queries and keys.
 */
import { attention, keyValue } from '../graph/blocks/attention.ts';
import { cached } from '../graph/blocks/cache.ts';
import type { FeedForward } from '../graph/blocks/feed-forward.ts';
import { feedForward } from '../graph/blocks/feed-forward.ts';
import type { Routing } from '../graph/blocks/moe.ts';
import { norm } from '../graph/blocks/norm.ts';
import { causal, rotary } from '../graph/blocks/position.ts';
import { residual } from '../graph/blocks/residual.ts';
import { askedRows, textInputs } from '../graph/blocks/text.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import type { RopePairs } from '../graph/ops/attend.ts';
import { linear } from '../graph/ops/matmul.ts';
import { rows } from '../graph/ops/select.ts';
import type { Weights } from '../graph/weights.ts';
import { define } from './definition.ts';
import { expectHparam } from './expect-hparam.ts';
import { ropeBase, ropeScaling } from './rope-scaling.ts';

/** Attention's sizes, what norms add to the mean square, and how heads turn. */
export const attentionHparams = (m: Hparams, pairs: RopePairs) => {
  const nEmbd = m.int('embedding_length');
  const nHead = m.int('attention.head_count');
  const nHeadKv = m.int('attention.head_count_kv', nHead);
  const isGiven = m.has('attention.key_length');
  expectHparam(isGiven || nEmbd % nHead === 0, 'attention.head_count', nHead, `a divisor of embedding_length ${nEmbd}`);
  expectHparam(nHead % nHeadKv === 0, 'attention.head_count_kv', nHeadKv, `a divisor of head_count ${nHead}`);
  const headDim = m.int('attention.key_length', nEmbd / nHead);
  const nRot = m.int('rope.dimension_count', headDim);
  const turns = nRot % 2 === 0 && nRot <= headDim;
  expectHparam(turns, 'rope.dimension_count', nRot, `an even number up to the head size ${headDim}`);
  const eps = m.num('attention.layer_norm_rms_epsilon');
  expectHparam(eps >= 0, 'attention.layer_norm_rms_epsilon', eps, 'a number that is not negative');
  return { nEmbd, nHead, nHeadKv, headDim, eps, rope: { nRot, base: ropeBase(m), scaling: ropeScaling(m), pairs } };
};

const hparams = (pairs: RopePairs) => (m: Hparams) => {
  const nExpert = m.count('expert_count', 0);
  const nExpertUsed = m.count('expert_used_count', 0);
  const routes = nExpert === 0 || (nExpertUsed > 0 && nExpertUsed <= nExpert);
  expectHparam(routes, 'expert_used_count', nExpertUsed, `1 to expert_count ${nExpert}`);
  return {
    ...attentionHparams(m, pairs),
    nLayer: m.layerCount(),
    nFf: m.int('feed_forward_length'),
    nVocab: m.vocabSize(),
    nCtxTrain: m.int('context_length'),
    nExpert,
    routing: { nExpertUsed, gating: 'softmax', normalise: true, scale: 1 },
  } as const;
};

export type LlamaHparams = ReturnType<ReturnType<typeof hparams>>;

const weights = (headNorms: boolean) => (w: Weights, h: LlamaHparams) => {
  const tokEmbd = w.tensor('token_embd.weight', [h.nVocab, h.nEmbd]);
  const ropeFreqs = w.optional('rope_freqs.weight', [h.rope.nRot / 2]);
  return {
    tokEmbd,
    rope: ropeFreqs ? { ...h.rope, freqFactors: ropeFreqs } : h.rope,
    blocks: w.each('blk', h.nLayer, (w) => ({
      attnNorm: w.rmsNorm('attn_norm', h.nEmbd, h.eps),
      attn: {
        ...attentionWeights(w, h),
        ...(headNorms && {
          qNorm: w.rmsNorm('attn_q_norm', h.headDim, h.eps),
          kNorm: w.rmsNorm('attn_k_norm', h.headDim, h.eps),
        }),
      },
      ffnNorm: w.rmsNorm('ffn_norm', h.nEmbd, h.eps),
      ffn: h.nExpert > 0 ? experts(w, h) : dense(w, h),
    })),
    outputNorm: w.rmsNorm('output_norm', h.nEmbd, h.eps),
    output: w.has('output.weight') ? w.linear('output', h.nEmbd, h.nVocab) : { weight: tokEmbd },
  };
};

/** Queries, keys and values by head, and what the heads say together. */
export const attentionWeights = (
  w: Weights,
  { nEmbd, nHead, nHeadKv, headDim }: Pick<LlamaHparams, 'nEmbd' | 'nHead' | 'nHeadKv' | 'headDim'>,
) => ({
  q: w.linear('attn_q', nEmbd, nHead * headDim),
  k: w.linear('attn_k', nEmbd, nHeadKv * headDim),
  v: w.linear('attn_v', nEmbd, nHeadKv * headDim),
  o: w.linear('attn_output', nHead * headDim, nEmbd),
});

const dense = (w: Weights, h: LlamaHparams): FeedForward => ({
  kind: 'dense',
  gate: w.linear('ffn_gate', h.nEmbd, h.nFf),
  up: w.linear('ffn_up', h.nEmbd, h.nFf),
  down: w.linear('ffn_down', h.nFf, h.nEmbd),
});

const experts = (w: Weights, h: LlamaHparams): FeedForward => ({
  kind: 'moe',
  router: w.linear('ffn_gate_inp', h.nEmbd, h.nExpert),
  gate: w.tensor('ffn_gate_exps.weight', [h.nExpert, h.nFf, h.nEmbd]),
  up: w.tensor('ffn_up_exps.weight', [h.nExpert, h.nFf, h.nEmbd]),
  down: w.tensor('ffn_down_exps.weight', [h.nExpert, h.nEmbd, h.nFf]),
});

export type LlamaWeights = ReturnType<ReturnType<typeof weights>>;

interface Llama {
  readonly h: Pick<LlamaHparams, 'nHead' | 'nHeadKv'> & { readonly routing: Routing };
  readonly w: LlamaWeights;
}

/** Tokens in, the logits of the rows that are asked for out: `[nOut, nVocab]`. */
export const decoder = (g: GraphBuilder, { h, w }: Llama) => {
  const { tokens, pos } = textInputs(g);
  const rotate = rotary(g, pos, w.rope);
  let x = rows(g, w.tokEmbd, tokens); // [B, T, nEmbd]
  w.blocks.forEach((b, il) => {
    g.scope(`blk.${il}`, () => {
      const a = norm(g, x, b.attnNorm);
      const kv = cached(g, il, keyValue(g, a, { ...b.attn, nHead: h.nHeadKv, rotate }), pos);
      x = residual(g, x, attention(g, a, { ...b.attn, kv, nHead: h.nHead, rotate, mask: causal(pos) }));
      x = residual(g, x, feedForward(g, norm(g, x, b.ffnNorm), b.ffn, h.routing));
    });
  });
  g.output('logits', linear(g, norm(g, askedRows(g, x), w.outputNorm), w.output));
};

/** Pairs of neighbours turn. */
export const llama = define({
  arch: 'llama',
  hparams: hparams('adjacent'),
  weights: weights(false),
  graphs: { decoder },
});
/** Pairs turn of which one is in each half of the head. */
export const qwen2 = define({
  arch: 'qwen2',
  hparams: hparams('halves'),
  weights: weights(false),
  graphs: { decoder },
});
/** The same, and each head's queries and keys are normed. */
export const qwen3 = define({ arch: 'qwen3', hparams: hparams('halves'), weights: weights(true), graphs: { decoder } });
