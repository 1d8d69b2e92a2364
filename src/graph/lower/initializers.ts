/** Weights in the forms that kernels take. A group knows its sizes without reading; loading reads one group at a time. */
import { elements } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import { roundBlocks, widen, widened } from './offsets.ts';
import { pair, paired } from './pairs.ts';

export type StoredDType = 'f32' | 'f16' | 'bf16' | 'u8' | 'i8';

export interface Initializer {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly dims: readonly number[];
  readonly byteLength: number;
}

/** The bytes of an initialiser under another name and shape. */
export interface InitializerView {
  readonly name: string;
  readonly of: string;
  readonly dims: readonly number[];
}

/** Initialisers that are made by reading the same bytes once. */
export interface InitializerGroup {
  readonly parts: readonly Initializer[];
  /** What computed values depend on beside the weights. */
  readonly recipe?: string;
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
  for (const ref of refs.flatMap(runs)) out.push(await read(ref));
  return out;
};

/** Parts of a weight whose rows lie together in the file. */
const runs = (ref: WeightRef): readonly WeightRef[] =>
  ref.isScattered ? Array.from({ length: ref.shape[0] ?? 0 }, (_, i) => ref.at(i)) : [ref];

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

/** Floats of 16 bits as they are stored. */
export const halfGroup = (name: string, ref: WeightRef, dtype: 'f16' | 'bf16'): InitializerGroup => ({
  parts: [{ name, dtype, dims: ref.shape, byteLength: 2 * elements(ref.shape) }],
  load: async () => [await ref.tensor.read(ref.rows)],
});

/**
 * A layout's integers, scales and offsets; the offsets among the integers (offsets.ts); two blocks without offsets as one
 * (pairs.ts).
 */
export type PackedForm = 'apart' | 'widened' | 'paired';

/**
 * Block-quantised integers as MatMulNBits counts them, `[rows, blocks, bytes]`, then their scales `[rows, blocks]`,
 * then, where they are apart, their offsets; several weights of the same layout one below the other.
 */
export const packedGroup = (name: string, refs: readonly WeightRef[], form: PackedForm): InitializerGroup => {
  const { blocks } = first(refs).tensor;
  if (!blocks) throw new Error(`${name} has no blocks`);
  const { bits, blockSize } = form === 'paired' ? paired(blocks) : blocks;
  const nIn = width(first(refs));
  const nRow = refs.reduce((n, r) => n + height(r), 0);
  const nBlock = (form === 'widened' ? widened(blocks, nIn) : nIn) / blockSize;
  const dims = [nRow, nBlock, (blockSize * bits) / 8];
  const isApart = form === 'apart' && blocks.hasOffsets;
  const perBlock = (what: string) =>
    ({ name: `${name}.${what}`, dtype: 'f32', dims: [nRow, nBlock], byteLength: 4 * nRow * nBlock }) as const;
  return {
    parts: [
      { name: `${name}.blocks`, dtype: 'u8', dims, byteLength: elements(dims) },
      perBlock('scales'),
      ...(isApart ? [perBlock('offsets')] : []),
    ],
    async load() {
      const packed = await eachRef(refs, async ({ name, tensor, rows }) => {
        if (!tensor.blocks) throw new Error(`${name} has no blocks`);
        const plain = await tensor.blocks.pack(rows);
        if (form === 'widened') return widen(blocks, nIn, plain);
        return form === 'paired' ? pair(plain) : plain;
      });
      const offsets = packed.flatMap((p) => (p.offsets ? [bytesOf(p.offsets)] : []));
      return [
        joined(packed.map((p) => p.data)),
        joined(packed.map((p) => bytesOf(p.scales))),
        ...(isApart ? [joined(offsets)] : []),
      ];
    },
  };
};

/** The layout of blocks that weights of any type are rounded to: Q8_0's, with a float32 scale. */
export const ROUNDED = { bits: 8, blockSize: 32, hasOffsets: false } as const;

/** Weights `[nOut, nIn]` rounded to 8 bits in blocks, `[nOut, blocks, 32]`, then their scales; several one below the other. */
export const roundedGroup = (name: string, refs: readonly WeightRef[]): InitializerGroup => {
  const { blockSize } = ROUNDED;
  const nRow = refs.reduce((n, r) => n + height(r), 0);
  const nBlock = width(first(refs)) / blockSize;
  const nAll = nRow * nBlock;
  return {
    parts: [
      { name: `${name}.blocks`, dtype: 'u8', dims: [nRow, nBlock, blockSize], byteLength: nAll * blockSize },
      { name: `${name}.scales`, dtype: 'f32', dims: [nRow, nBlock], byteLength: 4 * nAll },
    ],
    async load() {
      const [data, scales] = [new Uint8Array(nAll * blockSize), new Float32Array(nAll)];
      let row = 0;
      for (const ref of refs) {
        const start = ref.rows?.from ?? 0;
        const to = start + height(ref);
        for (let from = start; from < to; from += TILE) {
          const end = Math.min(from + TILE, to);
          const values = await ref.tensor.decode({ from, to: end });
          const at = row * nBlock;
          roundBlocks(
            values,
            ROUNDED,
            data.subarray(at * blockSize),
            scales.subarray(at, at + values.length / blockSize),
          );
          row += end - from;
        }
      }
      return [data, bytesOf(scales)];
    },
  };
};

/** Rows decoded at a time. */
const TILE = 64;

/**
 * Weights `[nOut, nIn]` rounded to 8 bits and transposed, `[nIn, nOut]`, then the scale of each output; several of equal
 * width side by side.
 */
export const int8Group = (name: string, refs: readonly WeightRef[]): InitializerGroup => {
  const nIn = width(first(refs));
  const nOut = refs.reduce((n, r) => n + height(r), 0);
  return {
    parts: [
      { name: `${name}.int8`, dtype: 'i8', dims: [nIn, nOut], byteLength: nIn * nOut },
      { name: `${name}.int8.scales`, dtype: 'f32', dims: [nOut], byteLength: 4 * nOut },
    ],
    async load() {
      const data = new Int8Array(nIn * nOut);
      const scales = new Float32Array(nOut);
      let column = 0;
      for (const ref of refs) {
        const start = ref.rows?.from ?? 0;
        const to = start + height(ref);
        for (let from = start; from < to; from += TILE) {
          const values = await ref.tensor.decode({ from, to: Math.min(from + TILE, to) });
          roundColumns(values, nIn, data.subarray(column), nOut, scales.subarray(column));
          column += values.length / nIn;
        }
      }
      return [bytesOf(data), bytesOf(scales)];
    },
  };
};

/** Rows of `nIn` values as columns of integers from -127 to 127; the scale of each makes its largest value 127. */
const roundColumns = (
  values: Float32Array,
  nIn: number,
  data: Int8Array,
  stride: number,
  scales: Float32Array,
): void => {
  const nRow = values.length / nIn;
  for (let row = 0; row < nRow; row++) {
    let most = 0;
    for (let k = row * nIn; k < (row + 1) * nIn; k++) most = Math.max(most, Math.abs(values[k]!));
    scales[row] = most / 127;
  }
  for (let k = 0; k < nIn; k++) {
    for (let row = 0; row < nRow; row++) {
      const scale = scales[row]!;
      data[k * stride + row] = scale > 0 ? Math.round(values[row * nIn + k]! / scale) : 0;
    }
  }
};

/** Values that are computed instead of read. */
export const computedGroup = (
  name: string,
  dims: readonly number[],
  recipe: string,
  compute: () => Promise<Float32Array>,
): InitializerGroup => ({
  recipe,
  parts: [{ name, dtype: 'f32', dims, byteLength: 4 * elements(dims) }],
  load: async () => [bytesOf(await compute())],
});
