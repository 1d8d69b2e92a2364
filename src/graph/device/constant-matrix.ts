/** Weights that are made up to ask a machine something: a matrix `[nRow, nIn]` of one number. */
import type { RowRange, StoredTensor, WeightRef } from '../weights.ts';
import { Weights } from '../weights.ts';
import { bytesOf } from './cache-rows.ts';

export const constantMatrix = (name: string, shape: readonly [number, number], value: number): WeightRef => {
  const [nRow, nIn] = shape;
  const decode = async ({ from, to }: RowRange = { from: 0, to: nRow }) =>
    new Float32Array((to - from) * nIn).fill(value);
  const stored: StoredTensor = {
    name,
    type: 'f32',
    shape,
    byteLength: 4 * nRow * nIn,
    read: async (rows) => bytesOf(await decode(rows)),
    decode,
  };
  return new Weights({ metadata: new Map(), tensors: new Map([[name, stored]]) }).tensor(name, shape);
};
