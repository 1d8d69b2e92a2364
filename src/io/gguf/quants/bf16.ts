import { fillWords, type QuantType, wordsOf } from './quant.ts';

/** The upper 16 bits of a float32. */
export const bf16 = {
  name: 'bf16',
  id: 30,
  blockSize: 1,
  blockBytes: 2,
  decode(bytes, out) {
    const words = wordsOf(bytes);
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
  },
  /** To the nearest, ties to even, as `ggml_compute_fp32_to_bf16`; NaN is made quiet so that it cannot round to infinity. */
  encode(values, out) {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    fillWords(out, (words) => {
      for (let i = 0; i < words.length; i++) {
        const b = bits[i]!;
        words[i] = (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 64 : (b + (0x7fff + ((b >>> 16) & 1))) >>> 16;
      }
    });
  },
} as const satisfies QuantType;
