/** A stored tensor made from a type and a way to get at rows of bytes. */
import type { BlockQuantized, RowRange, StoredTensor } from '../../graph/weights.ts';
import type { QuantType } from './quants/quant.ts';

export interface TensorLayout {
  readonly name: string;
  readonly type: QuantType;
  /** Outermost axis first; the innermost is a whole number of blocks. */
  readonly shape: readonly number[];
}

/** Rows of a tensor and the bytes each takes; a row is one run of the innermost axis. */
export const rowsOf = ({ name, type, shape }: TensorLayout): { readonly nRow: number; readonly rowBytes: number } => {
  const nIn = shape.at(-1) ?? 1;
  if (nIn % type.blockSize !== 0) {
    throw new RangeError(`tensor '${name}': rows of ${nIn} values are no multiple of ${type.blockSize}`);
  }
  const nRow = shape.slice(0, -1).reduce((product, n) => product * n, 1);
  return { nRow, rowBytes: (nIn / type.blockSize) * type.blockBytes };
};

/** Brings blocks of a type into the kernels' order. */
export type Pack = (type: QuantType, bytes: Uint8Array) => Promise<BlockQuantized>;

const packHere: Pack = async ({ name, blocks }, bytes) => {
  if (!blocks) throw new TypeError(`blocks of ${name} cannot be packed`);
  return blocks.pack(bytes);
};

/** The tensor whose rows `from` up to `to` are the bytes that `readRows` gives. */
export const storedTensor = (
  layout: TensorLayout,
  readRows: (rows: RowRange, rowBytes: number) => Promise<Uint8Array>,
  pack = packHere,
): StoredTensor => {
  const { name, type, shape } = layout;
  const { nRow, rowBytes } = rowsOf(layout);

  const read = async (rows: RowRange = { from: 0, to: nRow }): Promise<Uint8Array> => {
    const { from, to } = rows;
    if (!(from >= 0 && from <= to && to <= nRow)) throw new RangeError(`rows ${from} to ${to} of '${name}' of ${nRow}`);
    return readRows(rows, rowBytes);
  };
  const decode = async (rows?: RowRange): Promise<Float32Array> => {
    const bytes = await read(rows);
    const values = new Float32Array((bytes.length / type.blockBytes) * type.blockSize);
    type.decode(bytes, values);
    return values;
  };
  const tensor = { name, type: type.name, shape, byteLength: nRow * rowBytes, read, decode };
  const { blocks } = type;
  if (!blocks) return tensor;
  const { bits, blockSize, hasOffsets } = blocks;
  return { ...tensor, blocks: { bits, blockSize, hasOffsets, pack: async (rows) => pack(type, await read(rows)) } };
};
