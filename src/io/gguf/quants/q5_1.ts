import { halfAt, setHalf } from './half.ts';
import { addFifthBits, joinFifthBits, joinNibbles, splitNibbles } from './halves.ts';
import { integerType } from './integers.ts';
import { roundAbove } from './round.ts';

const BLOCK = 32;
const BYTES = 24; // f16 d, f16 m, 4 bytes of fifth bits, 16 bytes of nibbles
const ZERO = 128 - 16;

/** 32 values w = d * n + m, n from 0 to 31 (`block_q5_1` of ggml-common.h). */
export const q5_1 = integerType({
  name: 'q5_1',
  id: 7,
  blockSize: BLOCK,
  blockBytes: BYTES,
  layout: { bits: 8, blockSize: BLOCK, hasOffsets: true },
  zero: ZERO,
  unpack(bytes, { q, scales, minima }) {
    for (let b = 0, i = 0; i < bytes.length; b++, i += BYTES) {
      scales[b] = halfAt(bytes, i);
      minima[b] = halfAt(bytes, i + 2);
      splitNibbles(bytes, i + 8, q, b * BLOCK);
      addFifthBits(bytes, i + 4, q, b * BLOCK);
    }
    for (let i = 0; i < q.length; i++) q[i] = q[i]! + ZERO;
  },
  encode(values, out) {
    const q = new Uint8Array(BLOCK);
    for (let i = 0, o = 0; i < out.length; i += BYTES, o += BLOCK) {
      const { scale, minimum } = roundAbove(values, o, 31, q);
      setHalf(out, i, scale);
      setHalf(out, i + 2, minimum);
      joinFifthBits(q, out, i + 4);
      joinNibbles(q, out, i + 8);
    }
  },
});
