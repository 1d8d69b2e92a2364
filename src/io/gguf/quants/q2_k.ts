import { halfAt } from './half.ts';
import { integerType } from './integers.ts';
import { SUPERBLOCK } from './k-scales.ts';

const BYTES = 84; // 16 bytes of scale and minimum, 64 of two-bit integers, f16 d, f16 dmin
/** n from 0 to 3 is stored as 6 to 9, near the middle of four bits: what is left for the offset is small. */
const ZERO = 6;

/**
 * 16 times 16 values w = d * scale * n - dmin * minimum, scale and minimum being the nibbles of one byte. In each half
 * of the block the four pairs of bits of a byte belong to values 32 apart (`block_q2_K` of ggml-common.h).
 */
export const q2_k = integerType({
  name: 'q2_k',
  id: 10,
  blockSize: SUPERBLOCK,
  blockBytes: BYTES,
  layout: { bits: 4, blockSize: 16, hasOffsets: true },
  zero: ZERO,
  unpack(bytes, { q, scales, minima }) {
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += BYTES) {
      const d = halfAt(bytes, i + 80);
      const dMin = halfAt(bytes, i + 82);
      for (let k = 0; k < 16; k++, s++) {
        scales[s] = d * (bytes[i + k]! & 15);
        minima[s] = -dMin * (bytes[i + k]! >> 4);
      }
      for (let half = i + 16; half < i + 80; half += 32) {
        for (let shift = 0; shift < 8; shift += 2) {
          for (let l = half; l < half + 32; l++) q[o++] = ((bytes[l]! >> shift) & 3) + ZERO;
        }
      }
    }
  },
});
