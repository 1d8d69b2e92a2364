/** From decoded pixels to what a model takes: resized, cut to a square, and normalised. */
import { CHANNELS, type Pixels } from './pixels.ts';
import { type Interpolation, resample } from './resample.ts';
import { stretch } from './stretch.ts';

/** timm's ways to a square: cut the longer side, squash it, or fill up the shorter one with the mean. */
export type CropMode = 'center' | 'squash' | 'border';

/** timm's ways to make a picture square. */
export const cropModes: readonly CropMode[] = ['center', 'squash', 'border'];

export interface Preprocessing {
  /** 'pillow' is what training did; 'vit.cpp' stretches without smoothing. */
  readonly resizer: 'pillow' | 'vit.cpp';
  readonly interpolation: Interpolation;
  /** The part of the resized image's side that is kept. */
  readonly cropPct: number;
  readonly cropMode: CropMode;
  /** By channel, of colours from 0 to 1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The image as a square of `side` pixels. */
export const toSquare = (image: Pixels, side: number, p: Preprocessing): Pixels => {
  if (p.resizer === 'vit.cpp') return stretch(image, side);
  const scaled = Math.floor(side / p.cropPct);
  const size = scaledSize(image, scaled, p.cropMode);
  const window = {
    left: roundHalfEven((size.width - side) / 2),
    top: roundHalfEven((size.height - side) / 2),
    width: side,
    height: side,
  };
  const isInside = size.width >= side && size.height >= side;
  return isInside
    ? resample(image, size, p.interpolation, window)
    : centred(resample(image, size, p.interpolation), side, p.mean);
};

const scaledSize = (
  { width, height }: Pixels,
  scaled: number,
  mode: CropMode,
): { readonly width: number; readonly height: number } => {
  if (mode === 'squash') return { width: scaled, height: scaled };
  const fixesWidth = mode === 'center' ? width <= height : width >= height;
  // torchvision's Resize cuts, timm's ResizeKeepRatio rounds.
  const whole = mode === 'center' ? Math.trunc : roundHalfEven;
  return fixesWidth
    ? { width: scaled, height: Math.max(1, whole((scaled * height) / width)) }
    : { width: Math.max(1, whole((scaled * width) / height)), height: scaled };
};

/** The image in the middle of a square that the mean fills; what is larger than the square is cut. */
const centred = ({ width, height, data }: Pixels, side: number, mean: readonly number[]): Pixels => {
  const [left, top] = [Math.trunc((side - width) / 2), Math.trunc((side - height) / 2)];
  const fill = mean.map((m) => Math.min(255, Math.round(m * 255)));
  const out = Uint8Array.from({ length: side * side * CHANNELS }, (_, i) => fill[i % CHANNELS] ?? 0);
  for (let y = Math.max(0, top); y < Math.min(side, top + height); y++) {
    for (let x = Math.max(0, left); x < Math.min(side, left + width); x++) {
      const from = ((y - top) * width + x - left) * CHANNELS;
      out.set(data.subarray(from, from + CHANNELS), (y * side + x) * CHANNELS);
    }
  }
  return { width: side, height: side, data: out };
};

/** As Python's `round`. */
const roundHalfEven = (x: number): number => {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
};

/** Writes (colour / 255 - mean) / std by planes, `[3, height, width]`, into `out` at `offset`. */
export const normalise = (
  { width, height, data }: Pixels,
  { mean, std }: Pick<Preprocessing, 'mean' | 'std'>,
  out: Float32Array,
  offset = 0,
): void => {
  const n = width * height;
  for (let c = 0; c < CHANNELS; c++) {
    const table = Float32Array.from({ length: 256 }, (_, v) => (v / 255 - mean[c]!) / std[c]!);
    for (let i = 0; i < n; i++) out[offset + c * n + i] = table[data[i * CHANNELS + c]!]!;
  }
};
