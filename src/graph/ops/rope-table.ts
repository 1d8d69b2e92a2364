/**
 * The angles of rotary position embeddings: Su et al. 2021 (RoFormer), with the scalings found in model files:
 * linear (position interpolation, Chen et al. 2023), per-frequency divisors (Llama 3.1's `rope_freqs.weight`) and
 * YaRN (Peng et al. 2023, section 3.2, as ggml's `rope_yarn` computes it).
 */
import type { WeightRef } from '../weights.ts';

export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      /** The context length of the original training. */
      readonly nCtxOrig: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** How much of what is kept as trained is kept indeed: 1 all of it, 0 nothing. */
      readonly extFactor: number;
      /** What cosines and sines are multiplied by: 1 + 0.1 ln(factor) in Llama's YaRN, 1 in DeepSeek's. */
      readonly magnitude: number;
    };

export interface RopeTable {
  /** How many of a head's dimensions turn. */
  readonly nRot: number;
  readonly base: number;
  readonly scaling: RopeScaling;
  /** `[nRot / 2]`, a divisor for each frequency. */
  readonly freqFactors?: WeightRef;
}

/** The angle, in radians per position, of each of the nRot / 2 frequencies. */
export const ropeFrequencies = (table: RopeTable, factors?: Float32Array): Float64Array => {
  const { nRot, base, scaling } = table;
  const ramp = scaling.kind === 'yarn' ? yarnRamp(table, scaling) : () => 0;
  return Float64Array.from({ length: nRot / 2 }, (_, i) => {
    const frequency = base ** ((-2 * i) / nRot) / (factors?.[i] ?? 1);
    if (scaling.kind === 'none') return frequency;
    const interpolated = frequency / scaling.factor;
    if (scaling.kind === 'linear') return interpolated;
    return interpolated * (1 - ramp(i)) + frequency * ramp(i);
  });
};

/** How much of a frequency is kept as trained: 1 for the fast ones, 0 for those slower than the original context. */
const yarnRamp = ({ nRot, base }: RopeTable, y: RopeScaling & { kind: 'yarn' }) => {
  const dim = (turns: number): number => (nRot * Math.log(y.nCtxOrig / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(0, Math.floor(dim(y.betaFast)));
  const high = Math.min(nRot - 1, Math.ceil(dim(y.betaSlow)));
  return (i: number): number => y.extFactor * (1 - Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low))));
};

/** The cosines, or the sines, of all positions: `[nCtx, nRot / 2]`. */
export const ropeTable = async (table: RopeTable, part: 'cos' | 'sin', nCtx: number): Promise<Float32Array> => {
  const frequencies = ropeFrequencies(table, await table.freqFactors?.tensor.decode());
  const half = frequencies.length;
  const magnitude = table.scaling.kind === 'yarn' ? table.scaling.magnitude : 1;
  const turn = part === 'cos' ? Math.cos : Math.sin;
  const out = new Float32Array(nCtx * half);
  for (let pos = 0; pos < nCtx; pos++) {
    for (let i = 0; i < half; i++) out[pos * half + i] = turn(pos * frequencies[i]!) * magnitude;
  }
  return out;
};
