/** What a run takes of memory, from the graph alone: weights, what is kept between runs, and what lives in between. */
import type { Graph } from '../graph.ts';
import { sizedNode } from '../graph.ts';
import { APPEND, INPUT, STATE, WEIGHT } from '../ops/leaves.ts';
import type { Sizes, Tensor } from '../tensor.ts';

export interface Memory {
  /** As they are stored. */
  readonly weightBytes: number;
  /** Everything kept between runs, at its full length. */
  readonly cacheBytes: number;
  /** While each node is computed: its inputs, its output, and all that is read later. Inputs of the run included. */
  readonly steps: readonly Step[];
  readonly peak: Step;
}

export interface Step {
  readonly node: Tensor;
  readonly liveBytes: number;
}

/** Memory of a run with these sizes, every value freed after its last reader, none computed in place of another. */
export const memoryOf = (graph: Graph, sizes: Sizes): Memory => {
  const bytesOf = new Map(graph.nodes.map((node) => [node, sizedNode(node, sizes).bytes]));
  const total = (op: unknown) =>
    graph.nodes.filter((node) => node.op === op).reduce((sum, node) => sum + (bytesOf.get(node) ?? 0), 0);
  const lastUse = new Map<Tensor, number>();
  for (const [i, node] of graph.nodes.entries()) for (const input of node.inputs) lastUse.set(input, i);
  for (const { tensor } of graph.outputs) lastUse.set(tensor, graph.nodes.length);

  const freed = new Map<number, Tensor[]>();
  for (const [node, i] of lastUse) freed.set(i, [...(freed.get(i) ?? []), node]);
  const isActivation = ({ op }: Tensor) => op !== WEIGHT && op !== STATE && op !== APPEND;
  const activationBytes = (node: Tensor) => (isActivation(node) ? (bytesOf.get(node) ?? 0) : 0);
  let live = graph.nodes.filter(({ op }) => op === INPUT).reduce((sum, node) => sum + activationBytes(node), 0);
  const steps: Step[] = [];
  for (const [i, node] of graph.nodes.entries()) {
    if (node.op !== INPUT) live += activationBytes(node);
    if (node.inputs.length > 0) steps.push({ node, liveBytes: live });
    for (const dead of freed.get(i) ?? []) live -= activationBytes(dead);
  }
  const peak = steps.reduce((a, b) => (b.liveBytes > a.liveBytes ? b : a));
  return { weightBytes: total(WEIGHT), cacheBytes: total(STATE), steps, peak };
};
