import { halfAt, setHalf } from './half.ts';
import { addFifthBits, joinFifthBits, joinNibbles, splitNibbles } from './halves.ts';
import { integerType } from './integers.ts';
import { roundSigned } from './round.ts';

const BLOCK = 32;
const BYTES = 22; // f16 d, 4 bytes of fifth bits, 16 bytes of nibbles
const ZERO = 128 - 16;

/** 32 values w = d * (n - 16), n from 0 to 31 (`block_q5_0` of ggml-common.h). */
export const q5_0 = integerType({
  name: 'q5_0',
  id: 6,
  blockSize: BLOCK,
  blockBytes: BYTES,
  layout: { bits: 8, blockSize: BLOCK, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    for (let b = 0, i = 0; i < bytes.length; b++, i += BYTES) {
      scales[b] = halfAt(bytes, i);
      splitNibbles(bytes, i + 6, q, b * BLOCK);
      addFifthBits(bytes, i + 2, q, b * BLOCK);
    }
    for (let i = 0; i < q.length; i++) q[i] = q[i]! + ZERO;
  },
  encode(values, out) {
    const q = new Uint8Array(BLOCK);
    for (let i = 0, o = 0; i < out.length; i += BYTES, o += BLOCK) {
      setHalf(out, i, roundSigned(values, o, 16, q).scale);
      joinFifthBits(q, out, i + 2);
      joinNibbles(q, out, i + 6);
    }
  },
});
