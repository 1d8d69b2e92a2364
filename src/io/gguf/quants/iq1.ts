import { halfAt, halfToFloat } from './half.ts';
import { integerType } from './integers.ts';
import { SUPERBLOCK } from './k-scales.ts';
import { grid1 } from './lattices.ts';

/** Eight times a coordinate of -1, 0 or 1, and one eighth of a step up or down, told from 128. */
const putMoved = (q: Uint8Array, o: number, point: number, isDown: boolean): void => {
  const grid = grid1();
  for (let j = 0; j < 8; j++) q[o + j] = 128 + 8 * grid[point * 8 + j]! + (isDown ? -1 : 1);
};

const S_BYTES = 50; // f16 d, 32 low bytes of point numbers, 8 words of their high bits, scale and direction

/** 8 times 32 values w = d * (2 scale + 1) * (coordinate ± 1/8), four points of eight each (`block_iq1_s`). */
export const iq1_s = integerType({
  name: 'iq1_s',
  id: 19,
  blockSize: SUPERBLOCK,
  blockBytes: S_BYTES,
  layout: { bits: 8, blockSize: 32, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += S_BYTES) {
      const d = halfAt(bytes, i);
      for (let k = 0; k < 8; k++, s++) {
        const word = bytes[i + 34 + 2 * k]! | (bytes[i + 35 + 2 * k]! << 8);
        scales[s] = (d * (2 * ((word >> 12) & 7) + 1)) / 8;
        for (let l = 0; l < 4; l++, o += 8) {
          const point = bytes[i + 2 + 4 * k + l]! | (((word >> (3 * l)) & 7) << 8);
          putMoved(q, o, point, (word & 0x8000) !== 0);
        }
      }
    }
  },
});

const M_BYTES = 56; // 32 low bytes of point numbers, 16 of high bits and directions, 8 of scales

/**
 * The same with a scale for every 16 values and a direction for every point. d has no place of its own: its bits are
 * the high nibbles of the four words of scales (`block_iq1_m`).
 */
export const iq1_m = integerType({
  name: 'iq1_m',
  id: 29,
  blockSize: SUPERBLOCK,
  blockBytes: M_BYTES,
  layout: { bits: 8, blockSize: 16, hasOffsets: false },
  zero: 128,
  unpack(bytes, { q, scales }) {
    for (let i = 0, o = 0, s = 0; i < bytes.length; i += M_BYTES) {
      const word = (k: number) => bytes[i + 48 + 2 * k]! | (bytes[i + 49 + 2 * k]! << 8);
      const d = halfToFloat((word(0) >> 12) | ((word(1) >> 8) & 0xf0) | ((word(2) >> 4) & 0xf00) | (word(3) & 0xf000));
      for (let k = 0; k < 16; k++, s++) scales[s] = (d * (2 * ((word(k >> 2) >> (3 * (k & 3))) & 7) + 1)) / 8;
      for (let p = 0; p < 32; p++, o += 8) {
        const high = (bytes[i + 32 + (p >> 1)]! >> (4 * (p & 1))) & 15;
        putMoved(q, o, bytes[i + p]! | ((high & 7) << 8), (high & 8) !== 0);
      }
    }
  },
});
