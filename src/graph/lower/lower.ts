/** Graph -> program: walks the nodes once, lets a fusion or the operation itself emit each, and writes the model. */
import type { Graph } from '../graph.ts';
import type { Sizes, Tensor } from '../tensor.ts';
import type { CacheSpec } from './cache-plan.ts';
import type { NamedType, OnnxNode, Value } from './emitter.ts';
import { Emitter, named } from './emitter.ts';
import { findFusions } from './fuse.ts';
import type { Parts } from './halve.ts';
import { halve } from './halve.ts';
import type { InitializerGroup, InitializerView } from './initializers.ts';
import type { StoredInitializer } from './onnx.ts';
import { onnxModel } from './onnx.ts';
import type { Target } from './target.ts';

/** What a device can load: knows no model. */
export interface Program {
  readonly name: string;
  /** A serialised ONNX model; its weights are in a file beside it, at the offsets below. */
  readonly onnx: Uint8Array;
  readonly initializers: readonly PlacedGroup[];
  /** Length of the weights file. */
  readonly weightBytes: number;
  /** What a run must bring; the cache's own inputs are not among them. */
  readonly inputs: readonly NamedType[];
  readonly outputs: readonly NamedType[];
  readonly cache?: CacheSpec;
  /** An empty sequence, the first output: fetching it keeps the binding from copying the cache (see device/engine.ts). */
  readonly stop?: string;
  /** Dimensions fixed by lowering. */
  readonly sizes: Sizes;
  readonly target: Target;
}

export interface PlacedGroup extends InitializerGroup {
  readonly parts: readonly StoredInitializer[];
}

/** ONNX Runtime maps weights that begin on a page. */
const PAGE = 4096;

/**
 * Lowers a graph to an ONNX program.
 * @param sizes values of the dimensions that a session fixes: 'nCtx', and 'B' where there is a cache
 */
export const lower = (graph: Graph, target: Target, sizes: Sizes): Program => {
  const o = new Emitter(target, sizes);
  const fusions = findFusions(graph, o);
  const values = new Map<Tensor, Value>();
  const valueAt = (x: Tensor): Value => {
    const value = values.get(x);
    if (!value) throw new Error(`'${x.name}' is used before it is computed`);
    return value;
  };

  for (const tensor of graph.nodes) {
    // Values bear the names of our tensors, so that a profile or a viewer of the ONNX speaks as our graph does.
    o.nodeName = tensor.name;
    const fusion = fusions.at.get(tensor);
    if (fusion) {
      for (const [made, value] of fusion.emit(o, valueAt)) values.set(made, named(value, made.name));
    } else if (!fusions.covered.has(tensor)) {
      const made = tensor.op.lower(o, tensor.inputs.map(valueAt), tensor.attrs, tensor.inputs);
      values.set(tensor, tensor.inputs.some((x) => values.get(x) === made) ? made : named(made, tensor.name));
    }
  }
  const outputs = graph.outputs.map(({ name, tensor }) => {
    const value = valueAt(tensor);
    const isFree = canBearAnotherName(value, o) && !graph.outputs.some((x) => x.tensor === tensor && x.name !== name);
    if (isFree) named(value, name);
    else {
      o.nodeName = name;
      named(o.node('Identity', [value]), name);
    }
    return { name, dtype: tensor.dtype, shape: tensor.shape };
  });

  const plan = o.cache.spec();
  const stop = plan?.fused && target.provider !== 'webgpu' ? o.emptySequence() : undefined;
  const emitted: Parts = {
    nodes: o.nodes,
    inputs: o.inputs,
    // The binding looks up where an output goes by its number among those that a run wants: what is kept always is.
    outputs: [...(plan?.states ?? []).map((s) => s.next), ...outputs],
    constants: o.constants,
    groups: o.groups,
    cache: plan,
  };
  const parts = target.halves ? halve(emitted) : emitted;
  const { cache } = parts;
  const { placed, weightBytes } = place(parts.groups);
  const used = namesIn(parts.nodes);
  const kept = new Set([...(cache?.states ?? []).map((s) => s.name), cache?.fused?.last, cache?.fused?.nKv]);
  return {
    name: graph.name,
    onnx: onnxModel({
      name: graph.name,
      nodes: parts.nodes,
      inputs: parts.inputs,
      ...(stop && { sequence: stop }),
      outputs: parts.outputs,
      constants: parts.constants,
      initializers: withViews(
        placed.flatMap((group) => group.parts),
        o.views,
      ).filter(({ name }) => used.has(name)),
    }),
    initializers: placed,
    weightBytes,
    inputs: parts.inputs.filter((input) => !kept.has(input.name)),
    outputs,
    ...(cache && { cache }),
    ...(stop && { stop }),
    sizes: o.cache.roomIn(sizes),
    target,
  };
};

/** What a node makes can be called as the output is; inputs, weights and tables keep their own names. */
const canBearAnotherName = (value: Value, o: Emitter): boolean =>
  value.kind === 'computed' && o.nodes.some((node) => node.outputs.includes(value));

/** Gives every initialiser its place in the weights file. */
const place = (groups: readonly InitializerGroup[]): { placed: PlacedGroup[]; weightBytes: number } => {
  let end = 0;
  const placed = groups.map((group) => ({
    ...group,
    parts: group.parts.map((part) => {
      const offset = Math.ceil(end / PAGE) * PAGE;
      end = offset + part.byteLength;
      return { ...part, offset };
    }),
  }));
  return { placed, weightBytes: end };
};

/** Views lie where the initialiser lies that they show: the file has its bytes once. */
const withViews = (parts: readonly StoredInitializer[], views: readonly InitializerView[]): StoredInitializer[] => {
  const byName = new Map(parts.map((part) => [part.name, part]));
  const shown = views.map(({ name, of, dims }) => {
    const part = byName.get(of);
    if (!part) throw new Error(`'${name}' shows '${of}', which is not stored`);
    return { ...part, name, dims };
  });
  return [...parts, ...shown];
};

/** Every value that a node reads, within branches too. */
const namesIn = (nodes: readonly OnnxNode[]): ReadonlySet<string> =>
  new Set(
    nodes.flatMap(({ inputs, attributes }) => [
      ...inputs.flatMap((value) => (value ? [value.name] : [])),
      ...Object.values(attributes).flatMap((a) => (typeof a === 'object' && 'nodes' in a ? [...namesIn(a.nodes)] : [])),
    ]),
  );
