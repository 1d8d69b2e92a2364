/** The feed-forward layers of all DeepSeek generations: DeepSeekMoE, Dai et al. 2024. The first ones may be dense. */
import type { FeedForward } from '../graph/blocks/feed-forward.ts';
import type { ExpertWeights } from '../graph/blocks/moe.ts';
import type { Hparams } from '../graph/hparams.ts';
import type { Weights } from '../graph/weights.ts';
import { expectHparam } from './expect-hparam.ts';

/** How many experts there are, how wide, and in which layers. */
export const expertHparams = (m: Hparams) => {
  const e = {
    nLayerDense: m.count('leading_dense_block_count', 0),
    nExpert: m.count('expert_count', 0),
    nExpertUsed: m.count('expert_used_count', 0),
    nFf: m.count('feed_forward_length', 0),
    nFfExpert: m.count('expert_feed_forward_length', 0),
    nShared: m.count('expert_shared_count', 0),
  };
  const { nExpert, nExpertUsed, nFfExpert } = e;
  const isWhole = nExpert === 0 || (nExpertUsed > 0 && nExpertUsed <= nExpert);
  expectHparam(isWhole, 'expert_used_count', nExpertUsed, `1 to expert_count ${nExpert}`);
  expectHparam(nExpert === 0 || nFfExpert > 0, 'expert_feed_forward_length', nFfExpert, 'a positive number');
  return e;
};

type ExpertHparams = ReturnType<typeof expertHparams>;

/** The weights of layer `il`'s feed-forward part. */
export const feedForwardWeights = (w: Weights, il: number, nEmbd: number, e: ExpertHparams): FeedForward =>
  e.nExpert === 0 || il < e.nLayerDense
    ? { kind: 'dense', ...gated(w, '', nEmbd, e.nFf) }
    : {
        kind: 'moe',
        router: w.linear('ffn_gate_inp', nEmbd, e.nExpert),
        ...(w.has('exp_probs_b.bias') && { selectionBias: w.tensor('exp_probs_b.bias', [e.nExpert]) }),
        ...experts(w, nEmbd, e),
        ...(e.nShared > 0 && {
          shared: { ...gated(w, '_shexp', nEmbd, e.nShared * e.nFfExpert), act: 'silu' },
        }),
      };

const gated = (w: Weights, suffix: string, nEmbd: number, nFf: number) => ({
  gate: w.linear(`ffn_gate${suffix}`, nEmbd, nFf),
  up: w.linear(`ffn_up${suffix}`, nEmbd, nFf),
  down: w.linear(`ffn_down${suffix}`, nFf, nEmbd),
});

/** Experts' gates and ups lie in two tensors, or one below the other in one. */
const experts = (w: Weights, nEmbd: number, { nExpert, nFfExpert: nFf }: ExpertHparams): Experts => {
  const down = w.tensor('ffn_down_exps.weight', [nExpert, nEmbd, nFf]);
  if (w.has('ffn_gate_up_exps.weight')) {
    const [gate, up] = w.slices('ffn_gate_up_exps.weight', nExpert, [nFf, nFf], nEmbd);
    if (gate && up) return { gate, up, down };
  }
  return {
    gate: w.tensor('ffn_gate_exps.weight', [nExpert, nFf, nEmbd]),
    up: w.tensor('ffn_up_exps.weight', [nExpert, nFf, nEmbd]),
    down,
  };
};

type Experts = Pick<ExpertWeights, 'gate' | 'up' | 'down'>;
