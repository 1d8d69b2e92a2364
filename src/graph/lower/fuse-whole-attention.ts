/** Attention that sees every key, as ONNX Runtime's MultiHeadAttention kernel: encoders, and what a decoder has heard. */
import { float } from '../op.ts';
import { ATTEND } from '../ops/attend.ts';
import { INPUT } from '../ops/leaves.ts';
import { MERGE_HEADS, SPLIT_HEADS } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { LinearPattern, Matcher, Users } from './patterns.ts';
import { emitLinears, input, is, linearPattern, onlyUser } from './patterns.ts';

/**
 * split + attend + merge -> MultiHeadAttention, which takes queries as rows `[B, T, nHead * d]`; keys and values as rows
 * too, or by head `[B, nHead, nKv, d]` where they come from outside in that form.
 */
export const multiHeadAttention: Matcher = (merged, users, o) => {
  if (!o.has('MultiHeadAttention') || !is(merged, MERGE_HEADS)) return undefined;
  const attend = input(merged, 0);
  if (!is(attend, ATTEND)) return undefined;
  const [q, k, v] = attend.inputs as readonly [Tensor, Tensor, Tensor];
  const asRows = is(k, SPLIT_HEADS) && is(v, SPLIT_HEADS);
  const asHeads = is(k, INPUT) && is(v, INPUT);
  const inner = [q, ...(asRows ? [k, v] : []), attend];
  if (!is(q, SPLIT_HEADS) || !(asRows || asHeads) || size(q, 1) !== size(k, 1)) return undefined;
  if (!inner.every((x) => onlyUser(x, users))) return undefined;
  const { scale } = attend.attrs as { scale: number };
  const layers = asRows ? layersOf([q, k, v], users) : undefined;
  return {
    anchor: merged,
    covers: [...(layers?.flatMap(({ covers }) => covers) ?? []), ...inner, merged],
    emit(o, valueAt) {
      const rows = layers
        ? emitLinears(o, layers, valueAt)
        : [valueAt(input(q, 0)), ...[k, v].map((x) => valueAt(asRows ? input(x, 0) : x))];
      return new Map([[merged, o.node('MultiHeadAttention', rows, { num_heads: size(q, 1), scale: float(scale) })]]);
    },
  };
};

/** The layers that heads were split from, where nobody else reads what they say. */
const layersOf = (heads: readonly Tensor[], users: Users): readonly LinearPattern[] | undefined => {
  const layers = heads.flatMap((split) => linearPattern(input(split, 0)) ?? []);
  const areOurs = layers.every(({ covers }) => covers.every((x) => onlyUser(x, users)));
  return layers.length === heads.length && areOurs ? layers : undefined;
};
