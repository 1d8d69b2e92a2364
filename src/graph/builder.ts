/** Builds a graph node by node. Operations and blocks are free functions over these few doors. */
import type { Graph, GraphOutput, StateUpdate } from './graph.ts';
import type { AnyOp, Op, Tuple } from './op.ts';
import { APPEND, INPUT, STATE, WEIGHT } from './ops/leaves.ts';
import type { DType, Shape, Tensor } from './tensor.ts';
import { sameShape, showShape } from './tensor.ts';
import type { WeightRef } from './weights.ts';

/**
 * Collects the nodes of one graph. Operations and blocks are functions that take it first; it has few doors of its own.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: Tensor[] = [];
  readonly #names = new Map<string, number>();
  readonly #blocks = new Map<string, number>();
  readonly #weights = new Map<string, Tensor>();
  readonly #outputs: GraphOutput[] = [];
  readonly #states: StateUpdate[] = [];
  #scope = '';
  #path: readonly string[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** A value that every run brings; where graphs are built as one, what an earlier of them gives by this name. */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    const met = this.#outputs.find((output) => output.name === name);
    if (!met) return this.#append(name, INPUT, [], { dtype, shape });
    this.#outputs.splice(this.#outputs.indexOf(met), 1);
    const { tensor } = met;
    if (tensor.dtype !== dtype || !sameShape(tensor.shape, shape))
      throw new Error(`'${name}' is ${showShape(tensor.shape)}, expected ${showShape(shape)}`);
    return tensor;
  }

  /** A weight of the model; asking twice gives the same node. */
  weight(ref: WeightRef): Tensor {
    const known = this.#weights.get(ref.name);
    if (known) return known;
    const node = this.#append(ref.name, WEIGHT, [], ref);
    this.#weights.set(ref.name, node);
    return node;
  }

  /** A value that the session keeps between runs, at its full capacity, zero at first. */
  state(name: string, dtype: DType, shape: Shape): Tensor {
    return this.#append(name, STATE, [], { dtype, shape });
  }

  /** Says what the session keeps for the next run: `next` must append to `state`. */
  update(state: Tensor, next: Tensor): void {
    if (next.op !== APPEND || next.inputs[0] !== state)
      throw new Error(`${next.name} does not append to ${state.name}`);
    this.#states.push({ state, next });
  }

  /**
   * Adds an operation and returns its output.
   * @param label what the node is called within its scope; the operation's name if absent
   */
  add<N extends number, A>(op: Op<N, A>, inputs: Tuple<Tensor, N>, attrs: A, label?: string): Tensor {
    return this.#append(this.#scope + (label ?? op.name), op as AnyOp, inputs, attrs);
  }

  /** Everything added by `body` is named below `name`. */
  scope<R>(name: string, body: () => R): R {
    const outer = this.#scope;
    this.#scope = `${outer}${name}.`;
    try {
      return this.#within(name, body);
    } finally {
      this.#scope = outer;
    }
  }

  /** Everything added by `body` is one use of the block `name`; what its nodes are called does not change. */
  block<R>(name: string, body: () => R): R {
    const key = [...this.#path, name].join('/');
    return this.#within(unused(this.#blocks, key).slice(key.length - name.length), body);
  }

  /** Names a result that every run gives back. */
  output(name: string, tensor: Tensor): void {
    if (this.#outputs.some((o) => o.name === name)) throw new Error(`output '${name}' is declared twice`);
    this.#outputs.push({ name, tensor });
  }

  build(): Graph {
    if (this.#outputs.length === 0) throw new Error(`graph '${this.#name}' has no output`);
    for (const { name, tensor } of this.#outputs)
      if (this.#nodes.some((node) => node.name === name && node !== tensor))
        throw new Error(`output '${name}' has the name of another tensor`);
    return { name: this.#name, nodes: this.#nodes, outputs: this.#outputs, states: this.#states };
  }

  #within<R>(name: string, body: () => R): R {
    const outer = this.#path;
    this.#path = [...outer, name];
    try {
      return body();
    } finally {
      this.#path = outer;
    }
  }

  #append(path: string, op: AnyOp, inputs: readonly Tensor[], attrs: unknown): Tensor {
    const name = unused(this.#names, path);
    try {
      const node = { name, op, inputs, attrs, path: this.#path, ...op.infer(inputs, attrs) };
      this.#nodes.push(node);
      return node;
    } catch (cause) {
      const shapes = inputs.map((x) => `${x.name} ${showShape(x.shape)}`).join(', ');
      throw new Error(`${name}: ${(cause as Error).message} (inputs: ${shapes || 'none'})`, { cause });
    }
  }
}

/** The name, with a number behind it from the second time on. */
const unused = (counts: Map<string, number>, name: string): string => {
  const n = (counts.get(name) ?? 0) + 1;
  counts.set(name, n);
  return n === 1 ? name : `${name}#${n}`;
};
