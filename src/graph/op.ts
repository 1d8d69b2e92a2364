/** The record that holds all grafo knows about an operation. */
import type { Emitter, Value } from './lower/emitter.ts';
import type { Shape, Sized, Sizes, TensorType } from './tensor.ts';
import { sameShape, showShape } from './tensor.ts';

/** N values of one type; a plain list where an operation takes any number of inputs. */
export type Tuple<T, N extends number> = number extends N
  ? readonly T[]
  : N extends 0
    ? readonly []
    : N extends 1
      ? readonly [T]
      : N extends 2
        ? readonly [T, T]
        : N extends 3
          ? readonly [T, T, T]
          : N extends 4
            ? readonly [T, T, T, T]
            : readonly T[];

/** An operation of N inputs with attributes A. */
export interface Op<N extends number, A> {
  readonly name: string;
  /** The output's type from the inputs' types; throws where they do not fit. */
  infer(inputs: Tuple<TensorType, N>, attrs: A): TensorType;
  /** The plain ONNX form; kernels for whole patterns are chosen in lower/fuse.ts. */
  lower(o: Emitter, inputs: Tuple<Value, N>, attrs: A, types: Tuple<TensorType, N>): Value;
  /** Floating-point operations; absent means none. */
  flops?(inputs: Tuple<Sized, N>, output: Sized, attrs: A): number;
  /** Bytes read and written; absent means inputs plus output. */
  bytes?(inputs: Tuple<Sized, N>, output: Sized, attrs: A): number;
  /** Bytes that the output takes where it lies; absent means as many as its elements need. */
  storedBytes?(attrs: A): number;
  /** What the extents are that the output's shape gives new names to. */
  extents?(inputs: Tuple<Sized, N>, attrs: A): Sizes;
}

/** An operation whose arity and attributes have been forgotten, as a graph's node holds it. */
export interface AnyOp {
  readonly name: string;
  infer(inputs: readonly TensorType[], attrs: unknown): TensorType;
  lower(o: Emitter, inputs: readonly Value[], attrs: unknown, types: readonly TensorType[]): Value;
  flops?(inputs: readonly Sized[], output: Sized, attrs: unknown): number;
  bytes?(inputs: readonly Sized[], output: Sized, attrs: unknown): number;
  storedBytes?(attrs: unknown): number;
  extents?(inputs: readonly Sized[], attrs: unknown): Sizes;
}

/** Names the arity and the attributes of an operation record, so that its functions are checked. */
export const op = <N extends number, A = undefined>(record: Op<N, A>): Op<N, A> => record;

/** Throws unless `type` has exactly this shape. */
export const expectShape = (type: TensorType, shape: Shape, what: string): void => {
  if (!sameShape(type.shape, shape))
    throw new Error(`${what} has shape ${showShape(type.shape)}, expected ${showShape(shape)}`);
};

/** Throws unless `type` has this many axes. */
export const expectRank = (type: TensorType, rank: number, what: string): void => {
  if (type.shape.length !== rank) throw new Error(`${what} has shape ${showShape(type.shape)}, expected ${rank} axes`);
};

/** An ONNX attribute of type float; a bare number is an int. */
export interface Float {
  readonly float: number;
}

/** An attribute that stays a float where it is a whole number: ONNX tells the two apart. */
export const float = (value: number): Float => ({ float: value });
