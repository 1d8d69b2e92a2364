/**
 * Products with weights whose blocks have offsets: x W^T + sums offsets^T, sums being those of each block of x. The
 * kernel for blocks knows no offsets, so they become columns of the weight like any other, or a product of their own.
 */
import type { BlockLayout, BlockQuantized } from '../weights.ts';
import type { Computed, Emitter, Value } from './emitter.ts';

/** Offsets in 4 bits are too coarse: what rounding left of them goes into a second set of columns. */
const terms = ({ bits }: BlockLayout): number => (bits === 4 ? 2 : 1);

const sumsWidth = (layout: BlockLayout, nIn: number): number => {
  const nBlock = nIn / layout.blockSize;
  return Math.ceil(nBlock / layout.blockSize) * layout.blockSize;
};

/** Columns of a weight that carries its offsets; each set is a whole number of blocks. */
export const widened = (layout: BlockLayout, nIn: number): number => nIn + terms(layout) * sumsWidth(layout, nIn);

/** The sums of each block of x `[..., nIn]` -> `[..., nIn / blockSize]`, computed once for all products on x. */
export const blockSums = (o: Emitter, x: Value, { blockSize }: BlockLayout, nIn: number, rank: number): Computed =>
  o.of(x, `sums of ${blockSize}`, () => {
    const leading = Array.from({ length: rank - 1 }, () => 0);
    const blocks = o.node('Reshape', [x, o.i64([...leading, nIn / blockSize, blockSize])]);
    const sums = o.node('ReduceSum', [blocks, o.i64([-1])], { keepdims: 0 });
    // Rows alone may be none, as an expert's are that nobody chose; of no rows the runtime does not drop the axis.
    return rank === 2 ? o.node('Reshape', [sums, o.i64([0, nIn / blockSize])]) : sums;
  });

/** x and, behind it, the sums that meet the offsets' columns: `[..., nIn]` -> `[..., widened]`. */
export const besideSums = (o: Emitter, x: Value, layout: BlockLayout, nIn: number, rank: number): Computed =>
  o.of(x, `beside sums of ${layout.blockSize} for ${layout.bits} bits`, () => {
    const sums = blockSums(o, x, layout, nIn, rank);
    const missing = sumsWidth(layout, nIn) - nIn / layout.blockSize;
    const whole = missing > 0 ? o.node('Pad', [sums, o.i64([0, missing]), undefined, o.i64([-1])]) : sums;
    return o.node('Concat', [x, ...Array.from({ length: terms(layout) }, () => whole)], { axis: -1 });
  });

/** Rows of blocks with their offsets as further blocks: what the kernel takes for `[rows, widened]`. */
export const widen = (layout: BlockLayout, nIn: number, packed: BlockQuantized): BlockQuantized => {
  const { bits, blockSize } = layout;
  const nBlock = nIn / blockSize;
  const nRow = packed.scales.length / nBlock;
  const nAll = widened(layout, nIn) / blockSize;
  const [rowBytes, allBytes] = [nBlock, nAll].map((n) => (n * blockSize * bits) / 8) as [number, number];
  const data = new Uint8Array(nRow * allBytes);
  const scales = new Float32Array(nRow * nAll);
  const nSet = terms(layout);
  const setBlocks = (nAll - nBlock) / nSet;
  const rest = new Float32Array(setBlocks * blockSize);
  const q = new Uint8Array(rest.length);
  for (let row = 0; row < nRow; row++) {
    data.set(packed.data.subarray(row * rowBytes, (row + 1) * rowBytes), row * allBytes);
    scales.set(packed.scales.subarray(row * nBlock, (row + 1) * nBlock), row * nAll);
    rest.set(packed.offsets?.subarray(row * nBlock, (row + 1) * nBlock) ?? []);
    for (let set = 0; set < nSet; set++) {
      const at = nBlock + set * setBlocks;
      roundBlocks(rest, layout, q, scales.subarray(row * nAll + at, row * nAll + at + setBlocks));
      putIntegers(q, bits, data, row * allBytes + (at * blockSize * bits) / 8);
    }
  }
  return { data, scales };
};

/** Rounds each block of values to integers under a scale of its own; leaves in `values` what that missed. */
export const roundBlocks = (
  values: Float32Array,
  { bits, blockSize }: BlockLayout,
  q: Uint8Array,
  scales: Float32Array,
): void => {
  const middle = 2 ** (bits - 1);
  for (let b = 0, from = 0; b < scales.length; b++, from += blockSize) {
    let most = 0;
    for (let i = from; i < from + blockSize; i++) most = Math.max(most, Math.abs(values[i]!));
    const scale = Math.fround(most / (middle - 1));
    scales[b] = scale;
    for (let i = from; i < from + blockSize; i++) {
      const n = scale > 0 ? Math.max(1 - middle, Math.min(middle - 1, Math.round(values[i]! / scale))) : 0;
      q[i] = n + middle;
      values[i] = values[i]! - scale * n;
    }
  }
};

const putIntegers = (q: Uint8Array, bits: 4 | 8, data: Uint8Array, at: number): void => {
  if (bits === 8) data.set(q, at);
  else for (let i = 0; i < q.length; i += 2) data[at + i / 2] = q[i]! | (q[i + 1]! << 4);
};
