/**
 * Blocks of 16 integers in 8 bits, two of them as one of 32: the kernel takes them in little more than half the time, and
 * in a sixth less memory. The block with the larger values keeps them exactly; those of its neighbour are rounded to
 * steps of the same size, several times finer than its own where these had fewer than 8 bits, as Q6_K's 6. What that loses
 * is less than what rounding activations to 8 bits does, beside which alone it is used.
 */
import type { BlockLayout, BlockQuantized } from '../weights.ts';

/** Whether two neighbouring blocks can be one. */
export const pairs = ({ bits, blockSize, hasOffsets }: BlockLayout, nIn: number): boolean =>
  bits === 8 && blockSize === 16 && !hasOffsets && nIn % 32 === 0;

/** The layout of the pairs. */
export const paired = (layout: BlockLayout): BlockLayout => ({ ...layout, blockSize: 32 });

const SINGLE = 16;
const MIDDLE = 128;

/** Pairs in place of blocks, of which there is an even number; takes the integers over. */
export const pair = ({ data, scales }: BlockQuantized): BlockQuantized => {
  const together = new Float32Array(scales.length / 2);
  for (let p = 0, from = 0; p < together.length; p++, from += 2 * SINGLE) {
    const [first, second] = [scales[2 * p]!, scales[2 * p + 1]!];
    const [inFirst, inSecond] = [reach(data, from), reach(data, from + SINGLE)];
    const isFirst = Math.abs(first) * inSecond >= Math.abs(second) * inFirst;
    const larger = isFirst ? first : second;
    const times = isFirst ? inFirst : inSecond;
    if (larger !== 0) {
      multiply(data, from, isFirst ? times : (first / larger) * times);
      multiply(data, from + SINGLE, isFirst ? (second / larger) * times : times);
    }
    together[p] = larger / times;
  }
  return { data, scales: together };
};

/** How often a block goes into 8 bits whose least integer is so far below the middle, and whose most so far above. */
const TIMES_BELOW = Uint8Array.from({ length: MIDDLE + 1 }, (_, n) => Math.floor(MIDDLE / Math.max(1, n)));
const TIMES_ABOVE = Uint8Array.from({ length: MIDDLE }, (_, n) => (n === 0 ? MIDDLE : Math.floor((MIDDLE - 1) / n)));

/** By what the integers of a block may be multiplied and still fit into 8 bits. */
const reach = (data: Uint8Array, from: number): number => {
  let least = MIDDLE;
  let most = MIDDLE;
  for (let i = from; i < from + SINGLE; i++) {
    const q = data[i]!;
    if (q < least) least = q;
    if (q > most) most = q;
  }
  const below = TIMES_BELOW[MIDDLE - least]!;
  const above = TIMES_ABOVE[most - MIDDLE]!;
  return Math.min(below, above);
};

const multiply = (data: Uint8Array, from: number, by: number): void => {
  for (let i = from; i < from + SINGLE; i++) {
    const q = ((data[i]! - MIDDLE) * by + MIDDLE + 0.5) | 0; // 256 at most, where scales differ in sign alone
    data[i] = Math.min(q, 255);
  }
};
