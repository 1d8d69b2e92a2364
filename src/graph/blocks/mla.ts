/**
 * Multi-head latent attention: DeepSeek-AI 2024 (DeepSeek-V2, section 2.1). Keys and values of all heads are read out
 * of one small latent row per token; a key's rotating part is kept apart and shared by all heads.
 */

import type { GraphBuilder } from '../builder.ts';
import { attend } from '../ops/attend.ts';
import { headLinear, linear, turnedOver } from '../ops/matmul.ts';
import { concat, mergeHeads, repeatHeads, split, splitHeads } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { HeadLinear, Linear, Norm } from '../weights.ts';
import { block } from './block.ts';
import { cached, remember } from './cache.ts';
import { norm } from './norm.ts';
import type { Rotate } from './position.ts';
import { causal } from './position.ts';

/** What the cache holds: the latent row of each token, or every head's key and value made from it. */
export type MlaForm = 'absorb' | 'expand';

export interface MlaOptions {
  readonly form: MlaForm;
  /** Queries straight from the stream, or by way of a smaller row of their own. */
  readonly q: Linear | { readonly down: Linear; readonly norm: Norm; readonly up: Linear };
  /** To the latent row and the keys' rotating part, `[kvLoraRank + nRot, nEmbd]`. */
  readonly kvDown: Linear;
  readonly kvNorm: Norm;
  /** From the latent row to each head's key without its rotating part, `[nHead, nNope, kvLoraRank]`. */
  readonly kUp: HeadLinear;
  /** From the latent row to each head's value, `[nHead, nValue, kvLoraRank]`. */
  readonly vUp: HeadLinear;
  readonly o: Linear;
  readonly nHead: number;
  readonly nRot: number;
  readonly kvLoraRank: number;
  readonly scale: number;
  readonly rotate: Rotate;
  /** Positions `[B, T]`. */
  readonly pos: Tensor;
  readonly il: number;
}

/** Queries and keys in two parts: one that stays as it is, one that turns. */
interface Parts {
  readonly q: { readonly nope: Tensor; readonly rope: Tensor };
  /** The latent row `[B, 1, T, kvLoraRank]` and the keys' rotating part `[B, 1, T, nRot]`. */
  readonly latent: { readonly c: Tensor; readonly rope: Tensor };
}

/** What the stream `[B, T, nEmbd]` gathers from the tokens up to each one's own. */
export const mla = block('mla', (g: GraphBuilder, x: Tensor, m: MlaOptions): Tensor => {
  const q = 'up' in m.q ? linear(g, norm(g, linear(g, x, m.q.down), m.q.norm), m.q.up) : linear(g, x, m.q);
  const heads = splitHeads(g, q, m.nHead);
  const [qNope, qRope] = split(g, heads, -1, [size(heads, -1) - m.nRot, m.nRot]) as [Tensor, Tensor];
  const [c, kRope] = split(g, linear(g, x, m.kvDown), -1, [m.kvLoraRank, m.nRot]) as [Tensor, Tensor];
  const parts = {
    q: { nope: qNope, rope: m.rotate(qRope) },
    latent: { c: splitHeads(g, norm(g, c, m.kvNorm), 1), rope: m.rotate(splitHeads(g, kRope, 1)) },
  };
  const y = m.form === 'absorb' ? absorbed(g, parts, m) : expanded(g, parts, m); // [B, nHead, T, nValue]
  return linear(g, mergeHeads(g, y), m.o);
});

/** (W c)·q = c·(Wᵀ q): turning q instead of every c keeps the cache at one small row per token. */
const absorbed = (g: GraphBuilder, { q, latent }: Parts, m: MlaOptions): Tensor => {
  const queries = concat(g, [headLinear(g, q.nope, turnedOver(m.kUp)), q.rope], -1);
  const row = concat(g, [latent.c, latent.rope], -1);
  const k = remember(g, `cache_latent.${m.il}`, row, m.pos); // [B, 1, nKv, kvLoraRank + nRot]
  const [v] = split(g, k, -1, [m.kvLoraRank]) as [Tensor];
  const y = attend(g, queries, k, v, { mask: causal(m.pos), scale: m.scale }); // [B, nHead, T, kvLoraRank]
  return headLinear(g, y, m.vUp);
};

/** Every head's keys and values as other attention has them: more to keep, less to compute for each key. */
const expanded = (g: GraphBuilder, { q, latent }: Parts, m: MlaOptions): Tensor => {
  const queries = concat(g, [q.nope, q.rope], -1);
  const k = concat(g, [headLinear(g, latent.c, m.kUp), repeatHeads(g, latent.rope, m.nHead)], -1);
  const kv = cached(g, m.il, { k, v: headLinear(g, latent.c, m.vUp) }, m.pos);
  return attend(g, queries, kv.k, kv.v, { mask: causal(m.pos), scale: m.scale });
};
