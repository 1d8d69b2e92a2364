/** A mixture of experts: Shazeer et al. 2017; with shared experts, DeepSeekMoE (Dai et al. 2024). */

import type { GraphBuilder } from '../builder.ts';
import { activate, add, div, mul, scale, sigmoid, softmax, sum } from '../ops/arithmetic.ts';
import { expertLinear, linear } from '../ops/matmul.ts';
import { limitGroups, take, topK } from '../ops/select.ts';
import { flatten, list, repeatRows, sumRows, unflatten } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import type { Linear, WeightRef } from '../weights.ts';
import { block } from './block.ts';
import type { FfnOptions } from './ffn.ts';
import { ffn } from './ffn.ts';

/** How tokens find their experts: what a header says of it. */
export interface Routing {
  readonly nExpertUsed: number;
  /** What turns scores into probabilities. */
  readonly gating: 'softmax' | 'sigmoid';
  /** Chosen are only experts of the best groups (DeepSeek-V3, section 2.1.2); of all groups if absent. */
  readonly groups?: { readonly nGroup: number; readonly nGroupUsed: number };
  /** Whether the chosen experts' weights are made to sum to 1. */
  readonly normalise: boolean;
  /** What the chosen experts' weights are multiplied by. */
  readonly scale: number;
}

export interface ExpertWeights {
  /** Scores `[nExpert]` for each token. */
  readonly router: Linear;
  /** Added to the probabilities when experts are chosen, not when they are weighed (DeepSeek-V3's `exp_probs_b`). */
  readonly selectionBias?: WeightRef;
  /** Experts' weights, `[nExpert, nFf, nEmbd]`. */
  readonly gate: WeightRef;
  readonly up: WeightRef;
  /** `[nExpert, nEmbd, nFf]`. */
  readonly down: WeightRef;
  /** An expert that every token uses. */
  readonly shared?: FfnOptions;
}

export type MoeOptions = Routing & ExpertWeights;

/** Which experts each token of `[nToken, nEmbd]` uses, and how much each counts: both `[nToken, nExpertUsed]`. */
const route = (g: GraphBuilder, tokens: Tensor, m: MoeOptions): { chosen: Tensor; weights: Tensor } => {
  const scores = linear(g, tokens, m.router); // [nToken, nExpert]
  const probs = m.gating === 'softmax' ? softmax(g, scores) : sigmoid(g, scores);
  const biased = m.selectionBias ? add(g, probs, g.weight(m.selectionBias)) : probs;
  const limited = m.groups ? limitGroups(g, biased, m.groups.nGroup, m.groups.nGroupUsed) : biased;
  const chosen = topK(g, limited, m.nExpertUsed);
  const raw = take(g, probs, chosen);
  const normalised = m.normalise ? div(g, raw, sum(g, raw)) : raw;
  return { chosen, weights: m.scale === 1 ? normalised : scale(g, normalised, m.scale) };
};

/** For each token of `[B, T, nEmbd]` the weighted sum of what its chosen experts say. */
export const moe = block('moe', (g: GraphBuilder, x: Tensor, m: MoeOptions): Tensor => {
  const tokens = flatten(g, x, 'nToken'); // [nToken, nEmbd]
  const { chosen, weights } = route(g, tokens, m);

  // One row for each token and each of its experts.
  const ids = list(g, chosen, 'nChoice');
  const inputs = repeatRows(g, tokens, m.nExpertUsed, 'nChoice'); // [nChoice, nEmbd]
  const gated = activate(g, expertLinear(g, inputs, g.weight(m.gate), ids), 'silu');
  const inner = mul(g, gated, expertLinear(g, inputs, g.weight(m.up), ids));
  const said = expertLinear(g, inner, g.weight(m.down), ids);
  const weighed = mul(g, said, list(g, weights, 'nChoice', true));
  const y = unflatten(g, sumRows(g, weighed, m.nExpertUsed, 'nToken'), x);
  return m.shared ? add(g, y, ffn(g, x, m.shared)) : y;
});
