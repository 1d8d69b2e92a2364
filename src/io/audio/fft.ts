/** The discrete Fourier transform for lengths such as Whisper's 400 = 4·4·5·5, which is no power of two. */

/** A transform of one length. `re` and `im` hold the input before `run` and the result after it. */
export interface Fft {
  readonly re: Float64Array;
  readonly im: Float64Array;
  run(): void;
}

/** One pass of Stockham's algorithm: no bit reversal, every pass reads one pair of arrays and writes another. */
interface Pass {
  readonly radix: 4 | 5;
  /** Butterflies with different twiddles. */
  readonly m: number;
  /** Butterflies with the same twiddles. */
  readonly stride: number;
  /** cos and sin of -2πpj/n for every p below m and every j from 1 below the radix. */
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

const RADICES = [4, 5] as const;

/**
 * The complex transform of length n: X[k] = Σ x[t] exp(-2πi kt/n), in float64.
 * @param n a product of fours and fives
 */
export const createFft = (n: number): Fft => {
  const passes = plan(n);
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  const re2 = new Float64Array(n);
  const im2 = new Float64Array(n);
  return {
    re,
    im,
    run() {
      let from = { re, im };
      let to = { re: re2, im: im2 };
      for (const pass of passes) {
        if (pass.radix === 4) radix4(pass, from, to);
        else radix5(pass, from, to);
        [from, to] = [to, from];
      }
      if (from.re === re) return;
      re.set(from.re);
      im.set(from.im);
    },
  };
};

const plan = (n: number): Pass[] => {
  const passes: Pass[] = [];
  let [left, stride] = [n, 1];
  while (left > 1) {
    const radix = RADICES.find((r) => left % r === 0);
    if (!radix) throw new RangeError(`a transform of length ${n} is no product of fours and fives`);
    const m = left / radix;
    const angles = Array.from({ length: m * (radix - 1) }, (_, i) => {
      const [p, j] = [Math.floor(i / (radix - 1)), (i % (radix - 1)) + 1];
      return (-2 * Math.PI * ((p * j) % left)) / left;
    });
    passes.push({
      radix,
      m,
      stride,
      cos: Float64Array.from(angles, Math.cos),
      sin: Float64Array.from(angles, Math.sin),
    });
    [left, stride] = [m, stride * radix];
  }
  return passes;
};

interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

const radix4 = ({ m, stride: s, cos, sin }: Pass, { re: xr, im: xi }: Complex, { re: yr, im: yi }: Complex): void => {
  const step = s * m;
  for (let p = 0; p < m; p++) {
    const t = 3 * p;
    const c1 = cos[t]!;
    const s1 = sin[t]!;
    const c2 = cos[t + 1]!;
    const s2 = sin[t + 1]!;
    const c3 = cos[t + 2]!;
    const s3 = sin[t + 2]!;
    for (let q = 0; q < s; q++) {
      const i = q + s * p;
      const o = q + s * 4 * p;
      const ar = xr[i]! + xr[i + 2 * step]!;
      const ai = xi[i]! + xi[i + 2 * step]!;
      const br = xr[i]! - xr[i + 2 * step]!;
      const bi = xi[i]! - xi[i + 2 * step]!;
      const cr = xr[i + step]! + xr[i + 3 * step]!;
      const ci = xi[i + step]! + xi[i + 3 * step]!;
      const dr = xi[i + step]! - xi[i + 3 * step]!; // -i times the difference
      const di = xr[i + 3 * step]! - xr[i + step]!;
      yr[o] = ar + cr;
      yi[o] = ai + ci;
      yr[o + s] = c1 * (br + dr) - s1 * (bi + di);
      yi[o + s] = c1 * (bi + di) + s1 * (br + dr);
      yr[o + 2 * s] = c2 * (ar - cr) - s2 * (ai - ci);
      yi[o + 2 * s] = c2 * (ai - ci) + s2 * (ar - cr);
      yr[o + 3 * s] = c3 * (br - dr) - s3 * (bi - di);
      yi[o + 3 * s] = c3 * (bi - di) + s3 * (br - dr);
    }
  }
};

const C1 = Math.cos((2 * Math.PI) / 5);
const C2 = Math.cos((4 * Math.PI) / 5);
const S1 = Math.sin((2 * Math.PI) / 5);
const S2 = Math.sin((4 * Math.PI) / 5);

const radix5 = ({ m, stride: s, cos, sin }: Pass, { re: xr, im: xi }: Complex, { re: yr, im: yi }: Complex): void => {
  const step = s * m;
  for (let p = 0; p < m; p++) {
    const t = 4 * p;
    for (let q = 0; q < s; q++) {
      const i = q + s * p;
      const o = q + s * 5 * p;
      const ar = xr[i]!;
      const ai = xi[i]!;
      const br = xr[i + step]! + xr[i + 4 * step]!;
      const bi = xi[i + step]! + xi[i + 4 * step]!;
      const cr = xr[i + 2 * step]! + xr[i + 3 * step]!;
      const ci = xi[i + 2 * step]! + xi[i + 3 * step]!;
      const dr = xr[i + step]! - xr[i + 4 * step]!;
      const di = xi[i + step]! - xi[i + 4 * step]!;
      const er = xr[i + 2 * step]! - xr[i + 3 * step]!;
      const ei = xi[i + 2 * step]! - xi[i + 3 * step]!;
      const fr = ar + C1 * br + C2 * cr;
      const fi = ai + C1 * bi + C2 * ci;
      const gr = ar + C2 * br + C1 * cr;
      const gi = ai + C2 * bi + C1 * ci;
      const hr = S1 * di + S2 * ei; // -i times the sines' part
      const hi = -S1 * dr - S2 * er;
      const jr = S2 * di - S1 * ei;
      const ji = -S2 * dr + S1 * er;
      yr[o] = ar + br + cr;
      yi[o] = ai + bi + ci;
      yr[o + s] = cos[t]! * (fr + hr) - sin[t]! * (fi + hi);
      yi[o + s] = cos[t]! * (fi + hi) + sin[t]! * (fr + hr);
      yr[o + 2 * s] = cos[t + 1]! * (gr + jr) - sin[t + 1]! * (gi + ji);
      yi[o + 2 * s] = cos[t + 1]! * (gi + ji) + sin[t + 1]! * (gr + jr);
      yr[o + 3 * s] = cos[t + 2]! * (gr - jr) - sin[t + 2]! * (gi - ji);
      yi[o + 3 * s] = cos[t + 2]! * (gi - ji) + sin[t + 2]! * (gr - jr);
      yr[o + 4 * s] = cos[t + 3]! * (fr - hr) - sin[t + 3]! * (fi - hi);
      yi[o + 4 * s] = cos[t + 3]! * (fi - hi) + sin[t + 3]! * (fr - hr);
    }
  }
};
