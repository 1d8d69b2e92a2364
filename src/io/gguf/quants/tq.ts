import { halfAt } from './half.ts';
import { integerType } from './integers.ts';
import { SUPERBLOCK } from './k-scales.ts';

/** n - 1 for n of 0, 1 or 2, told from the middle of four bits. */
const TO_MIDDLE = 8 - 1;

const POWERS = [1, 3, 9, 27, 81];

/** Digit k of a byte that holds a fraction to base 3. */
const digit = (byte: number, k: number): number => (((byte * POWERS[k]!) & 255) * 3) >> 8;

const TQ1_BYTES = 54; // 48 bytes of five digits, 4 of four, f16 d

/** 256 values w = d * (digit - 1); the first digits of 32 bytes come first, then their second (`block_tq1_0`). */
export const tq1_0 = integerType({
  name: 'tq1_0',
  id: 34,
  blockSize: SUPERBLOCK,
  blockBytes: TQ1_BYTES,
  layout: { bits: 4, blockSize: 128, hasOffsets: false },
  zero: 8,
  unpack(bytes, { q, scales }) {
    const runs = [
      { at: 0, length: 32, nDigit: 5 },
      { at: 32, length: 16, nDigit: 5 },
      { at: 48, length: 4, nDigit: 4 },
    ];
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += TQ1_BYTES, s += 2) {
      scales.fill(halfAt(bytes, i + 52), s, s + 2);
      for (const { at, length, nDigit } of runs) {
        for (let k = 0; k < nDigit; k++) {
          for (let m = 0; m < length; m++) q[o++] = digit(bytes[i + at + m]!, k) + TO_MIDDLE;
        }
      }
    }
  },
});

const TQ2_BYTES = 66; // 64 bytes of two-bit integers, f16 d

/** 256 values w = d * (n - 1); the lowest bits of 32 bytes come first (`block_tq2_0`). */
export const tq2_0 = integerType({
  name: 'tq2_0',
  id: 35,
  blockSize: SUPERBLOCK,
  blockBytes: TQ2_BYTES,
  layout: { bits: 4, blockSize: 128, hasOffsets: false },
  zero: 8,
  unpack(bytes, { q, scales }) {
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += TQ2_BYTES, s += 2) {
      scales.fill(halfAt(bytes, i + 64), s, s + 2);
      for (let half = i; half < i + 64; half += 32) {
        for (let shift = 0; shift < 8; shift += 2) {
          for (let m = half; m < half + 32; m++) q[o++] = ((bytes[m]! >> shift) & 3) + TO_MIDDLE;
        }
      }
    }
  },
});
