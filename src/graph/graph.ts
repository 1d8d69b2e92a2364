/** The finished graph: nodes in the order in which they were made, which is an order in which they can run. */
import type { Sized, Sizes, Tensor } from './tensor.ts';
import { sized } from './tensor.ts';

export interface GraphOutput {
  readonly name: string;
  readonly tensor: Tensor;
}

/** What a run leaves behind for the next: `next` is `state` with this run's rows appended. */
export interface StateUpdate {
  readonly state: Tensor;
  readonly next: Tensor;
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Tensor[];
  readonly outputs: readonly GraphOutput[];
  readonly states: readonly StateUpdate[];
}

export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

/** What a node gives, with the bytes that it takes where it lies. */
export const sizedNode = (node: Tensor, sizes: Sizes): Sized => {
  const type = sized(node, sizes);
  return { ...type, bytes: node.op.storedBytes?.(node.attrs) ?? type.bytes };
};

/** Floating-point operations and bytes moved by one node; weights count as they are stored. */
export const nodeCost = (node: Tensor, sizes: Sizes): Cost => {
  const inputs = node.inputs.map((x) => sizedNode(x, sizes));
  const output = sizedNode(node, sizes);
  return {
    flops: node.op.flops?.(inputs, output, node.attrs) ?? 0,
    bytes: node.op.bytes?.(inputs, output, node.attrs) ?? inputs.reduce((sum, x) => sum + x.bytes, output.bytes),
  };
};

/** The cost of one run with these sizes of the symbolic dimensions. */
export const cost = (graph: Graph, sizes: Sizes): Cost =>
  graph.nodes
    .map((node) => nodeCost(node, sizes))
    .reduce((a, b) => ({ flops: a.flops + b.flops, bytes: a.bytes + b.bytes }), { flops: 0, bytes: 0 });

/** Bytes that one token of one sequence takes in everything the session keeps. */
export const cacheBytes = (graph: Graph): number =>
  graph.states.map(({ state }) => sized(state, { B: 1, nCtx: 1 }).bytes).reduce((sum, bytes) => sum + bytes, 0);

/** The sizes given, and those that follow from them: the extents that operations give names to. */
export const allSizes = (graph: Graph, given: Sizes): Sizes => {
  const sizes: Record<string, number> = { ...given };
  for (const { op, inputs, attrs } of graph.nodes)
    if (op.extents)
      Object.assign(
        sizes,
        op.extents(
          inputs.map((x) => sized(x, sizes)),
          attrs,
        ),
      );
  return sizes;
};
