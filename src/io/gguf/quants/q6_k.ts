import { floatToHalf, halfAt, halfToFloat, setHalf } from './half.ts';
import { integerType } from './integers.ts';
import { ALL_ZERO, nearest, scaleSigned } from './k-round.ts';
import { SUPERBLOCK } from './k-scales.ts';

const BYTES = 210; // 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales, f16 d
const { fround, min, max, abs } = Math;

/**
 * 16 times 16 values w = d * scale * (n - 32). In each half of the block, value 32 k + l has its low bits in the low
 * (k < 2) or high nibble of byte 32 (k % 2) + l of 64, its high ones in pair k of byte l of 32 (`block_q6_K`).
 */
export const q6_k = integerType({
  name: 'q6_k',
  id: 14,
  blockSize: SUPERBLOCK,
  blockBytes: BYTES,
  layout: { bits: 8, blockSize: 16, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += BYTES) {
      const d = halfAt(bytes, i + 208);
      for (let k = 0; k < 16; k++, s++) scales[s] = d * ((bytes[i + 192 + k]! << 24) >> 24);
      for (let half = 0; half < 2; half++) {
        for (let k = 0; k < 4; k++) {
          const [low, high] = [i + 64 * half + 32 * (k & 1), i + 128 + 32 * half];
          const [nibble, pair] = [4 * (k >> 1), 2 * k];
          for (let l = 0; l < 32; l++) {
            const n = ((bytes[low + l]! >> nibble) & 15) | (((bytes[high + l]! >> pair) & 3) << 4);
            q[o++] = n + 96; // n - 32, told from 128
          }
        }
      }
    }
  },
  /** As `quantize_row_q6_K_ref`: the best scale of each 16 values, and these scales rounded to eight bits. */
  encode(values, out) {
    const q = new Uint8Array(SUPERBLOCK);
    const scales = new Float32Array(16);
    for (let at = 0, from = 0; at < out.length; at += BYTES, from += SUPERBLOCK) {
      let largest = 0;
      for (let k = 0; k < 16; k++) {
        scales[k] = scaleSigned(values, from + 16 * k, 32, q.subarray(16 * k, 16 * k + 16));
        if (abs(scales[k]!) > abs(largest)) largest = scales[k]!;
      }
      if (abs(largest) < ALL_ZERO) {
        out.fill(0, at, at + BYTES);
        continue;
      }
      const inverse = fround(-128 / largest);
      const half = floatToHalf(fround(1 / inverse));
      setHalf(out, at + 208, halfToFloat(half));
      for (let k = 0; k < 16; k++) {
        const scale = min(127, nearest(fround(inverse * scales[k]!)));
        out[at + 192 + k] = scale;
        const d = fround(halfToFloat(half) * scale);
        if (d === 0) continue;
        for (let i = 16 * k; i < 16 * k + 16; i++) {
          q[i] = 32 + max(-32, min(31, nearest(fround(values[from + i]! / d))));
        }
      }
      writeSixBits(q, out, at);
    }
  },
});

const writeSixBits = (q: Uint8Array, bytes: Uint8Array, at: number): void => {
  for (let half = 0; half < 2; half++) {
    for (let l = 0; l < 32; l++) {
      const n = (k: number) => q[128 * half + 32 * k + l]!;
      bytes[at + 64 * half + l] = (n(0) & 15) | ((n(2) & 15) << 4);
      bytes[at + 64 * half + 32 + l] = (n(1) & 15) | ((n(3) & 15) << 4);
      bytes[at + 128 + 32 * half + l] = (n(0) >> 4) | ((n(1) >> 4) << 2) | ((n(2) >> 4) << 4) | ((n(3) >> 4) << 6);
    }
  }
};
