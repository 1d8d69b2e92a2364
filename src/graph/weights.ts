/**
 * Weights as the graph sees them: a source gives tensors by name, a cursor walks their names, checks every shape it
 * hands out and remembers who asked for what. Nothing here reads a byte of weights; lowering does.
 */
import { UserError } from '../errors.ts';

export type MetadataValue = string | number | bigint | boolean | readonly MetadataValue[];

/** Where weights come from: a file's reader, a generator of random weights, a Map in a test. */
export interface WeightSource {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Rows `from` up to, not including, `to`; a row is one run of the innermost axis, leading axes flattened. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** Integers of `bits` bits in blocks of `blockSize` along a row, each block with one float32 scale. */
export interface BlockLayout {
  readonly bits: 4 | 8;
  readonly blockSize: 16 | 32 | 64 | 128;
}

/**
 * Rows in the layout of ONNX Runtime's MatMulNBits: w = scale * (q - 2^(bits-1)).
 * `data` is `[rows, nIn / blockSize, blockSize * bits / 8]`, low nibble first; `scales` is `[rows, nIn / blockSize]`.
 */
export interface BlockQuantized {
  readonly data: Uint8Array;
  readonly scales: Float32Array;
}

/** One tensor of a source. The shape is outermost axis first: a linear layer is `[nOut, nIn]`. */
export interface StoredTensor {
  readonly name: string;
  /** The stored type in lower case, as ggml names it: 'f32', 'f16', 'bf16', 'q4_0', ... */
  readonly type: string;
  readonly shape: readonly number[];
  /** Length of the stored bytes. */
  readonly byteLength: number;
  /** The stored bytes of these rows (default: all). */
  read(rows?: RowRange): Promise<Uint8Array>;
  /** These rows (default: all) as float32 values, exactly. */
  decode(rows?: RowRange): Promise<Float32Array>;
  /** Present when a runtime kernel takes the blocks as they are. */
  readonly blocks?: BlockLayout & { pack(rows?: RowRange): Promise<BlockQuantized> };
}
