/** Collects the ONNX nodes, inputs, weights and kept values of one graph while its operations are lowered. */
import type { Float, Tuple } from '../op.ts';
import type { Sizes, TensorType } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import { CachePlan } from './cache-plan.ts';
import type { HeadForm } from './forms.ts';
import { headProduct, product, rows } from './forms.ts';
import type { InitializerGroup, InitializerView } from './initializers.ts';
import { computedGroup, denseGroup } from './initializers.ts';
import type { Target } from './target.ts';
import { hasKernel } from './target.ts';

/** A value of the ONNX graph, or a weight that nobody has asked for in a particular form yet. */
export type Value = Computed | StoredWeight;

export interface Computed {
  readonly kind: 'computed';
  name: string;
}

export interface StoredWeight {
  readonly kind: 'weight';
  readonly ref: WeightRef;
}

/** A bare number is an int attribute, a list of numbers ints; a float says so. */
export type Attribute = number | Float | readonly number[] | string | Branch;
export type Attributes = Readonly<Record<string, Attribute>>;

/** Nodes that run only if a condition holds; they see every value outside. */
export interface Branch {
  readonly nodes: readonly OnnxNode[];
  readonly outputs: readonly NamedType[];
}

export interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  readonly inputs: readonly (Computed | undefined)[];
  readonly outputs: readonly Computed[];
  readonly attributes: Attributes;
}

/** ONNX's numbers of element types (`TensorProto.DataType` of onnx.proto), where an attribute has one. */
export const ELEMENT_TYPE = { f32: 1, i64: 7, f16: 10 } as const;

/** A small constant that stays inside the model. */
export interface Constant {
  readonly name: string;
  readonly dtype: 'i64' | 'i32' | 'f32' | 'f16';
  readonly dims: readonly number[];
  readonly values: readonly number[];
  /** Whether it stays float32 where a program computes in float16: what it counts is beyond a half's whole numbers. */
  readonly isExact?: true;
}

export interface NamedType extends TensorType {
  readonly name: string;
}

/**
 * What an operation lowers itself through: it writes ONNX nodes, constants and weights, and knows what the target has.
 */
export class Emitter {
  readonly target: Target;
  /** Nodes outside of any branch. */
  readonly nodes: OnnxNode[] = [];
  readonly inputs: NamedType[] = [];
  readonly constants: Constant[] = [];
  readonly groups: InitializerGroup[] = [];
  readonly views: InitializerView[] = [];
  /** What the session keeps between runs. */
  readonly cache = new CachePlan((name, type) => this.input(name, type));
  /** The name of the tensor being lowered; nodes are named after it. */
  nodeName = '';
  readonly #sizes: Sizes;
  readonly #stored = new Map<string, readonly Computed[]>();
  readonly #constants = new Map<string, Computed>();
  readonly #taken = new Map<string, number>();
  /** Where nodes go: outside, or into the branch being emitted. */
  #into = this.nodes;
  readonly #shared = new Map<string, Value>();
  /** What was made of a value, by the list of nodes that makes it: a branch sees only its own and what is outside. */
  readonly #derived = new Map<OnnxNode[], Map<Value, Map<string, Computed>>>();

  constructor(target: Target, sizes: Sizes) {
    this.target = target;
    this.#sizes = sizes;
  }

  /** Whether the target has this kernel beyond the ONNX standard and may use it. */
  has(kernel: string): boolean {
    return hasKernel(this.target, kernel);
  }

  /** The value of a dimension that is fixed when a session is made, such as 'nCtx'. */
  sizeOf(dim: string): number {
    const n = this.#sizes[dim];
    if (n === undefined) throw new Error(`dimension '${dim}' must be given to lower this graph`);
    return n;
  }

  /** A node with one output. */
  node(opType: string, inputs: readonly (Value | undefined)[], attributes: Attributes = {}): Computed {
    return this.nodeOf(opType, inputs, 1, attributes)[0];
  }

  /** A node with several outputs; those past what is needed may be ignored. */
  nodeOf<N extends number>(
    opType: string,
    inputs: readonly (Value | undefined)[],
    nOutput: N,
    attributes: Attributes = {},
  ): Tuple<Computed, N> {
    const name = this.#unique(`${this.nodeName}/${opType}`);
    const outputs = Array.from({ length: nOutput }, (_, i) => computed(i === 0 ? name : `${name}.${i}`));
    const resolved = inputs.map((v) => (v ? this.#made(v) : undefined));
    this.#into.push({ opType, name, inputs: resolved, outputs, attributes });
    return outputs as unknown as Tuple<Computed, N>;
  }

  /** The values in another type. */
  cast(x: Value, to: 'f32' | 'i64'): Computed {
    return this.node('Cast', [x], { to: ELEMENT_TYPE[to] });
  }

  /** One of two ways to the same values, chosen at every run by a boolean `[1]`. */
  either<N extends number>(
    condition: Value,
    ways: { yes(): Tuple<Computed, N>; no(): Tuple<Computed, N> },
    types: Tuple<TensorType, N>,
  ): Tuple<Computed, N> {
    const then_branch = this.#branch(ways.yes, types);
    const else_branch = this.#branch(ways.no, types);
    return this.nodeOf('If', [condition], types.length as N, { then_branch, else_branch });
  }

  /** A value that many nodes share, emitted outside of any branch when first asked for. */
  once(key: string, make: () => Value): Value {
    const known = this.#shared.get(key);
    if (known) return known;
    const value = this.#emitInto(this.nodes, make);
    this.#shared.set(key, value);
    return value;
  }

  /** Something made of a value that several nodes share, emitted when first asked for. */
  of(value: Value, key: string, make: () => Computed): Computed {
    const here = entry(this.#derived, this.#into, () => new Map<Value, Map<string, Computed>>());
    const known = entry(here, value, () => new Map<string, Computed>());
    return entry(known, key, make);
  }

  input(name: string, type: TensorType): Computed {
    this.inputs.push({ name, ...type });
    return computed(name);
  }

  i64(values: readonly number[]): Computed {
    return this.#constant('i64', [values.length], values);
  }

  i64Scalar(value: number): Computed {
    return this.#constant('i64', [], [value]);
  }

  i32(values: readonly number[]): Computed {
    return this.#constant('i32', [values.length], values);
  }

  i32Scalar(value: number): Computed {
    return this.#constant('i32', [], [value]);
  }

  f32(values: readonly number[]): Computed {
    return this.#constant('f32', [values.length], values);
  }

  /** A float32 that stays one where a program computes in float16. */
  exactScalar(value: number): Computed {
    return this.#constant('f32', [], [value], { isExact: true });
  }

  weight(ref: WeightRef): StoredWeight {
    return { kind: 'weight', ref };
  }

  /** One expert's matrix of a weight `[nExpert, nOut, nIn]`. */
  expert(value: Value, expert: number): StoredWeight {
    return this.weight(storedIn(value).at(expert));
  }

  /** x, of so many axes, times the transposes of these weights, side by side: `[..., nIn]` -> `[..., sum of nOut]`. */
  product(x: Value, weights: readonly Value[], rank: number): Computed {
    return product(this, x, weights.map(storedIn), rank);
  }

  /** Every head's rows times the transpose of its own weight, `[nHead, nOut, nIn]` as it is stored or turned over. */
  headProduct(x: Value, weight: Value, form: HeadForm): Computed {
    return headProduct(this, x, storedIn(weight), form);
  }

  /** Rows of a stored table `[n, d]` by ids `[...]` -> `[..., d]`, float32. */
  rows(table: Value, ids: Value): Computed {
    return rows(this, storedIn(table), ids);
  }

  /** Values computed while the weights are written; `recipe` says all that they depend on beside the weights. */
  computed(name: string, dims: readonly number[], recipe: string, compute: () => Promise<Float32Array>): Computed {
    return this.store(name, () => computedGroup(name, dims, recipe, compute))[0] as Computed;
  }

  /** The values of a group of initialisers, made once per key. */
  store(key: string, group: () => InitializerGroup): readonly Computed[] {
    const known = this.#stored.get(key);
    if (known) return known;
    const made = group();
    const values = made.parts.map((part) => computed(part.name));
    this.groups.push(made);
    this.#stored.set(key, values);
    return values;
  }

  /** Whether a group has been made under this key, by whoever came first. */
  isStored(key: string): boolean {
    return this.#stored.has(key);
  }

  /** A stored initialiser's bytes in another shape. */
  view(of: Computed, name: string, dims: readonly number[]): Computed {
    if (!this.views.some((view) => view.name === name)) this.views.push({ name, of: of.name, dims });
    return computed(name);
  }

  /** A sequence of nothing; its name. */
  emptySequence(): string {
    this.nodeName = 'stop';
    return this.node('SequenceEmpty', []).name;
  }

  #branch(make: () => readonly Computed[], types: readonly TensorType[]): Branch {
    const nodes: OnnxNode[] = [];
    const values = this.#emitInto(nodes, make);
    return { nodes, outputs: values.map(({ name }, i) => ({ ...(types[i] as TensorType), name })) };
  }

  #emitInto<R>(nodes: OnnxNode[], make: () => R): R {
    const outer = this.#into;
    this.#into = nodes;
    try {
      return make();
    } finally {
      this.#into = outer;
    }
  }

  #made(value: Value): Computed {
    if (value.kind === 'computed') return value;
    const { ref } = value;
    return this.store(ref.name, () => denseGroup(ref.name, [ref]))[0] as Computed;
  }

  #constant(
    dtype: Constant['dtype'],
    dims: readonly number[],
    values: readonly number[],
    exactness: Pick<Constant, 'isExact'> = {},
  ): Computed {
    const key = `${dtype}[${dims}](${values})${exactness.isExact ? '!' : ''}`;
    let known = this.#constants.get(key);
    if (!known) {
      known = computed(`const.${key}`);
      this.#constants.set(key, known);
      this.constants.push({ name: known.name, dtype, dims, values, ...exactness });
    }
    return known;
  }

  #unique(name: string): string {
    const n = (this.#taken.get(name) ?? 0) + 1;
    this.#taken.set(name, n);
    return n === 1 ? name : `${name}#${n}`;
  }
}

/** A value that a node of this name makes. */
export const computed = (name: string): Computed => ({ kind: 'computed', name });

/** The same value under another name, for those who look at the ONNX. */
export const named = <V extends Value>(value: V, name: string): V => {
  if (value.kind === 'computed') value.name = name;
  return value;
};

const storedIn = (value: Value): WeightRef => {
  if (value.kind !== 'weight') throw new Error(`'${value.name}' is computed; a stored weight is needed here`);
  return value.ref;
};

/** The value of a key, made when it is missing. */
const entry = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
};
