/**
 * DeepSeek-MoE, the first generation (Dai et al. 2024): the LLaMA page, whose experts are many and small, and some of
 * them everybody's.
 */
import type { Hparams } from '../graph/hparams.ts';
import type { Weights } from '../graph/weights.ts';
import { expertHparams, feedForwardWeights } from './deepseek-experts.ts';
import { define } from './definition.ts';
import { expectHparam } from './expect-hparam.ts';
import { attentionWeights, decoder } from './llama.ts';
import { ropeScaling } from './rope-scaling.ts';

const hparams = (m: Hparams) => {
  const nEmbd = m.int('embedding_length');
  const nHead = m.int('attention.head_count');
  const nHeadKv = m.int('attention.head_count_kv', nHead);
  const headDim = m.int('attention.key_length', Math.floor(nEmbd / nHead));
  const nRot = m.int('rope.dimension_count', headDim);
  const experts = expertHparams(m);
  expectHparam(nHead % nHeadKv === 0, 'attention.head_count_kv', nHeadKv, `a divisor of head_count ${nHead}`);
  const turns = nRot % 2 === 0 && nRot <= headDim;
  expectHparam(turns, 'rope.dimension_count', nRot, `an even number up to the head size ${headDim}`);
  return {
    nEmbd,
    nHead,
    nHeadKv,
    headDim,
    nLayer: m.layerCount(),
    nVocab: m.vocabSize(),
    nCtxTrain: m.int('context_length'),
    experts,
    // The file's expert_weights_scale is 1 in this generation, and whoever runs it applies none.
    routing: { nExpertUsed: experts.nExpertUsed, gating: 'softmax', normalise: false, scale: 1 },
    eps: m.num('attention.layer_norm_rms_epsilon'),
    rope: { nRot, base: m.num('rope.freq_base', 10_000), scaling: ropeScaling(m), pairs: 'adjacent' },
  } as const;
};

type DeepseekHparams = ReturnType<typeof hparams>;

const weights = (w: Weights, h: DeepseekHparams) => {
  const tokEmbd = w.tensor('token_embd.weight', [h.nVocab, h.nEmbd]);
  return {
    tokEmbd,
    rope: h.rope,
    blocks: w.each('blk', h.nLayer, (w, il) => ({
      attnNorm: w.rmsNorm('attn_norm', h.nEmbd, h.eps),
      attn: attentionWeights(w, h),
      ffnNorm: w.rmsNorm('ffn_norm', h.nEmbd, h.eps),
      ffn: feedForwardWeights(w, il, h.nEmbd, h.experts),
    })),
    outputNorm: w.rmsNorm('output_norm', h.nEmbd, h.eps),
    output: w.has('output.weight') ? w.linear('output', h.nEmbd, h.nVocab) : { weight: tokEmbd },
  };
};

/** DeepSeek-MoE 16B and what shares its header. */
export const deepseek = define({ arch: 'deepseek', hparams, weights, graphs: { decoder } });
