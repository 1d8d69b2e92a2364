/**
 * Another sample rate without folding high tones into low ones: each new sample is a sum over the old ones around its
 * time, weighted by a sine over its argument under a Kaiser window (Smith, "Digital Audio Resampling", 1984).
 */
import { joined } from './sound.ts';

/** Zero crossings of the sine on either side; more make the edge of the band steeper. */
const CROSSINGS = 32;
/** Kaiser's parameter: tones that must go are 80 dB down. */
const BETA = 8;
/** The middle of the edge as a part of the band, so that the edge ends about where the band does. */
const CUTOFF = 0.93;
/** Positions between two old samples with weights of their own; others are interpolated between two of these. */
const MAX_PHASES = 1024;

/** Changes the rate of one channel, piece by piece. */
export interface Resampler {
  /** The new samples that this piece completes. */
  push(samples: Float32Array): Float32Array;
  /** The new samples that were waiting for more; the sound is silent after its end. */
  end(): Float32Array;
}

/** A resampler from one rate to another; n samples become ceil(n * to / from). */
export const createResampler = (from: number, to: number): Resampler =>
  from === to ? { push: (samples) => samples, end: () => new Float32Array(0) } : new Sinc(from, to);

class Sinc implements Resampler {
  /** Old samples on either side of a new one's time. */
  readonly #half: number;
  readonly #nPhase: number;
  /** `[nPhase + 1, 2 half]`. */
  readonly #weights: Float64Array;
  readonly #from: number;
  readonly #to: number;
  /** Old samples that are still needed, of which the first has index `start`. */
  #kept: Float32Array;
  #start: number;
  #nIn = 0;
  #nOut = 0;

  constructor(from: number, to: number) {
    const divisor = gcd(from, to);
    this.#from = from / divisor;
    this.#to = to / divisor;
    const band = Math.min(1, to / from);
    this.#half = 2 * Math.ceil(CROSSINGS / band / 2); // even, for the sake of dot
    this.#nPhase = Math.min(this.#to, MAX_PHASES);
    this.#weights = phases(this.#nPhase, this.#half, band * CUTOFF);
    this.#start = -this.#half;
    this.#kept = new Float32Array(this.#half);
  }

  push(samples: Float32Array): Float32Array {
    this.#nIn += samples.length;
    return this.#make(samples, Math.floor(((this.#nIn - this.#half) * this.#to) / this.#from));
  }

  end(): Float32Array {
    return this.#make(new Float32Array(this.#half + 1), Math.ceil((this.#nIn * this.#to) / this.#from));
  }

  /** New samples up to, not including, index `end`. */
  #make(samples: Float32Array, end: number): Float32Array {
    const half = this.#half;
    const width = 2 * half;
    const old = joined(this.#kept, samples);
    const out = new Float32Array(Math.max(0, end - this.#nOut));
    for (let i = 0; i < out.length; i++) {
      const time = (this.#nOut + i) * this.#from; // in parts of an old sample
      const before = Math.floor(time / this.#to);
      const phase = ((time - before * this.#to) * this.#nPhase) / this.#to;
      const row = Math.floor(phase) * width;
      const first = before - half + 1 - this.#start;
      const next = phase - Math.floor(phase);
      const near = dot(this.#weights, row, old, first, width);
      out[i] = next === 0 ? near : near * (1 - next) + next * dot(this.#weights, row + width, old, first, width);
    }
    this.#nOut += out.length;
    const needed = Math.floor((this.#nOut * this.#from) / this.#to) - half + 1;
    this.#kept = old.slice(Math.min(Math.max(0, needed - this.#start), old.length));
    this.#start += old.length - this.#kept.length;
    return out;
  }
}

/** The sum of a multiple of four products; four sums at once, since each waits for the one before it. */
const dot = (weights: Float64Array, row: number, samples: Float32Array, first: number, width: number): number => {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < width; i += 4) {
    a += weights[row + i]! * samples[first + i]!;
    b += weights[row + i + 1]! * samples[first + i + 1]!;
    c += weights[row + i + 2]! * samples[first + i + 2]!;
    d += weights[row + i + 3]! * samples[first + i + 3]!;
  }
  return a + b + (c + d);
};

/** Weights of the samples from `half - 1` before to `half` after a time, for every position of that time between two. */
const phases = (nPhase: number, half: number, band: number): Float64Array => {
  const width = 2 * half;
  const weights = new Float64Array((nPhase + 1) * width);
  for (let phase = 0; phase <= nPhase; phase++) {
    let sum = 0;
    for (let i = 0; i < width; i++) {
      const distance = i - (half - 1) - phase / nPhase;
      const weight = sinc(distance * band) * kaiser(distance / half);
      weights[phase * width + i] = weight;
      sum += weight;
    }
    // A constant stays what it is, exactly.
    for (let i = 0; i < width; i++) weights[phase * width + i]! /= sum;
  }
  return weights;
};

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const kaiser = (x: number): number => (Math.abs(x) > 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA));

/** The modified Bessel function of the first kind, order 0, by its series. */
const bessel = (x: number): number => {
  let sum = 1;
  for (let term = 1, k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
};

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
