import { halfAt } from './half.ts';
import { integerType } from './integers.ts';
import { encodeKWithMinima } from './k-round.ts';
import { readPairs, SUPERBLOCK } from './k-scales.ts';

const BYTES = 144; // f16 d, f16 dmin, 12 bytes of scales and minima, 128 of nibbles

/**
 * 8 times 32 values w = d * scale * n - dmin * minimum. 32 bytes hold 64 values: the low nibbles, then the high ones
 * (`block_q4_K` of ggml-common.h).
 */
export const q4_k = integerType({
  name: 'q4_k',
  id: 12,
  blockSize: SUPERBLOCK,
  blockBytes: BYTES,
  layout: { bits: 4, blockSize: 32, hasOffsets: true },
  zero: 0,
  unpack(bytes, { q, scales, minima }) {
    const [scale, minimum] = [new Uint8Array(8), new Uint8Array(8)];
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += BYTES) {
      const d = halfAt(bytes, i);
      const dMin = halfAt(bytes, i + 2);
      readPairs(bytes, i + 4, scale, minimum);
      for (let k = 0; k < 8; k++, s++) {
        scales[s] = d * scale[k]!;
        minima[s] = -dMin * minimum[k]!;
      }
      for (let at = i + 16; at < i + BYTES; at += 32, o += 64) {
        for (let l = 0; l < 32; l++) {
          const byte = bytes[at + l]!;
          q[o + l] = byte & 15;
          q[o + 32 + l] = byte >> 4;
        }
      }
    }
  },
  encode(values, out) {
    encodeKWithMinima(values, out, BYTES, { most: 15, first: -1, nStep: 20 }, (q, at) => {
      writeNibbles(q, out, at + 16);
    });
  },
});

/** The low four bits of 256 integers, 64 of them in 32 bytes. */
export const writeNibbles = (q: Uint8Array, bytes: Uint8Array, at: number): void => {
  for (let group = 0; group < 4; group++) {
    for (let l = 0; l < 32; l++) {
      bytes[at + 32 * group + l] = (q[64 * group + l]! & 15) | ((q[64 * group + 32 + l]! & 15) << 4);
    }
  }
};
