/** Attention that sees every key, as ONNX Runtime's MultiHeadAttention kernel: encoders, and what a decoder has heard. */
import { float } from '../op.ts';
import { ATTEND } from '../ops/attend.ts';
import { INPUT } from '../ops/leaves.ts';
import { MERGE_HEADS, SPLIT_HEADS } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { Matcher } from './patterns.ts';
import { input, is, onlyUser } from './patterns.ts';

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
  const [keys, values] = asRows ? [input(k, 0), input(v, 0)] : [k, v];
  return {
    anchor: merged,
    covers: [...inner, merged],
    emit: (o, valueAt) =>
      new Map([
        [
          merged,
          o.node('MultiHeadAttention', [valueAt(input(q, 0)), valueAt(keys), valueAt(values)], {
            num_heads: size(q, 1),
            scale: float(scale),
          }),
        ],
      ]),
  };
};
