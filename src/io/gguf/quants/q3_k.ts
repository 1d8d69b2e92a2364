import { halfAt } from './half.ts';
import { integerType } from './integers.ts';
import { SUPERBLOCK } from './k-scales.ts';

const BYTES = 110; // 32 bytes of third bits, 64 of two-bit integers, 12 of scales, f16 d

/**
 * 16 times 16 values w = d * (scale - 32) * (n - 4); of n the low two bits lie as in Q2_K, the third in bit k of byte l
 * for value 32 k + l (`block_q3_K` of ggml-common.h). A scale has six bits: a nibble, and two bits four bytes on.
 */
export const q3_k = integerType({
  name: 'q3_k',
  id: 11,
  blockSize: SUPERBLOCK,
  blockBytes: BYTES,
  layout: { bits: 4, blockSize: 16, hasOffsets: false },
  zero: 8,
  unpack(bytes, { q, scales }) {
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += BYTES) {
      const d = halfAt(bytes, i + 108);
      for (let k = 0; k < 16; k++, s++) {
        const low = (bytes[i + 96 + (k & 7)]! >> (k < 8 ? 0 : 4)) & 15;
        const high = (bytes[i + 104 + (k & 3)]! >> (2 * (k >> 2))) & 3;
        scales[s] = d * ((low | (high << 4)) - 32);
      }
      for (let k = 0; k < 8; k++) {
        const [at, shift] = [i + 32 + (k >> 2) * 32, 2 * (k & 3)];
        for (let l = 0; l < 32; l++) {
          const n = ((bytes[at + l]! >> shift) & 3) | (((bytes[i + l]! >> k) & 1) << 2);
          q[o++] = n + 4; // n - 4, told from 8
        }
      }
    }
  },
});
