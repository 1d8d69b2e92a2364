/**
 * Resizing as Pillow does it (`ImagingResample` of its Resample.c), to the last grey level: models are trained on
 * images that it resized, and libvips rounds elsewhere. Each pixel is a weighted mean of the source pixels under a
 * filter that grows with the reduction; weights are fixed-point numbers, and rows are rounded to 8 bits before columns.
 */
import { CHANNELS, type Pixels } from './pixels.ts';

interface Filter {
  /** Half of its width, in pixels of the larger image. */
  readonly support: number;
  weight(x: number): number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Keys 1981 with a = -0.5. */
const cubic = (x: number): number => {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
};

const filters = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)) : 0),
  },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
} as const satisfies Record<string, Filter>;

export type Interpolation = keyof typeof filters;

/** The filters, by Pillow's names. */
export const interpolations = Object.keys(filters) as readonly Interpolation[];

/** A part of a resized image. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The part `window` of the image resized to `width` by `height`; what lies outside of it is not computed. */
export const resample = (
  image: Pixels,
  { width, height }: { readonly width: number; readonly height: number },
  interpolation: Interpolation,
  window: Window = { left: 0, top: 0, width, height },
): Pixels => {
  const filter = filters[interpolation];
  const columns = taps(image.width, width, filter, window.left, window.width);
  const rows = taps(image.height, height, filter, window.top, window.height);
  const first = rows.from[0] ?? 0;
  const last = Math.max(...rows.from.map((from, i) => from + (rows.count[i] ?? 0)));
  const across = resampleRows(image, columns, first, last - first);
  return resampleColumns(across, rows, first);
};

/** For each pixel of a line the source pixels it is made of, and their weights. */
interface Taps {
  readonly from: Int32Array;
  readonly count: Int32Array;
  /** `[n, width]` */
  readonly weights: Int32Array;
  readonly width: number;
}

/** Bits behind the point of a weight: 8 are the pixel's, 2 are left for sums. */
const PRECISION = 32 - 8 - 2;
const HALF = 1 << (PRECISION - 1);

const taps = (nIn: number, nOut: number, { support, weight }: Filter, start: number, n: number): Taps => {
  const scale = nIn / nOut;
  const stretch = Math.max(1, scale);
  const reach = support * stretch;
  const width = 2 * Math.ceil(reach) + 1;
  const from = new Int32Array(n);
  const count = new Int32Array(n);
  const weights = new Int32Array(n * width);
  for (let i = 0; i < n; i++) {
    const centre = (start + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(nIn, Math.trunc(centre + reach + 0.5));
    const exact = Array.from({ length: end - first }, (_, j) => weight((j + first - centre + 0.5) * (1 / stretch)));
    const total = exact.reduce((a, b) => a + b, 0);
    from[i] = first;
    count[i] = exact.length;
    exact.forEach((w, j) => {
      weights[i * width + j] = roundAway((total === 0 ? w : w / total) * (1 << PRECISION));
    });
  }
  return { from, count, weights, width };
};

const roundAway = (x: number): number => Math.trunc(x < 0 ? x - 0.5 : x + 0.5);

const clamp8 = (sum: number): number => Math.min(255, Math.max(0, sum >> PRECISION));

/** Rows `top` up to `top + height` of the image, each brought to the new width. */
const resampleRows = ({ width, data }: Pixels, t: Taps, top: number, height: number): Pixels => {
  const nOut = t.from.length;
  const out = new Uint8Array(height * nOut * CHANNELS);
  for (let y = 0, o = 0; y < height; y++) {
    const row = (top + y) * width * CHANNELS;
    for (let x = 0; x < nOut; x++, o += CHANNELS) {
      let [r, g, b] = [HALF, HALF, HALF];
      const n = t.count[x]!;
      for (let j = 0, i = row + t.from[x]! * CHANNELS, w = x * t.width; j < n; j++, i += CHANNELS, w++) {
        const k = t.weights[w]!;
        r += data[i]! * k;
        g += data[i + 1]! * k;
        b += data[i + 2]! * k;
      }
      out[o] = clamp8(r);
      out[o + 1] = clamp8(g);
      out[o + 2] = clamp8(b);
    }
  }
  return { width: nOut, height, data: out };
};

/** Columns brought to the new height; the image's first row is row `top` of the source. */
const resampleColumns = ({ width, data }: Pixels, t: Taps, top: number): Pixels => {
  const height = t.from.length;
  const stride = width * CHANNELS;
  const out = new Uint8Array(height * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let j = 0; j < t.count[y]!; j++) {
      const row = (t.from[y]! - top + j) * stride;
      const k = t.weights[y * t.width + j]!;
      for (let i = 0; i < stride; i++) sums[i] = sums[i]! + data[row + i]! * k;
    }
    for (let i = 0; i < stride; i++) out[y * stride + i] = clamp8(sums[i]!);
  }
  return { width, height, data: out };
};
