/** Points of a lattice with signs, as IQ2 and IQ3 have them. */
import type { Lattice } from './lattices.ts';

/** Eight signs of which seven are stored: the number of minus signs is even (`ksigns_iq2xs` of ggml-common.h). */
export const evenSigns = (seven: number): number => {
  let parity = seven ^ (seven >> 4);
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return seven | ((parity & 1) << 7);
};

/** Writes `width` coordinates of a point, told from 128; a set bit of `signs` makes its coordinate negative. */
export const putPoint = (
  q: Uint8Array,
  o: number,
  grid: Lattice,
  width: number,
  point: number,
  signs: number,
): void => {
  for (let j = 0; j < width; j++) {
    const x = grid[point * width + j]!;
    q[o + j] = 128 + ((signs >> j) & 1 ? -x : x);
  }
};
