/** Shapes that fusions look for, and how they emit the products inside. */
import type { AnyOp } from '../op.ts';
import { WEIGHT } from '../ops/leaves.ts';
import { ADAPTER, BIAS, LINEAR, lowerAdapter } from '../ops/matmul.ts';
import type { Tensor } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { stackable } from './forms.ts';

/** Emits a whole pattern when its anchor's turn comes, and says which of our tensors that makes. */
export interface Fusion {
  readonly anchor: Tensor;
  /** Every tensor of the pattern; those it does not make are seen by nobody else. */
  readonly covers: readonly Tensor[];
  emit(o: Emitter, valueAt: ValueAt): ReadonlyMap<Tensor, Value>;
}

/** The value of a tensor that has been emitted. */
export type ValueAt = (x: Tensor) => Value;

/** Who reads each tensor. */
export type Users = ReadonlyMap<Tensor, readonly Tensor[]>;

/** Recognises a pattern by its last tensor. */
export type Matcher = (x: Tensor, users: Users, o: Emitter) => Fusion | undefined;

/** Whether a node is of this operation. */
export const is = (x: Tensor | undefined, op: unknown): x is Tensor => x !== undefined && x.op === (op as AnyOp);
/** An input that the operation's arity promises. */
export const input = (x: Tensor, i: number): Tensor => {
  const value = x.inputs[i];
  if (!value) throw new Error(`'${x.name}' has no input ${i}`);
  return value;
};
/** Whether one node, and no output, takes x. */
export const onlyUser = (x: Tensor, users: Users): boolean => users.get(x)?.length === 1;

/** x W^T, maybe plus a bias, maybe plus what adapters add. */
export interface LinearPattern {
  readonly x: Tensor;
  readonly weight: WeightRef;
  readonly weightTensor: Tensor;
  readonly bias?: Tensor;
  readonly adapters: readonly Tensor[];
  readonly covers: readonly Tensor[];
}

/** A product with its weight, and its bias and adapters where it has them; undefined for anything else. */
export const linearPattern = (y: Tensor): LinearPattern | undefined => {
  if (is(y, ADAPTER)) {
    const inner = linearPattern(input(y, 0));
    const isOfSame = inner?.x === input(y, 1);
    return inner && isOfSame ? { ...inner, adapters: [...inner.adapters, y], covers: [...inner.covers, y] } : undefined;
  }
  if (is(y, BIAS)) {
    const inner = linearPattern(input(y, 0));
    return inner && !inner.bias && inner.adapters.length === 0
      ? { ...inner, bias: input(y, 1), covers: [...inner.covers, y] }
      : undefined;
  }
  if (!is(y, LINEAR)) return undefined;
  const weightTensor = input(y, 1);
  return { x: input(y, 0), weightTensor, weight: weightTensor.attrs as WeightRef, adapters: [], covers: [y] };
};

/** As few products as the forms of the weights allow for several layers; each layer's part is split off. */
export const emitLinears = (o: Emitter, layers: readonly LinearPattern[], valueAt: ValueAt): Computed[] => {
  const products = stacks(o, layers).flatMap((stack) => emitStack(o, stack, valueAt));
  return products.map((y, i) => adapted(o, y, layers[i]?.adapters ?? [], valueAt));
};

/** A layer's product with what its adapters add. */
const adapted = (o: Emitter, y: Computed, adapters: readonly Tensor[], valueAt: ValueAt): Computed =>
  adapters.reduce((sum, adapter) => {
    const [x, down, up] = [1, 2, 3].map((i) => valueAt(input(adapter, i))) as [Value, Value, Value];
    return lowerAdapter(o, [sum, x, down, up], adapter.attrs as { scale: number }, adapter.shape.length);
  }, y);

/** Neighbours of the same input and form together, in order. */
const stacks = (o: Emitter, layers: readonly LinearPattern[]): LinearPattern[][] => {
  const all: LinearPattern[][] = [];
  for (const layer of layers) {
    const last = all.at(-1);
    const fits =
      last?.[0]?.x === layer.x &&
      stackable(
        o,
        [...last, layer].map((l) => l.weight),
      );
    if (last && fits) last.push(layer);
    else all.push([layer]);
  }
  return all;
};

const emitStack = (o: Emitter, stack: readonly LinearPattern[], valueAt: ValueAt): Computed[] => {
  const [first] = stack as readonly [LinearPattern, ...LinearPattern[]];
  const all = o.product(
    valueAt(first.x),
    stack.map((l) => valueAt(l.weightTensor)),
    first.x.shape.length,
  );
  const widths = stack.map((l) => l.weight.shape[0] ?? 0);
  const apart = (y: Computed) =>
    stack.length === 1 ? [y] : o.nodeOf('Split', [y, o.i64(widths)], stack.length, { axis: -1 });
  const stacked = stack.length > 1 ? stackedBias(o, stack) : undefined;
  if (stacked) return [...apart(o.node('Add', [all, stacked]))];
  return apart(all).map((y, i) => {
    const bias = stack[i]?.bias;
    return bias ? o.node('Add', [y, valueAt(bias)]) : y;
  });
};

/** The biases of all layers end to end; undefined where one has none. */
const stackedBias = (o: Emitter, layers: readonly LinearPattern[]): Computed | undefined => {
  const refs = layers.flatMap(({ bias }) => (is(bias, WEIGHT) ? [bias.attrs as WeightRef] : []));
  if (refs.length < layers.length) return undefined;
  const n = refs.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  return o.computed(refs.map(({ name }) => name).join('+'), [n], 'end to end', async () => {
    const all = new Float32Array(n);
    let at = 0;
    for (const { tensor, rows } of refs) {
      const values = await tensor.decode(rows);
      all.set(values, at);
      at += values.length;
    }
    return all;
  });
};
