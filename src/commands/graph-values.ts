/** `--values`: a text model's graph run once with every tensor as an output, each printed as llama.cpp prints it. */
import { UserError } from '../errors.ts';
import type { HostTensor } from '../graph/device/engine.ts';
import { openSession } from '../graph/device/session.ts';
import type { Graph } from '../graph/graph.ts';
import { allSizes } from '../graph/graph.ts';
import { lower } from '../graph/lower/lower.ts';
import { llamaNames } from '../graph/print/llama-names.ts';
import { printValues } from '../graph/print/values.ts';
import type { Tensor } from '../graph/tensor.ts';
import { resolve } from '../graph/tensor.ts';
import type { WeightSource } from '../graph/weights.ts';
import { readTokenizer } from '../io/text/tokenizer.ts';
import { findDevice } from './devices.ts';
import type { ChosenGraph } from './graph-model.ts';
import { cacheFolder, physicalCores } from './options.ts';

/** A tensor and what it is after a run. */
export interface ComputedTensor {
  readonly node: Tensor;
  readonly value: HostTensor;
}

/** The graph with every computed tensor as an output under its own name. */
const withAllOutputs = (graph: Graph): Graph => ({
  ...graph,
  outputs: graph.nodes.filter(({ inputs }) => inputs.length > 0).map((tensor) => ({ name: tensor.name, tensor })),
});

/** All tensors of a run of these tokens from the beginning, in float32 by our operations' own forms, on the CPU. */
export const computeAll = async (graph: Graph, ids: readonly number[]): Promise<readonly ComputedTensor[]> => {
  const needed = graph.nodes.filter(({ op }) => op.name === 'input').map(({ name }) => name);
  const given: Readonly<Record<string, HostTensor>> = {
    tokens: { dtype: 'i64', dims: [1, ids.length], data: BigInt64Array.from(ids, BigInt) },
    pos: { dtype: 'i64', dims: [1, ids.length], data: BigInt64Array.from(ids.keys(), BigInt) },
    outIds: { dtype: 'i64', dims: [ids.length], data: BigInt64Array.from(ids.keys(), BigInt) },
  };
  if (!needed.every((name) => name in given))
    throw new UserError('usage', '--values runs text models', 'take --part decoder of a llama or deepseek file');
  const all = withAllOutputs(graph);
  const program = lower(all, { provider: 'cpu', compute: 'f32', fused: false }, { nCtx: ids.length, B: 1 });
  const { device } = await findDevice({ kind: 'named', provider: 'cpu', index: 0 }, 0);
  const session = await openSession(program, device, { threads: physicalCores(), cacheFolder: cacheFolder() });
  try {
    const values = await session.run(Object.fromEntries(needed.map((name) => [name, given[name] as HostTensor])));
    return all.outputs.map(({ name, tensor }) => ({ node: tensor, value: values[name] as HostTensor }));
  } finally {
    await session.close();
  }
};

/** The tokens to run: numbers, or a text in the model's own. */
export const valueTokens = (
  source: WeightSource,
  ids: string | undefined,
  prompt: string | undefined,
): readonly number[] => {
  if (ids !== undefined) {
    const list = ids.split(',').map(Number);
    if (!list.every((id) => Number.isSafeInteger(id) && id >= 0))
      throw new UserError('usage', `--ids '${ids}' are no numbers`);
    return list;
  }
  if (prompt === undefined) throw new UserError('usage', '--values needs a text', 'give one with -p, or --ids 1,2,3');
  return readTokenizer(source.metadata).encode(prompt);
};

/** Every tensor in llama-eval-callback's layout, under llama.cpp's name where it has one. */
export const valuesText = async ({ graph }: ChosenGraph, ids: readonly number[]): Promise<string> => {
  const theirs = llamaNames(graph);
  const nameOf = (node: Tensor): string => theirs.get(node)?.name ?? node.name;
  const computed = await computeAll(graph, ids);
  const n = ids.length;
  const sizes = allSizes(graph, { B: 1, T: n, nKv: n, nCtx: n, nOut: n });
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
