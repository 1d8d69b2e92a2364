import { halfAt } from './half.ts';
import { integerType } from './integers.ts';
import { SUPERBLOCK } from './k-scales.ts';
import { grid3s, grid3xxs } from './lattices.ts';
import { evenSigns, putPoint } from './signed-points.ts';

const XXS_BYTES = 98; // f16 d, 64 point numbers, 8 words of 4 times 7 signs and a scale

/** 8 times 32 values w = d * (scale + 1/2) / 2 * coordinate; a point has four coordinates (`block_iq3_xxs`). */
export const iq3_xxs = integerType({
  name: 'iq3_xxs',
  id: 18,
  blockSize: SUPERBLOCK,
  blockBytes: XXS_BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    const grid = grid3xxs();
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += XXS_BYTES) {
      const d = halfAt(bytes, i);
      for (let k = 0; k < 8; k++, s++) {
        const at = i + 66 + 4 * k;
        const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
        scales[s] = (d * (0.5 + (word >>> 28))) / 2;
        for (let p = 0; p < 8; p++, o += 4) {
          const signs = evenSigns((word >> (7 * (p >> 1))) & 127) >> (4 * (p & 1));
          putPoint(q, o, grid, 4, bytes[i + 2 + 8 * k + p]!, signs);
        }
      }
    }
  },
});

const S_BYTES = 110; // f16 d, 64 low bytes of point numbers, 8 of ninth bits, 32 of signs, 4 of two scales

/** 8 times 32 values w = d * (2 scale + 1) * coordinate, all signs stored (`block_iq3_s`). */
export const iq3_s = integerType({
  name: 'iq3_s',
  id: 21,
  blockSize: SUPERBLOCK,
  blockBytes: S_BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    const grid = grid3s();
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += S_BYTES) {
      const d = halfAt(bytes, i);
      for (let k = 0; k < 8; k++, s++) {
        scales[s] = d * (1 + 2 * ((bytes[i + 106 + (k >> 1)]! >> (4 * (k & 1))) & 15));
        for (let p = 0; p < 8; p++, o += 4) {
          const ninth = (bytes[i + 66 + k]! >> p) & 1;
          const signs = bytes[i + 74 + 4 * k + (p >> 1)]! >> (4 * (p & 1));
          putPoint(q, o, grid, 4, bytes[i + 2 + 8 * k + p]! | (ninth << 8), signs);
        }
      }
    }
  },
});
