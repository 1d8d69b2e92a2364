/**
 * Types whose values are integers times a scale, in some also plus a minimum: w = scale * n + minimum. Their blocks
 * differ in where the bits lie; once these are apart, values and the packed form follow in one way for all.
 */
import type { BlockLayout, BlockQuantized } from '../../../graph/weights.ts';
import type { QuantType } from './quant.ts';

/** Whole blocks taken apart. */
export interface Integers {
  /** One byte per value in order: n + `zero`, which is below 2^bits. */
  readonly q: Uint8Array;
  /** One per `layout.blockSize` values. */
  readonly scales: Float32Array;
  /** Likewise; of no length in types without. */
  readonly minima: Float32Array;
}

interface IntegerType extends Pick<QuantType, 'name' | 'id' | 'blockSize' | 'blockBytes' | 'encode'> {
  readonly layout: BlockLayout;
  /** What stands for n = 0 in `q`; the middle, 2^(bits - 1), in types without minima. */
  readonly zero: number;
  /** Takes as many whole blocks apart as `bytes` holds. */
  unpack(bytes: Uint8Array, into: Integers): void;
}

/** Values taken apart at a time: their bytes stay in a core's own cache. */
const CHUNK = 8192;

/** A type whose blocks are small integers with a scale, and maybe a minimum, for groups of them. */
export const integerType = ({ layout, zero, unpack, ...type }: IntegerType): QuantType => {
  const { bits, blockSize, hasOffsets } = layout;
  const middle = 2 ** (bits - 1);

  /** Gives `use` the integers of a few blocks at a time, and the number of the first value among them. */
  const eachChunk = (bytes: Uint8Array, use: (chunk: Integers, first: number) => void): void => {
    const nBlock = Math.max(1, Math.floor(CHUNK / type.blockSize));
    const nValue = Math.min(nBlock * type.blockSize, (bytes.length / type.blockBytes) * type.blockSize);
    const q = new Uint8Array(nValue);
    const scales = new Float32Array(nValue / blockSize);
    const minima = new Float32Array(hasOffsets ? nValue / blockSize : 0);
    for (let at = 0, first = 0; at < bytes.length; at += nBlock * type.blockBytes, first += nValue) {
      const piece = bytes.subarray(at, at + nBlock * type.blockBytes);
      const n = (piece.length / type.blockBytes) * type.blockSize;
      const chunk = { q: q.subarray(0, n), scales: scales.subarray(0, n / blockSize), minima };
      unpack(piece, chunk);
      use(chunk, first);
    }
  };

  return {
    ...type,
    decode(bytes, out) {
      eachChunk(bytes, ({ q, scales, minima }, first) => {
        for (let b = 0, i = 0; b < scales.length; b++) {
          const scale = scales[b]!;
          const minimum = hasOffsets ? minima[b]! : -0; // -0 keeps the sign of zero
          for (const end = i + blockSize; i < end; i++) out[first + i] = scale * (q[i]! - zero) + minimum;
        }
      });
    },
    blocks: {
      ...layout,
      pack(bytes): BlockQuantized {
        const nValue = (bytes.length / type.blockBytes) * type.blockSize;
        const data = new Uint8Array((nValue * bits) / 8);
        const packed = { data, scales: new Float32Array(nValue / blockSize) };
        const moved = new Float32Array(hasOffsets ? nValue / blockSize : 0);
        eachChunk(bytes, ({ q, scales, minima }, first) => {
          packed.scales.set(scales, first / blockSize);
          if (bits === 8) data.set(q, first);
          else for (let i = 0, o = first / 2; i < q.length; i += 2, o++) data[o] = q[i]! | (q[i + 1]! << 4);
          // scale * (q - zero) + minimum, told from the middle
          for (let b = 0, o = first / blockSize; b < moved.length && b < scales.length; b++, o++) {
            moved[o] = scales[b]! * (middle - zero) + minima[b]!;
          }
        });
        return hasOffsets ? { ...packed, offsets: moved } : packed;
      },
    },
  };
};
