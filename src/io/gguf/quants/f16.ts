import { floatToHalf, halfTable } from './half.ts';
import { fillWords, type QuantType, wordsOf } from './quant.ts';

/** IEEE half precision. */
export const f16 = {
  name: 'f16',
  id: 1,
  blockSize: 1,
  blockBytes: 2,
  decode(bytes, out) {
    const words = wordsOf(bytes);
    const half = halfTable();
    for (let i = 0; i < words.length; i++) out[i] = half[words[i]!]!;
  },
  encode(values, out) {
    fillWords(out, (words) => {
      for (let i = 0; i < words.length; i++) words[i] = floatToHalf(values[i]!);
    });
  },
} as const satisfies QuantType;
