import type { GraphBuilder } from '../builder.ts';
import { mul } from '../ops/arithmetic.ts';
import { slice } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import type { Linear, Norm, WeightRef } from '../weights.ts';
import { attention, keyValue } from './attention.ts';
import type { FfnOptions } from './ffn.ts';
import { ffn } from './ffn.ts';
import { norm } from './norm.ts';
import { unmasked } from './position.ts';
import { residual } from './residual.ts';

export interface EncoderLayer {
  readonly attnNorm: Norm;
  readonly attn: { readonly q: Linear; readonly k: Linear; readonly v: Linear; readonly o: Linear };
  readonly ffnNorm: Norm;
  readonly ffn: Omit<FfnOptions, 'act'>;
  /** What each dimension of attention's and of the feed-forward's answer is multiplied by (Touvron et al. 2021, CaiT). */
  readonly attnScale?: WeightRef;
  readonly ffnScale?: WeightRef;
}

/**
 * A layer in which every position sees every other: ViT's (Dosovitskiy et al. 2020) and Whisper's encoder alike.
 * @param nKept positions, the first ones, that the layer says something about; all others are only looked at. The last
 * layer of a model that reads its class token alone has nothing else to do.
 */
export const encoderLayer = (
  g: GraphBuilder,
  x: Tensor,
  b: EncoderLayer,
  nHead: number,
  act: FfnOptions['act'] = 'gelu',
  nKept?: number,
): Tensor => {
  const kept = (t: Tensor): Tensor => (nKept === undefined ? t : slice(g, t, 1, 0, nKept));
  const a = norm(g, x, b.attnNorm);
  const kv = keyValue(g, a, { ...b.attn, nHead });
  const y = residual(
    g,
    kept(x),
    scaled(g, attention(g, kept(a), { ...b.attn, kv, nHead, mask: unmasked }), b.attnScale),
  );
  return residual(g, y, scaled(g, ffn(g, norm(g, y, b.ffnNorm), { ...b.ffn, act }), b.ffnScale));
};

const scaled = (g: GraphBuilder, x: Tensor, by: WeightRef | undefined): Tensor => (by ? mul(g, x, g.weight(by)) : x);
