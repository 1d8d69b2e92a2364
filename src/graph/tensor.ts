/** The words of the core: element types, shapes with symbolic dimensions, and the tensor, which is a node with one output. */
import type { AnyOp } from './op.ts';

export type DType = 'f32' | 'f16' | 'i64' | 'i32' | 'bool' | 'u8';

/** A number, or a name ('B', 'T', 'nKv') for what is known only when running. */
export type Dim = number | string;

/** Outermost axis first, everywhere. */
export type Shape = readonly Dim[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One value in a graph and the operation that makes it; every node has exactly one output. */
export interface Tensor extends TensorType {
  /** Unique in its graph, made of scope and operation: 'blk.3.attn_q', 'blk.3.add#2'. */
  readonly name: string;
  readonly op: AnyOp;
  readonly inputs: readonly Tensor[];
  readonly attrs: unknown;
  /** Layers and blocks it belongs to, from the outside in, each use under a name of its own: 'blk.3', 'norm#2'. */
  readonly path: readonly string[];
}

/** A tensor type whose symbolic dimensions have been given values. */
export interface Sized {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** The number of elements. */
  readonly size: number;
  /** What it takes where it lies: blocks are smaller than their elements. */
  readonly bytes: number;
}

/** Values of symbolic dimensions. */
export type Sizes = Readonly<Record<string, number>>;

/** Bytes of one element of each type. */
export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f16: 2, i64: 8, i32: 4, bool: 1, u8: 1 };

/** The axis counted from the front; -1 is the last. */
export const axisOf = (shape: Shape, axis: number): number => (axis < 0 ? shape.length + axis : axis);

/** The extent of one axis, which must be a number: weights and heads are never symbolic. */
export const size = (x: TensorType, axis: number): number => {
  const dim = x.shape[axisOf(x.shape, axis)];
  if (typeof dim !== 'number') throw new Error(`axis ${axis} of ${showShape(x.shape)} has no fixed size`);
  return dim;
};

/** Whether every axis agrees, by number or by name. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** A shape as messages and pictures have it: `[B, T, 64]`. */
export const showShape = (shape: Shape): string => `[${shape.join(', ')}]`;

/** The shape with one axis replaced. */
export const withDim = (shape: Shape, axis: number, dim: Dim): Shape =>
  shape.map((d, i) => (i === axisOf(shape, axis) ? dim : d));

/** Gives every symbolic dimension its value; throws when one is missing. */
export const resolve = (shape: Shape, sizes: Sizes): number[] =>
  shape.map((dim) => {
    const n = typeof dim === 'number' ? dim : sizes[dim];
    if (n === undefined) throw new Error(`dimension '${dim}' has no value (known: ${Object.keys(sizes).join(', ')})`);
    return n;
  });

/** How many elements an array of these extents holds. */
export const elements = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** A type with numbers for its names. Throws where a name has none. */
export const sized = (type: TensorType, sizes: Sizes): Sized => {
  const dims = resolve(type.shape, sizes);
  const size = elements(dims);
  return { dtype: type.dtype, dims, size, bytes: size * bytesPerElement[type.dtype] };
};
