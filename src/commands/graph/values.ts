/** `--values`: a graph run once with every tensor as an output, each printed as llama.cpp prints it. */
import type { HostTensor, Inputs } from '../../graph/device/engine.ts';
import type { Graph } from '../../graph/graph.ts';
import { allSizes } from '../../graph/graph.ts';
import type { LlamaName } from '../../graph/print/llama-names.ts';
import { llamaNames } from '../../graph/print/llama-names.ts';
import { printValues } from '../../graph/print/values.ts';
import type { Sizes, Tensor } from '../../graph/tensor.ts';
import { resolve } from '../../graph/tensor.ts';
import { anyModel } from '../../models/index.ts';
import { runOnce } from './inputs.ts';
import type { ChosenGraph } from './model.ts';

/** A tensor and what it is after a run. */
interface ComputedTensor {
  readonly node: Tensor;
  readonly value: HostTensor;
}

/** The graph with every computed tensor as an output under its own name. */
const withAllOutputs = (graph: Graph): Graph => ({
  ...graph,
  outputs: graph.nodes.filter(({ inputs }) => inputs.length > 0).map((tensor) => ({ name: tensor.name, tensor })),
});

/** All tensors of a run from the beginning. */
export const computeAll = async (graph: Graph, inputs: Inputs): Promise<readonly ComputedTensor[]> => {
  const all = withAllOutputs(graph);
  const values = await runOnce(all, inputs);
  return all.outputs.map(({ name, tensor }) => ({ node: tensor, value: values[name] as HostTensor }));
};

/** Every tensor in llama-eval-callback's layout, under llama.cpp's name where a text model's has one. */
export const valuesText = async ({ arch, graph }: ChosenGraph, inputs: Inputs): Promise<string> => {
  const isText = !['vit', 'whisper'].includes(anyModel(arch).family);
  const theirs: ReadonlyMap<Tensor, LlamaName> = isText ? llamaNames(graph) : new Map();
  const nameOf = (node: Tensor): string => theirs.get(node)?.name ?? node.name;
  const computed = await computeAll(graph, inputs);
  const sizes = sizesOf(graph, inputs);
  const dimsOf = new Map(computed.map(({ node, value }) => [node, value.dims]));
  const extentsOf = (node: Tensor): readonly number[] =>
    [...(dimsOf.get(node) ?? resolve(node.shape, sizes))].reverse();
  return computed
    .map(({ node, value }) =>
      printValues({
        name: nameOf(node),
        dtype: node.dtype,
        op: theirs.get(node)?.op ?? node.op.name.toUpperCase(),
        inputs: node.inputs.map((x) => ({ name: nameOf(x), extents: extentsOf(x) })),
        extents: extentsOf(node),
        values: value.data,
      }),
    )
    .join('');
};

/** What every dimension is with these inputs, and a cache that holds no more than them. */
const sizesOf = (graph: Graph, inputs: Inputs): Sizes => {
  const n = inputs.tokens?.dims[1] ?? 1;
  return allSizes(graph, { B: 1, W: 1, T: n, nKv: n, nCtx: n, nOut: n });
};
