/** Weights in the forms that kernels take. A group knows its sizes without reading; loading reads one group at a time. */
import { elements } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';

export type StoredDType = 'f32' | 'f16' | 'u8' | 'i8';

export interface Initializer {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly dims: readonly number[];
  readonly byteLength: number;
}

/** Initialisers that are made by reading the same bytes once. */
export interface InitializerGroup {
  readonly parts: readonly Initializer[];
  load(): Promise<readonly Uint8Array[]>;
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** One array of the same bytes in order; the array itself when there is only one. */
const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  if (parts.length === 1) return parts[0]!;
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** In turn, so that no more than one weight is held in a foreign form. */
const eachRef = async <R>(refs: readonly WeightRef[], read: (ref: WeightRef) => Promise<R>): Promise<R[]> => {
  const out: R[] = [];
  for (const ref of refs) out.push(await read(ref));
  return out;
};

const width = (ref: WeightRef): number => ref.shape.at(-1) ?? 1;
const height = (ref: WeightRef): number => elements(ref.shape.slice(0, -1));
const first = (refs: readonly WeightRef[]): WeightRef => {
  const [ref] = refs;
  if (!ref) throw new Error('no weight to store');
  return ref;
};

/** Float32 values; several weights of equal width one below the other. */
export const denseGroup = (name: string, refs: readonly WeightRef[]): InitializerGroup => {
  const ref = first(refs);
  const dims = refs.length === 1 ? ref.shape : [refs.reduce((n, r) => n + height(r), 0), width(ref)];
  return {
    parts: [{ name, dtype: 'f32', dims, byteLength: 4 * elements(dims) }],
    load: async () => [joined((await eachRef(refs, (r) => r.tensor.decode(r.rows))).map(bytesOf))],
  };
};

/** The stored halves as they are. */
export const halfGroup = (name: string, ref: WeightRef): InitializerGroup => ({
  parts: [{ name, dtype: 'f16', dims: ref.shape, byteLength: 2 * elements(ref.shape) }],
  load: async () => [await ref.tensor.read(ref.rows)],
});

/** How the blocks' bytes are counted: MatMulNBits wants `[rows, blocks, bytes]`, GatherBlockQuantized `[rows, bytes]`. */
export type PackedRank = 2 | 3;

/** Block-quantised integers and their scales; several weights of the same layout one below the other. */
export const packedGroup = (name: string, refs: readonly WeightRef[], rank: PackedRank): InitializerGroup => {
  const { blocks } = first(refs).tensor;
  if (!blocks) throw new Error(`${name} has no blocks`);
  const { bits, blockSize } = blocks;
  const nRow = refs.reduce((n, r) => n + height(r), 0);
  const nBlock = width(first(refs)) / blockSize;
  const blockBytes = (blockSize * bits) / 8;
  const dims = rank === 3 ? [nRow, nBlock, blockBytes] : [nRow, nBlock * blockBytes];
  return {
    parts: [
      { name: `${name}.blocks`, dtype: 'u8', dims, byteLength: elements(dims) },
      { name: `${name}.scales`, dtype: 'f32', dims: [nRow, nBlock], byteLength: 4 * nRow * nBlock },
    ],
    async load() {
      const packed = await eachRef(refs, (r) => {
        if (!r.tensor.blocks) throw new Error(`${r.name} has no blocks`);
        return r.tensor.blocks.pack(r.rows);
      });
      return [joined(packed.map((p) => p.data)), joined(packed.map((p) => bytesOf(p.scales)))];
    },
  };
};

/**
 * 8-bit integers with one scale for each output, as DynamicQuantizeMatMul takes them: `[nIn, nOut]` and `[nOut]`.
 * Several weights of equal width lie side by side.
 */
export const byteGroup = (name: string, refs: readonly WeightRef[]): InitializerGroup => {
  const nIn = width(first(refs));
  const nOut = refs.reduce((n, r) => n + height(r), 0);
  return {
    parts: [
      { name: `${name}.bytes`, dtype: 'i8', dims: [nIn, nOut], byteLength: nIn * nOut },
      { name: `${name}.byte_scales`, dtype: 'f32', dims: [nOut], byteLength: 4 * nOut },
    ],
    async load() {
      const bytes = new Int8Array(nIn * nOut);
      const scales = new Float32Array(nOut);
      let out = 0;
      for (const ref of refs) {
        const values = await ref.tensor.decode(ref.rows);
        for (let row = 0; row < height(ref); row++, out++) {
          const weights = values.subarray(row * nIn, (row + 1) * nIn);
          const scale = largest(weights) / 127;
          scales[out] = scale;
          if (scale === 0) continue;
          for (let i = 0; i < nIn; i++) bytes[i * nOut + out] = Math.round(weights[i]! / scale);
        }
      }
      return [bytesOf(bytes), bytesOf(scales)];
    },
  };
};

const largest = (values: Float32Array): number => {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
};

/** Values that are computed instead of read. */
export const computedGroup = (
  name: string,
  dims: readonly number[],
  compute: () => Promise<Float32Array>,
): InitializerGroup => ({
  parts: [{ name, dtype: 'f32', dims, byteLength: 4 * elements(dims) }],
  load: async () => [bytesOf(await compute())],
});
