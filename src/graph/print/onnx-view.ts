/** An ONNX graph as it is shown, in the same boxes as ours: its values bear our tensors' names. */
import type { Graph } from '../graph.ts';
import type { OnnxOutline, OutlineNode } from '../lower/onnx-read.ts';
import type { Sizes, Tensor } from '../tensor.ts';
import { elements } from '../tensor.ts';
import { kindOf } from './kinds.ts';
import type { Box, View } from './view.ts';
import { withSizes } from './view.ts';

/** A box for each ONNX node, initialiser and input; shapes and places are those of the tensors of the same names. */
export const viewOfOnnx = ({ nodes, inputs, outputs, initializers }: OnnxOutline, graph: Graph, sizes: Sizes): View => {
  const ours = new Map(graph.nodes.map((node) => [node.name, node]));
  for (const { name, tensor } of graph.outputs) ours.set(name, tensor);
  // A node of several outputs is one box, and all of them are its own.
  const boxOfValue = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, idOf(node)] as const)));
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const typeOf = (name: string) => {
    const tensor = ours.get(name);
    return tensor ? { dtype: tensor.dtype, shape: withSizes(tensor.shape, sizes) } : { dtype: '', shape: [] };
  };
  const leaf = { inputs: [], attributes: {}, nOp: 0 } as const;
  const boxes: readonly Box[] = [
    ...inputs
      .filter(({ name }) => read.has(name))
      .map(({ name: id }) => ({
        ...leaf,
        ...typeOf(id),
        id,
        op: 'input',
        kind: 'leaf' as const,
        symbol: 'input',
        path: placeOf(id, ours),
        nParameter: 0,
      })),
    ...initializers
      .filter(({ name }) => read.has(name))
      .map(({ name, dtype, dims }) => ({
        ...leaf,
        id: name,
        op: 'initializer',
        kind: 'weight' as const,
        symbol: 'initializer',
        dtype,
        shape: dims,
        path: placeOf(name, ours),
        nParameter: elements(dims),
      })),
    ...nodes.map((node) => ({
      ...typeOf(idOf(node)),
      id: idOf(node),
      op: node.opType,
      kind: kindOf(node.opType),
      symbol: node.opType,
      inputs: node.inputs.map((name) => boxOfValue.get(name) ?? name),
      path: placeOf(idOf(node), ours),
      attributes: node.attributes,
      nOp: 1,
      nParameter: 0,
    })),
  ];
  return {
    name: graph.name,
    boxes,
    outputs: outputs
      .map(({ name }) => ({ name, id: boxOfValue.get(name) ?? name }))
      .filter(({ id }) => boxes.some((box) => box.id === id)),
    repeats: new Map(),
  };
};

const idOf = ({ outputs, opType }: OutlineNode): string => outputs[0] ?? opType;

/** Where our tensor of this name stands, or the one after which a value in between is called: 'blk.0.rope/Mul'. */
const placeOf = (name: string, ours: ReadonlyMap<string, Tensor>): readonly string[] => {
  const [base = name] = name.split('/');
  const tensor = ours.get(name) ?? ours.get(base);
  if (tensor) return tensor.path;
  const [layer] = /^(?:[a-z_]+\.)+\d+(?=\.)/.exec(name) ?? [];
  return layer === undefined ? [] : [layer];
};
