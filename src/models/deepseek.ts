/**
 * DeepSeek-MoE, the first generation (Dai et al. 2024): the LLaMA page, whose experts are many and small, and some of
 * them everybody's.
 */
import type { Hparams } from '../graph/hparams.ts';
import type { Weights } from '../graph/weights.ts';
import { expertHparams, feedForwardWeights } from './deepseek-experts.ts';
import { define } from './definition.ts';
import { attentionHparams, attentionWeights, decoder } from './llama.ts';

const hparams = (m: Hparams) => {
  const experts = expertHparams(m);
  return {
    ...attentionHparams(m, 'adjacent'),
    nLayer: m.layerCount(),
    nVocab: m.vocabSize(),
    nCtxTrain: m.int('context_length'),
    experts,
    // The file's expert_weights_scale is 1 in this generation, and whoever runs it applies none.
    routing: { nExpertUsed: experts.nExpertUsed, gating: 'softmax', normalise: false, scale: 1 },
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
