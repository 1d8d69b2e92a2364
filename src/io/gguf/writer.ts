/** GGUF files (version 3) written as a stream: the header first, then each tensor in pieces of a few megabytes. */
import type { FileHandle } from 'node:fs/promises';
import { type GGUFTypedMetadata, GGUFValueType, serializeGgufMetadata } from '@huggingface/gguf';
import type { StoredTensor } from '../../graph/weights.ts';
import { writeWhole } from '../whole-file.ts';
import { fileError } from './file.ts';
import type { TypedMetadata, TypedValue } from './metadata.ts';
import type { QuantType } from './quants/quant.ts';
import { rowsOf } from './stored.ts';
import { typeOfName } from './types.ts';

/** What the writer asks of a tensor; `read` is called for runs of rows, in order, and gives the bytes as stored. */
export type TensorToWrite = Pick<StoredTensor, 'name' | 'type' | 'shape' | 'read'>;

export interface GgufContent {
  readonly metadata: TypedMetadata;
  /** Further keys with their values, each as it stands in a file. */
  readonly encoded?: readonly Uint8Array[];
  /** Written in this order. */
  readonly tensors: readonly TensorToWrite[];
}

/** Bytes asked of a tensor at a time. */
const PIECE = 16 * 2 ** 20;
const DEFAULT_ALIGNMENT = 32;
const MAX_NAME = 63;

const VALUE_TYPE = {
  u8: GGUFValueType.UINT8,
  i8: GGUFValueType.INT8,
  u16: GGUFValueType.UINT16,
  i16: GGUFValueType.INT16,
  u32: GGUFValueType.UINT32,
  i32: GGUFValueType.INT32,
  f32: GGUFValueType.FLOAT32,
  bool: GGUFValueType.BOOL,
  string: GGUFValueType.STRING,
  array: GGUFValueType.ARRAY,
  u64: GGUFValueType.UINT64,
  i64: GGUFValueType.INT64,
  f64: GGUFValueType.FLOAT64,
} as const satisfies Record<TypedValue['type'], GGUFValueType>;

/**
 * Writes a GGUF file that llama.cpp and grafo can open. It grows under a temporary name beside `path` and takes its
 * name when it is complete, so that nobody ever finds half a model there.
 * @throws UserError 'file' when the file cannot be written
 */
export const writeGguf = async (path: string, { metadata, encoded = [], tensors }: GgufContent): Promise<void> => {
  const alignment = metadata['general.alignment']?.value ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== 'number') throw new TypeError('general.alignment is a u32');
  const layouts = tensors.map(layoutOf);
  const header = headerBytes(metadata, encoded, layouts, alignment);

  try {
    await writeWhole(path, async (handle) => {
      await handle.writeFile(header);
      await pad(handle, header.length, alignment);
      for (const layout of layouts) await writeTensor(handle, layout, alignment);
    });
  } catch (error) {
    throw isSystemError(error) ? fileError('write', path, error) : error;
  }
};

interface Layout {
  readonly tensor: TensorToWrite;
  readonly type: QuantType;
  readonly nRow: number;
  readonly rowBytes: number;
}

const layoutOf = (tensor: TensorToWrite): Layout => {
  const { name, shape } = tensor;
  const type = typeOfName(tensor.type);
  if (!type) throw new TypeError(`tensor '${name}': there is no type '${tensor.type}' to write`);
  if (new TextEncoder().encode(name).length > MAX_NAME) throw new RangeError(`the name '${name}' is too long for ggml`);
  return { tensor, type, ...rowsOf({ name, type, shape }) };
};

/** The number of keys is at this byte (docs/gguf.md). */
const KEY_COUNT = 16;

const headerBytes = (
  metadata: TypedMetadata,
  encoded: readonly Uint8Array[],
  layouts: readonly Layout[],
  alignment: number,
): Uint8Array => {
  // Padding belongs after the tensor infos; an alignment of 1 keeps the library from padding before them.
  const keys = serializeGgufMetadata(libraryMetadata(metadata, layouts.length), { alignment: 1 });
  new DataView(keys.buffer, keys.byteOffset).setBigUint64(
    KEY_COUNT,
    BigInt(Object.keys(metadata).length + encoded.length),
    true,
  );
  let offset = 0;
  const infos = layouts.map((layout) => {
    const info = tensorInfo(layout, offset);
    offset += roundUp(layout.nRow * layout.rowBytes, alignment);
    return info;
  });
  return Buffer.concat([keys, ...encoded, ...infos]);
};

const libraryMetadata = (metadata: TypedMetadata, nTensor: number): GGUFTypedMetadata => ({
  version: { value: 3, type: GGUFValueType.UINT32 },
  tensor_count: { value: BigInt(nTensor), type: GGUFValueType.UINT64 },
  kv_count: { value: BigInt(Object.keys(metadata).length), type: GGUFValueType.UINT64 },
  ...Object.fromEntries(Object.entries(metadata).map(([key, entry]) => [key, libraryEntry(entry)])),
});

const libraryEntry = (entry: TypedValue) =>
  entry.type === 'array'
    ? { value: [...entry.value], type: VALUE_TYPE.array, subType: VALUE_TYPE[entry.of] }
    : { value: entry.value, type: VALUE_TYPE[entry.type] };

/** Name, dimensions (innermost first), type and offset, as in "GGUF tensor info" of ggml's docs/gguf.md. */
const tensorInfo = ({ tensor, type }: Layout, offset: number): Uint8Array => {
  const name = new TextEncoder().encode(tensor.name);
  const bytes = new Uint8Array(8 + name.length + 4 + 8 * tensor.shape.length + 4 + 8);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(name.length), true);
  bytes.set(name, 8);
  let at = 8 + name.length;
  view.setUint32(at, tensor.shape.length, true);
  at += 4;
  for (const ne of tensor.shape.toReversed()) {
    view.setBigUint64(at, BigInt(ne), true);
    at += 8;
  }
  view.setUint32(at, type.id, true);
  view.setBigUint64(at + 4, BigInt(offset), true);
  return bytes;
};

const writeTensor = async (
  handle: FileHandle,
  { tensor, nRow, rowBytes }: Layout,
  alignment: number,
): Promise<void> => {
  const step = Math.max(1, Math.floor(PIECE / rowBytes));
  for (let from = 0; from < nRow; from += step) {
    const to = Math.min(from + step, nRow);
    const bytes = await tensor.read({ from, to });
    const expected = (to - from) * rowBytes;
    if (bytes.length !== expected) {
      throw new RangeError(`tensor '${tensor.name}' gave ${bytes.length} bytes for ${expected}`);
    }
    await handle.writeFile(bytes);
  }
  await pad(handle, nRow * rowBytes, alignment);
};

const pad = async (handle: FileHandle, length: number, alignment: number): Promise<void> => {
  await handle.writeFile(new Uint8Array(roundUp(length, alignment) - length));
};

const roundUp = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;

const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error;
