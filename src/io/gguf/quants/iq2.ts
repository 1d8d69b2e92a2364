import { halfAt } from './half.ts';
import { integerType } from './integers.ts';
import { SUPERBLOCK } from './k-scales.ts';
import { grid2s, grid2xs, grid2xxs } from './lattices.ts';
import { evenSigns, putPoint } from './signed-points.ts';

/** All three: w = d * (scale + 1/2) / 4 * coordinate, eight coordinates to a point, with a sign each. */
const scaleOf = (d: number, nibble: number): number => (d * (0.5 + (nibble & 15))) / 4;

const XXS_BYTES = 66; // f16 d, then 8 bytes for each 32 values: four point numbers, 4 times 7 signs and a scale

/** 256 points (`block_iq2_xxs` of ggml-common.h). */
export const iq2_xxs = integerType({
  name: 'iq2_xxs',
  id: 16,
  blockSize: SUPERBLOCK,
  blockBytes: XXS_BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    const grid = grid2xxs();
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += XXS_BYTES) {
      const d = halfAt(bytes, i);
      for (let at = i + 2; at < i + XXS_BYTES; at += 8, s++) {
        const word = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
        scales[s] = scaleOf(d, word >>> 28);
        for (let l = 0; l < 4; l++, o += 8) putPoint(q, o, grid, 8, bytes[at + l]!, evenSigns((word >> (7 * l)) & 127));
      }
    }
  },
});

const XS_BYTES = 74; // f16 d, 32 words of a point's number (9 bits) and signs (7), 8 bytes of two scales

/** 512 points, a scale for every 16 values (`block_iq2_xs`). */
export const iq2_xs = integerType({
  name: 'iq2_xs',
  id: 17,
  blockSize: SUPERBLOCK,
  blockBytes: XS_BYTES,
  layout: { bits: 8, blockSize: 16, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    const grid = grid2xs();
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += XS_BYTES) {
      const d = halfAt(bytes, i);
      for (let k = 0; k < 16; k++, s++) scales[s] = scaleOf(d, bytes[i + 66 + (k >> 1)]! >> (4 * (k & 1)));
      for (let at = i + 2; at < i + 66; at += 2, o += 8) {
        const word = bytes[at]! | (bytes[at + 1]! << 8);
        putPoint(q, o, grid, 8, word & 511, evenSigns(word >> 9));
      }
    }
  },
});

const S_BYTES = 82; // f16 d, 32 low bytes of point numbers, 32 of signs, 8 of high bits, 8 of two scales

/** 1024 points, all signs stored (`block_iq2_s`). */
export const iq2_s = integerType({
  name: 'iq2_s',
  id: 22,
  blockSize: SUPERBLOCK,
  blockBytes: S_BYTES,
  layout: { bits: 8, blockSize: 16, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    const grid = grid2s();
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += S_BYTES) {
      const d = halfAt(bytes, i);
      for (let k = 0; k < 16; k++, s++) scales[s] = scaleOf(d, bytes[i + 74 + (k >> 1)]! >> (4 * (k & 1)));
      for (let p = 0; p < 32; p++, o += 8) {
        const high = (bytes[i + 66 + (p >> 2)]! >> (2 * (p & 3))) & 3;
        putPoint(q, o, grid, 8, bytes[i + 2 + p]! | (high << 8), bytes[i + 34 + p]!);
      }
    }
  },
});
