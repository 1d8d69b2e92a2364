/**
 * Multi-token prediction (DeepSeek-V3, section 2.2): the layer behind the last one guesses the token after the next,
 * from the model's last row and the next token.
 */
import { norm } from '../graph/blocks/norm.ts';
import { rotary } from '../graph/blocks/position.ts';
import { askedRows, textInputs } from '../graph/blocks/text.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import { linear } from '../graph/ops/matmul.ts';
import { rows } from '../graph/ops/select.ts';
import { concat } from '../graph/ops/shape.ts';
import type { Weights } from '../graph/weights.ts';
import type { Deepseek2Hparams } from './deepseek2.ts';
import { hparams, layer, layerWeights } from './deepseek2.ts';
import { define } from './definition.ts';

/** The first of these layers; later ones would guess further tokens. */
const weights = (w: Weights, h: Deepseek2Hparams) => {
  const own = w.at(`blk.${h.nLayer}`);
  const next = own.at('nextn');
  const table = [h.nVocab, h.nEmbd] as const;
  const tokEmbd = next.optional('embed_tokens.weight', table) ?? w.tensor('token_embd.weight', table);
  const head = next.optional('shared_head_head.weight', table) ?? w.optional('output.weight', table) ?? tokEmbd;
  return {
    tokEmbd,
    embdNorm: next.rmsNorm('enorm', h.nEmbd, h.eps),
    hiddenNorm: next.rmsNorm('hnorm', h.nEmbd, h.eps),
    join: next.linear('eh_proj', 2 * h.nEmbd, h.nEmbd),
    block: layerWeights(own, h.nLayer, h),
    outputNorm: next.has('shared_head_norm.weight')
      ? next.rmsNorm('shared_head_norm', h.nEmbd, h.eps)
      : w.rmsNorm('output_norm', h.nEmbd, h.eps),
    output: { weight: head },
  };
};

interface Next {
  readonly h: Deepseek2Hparams;
  readonly w: ReturnType<typeof weights>;
}

const decoder = (g: GraphBuilder, { h, w }: Next) => {
  const { tokens, pos } = textInputs(g);
  const hidden = g.input('hidden', 'f32', ['B', 'T', h.nEmbd]);
  const rotate = rotary(g, pos, h.rope);
  const token = norm(g, rows(g, w.tokEmbd, tokens), w.embdNorm);
  const joined = linear(g, concat(g, [token, norm(g, hidden, w.hiddenNorm)], -1), w.join); // [B, T, nEmbd]
  const x = layer(g, joined, w.block, h, { form: 'absorb', rotate, pos, il: h.nLayer });
  g.output('logits', linear(g, norm(g, askedRows(g, x), w.outputNorm), w.output));
};

/** The first of the layers that predict further tokens, as a model of its own. */
export const deepseek2Next = define({ arch: 'deepseek2', hparams, weights, graphs: { decoder } });
