/** Inputs for a run that nobody asked for: zeros and waves, every dimension that is not fixed 1. */
import type { NamedType } from '../lower/emitter.ts';
import type { Sizes } from '../tensor.ts';
import { elements } from '../tensor.ts';
import type { EngineProgram, HostTensor, Inputs } from './engine.ts';

export const sampleInputs = ({ inputs, sizes }: Pick<EngineProgram, 'inputs' | 'sizes'>): Inputs =>
  Object.fromEntries(inputs.map((input) => [input.name, sample(input, sizes)]));

const sample = ({ dtype, shape }: NamedType, sizes: Sizes): HostTensor => {
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] ?? 1)));
  const n = elements(dims);
  if (dtype === 'f32') return { dtype, dims, data: Float32Array.from({ length: n }, (_, i) => Math.sin(i)) };
  if (dtype === 'i64') return { dtype, dims, data: new BigInt64Array(n) };
  if (dtype === 'i32') return { dtype, dims, data: new Int32Array(n) };
  return { dtype, dims, data: dtype === 'f16' ? new Uint16Array(n) : new Uint8Array(n) };
};
