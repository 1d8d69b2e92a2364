/** Reads the structure of an ONNX model back: nodes, what they read and what they were told; no weights. */
import { fromBinary } from '@bufbuild/protobuf';
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  TensorShapeProto_Dimension,
  ValueInfoProto,
} from 'onnx-buf';
import { AttributeProto_AttributeType, ModelProtoSchema, TensorProto_DataType } from 'onnx-buf';
import type { Dim, Shape } from '../tensor.ts';

export interface OnnxOutline {
  readonly nodes: readonly OutlineNode[];
  readonly inputs: readonly OutlineValue[];
  readonly outputs: readonly OutlineValue[];
  readonly initializers: readonly OutlineWeight[];
}

export interface OutlineNode {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What a model takes or gives. */
export interface OutlineValue {
  readonly name: string;
  /** In ONNX's words, in lower case: 'float', 'uint8'. */
  readonly dtype: string;
  /** As far as the model tells; dimensions known only when running are names or ''. */
  readonly shape: Shape | undefined;
}

export interface OutlineWeight {
  readonly name: string;
  /** In ONNX's words, in lower case: 'float', 'uint8'. */
  readonly dtype: string;
  readonly dims: readonly number[];
}

/**
 * A serialised model, and the graph in it.
 * @throws Error for bytes that are no ONNX model
 */
export const parseModel = (bytes: Uint8Array): { readonly model: ModelProto; readonly graph: GraphProto } => {
  const model = fromBinary(ModelProtoSchema, bytes);
  if (!model.graph) throw new Error('the ONNX model has no graph');
  return { model, graph: model.graph };
};

/** @throws Error for bytes that are no ONNX model */
export const readOnnx = (bytes: Uint8Array): OnnxOutline => {
  const { graph } = parseModel(bytes);
  return {
    nodes: graph.node.map((node) => ({
      opType: node.opType,
      inputs: inputsOf(node),
      outputs: node.output.filter((name) => name !== ''),
      attributes: Object.fromEntries(node.attribute.map((a) => [a.name, attributeValue(a)])),
    })),
    inputs: graph.input.map(typedValue),
    outputs: graph.output.map(typedValue),
    initializers: graph.initializer.map(weightOf),
  };
};

/** What a node reads: its inputs, and what the branches of an If read from outside of themselves. */
const inputsOf = ({ input, attribute }: NodeProto): readonly string[] => {
  const captured = attribute.flatMap(({ g }) => {
    const made = new Set(g?.node.flatMap(({ output }) => output));
    return (g?.node.flatMap(inputsOf) ?? []).filter((name) => !made.has(name));
  });
  return [...new Set([...input, ...captured])].filter((name) => name !== '');
};

const weightOf = ({ name, dataType, dims }: TensorProto): OutlineWeight => ({
  name,
  dtype: dtypeOf(dataType),
  dims: dims.map(Number),
});

const typedValue = ({ name, type }: ValueInfoProto): OutlineValue => {
  const { value } = type ?? {};
  if (value?.case !== 'tensorType') return { name, dtype: 'unknown', shape: undefined };
  const { elemType, shape } = value.value;
  return { name, dtype: dtypeOf(elemType), shape: shape?.dim.map(dimOf) };
};

const dimOf = ({ value }: TensorShapeProto_Dimension): Dim =>
  value.case === 'dimValue' ? Number(value.value) : (value.value ?? '');

const dtypeOf = (dataType: number): string => (TensorProto_DataType[dataType] ?? 'unknown').toLowerCase();

const attributeValue = (a: AttributeProto): unknown => {
  switch (a.type) {
    case AttributeProto_AttributeType.INT:
      return Number(a.i);
    case AttributeProto_AttributeType.FLOAT:
      return a.f;
    case AttributeProto_AttributeType.STRING:
      return new TextDecoder().decode(a.s);
    case AttributeProto_AttributeType.INTS:
      return a.ints.map(Number);
    case AttributeProto_AttributeType.GRAPH:
      return a.g?.node.map(({ opType }) => opType);
    default:
      return AttributeProto_AttributeType[a.type];
  }
};
