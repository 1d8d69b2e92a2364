import { floatToHalf, halfTable } from './half.ts';
import { fillWords, type QuantType, wordsOf } from './quant.ts';

const BLOCK = 32;
const WORDS = 17; // f16 d, then 32 signed bytes

/** 32 values w = d * q: a half d, then q as signed bytes (`block_q8_0` of ggml-common.h). */
export const q8_0 = {
  name: 'q8_0',
  id: 8,
  blockSize: BLOCK,
  blockBytes: 2 * WORDS,
  decode(bytes, out) {
    const words = wordsOf(bytes);
    const half = halfTable();
    for (let i = 0, o = 0; i < words.length; i += WORDS, o += BLOCK) {
      const d = half[words[i]!]!;
      for (let j = 0; j < 16; j++) {
        const w = words[i + 1 + j]!;
        out[o + 2 * j] = d * ((w << 24) >> 24);
        out[o + 2 * j + 1] = d * ((w << 16) >> 24);
      }
    }
  },
  /** As `quantize_row_q8_0_ref` in float32: d = max |w| / 127, halves round away from zero. */
  encode(values, out) {
    fillWords(out, (words) => {
      for (let i = 0, o = 0; i < words.length; i += WORDS, o += BLOCK) {
        let max = 0;
        for (let j = o; j < o + BLOCK; j++) max = Math.max(max, Math.abs(values[j]!));
        const d = Math.fround(max / 127);
        const inverse = d === 0 ? 0 : Math.fround(1 / d);
        const q = (x: number) => {
          const y = Math.fround(x * inverse);
          return Math.trunc(y + (y < 0 ? -0.5 : 0.5)) & 0xff;
        };
        words[i] = floatToHalf(d);
        for (let j = 0; j < 16; j++) words[i + 1 + j] = q(values[o + 2 * j]!) | (q(values[o + 2 * j + 1]!) << 8);
      }
    });
  },
  blocks: {
    bits: 8,
    blockSize: BLOCK,
    hasOffsets: false,
    /** MatMulNBits wants q + 128 unsigned: that is the sign bit turned over. */
    pack(bytes) {
      const words = wordsOf(bytes);
      const half = halfTable();
      const nBlock = words.length / WORDS;
      const scales = new Float32Array(nBlock);
      const packed = new Uint16Array(nBlock * 16);
      for (let b = 0, i = 0, o = 0; b < nBlock; b++, i += WORDS, o += 16) {
        scales[b] = half[words[i]!]!;
        for (let j = 0; j < 16; j++) packed[o + j] = words[i + 1 + j]! ^ 0x8080;
      }
      return { data: new Uint8Array(packed.buffer), scales };
    },
  },
} as const satisfies QuantType;
