/** Blocks of coefficients from coded bits: sequential ones (T.81, annex F.2) and the steps of progressive ones (G.2). */
import type { BitReader } from './bits.ts';
import { JpegError } from './error.ts';

/** Where in a block, counted row by row, each coefficient belongs, in the order in which they come (T.81, figure 5). */
// biome-ignore format: a square
export const ZIGZAG = Uint8Array.of(
   0,  1,  8, 16,  9,  2,  3, 10,
  17, 24, 32, 25, 18, 11,  4,  5,
  12, 19, 26, 33, 40, 48, 41, 34,
  27, 20, 13,  6,  7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36,
  29, 22, 15, 23, 30, 37, 44, 51,
  58, 59, 52, 45, 38, 31, 39, 46,
  53, 60, 61, 54, 47, 55, 62, 63,
);

/** What a scan brings of each block. */
export interface Spectrum {
  /** The first and the last coefficient, in zigzag order. */
  readonly from: number;
  readonly to: number;
  /** The bit from which on coefficients were known before, 0 for none of theirs; and the bit from which on they are now. */
  readonly high: number;
  readonly low: number;
}

/** A scan while it is read. */
export interface Course extends Spectrum {
  readonly bits: BitReader;
  /** Blocks to come that bring nothing more. */
  emptyBlocks: number;
}

/** How a component is coded in a scan. */
export interface Coding {
  readonly dc: Uint16Array;
  readonly ac: Uint16Array;
  /** The mean of the last block, by which the next one's is told. */
  mean: number;
}

/** Reads what a scan has of one block, whose 64 coefficients begin at `at`. */
export type ReadBlock = (s: Course, c: Coding, out: Int16Array, at: number) => void;

const sequential: ReadBlock = (s, c, out, at) => {
  firstDc(s, c, out, at);
  firstAc(s, c, out, at);
};

const firstDc: ReadBlock = ({ bits, low }, c, out, at) => {
  const size = bits.symbol(c.dc);
  if (size > 15) throw new JpegError('a difference of too many bits');
  if (size > 0) c.mean += bits.signed(size);
  out[at] = c.mean << low;
};

const laterDc: ReadBlock = ({ bits, low }, _, out, at) => {
  out[at]! |= bits.take(1) << low;
};

const firstAc: ReadBlock = (s, c, out, at) => {
  if (s.emptyBlocks > 0) {
    s.emptyBlocks--;
    return;
  }
  const { bits, to, low } = s;
  for (let k = Math.max(1, s.from); k <= to; k++) {
    const symbol = bits.symbol(c.ac);
    const zeros = symbol >> 4;
    const size = symbol & 15;
    if (size === 0 && zeros < 15) {
      s.emptyBlocks = blocksToEnd(bits, zeros) - 1;
      return;
    }
    k += zeros;
    if (k > to) throw new JpegError('a block of too many coefficients');
    if (size > 0) out[at + ZIGZAG[k]!] = bits.signed(size) << low;
  }
};

/** As many blocks, this one included, have no more coefficients. */
const blocksToEnd = (bits: BitReader, size: number): number => (1 << size) + (size > 0 ? bits.take(size) : 0);

const laterAc: ReadBlock = (s, c, out, at) => {
  const { bits, to, low } = s;
  let k = s.from;
  while (s.emptyBlocks === 0 && k <= to) {
    const symbol = bits.symbol(c.ac);
    const zeros = symbol >> 4;
    const size = symbol & 15;
    if (size > 1) throw new JpegError('a correction of more than a bit');
    if (size === 0 && zeros < 15) s.emptyBlocks = blocksToEnd(bits, zeros);
    else {
      const value = size === 0 ? 0 : bits.take(1) === 1 ? 1 << low : -1 << low;
      k = correct(s, out, at, k, zeros);
      if (k > to && value !== 0) throw new JpegError('a block of too many coefficients');
      if (value !== 0) out[at + ZIGZAG[k]!] = value;
      k++;
    }
  }
  if (s.emptyBlocks > 0) {
    correct(s, out, at, k, to + 1);
    s.emptyBlocks--;
  }
};

/** Brings each coefficient from `k` on that is not 0 its next bit. @returns where the zero after `zeros` others is */
const correct = ({ bits, to, low }: Course, out: Int16Array, at: number, k: number, zeros: number): number => {
  let left = zeros;
  for (; k <= to; k++) {
    const i = at + ZIGZAG[k]!;
    const value = out[i]!;
    if (value === 0) {
      if (left-- === 0) return k;
    } else if (bits.take(1) === 1 && (value & (1 << low)) === 0) out[i] = value + (value > 0 ? 1 << low : -1 << low);
  }
  return k;
};

/** The way to read the blocks of a scan. */
export const blockReader = (isProgressive: boolean, { from, high }: Spectrum): ReadBlock => {
  if (!isProgressive) return sequential;
  if (from === 0) return high === 0 ? firstDc : laterDc;
  return high === 0 ? firstAc : laterAc;
};
