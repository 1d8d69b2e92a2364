import { halfAt, setHalf } from './half.ts';
import { joinNibbles, splitNibbles } from './halves.ts';
import { integerType } from './integers.ts';
import { roundAbove } from './round.ts';

const BLOCK = 32;
const BYTES = 20; // f16 d, f16 m, 16 bytes of nibbles

/** 32 values w = d * n + m, n from 0 to 15; nibbles as in Q4_0 (`block_q4_1` of ggml-common.h). */
export const q4_1 = integerType({
  name: 'q4_1',
  id: 3,
  blockSize: BLOCK,
  blockBytes: BYTES,
  layout: { bits: 4, blockSize: BLOCK, hasOffsets: true },
  zero: 0,
  unpack(bytes, { q, scales, minima }) {
    for (let b = 0, i = 0; i < bytes.length; b++, i += BYTES) {
      scales[b] = halfAt(bytes, i);
      minima[b] = halfAt(bytes, i + 2);
      splitNibbles(bytes, i + 4, q, b * BLOCK);
    }
  },
  encode(values, out) {
    const q = new Uint8Array(BLOCK);
    for (let i = 0, o = 0; i < out.length; i += BYTES, o += BLOCK) {
      const { scale, minimum } = roundAbove(values, o, 15, q);
      setHalf(out, i, scale);
      setHalf(out, i + 2, minimum);
      joinNibbles(q, out, i + 4);
    }
  },
});
