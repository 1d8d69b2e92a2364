import { halfAt } from './half.ts';
import { splitNibbles } from './halves.ts';
import { integerType } from './integers.ts';
import { SUPERBLOCK } from './k-scales.ts';

/** What the sixteen nibbles stand for (`kvalues_iq4nl` of ggml-common.h). */
const VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const FROM_128 = Uint8Array.from(VALUES, (value) => 128 + value);

const NL_BYTES = 18; // f16 d, 16 bytes of nibbles as in Q4_0

/** 32 values w = d * value(nibble) (`block_iq4_nl`). */
export const iq4_nl = integerType({
  name: 'iq4_nl',
  id: 20,
  blockSize: 32,
  blockBytes: NL_BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    for (let b = 0, i = 0; i < bytes.length; b++, i += NL_BYTES) {
      scales[b] = halfAt(bytes, i);
      splitNibbles(bytes, i + 2, q, 32 * b);
    }
    for (let i = 0; i < q.length; i++) q[i] = FROM_128[q[i]!]!;
  },
});

const XS_BYTES = 136; // f16 d, 2 bytes of the scales' high bits, 4 of their low nibbles, 128 of nibbles

/** 8 times 32 values w = d * (scale - 32) * value(nibble) (`block_iq4_xs`). */
export const iq4_xs = integerType({
  name: 'iq4_xs',
  id: 23,
  blockSize: SUPERBLOCK,
  blockBytes: XS_BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    for (let i = 0, s = 0; i < bytes.length; i += XS_BYTES) {
      const d = halfAt(bytes, i);
      const high = bytes[i + 2]! | (bytes[i + 3]! << 8);
      for (let k = 0; k < 8; k++, s++) {
        const low = (bytes[i + 4 + (k >> 1)]! >> (4 * (k & 1))) & 15;
        scales[s] = d * ((low | (((high >> (2 * k)) & 3) << 4)) - 32);
        splitNibbles(bytes, i + 8 + 16 * k, q, 32 * s);
      }
    }
    for (let i = 0; i < q.length; i++) q[i] = FROM_128[q[i]!]!;
  },
});
