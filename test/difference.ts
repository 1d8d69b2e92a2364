/** How far pictures are from each other. */
import { expect } from 'vitest';

/** The largest and the mean difference of grey levels; pictures of different sizes fail the test. */
export const difference = (a: Uint8Array, b: Uint8Array): { readonly most: number; readonly mean: number } => {
  expect(a.length).toBe(b.length);
  const each = [...a].map((x, i) => Math.abs(x - (b[i] ?? Number.NaN)));
  return { most: each.reduce((x, y) => Math.max(x, y), 0), mean: each.reduce((x, y) => x + y, 0) / each.length };
};

export const same = { most: 0, mean: 0 };
