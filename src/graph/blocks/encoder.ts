import type { GraphBuilder } from '../builder.ts';
import type { Tensor } from '../tensor.ts';
import type { Linear, Norm } from '../weights.ts';
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
}

/** A layer in which every position sees every other: ViT's (Dosovitskiy et al. 2020) and Whisper's encoder alike. */
export const encoderLayer = (
  g: GraphBuilder,
  x: Tensor,
  b: EncoderLayer,
  nHead: number,
  act: FfnOptions['act'] = 'gelu',
): Tensor => {
  const a = norm(g, x, b.attnNorm);
  const kv = keyValue(g, a, { ...b.attn, nHead });
  const y = residual(g, x, attention(g, a, { ...b.attn, kv, nHead, mask: unmasked }));
  return residual(g, y, ffn(g, norm(g, y, b.ffnNorm), { ...b.ffn, act }));
};
