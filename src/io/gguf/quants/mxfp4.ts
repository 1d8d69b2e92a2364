import { splitNibbles } from './halves.ts';
import { integerType } from './integers.ts';

/** Twice the value of a float of one sign, two exponent and one fraction bit (`kvalues_fp4` of ggml-common.h). */
const DOUBLED = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
const FROM_128 = Uint8Array.from(DOUBLED, (value) => 128 + value);

const BYTES = 17; // an exponent, 16 bytes of nibbles as in Q4_0

/** 32 four-bit floats under one power of two, 2^(e - 127), halved here since the values are doubled (`block_mxfp4`). */
export const mxfp4 = integerType({
  name: 'mxfp4',
  id: 39,
  blockSize: 32,
  blockBytes: BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    for (let b = 0, i = 0; i < bytes.length; b++, i += BYTES) {
      scales[b] = 2 ** (bytes[i]! - 128);
      splitNibbles(bytes, i + 1, q, 32 * b);
    }
    for (let i = 0; i < q.length; i++) q[i] = FROM_128[q[i]!]!;
  },
});
