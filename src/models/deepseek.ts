/** DeepSeek-MoE, the first generation (Dai et al. 2024): LLaMA's attention, then shared and routed experts. */
import { attention, keyValue } from '../graph/blocks/attention.ts';
import { cached } from '../graph/blocks/cache.ts';
import { ffn } from '../graph/blocks/ffn.ts';
import { moe } from '../graph/blocks/moe.ts';
import { norm } from '../graph/blocks/norm.ts';
import { causal, rotary } from '../graph/blocks/position.ts';
import { residual } from '../graph/blocks/residual.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import { linear } from '../graph/ops/matmul.ts';
import { pick, rows } from '../graph/ops/select.ts';
import { flatten } from '../graph/ops/shape.ts';
import type { Weights } from '../graph/weights.ts';
import { expertHparams, feedForward } from './deepseek-experts.ts';
import { define } from './definition.ts';
import { expectHparam } from './expect-hparam.ts';
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
    blocks: w.each('blk', h.nLayer, (w, il) => ({
      attnNorm: w.rmsNorm('attn_norm', h.nEmbd, h.eps),
      attn: {
        q: w.linear('attn_q', h.nEmbd, h.nHead * h.headDim),
        k: w.linear('attn_k', h.nEmbd, h.nHeadKv * h.headDim),
        v: w.linear('attn_v', h.nEmbd, h.nHeadKv * h.headDim),
        o: w.linear('attn_output', h.nHead * h.headDim, h.nEmbd),
      },
      ffnNorm: w.rmsNorm('ffn_norm', h.nEmbd, h.eps),
      ffn: feedForward(w, il, h.nEmbd, h.experts),
    })),
    outputNorm: w.rmsNorm('output_norm', h.nEmbd, h.eps),
    output: w.has('output.weight') ? w.linear('output', h.nEmbd, h.nVocab) : { weight: tokEmbd },
  };
};

interface Deepseek {
  readonly h: DeepseekHparams;
  readonly w: ReturnType<typeof weights>;
}

const decoder = (g: GraphBuilder, { h, w }: Deepseek) => {
  const tokens = g.input('tokens', 'i64', ['B', 'T']);
  const pos = g.input('pos', 'i64', ['B', 'T']);
  const rotate = rotary(g, pos, h.rope);
  let x = rows(g, w.tokEmbd, tokens); // [B, T, nEmbd]
  w.blocks.forEach((b, il) => {
    g.scope(`blk.${il}`, () => {
      const a = norm(g, x, b.attnNorm);
      const kv = cached(g, il, keyValue(g, a, { ...b.attn, nHead: h.nHeadKv, rotate }), pos);
      x = residual(g, x, attention(g, a, { ...b.attn, kv, nHead: h.nHead, rotate, mask: causal(pos) }));
      const y = norm(g, x, b.ffnNorm);
      x = residual(
        g,
        x,
        b.ffn.kind === 'moe' ? moe(g, y, { ...b.ffn, ...h.routing }) : ffn(g, y, { ...b.ffn, act: 'silu' }),
      );
    });
  });
  const asked = pick(g, flatten(g, x, 'nToken'), g.input('outIds', 'i64', ['nOut'])); // [nOut, nEmbd]
  g.output('logits', linear(g, norm(g, asked, w.outputNorm), w.output));
};

export const deepseek = define({ arch: 'deepseek', hparams, weights, graphs: { decoder } });
