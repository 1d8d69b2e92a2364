/** Multi-head attention. Self-attention, cached self-attention and cross-attention are one block fed with another kv. */

import type { GraphBuilder } from '../builder.ts';
import type { Mask } from '../ops/attend.ts';
import { attend } from '../ops/attend.ts';
import { linear } from '../ops/matmul.ts';
import { group, mergeHeads, splitHeads, unflatten } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import type { Linear, Norm } from '../weights.ts';
import { block } from './block.ts';
import { norm } from './norm.ts';
import type { Rotate } from './position.ts';

/** Keys and values by head, `[B, nHeadKv, nKv, headDim]`. */
export interface KeyValue {
  readonly k: Tensor;
  readonly v: Tensor;
}

export interface KeyValueOptions {
  readonly k: Linear;
  readonly v: Linear;
  readonly nHead: number;
  /** Norms each head's keys before they turn (Qwen3). */
  readonly kNorm?: Norm;
  readonly rotate?: Rotate;
}

/** Projects a stream `[B, T, nEmbd]` to keys and values, and splits them into heads. */
export const keyValue = block('keyValue', (g: GraphBuilder, x: Tensor, a: KeyValueOptions): KeyValue => {
  const k = perHead(g, splitHeads(g, linear(g, x, a.k), a.nHead), a.kNorm, a.rotate);
  return { k, v: splitHeads(g, linear(g, x, a.v), a.nHead) };
});

export interface AttentionOptions {
  readonly q: Linear;
  readonly o: Linear;
  readonly kv: KeyValue;
  readonly nHead: number;
  readonly mask: Mask;
  /** Norms each head's queries before they turn (Qwen3). */
  readonly qNorm?: Norm;
  readonly rotate?: Rotate;
}

/** What the stream `[B, T, nEmbd]` gathers from the values it looks at: Vaswani et al. 2017, section 3.2. */
export const attention = block('attention', (g: GraphBuilder, x: Tensor, a: AttentionOptions): Tensor => {
  const y = attend(g, queries(g, x, a), a.kv.k, a.kv.v, { mask: a.mask });
  return linear(g, mergeHeads(g, y), a.o);
});

/**
 * The same where sequences share the keys they look at, `[W, nHead, nKv, headDim]` for B sequences: those that belong
 * together are read as one long sequence, so that no key is copied.
 */
export const sharedAttention = block(
  'sharedAttention',
  (g: GraphBuilder, x: Tensor, a: AttentionOptions): Tensor =>
    unflatten(g, attention(g, group(g, x, a.kv.k, 'nQuery'), a), x),
);

/** Projects a stream `[B, T, nEmbd]` to queries by head, `[B, nHead, T, headDim]`. */
export const queries = (
  g: GraphBuilder,
  x: Tensor,
  { q, nHead, qNorm, rotate }: Pick<AttentionOptions, 'q' | 'nHead' | 'qNorm' | 'rotate'>,
): Tensor => perHead(g, splitHeads(g, linear(g, x, q), nHead), qNorm, rotate);

const perHead = (g: GraphBuilder, heads: Tensor, n?: Norm, rotate?: Rotate): Tensor => {
  const normed = n ? norm(g, heads, n) : heads;
  return rotate ? rotate(normed) : normed;
};
