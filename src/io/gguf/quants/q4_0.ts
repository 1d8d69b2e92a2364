import { floatToHalf, halfTable } from './half.ts';
import { fillWords, type QuantType, wordsOf } from './quant.ts';

const BLOCK = 32;
const WORDS = 9; // f16 d, then 16 bytes of nibbles

/**
 * 32 values w = d * (n - 8): a half d, then 16 bytes; byte j holds n of value j in its low and of value 16 + j in its
 * high nibble (`block_q4_0` of ggml-common.h).
 */
export const q4_0 = {
  name: 'q4_0',
  id: 2,
  blockSize: BLOCK,
  blockBytes: 2 * WORDS,
  decode(bytes, out) {
    const words = wordsOf(bytes);
    const half = halfTable();
    for (let i = 0, o = 0; i < words.length; i += WORDS, o += BLOCK) {
      const d = half[words[i]!]!;
      for (let j = 0; j < 8; j++) {
        const w = words[i + 1 + j]!;
        const k = o + 2 * j;
        out[k] = d * ((w & 15) - 8);
        out[k + 1] = d * (((w >> 8) & 15) - 8);
        out[k + 16] = d * (((w >> 4) & 15) - 8);
        out[k + 17] = d * ((w >> 12) - 8);
      }
    }
  },
  /** As `quantize_row_q4_0_ref` in float32: the value of largest magnitude becomes exactly -8 * d. */
  encode(values, out) {
    fillWords(out, (words) => {
      for (let i = 0, o = 0; i < words.length; i += WORDS, o += BLOCK) {
        let max = 0;
        for (let j = o; j < o + BLOCK; j++) if (Math.abs(values[j]!) > Math.abs(max)) max = values[j]!;
        const d = Math.fround(max / -8);
        const inverse = d === 0 ? 0 : Math.fround(1 / d);
        const nibble = (x: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(x * inverse) + 8.5)));
        words[i] = floatToHalf(d);
        for (let j = 0; j < 8; j++) {
          const k = o + 2 * j;
          words[i + 1 + j] =
            nibble(values[k]!) |
            (nibble(values[k + 16]!) << 4) |
            (nibble(values[k + 1]!) << 8) |
            (nibble(values[k + 17]!) << 12);
        }
      }
    });
  },
  blocks: {
    bits: 4,
    blockSize: BLOCK,
    hasOffsets: false,
    /** MatMulNBits wants neighbours in one byte: value 2j low, 2j + 1 high. Two words give one word of each half. */
    pack(bytes) {
      const words = wordsOf(bytes);
      const half = halfTable();
      const nBlock = words.length / WORDS;
      const scales = new Float32Array(nBlock);
      const packed = new Uint16Array(nBlock * 8);
      for (let b = 0, i = 0, o = 0; b < nBlock; b++, i += WORDS, o += 8) {
        scales[b] = half[words[i]!]!;
        for (let j = 0; j < 4; j++) {
          const x = words[i + 1 + 2 * j]! | (words[i + 2 + 2 * j]! << 16); // 4 bytes, [h3 l3 h2 l2 h1 l1 h0 l0]
          const low = (x & 0x000f000f) | ((x >>> 4) & 0x00f000f0); // [.. .. l3 l2 .. .. l1 l0]
          const high = ((x >>> 4) & 0x000f000f) | ((x >>> 8) & 0x00f000f0);
          packed[o + j] = low | (low >>> 8);
          packed[o + 4 + j] = high | (high >>> 8);
        }
      }
      return { data: new Uint8Array(packed.buffer), scales };
    },
  },
} as const satisfies QuantType;
