/**
 * Rows of a coarser colour as wide as the picture's, as stb_image's stbi__resample_row_* make them (public domain): twice
 * as many across or down by weights of 3 to the nearer and 1 to the farther sample, halves upwards; else by repetition.
 */
import type { Plane } from './idct.ts';

/**
 * Writes the picture's row `y` of a plane.
 * @param out as wide as the picture, rounded up to whole samples of the plane
 */
export const upsampleRow = (out: Uint8Array, plane: Plane, y: number, across: number, down: number): void => {
  const near = Math.min(plane.height - 1, Math.floor(y / down));
  const far = Math.min(plane.height - 1, Math.max(0, y % 2 === 0 ? near - 1 : near + 1));
  const nearRow = plane.data.subarray(near * plane.stride, near * plane.stride + plane.width);
  const farRow = plane.data.subarray(far * plane.stride, far * plane.stride + plane.width);
  if (across === 1 && down === 2) between(out, nearRow, farRow);
  else if (across === 2 && down === 1) twiceAcross(out, nearRow);
  else if (across === 2 && down === 2) twiceBoth(out, nearRow, farRow);
  else repeated(out, nearRow, across);
};

type Row = Uint8ClampedArray;

const between = (out: Uint8Array, near: Row, far: Row): void => {
  for (let x = 0; x < near.length; x++) out[x] = (3 * near[x]! + far[x]! + 2) >> 2;
};

const twiceAcross = (out: Uint8Array, near: Row): void => {
  const last = near.length - 1;
  out[0] = near[0]!;
  for (let x = 0; x < last; x++) {
    out[2 * x + 1] = (3 * near[x]! + near[x + 1]! + 2) >> 2;
    out[2 * x + 2] = (3 * near[x + 1]! + near[x]! + 2) >> 2;
  }
  // As in stb_image, the last but one is nearer to the wrong neighbour.
  if (last > 0) out[2 * last] = (3 * near[last - 1]! + near[last]! + 2) >> 2;
  out[2 * last + 1] = near[last]!;
};

const twiceBoth = (out: Uint8Array, near: Row, far: Row): void => {
  const last = near.length - 1;
  let sum = 3 * near[0]! + far[0]!;
  out[0] = (sum + 2) >> 2;
  for (let x = 1; x <= last; x++) {
    const before = sum;
    sum = 3 * near[x]! + far[x]!;
    out[2 * x - 1] = (3 * before + sum + 8) >> 4;
    out[2 * x] = (3 * sum + before + 8) >> 4;
  }
  out[2 * last + 1] = (sum + 2) >> 2;
};

const repeated = (out: Uint8Array, near: Row, across: number): void => {
  if (across === 1) out.set(near);
  else for (let i = 0; i < near.length * across; i++) out[i] = near[Math.floor(i / across)]!;
};
