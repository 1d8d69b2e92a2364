/**
 * Resizing as vit.cpp does it: straight to a square, without smoothing, and from the pixel's corner instead of its
 * centre. Only there to give the same answers; `resample` is what models were trained on.
 */
import { CHANNELS, type Pixels } from './pixels.ts';

/** The image stretched to `side` by `side` by Lagrange's cubic through four neighbours. */
export const stretch = ({ width, height, data }: Pixels, side: number): Pixels => {
  const columns = neighbours(width, side);
  const rows = neighbours(height, side);
  const out = new Uint8Array(side * side * CHANNELS);
  for (let y = 0, o = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < CHANNELS; c++, o++) {
        let sum = 0;
        for (let j = 0; j < 4; j++) {
          const row = rows.at[4 * y + j]! * width;
          let across = 0;
          for (let i = 0; i < 4; i++)
            across += columns.weight[4 * x + i]! * data[(row + columns.at[4 * x + i]!) * CHANNELS + c]!;
          sum += rows.weight[4 * y + j]! * across;
        }
        out[o] = Math.min(255, Math.max(0, Math.round(sum)));
      }
    }
  }
  return { width: side, height: side, data: out };
};

/** For each of `nOut` places the four source pixels around it, those beyond the edge being the edge's, and weights. */
const neighbours = (nIn: number, nOut: number): { readonly at: Int32Array; readonly weight: Float64Array } => {
  const step = Math.fround(nIn / nOut);
  const at = new Int32Array(4 * nOut);
  const weight = new Float64Array(4 * nOut);
  for (let i = 0; i < nOut; i++) {
    const place = Math.fround(step * i);
    const left = Math.trunc(place);
    const t = place - left;
    weight[4 * i] = (-t * (t - 1) * (t - 2)) / 6;
    weight[4 * i + 1] = ((t + 1) * (t - 1) * (t - 2)) / 2;
    weight[4 * i + 2] = (-(t + 1) * t * (t - 2)) / 2;
    weight[4 * i + 3] = ((t + 1) * t * (t - 1)) / 6;
    for (let j = 0; j < 4; j++) at[4 * i + j] = Math.min(nIn - 1, Math.max(0, left - 1 + j));
  }
  return { at, weight };
};
