import { halfAt } from './half.ts';
import { integerType } from './integers.ts';
import { encodeKWithMinima } from './k-round.ts';
import { readPairs, SUPERBLOCK } from './k-scales.ts';
import { writeNibbles } from './q4_k.ts';

const BYTES = 176; // f16 d, f16 dmin, 12 bytes of scales and minima, 32 of fifth bits, 128 of nibbles
const ZERO = 128 - 16;

/** As Q4_K, n having a fifth bit: bit k of byte l for value 32 k + l (`block_q5_K` of ggml-common.h). */
export const q5_k = integerType({
  name: 'q5_k',
  id: 13,
  blockSize: SUPERBLOCK,
  blockBytes: BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: true },
  zero: ZERO,
  unpack(bytes, { q, scales, minima }) {
    const [scale, minimum] = [new Uint8Array(8), new Uint8Array(8)];
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += BYTES) {
      const d = halfAt(bytes, i);
      const dMin = halfAt(bytes, i + 2);
      readPairs(bytes, i + 4, scale, minimum);
      for (let k = 0; k < 8; k++, s++) {
        scales[s] = d * scale[k]!;
        minima[s] = -dMin * minimum[k]!;
        const [at, shift] = [i + 48 + 32 * (k >> 1), 4 * (k & 1)];
        for (let l = 0; l < 32; l++) {
          const n = ((bytes[at + l]! >> shift) & 15) | (((bytes[i + 16 + l]! >> k) & 1) << 4);
          q[o++] = n + ZERO;
        }
      }
    }
  },
  encode(values, out) {
    encodeKWithMinima(values, out, BYTES, { most: 31, first: -0.5, nStep: 15 }, (q, at) => {
      for (let l = 0; l < 32; l++) {
        let fifth = 0;
        for (let k = 0; k < 8; k++) fifth |= (q[32 * k + l]! >> 4) << k;
        out[at + 16 + l] = fifth;
      }
      writeNibbles(q, out, at + 48);
    });
  },
});
