/**
 * What a ggml type is: how a run of values is cut into blocks, and how a block's bytes become values and back.
 * The bytes of a type are little-endian; typed arrays read them as the machine does, and every machine ONNX Runtime
 * and Node share is little-endian.
 */
import type { BlockLayout, BlockQuantized } from '../../../graph/weights.ts';

/** One type of ggml (`ggml_type` and its traits in ggml.c). All sizes are exact: a row is a whole number of blocks. */
export interface QuantType {
  /** The name in lower case, as ggml prints it: 'q4_0'. */
  readonly name: string;
  /** The number that stands for it in a tensor's header. */
  readonly id: number;
  /** Values per block; 1 for the plain types. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly blockBytes: number;
  /** Turns whole blocks into float32 values, exactly; `out` holds `bytes.length / blockBytes * blockSize` values. */
  decode(bytes: Uint8Array, out: Float32Array): void;
  /** Rounds whole blocks of float32 values as ggml does; none where grafo only reads the type. */
  encode?(values: Float32Array, out: Uint8Array): void;
  /** The form MatMulNBits takes, where the blocks fit it without loss. */
  readonly blocks?: PackableBlocks;
}

export interface PackableBlocks extends BlockLayout {
  /** Whole blocks in the order of the file; the values stay the same, only bits move. */
  pack(bytes: Uint8Array): BlockQuantized;
}

/** The bytes as 16-bit words: a view where they lie on an even address, else a copy. The length must be even. */
export const wordsOf = (bytes: Uint8Array): Uint16Array => {
  const even = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint16Array(even.buffer, even.byteOffset, even.byteLength / 2);
};

/** Writes `length / 2` words made by `fill` into `out`, over a copy where `out` lies on an odd address. */
export const fillWords = (out: Uint8Array, fill: (words: Uint16Array) => void): void => {
  const words = wordsOf(out);
  fill(words);
  if (words.buffer !== out.buffer) out.set(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
};
