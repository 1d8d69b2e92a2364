/** A graph as it is shown: boxes and what flows between them. Filters make smaller views, printers make text of one. */
import type { Graph } from '../graph.ts';
import { nodeCost } from '../graph.ts';
import { WEIGHT } from '../ops/leaves.ts';
import type { Shape, Sizes, Tensor } from '../tensor.ts';
import { elements } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import type { Kind } from './kinds.ts';
import { kindOf, symbolOf } from './kinds.ts';

export interface Box {
  /** The tensor's name, or that of the layer or block that the box stands for. */
  readonly id: string;
  /** The operation's name; 'block' where the box stands for several. */
  readonly op: string;
  readonly kind: Kind;
  /** What it computes, as a short formula. */
  readonly symbol: string;
  /** Of a weight the type in which it is stored; '' where neither type nor shape is known. */
  readonly dtype: string;
  /** Outermost axis first; dimensions without a value keep their names. */
  readonly shape: Shape;
  /** Ids of the boxes it reads, in order. */
  readonly inputs: readonly string[];
  /** Layers and blocks it belongs to, from the outside in. */
  readonly path: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Operations it stands for, and values of weights in it. */
  readonly nOp: number;
  readonly nParameter: number;
  /** Where two views are shown in one: how the second differs from the first. */
  readonly mark?: 'added' | 'removed' | 'changed';
  /** Where a run was measured: what it took, and which devices did it. */
  readonly time?: BoxTime;
  /** Present where all sizes are known: of one use. */
  readonly cost?: { readonly flops: number; readonly bytes: number };
}

export interface BoxTime {
  readonly ms: number;
  readonly devices: readonly string[];
}

/** A layer that stands for a run of alike ones. */
export interface Repeat {
  readonly times: number;
  /** The last layer of the run. */
  readonly last: string;
}

export interface View {
  readonly name: string;
  readonly boxes: readonly Box[];
  readonly outputs: readonly { readonly name: string; readonly id: string }[];
  /** By layer; layers that stand for themselves alone are absent. */
  readonly repeats: ReadonlyMap<string, Repeat>;
}

/** The whole graph, a box for every node, with these values of its dimensions; costs only where all are known. */
export const viewOf = (graph: Graph, sizes: Sizes): View => ({
  name: graph.name,
  boxes: graph.nodes.map((node) => boxOf(node, sizes)),
  outputs: graph.outputs.map(({ name, tensor }) => ({ name, id: tensor.name })),
  repeats: new Map(),
});

const boxOf = (node: Tensor, sizes: Sizes): Box => {
  const ref = weightOf(node);
  const isSized = [node, ...node.inputs].every(({ shape }) => shape.every((d) => typeof d === 'number' || d in sizes));
  return {
    id: node.name,
    op: node.op.name,
    kind: kindOf(node.op.name),
    symbol: symbolOf(node.op.name),
    dtype: ref ? ref.tensor.type : node.dtype,
    shape: withSizes(node.shape, sizes),
    inputs: node.inputs.map(({ name }) => name),
    path: node.path,
    attributes: attributesOf(node),
    nOp: node.inputs.length > 0 ? 1 : 0,
    nParameter: ref ? elements(ref.shape) : 0,
    ...(isSized && { cost: nodeCost(node, sizes) }),
  };
};

const weightOf = (node: Tensor): WeightRef | undefined =>
  node.op.name === WEIGHT.name ? (node.attrs as WeightRef) : undefined;

/** What an operation was told beside its inputs; what says nothing more than the node's type is left out. */
const attributesOf = ({ op, attrs }: Tensor): Readonly<Record<string, unknown>> => {
  if (typeof attrs !== 'object' || attrs === null || op.storedBytes || 'dtype' in attrs) return {};
  return Object.fromEntries(Object.entries(attrs).filter(([, value]) => !isWeight(value)));
};

const isWeight = (value: unknown): boolean => typeof value === 'object' && value !== null && 'tensor' in value;

/** The shape with the sizes that are known. */
export const withSizes = (shape: Shape, sizes: Sizes): Shape =>
  shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] ?? dim)));
