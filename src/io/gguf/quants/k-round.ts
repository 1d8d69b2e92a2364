/**
 * Rounding superblocks as ggml's reference functions do (ggml-quants.c), in float32 arithmetic: each of the small
 * blocks is given the best of a few scales, then the scales themselves are rounded to what the type can hold.
 */
import { floatToHalf, halfToFloat, setHalf } from './half.ts';
import { SUPERBLOCK, writePairs } from './k-scales.ts';

const { fround, min, max, abs, sqrt } = Math;

/** Below this the values of a block are taken for zeros (`GROUP_MAX_EPS`). */
export const ALL_ZERO = 1e-15;

/** To the nearest integer, ties to even. */
export const nearest = (x: number): number => fround(x + 12582912) - 12582912;

const clamp = (n: number, low: number, high: number): number => max(low, min(high, n));

/**
 * The scale of w = scale * (n - half) that leaves the least square error weighted by w^2 (`make_qx_quants`), out of 19
 * that put the value of largest magnitude near -half; n is left in `q`.
 */
export const scaleSigned = (values: Float32Array, from: number, half: number, q: Uint8Array): number => {
  const nValue = q.length;
  let largest = 0;
  for (let i = 0; i < nValue; i++) if (abs(values[from + i]!) > abs(largest)) largest = values[from + i]!;
  if (abs(largest) < ALL_ZERO) {
    q.fill(0);
    return 0;
  }
  const integer = (inverse: number, i: number) => clamp(nearest(fround(inverse * values[from + i]!)), -half, half - 1);
  const take = (inverse: number) => {
    for (let i = 0; i < nValue; i++) q[i] = half + integer(inverse, i);
  };
  const fit = (inverse: number) => {
    let [xl, ll] = [0, 0];
    for (let i = 0; i < nValue; i++) {
      const x = values[from + i]!;
      const l = integer(inverse, i);
      const weight = fround(x * x);
      xl = fround(xl + fround(fround(weight * x) * l));
      ll = fround(ll + fround(fround(weight * l) * l));
    }
    return { xl, ll };
  };
  const first = fround(-half / largest);
  take(first);
  const { xl, ll } = fit(first);
  let scale = ll ? fround(xl / ll) : 0;
  let best = fround(scale * xl);
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    const inverse = fround(-fround(half + fround(fround(0.1) * step)) / largest);
    const { xl, ll } = fit(inverse);
    if (ll > 0 && fround(xl * xl) > fround(best * ll)) {
      take(inverse);
      scale = fround(xl / ll);
      best = fround(scale * xl);
    }
  }
  return scale;
};

/** Where the search for a block's scale goes: from most + first on in `nStep` steps of 0.1. */
interface Search {
  /** The largest integer. */
  readonly most: number;
  readonly first: number;
  readonly nStep: number;
}

interface Found {
  readonly scale: number;
  /** Of w = scale * n - minimum; not negative. */
  readonly minimum: number;
}

/** The scale and minimum of w = scale * n - minimum that leave the least weighted square error (`make_qkx2_quants`). */
const scaleAbove = (
  values: Float32Array,
  from: number,
  weights: Float32Array,
  { most, first, nStep }: Search,
  q: Uint8Array,
): Found => {
  const nValue = weights.length;
  let [low, high] = [values[from]!, values[from]!];
  let [sumW, sumX] = [weights[0]!, fround(weights[0]! * values[from]!)];
  for (let i = 1; i < nValue; i++) {
    const x = values[from + i]!;
    if (x < low) low = x;
    if (x > high) high = x;
    sumW = fround(sumW + weights[i]!);
    sumX = fround(sumX + fround(weights[i]! * x));
  }
  if (low > 0) low = 0;
  if (high === low) {
    q.fill(0);
    return { scale: 0, minimum: -low };
  }
  const tried = new Uint8Array(nValue);
  const errorOf = (integers: Uint8Array, scale: number, minimum: number) => {
    let error = 0;
    for (let i = 0; i < nValue; i++) {
      const difference = fround(fround(fround(scale * integers[i]!) + minimum) - values[from + i]!);
      error = fround(error + fround(weights[i]! * fround(difference * difference)));
    }
    return error;
  };
  const span = () => fround(high - low); // of the best minimum so far: ggml's search goes on from there
  const round = (inverse: number, into: Uint8Array) => {
    for (let i = 0; i < nValue; i++) {
      into[i] = clamp(nearest(fround(inverse * fround(values[from + i]! - low))), 0, most);
    }
  };
  const inverse = fround(most / span());
  let scale = fround(1 / inverse);
  round(inverse, q);
  let best = errorOf(q, scale, low);
  for (let step = 0; step <= nStep; step++) {
    round(fround(fround(fround(first + fround(fround(0.1) * step)) + most) / span()), tried);
    let [sumL, sumLL, sumXL] = [0, 0, 0];
    for (let i = 0; i < nValue; i++) {
      const weighted = fround(weights[i]! * tried[i]!);
      sumL = fround(sumL + weighted);
      sumLL = fround(sumLL + fround(weighted * tried[i]!));
      sumXL = fround(sumXL + fround(weighted * values[from + i]!));
    }
    const determinant = fround(fround(sumW * sumLL) - fround(sumL * sumL));
    if (determinant <= 0) continue;
    let thisScale = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant);
    let thisLow = fround(fround(fround(sumLL * sumX) - fround(sumL * sumXL)) / determinant);
    if (thisLow > 0) {
      thisLow = 0;
      thisScale = fround(sumXL / sumLL);
    }
    const error = errorOf(tried, thisScale, thisLow);
    if (error < best) {
      q.set(tried);
      best = error;
      scale = thisScale;
      low = thisLow;
    }
  }
  return { scale, minimum: -low };
};

/** What the two types with minima have alike: `put` lays the integers of a superblock behind its scales. */
export const encodeKWithMinima = (
  values: Float32Array,
  out: Uint8Array,
  blockBytes: number,
  search: Search,
  put: (q: Uint8Array, at: number) => void,
): void => {
  const q = new Uint8Array(SUPERBLOCK);
  const weights = new Float32Array(32);
  const [scales, minima] = [new Float32Array(8), new Float32Array(8)];
  const [scaleBits, minimumBits] = [new Uint8Array(8), new Uint8Array(8)];
  for (let at = 0, from = 0; at < out.length; at += blockBytes, from += SUPERBLOCK) {
    for (let k = 0; k < 8; k++) {
      weigh(values, from + 32 * k, weights);
      const { scale, minimum } = scaleAbove(values, from + 32 * k, weights, search, q.subarray(32 * k, 32 * k + 32));
      scales[k] = scale;
      minima[k] = minimum;
    }
    const d = roundToSixBits(scales, scaleBits);
    const dMin = roundToSixBits(minima, minimumBits);
    setHalf(out, at, d);
    setHalf(out, at + 2, dMin);
    writePairs(out, at + 4, scaleBits, minimumBits);
    for (let k = 0; k < 8; k++) {
      const scale = fround(asHalf(d) * scaleBits[k]!);
      const minimum = fround(asHalf(dMin) * minimumBits[k]!);
      if (scale === 0) continue;
      for (let i = 32 * k; i < 32 * k + 32; i++) {
        q[i] = clamp(nearest(fround(fround(values[from + i]! + minimum) / scale)), 0, search.most);
      }
    }
    put(q, at);
  }
};

const asHalf = (x: number): number => halfToFloat(floatToHalf(x));

/** A value weighs its magnitude and the root mean square of its block. */
const weigh = (values: Float32Array, from: number, weights: Float32Array): void => {
  let squares = 0;
  for (let i = 0; i < 32; i++) squares = fround(squares + fround(values[from + i]! * values[from + i]!));
  const mean = fround(sqrt(fround(squares / 32)));
  for (let i = 0; i < 32; i++) weights[i] = mean + abs(values[from + i]!);
};

/** Numbers that are not negative as multiples of a 63rd of the largest; that unit. */
const roundToSixBits = (numbers: Float32Array, bits: Uint8Array): number => {
  const largest = numbers.reduce((a, b) => max(a, b), 0);
  const inverse = largest > 0 ? fround(63 / largest) : 0;
  for (let k = 0; k < numbers.length; k++) bits[k] = min(63, nearest(fround(inverse * numbers[k]!)));
  return fround(largest / 63);
};
