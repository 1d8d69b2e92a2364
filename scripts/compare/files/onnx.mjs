/** Writes ONNX models node by node, weights inside, as exporters of PyTorch write them. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';

const { FLOAT, INT64, BOOL, UINT8, INT8 } = TensorProto_DataType;
const TYPES = { f32: FLOAT, i64: INT64, bool: BOOL, u8: UINT8, i8: INT8 };

/** Optimum's default while the models that are most downloaded were exported. */
const OPSET = 14n;
const IR_VERSION = 8n;

/** An empty model. Values are known by their names. */
export const newModel = () => branchOf({ initializers: new Map(), count: 0 });

/** Nodes of a graph or of one branch of it; weights and names belong to the whole model. */
const branchOf = (shared) => {
  const nodes = [];
  return {
    nodes,
    initializers: shared.initializers,
    branch: () => branchOf(shared),

    /** A constant; one of a name that is there already is that one, and `make` is not called. */
    constant(name, type, dims, make) {
      if (!shared.initializers.has(name)) {
        const { buffer, byteOffset, byteLength } = make();
        const rawData = new Uint8Array(buffer, byteOffset, byteLength);
        const tensor = { name, dataType: TYPES[type], dims: dims.map(BigInt), rawData };
        shared.initializers.set(name, create(TensorProtoSchema, tensor));
      }
      return name;
    },
    f32(value) {
      return this.constant(`f32 ${value}`, 'f32', [], () => Float32Array.of(value));
    },
    i64(values) {
      return this.constant(`i64 ${values}`, 'i64', [values.length], () => BigInt64Array.from(values, BigInt));
    },

    /** Appends a node; the result is the name of its output, or names where it has several. */
    node(opType, input, attributes = {}, nOutput = 1) {
      const output = Array.from({ length: nOutput }, () => `${opType} ${shared.count++}`);
      const attribute = Object.entries(attributes).map(([name, value]) => attributeOf(name, value));
      nodes.push(create(NodeProtoSchema, { opType, name: output[0], input, output, attribute }));
      return nOutput === 1 ? output[0] : output;
    },
    /** Gives a value the name that it has outside. */
    output(value, name) {
      nodes.push(create(NodeProtoSchema, { opType: 'Identity', name, input: [value], output: [name] }));
    },
  };
};

/** A whole number, whole numbers, `{ float }`, or a branch as `{ nodes, outputs }`. */
const attributeOf = (name, value) => {
  const { INT, INTS, FLOAT, GRAPH } = AttributeProto_AttributeType;
  const of = (type, rest) => create(AttributeProtoSchema, { name, type, ...rest });
  if (typeof value === 'number') return of(INT, { i: BigInt(value) });
  if (Array.isArray(value)) return of(INTS, { ints: value.map(BigInt) });
  if ('float' in value) return of(FLOAT, { f: value.float });
  const { nodes, outputs } = value;
  return of(GRAPH, { g: create(GraphProtoSchema, { name, node: nodes, output: outputs.map(valueInfo) }) });
};

/** @param value name, type and shape; a dimension that is known only when running is a word */
const valueInfo = ({ name, type, shape }) => {
  const dim = shape.map((d) =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof d === 'number' ? { case: 'dimValue', value: BigInt(d) } : { case: 'dimParam', value: d },
    }),
  );
  const tensor = { elemType: TYPES[type], shape: create(TensorShapeProtoSchema, { dim }) };
  const value = { case: 'tensorType', value: create(TypeProto_TensorSchema, tensor) };
  return create(ValueInfoProtoSchema, { name, type: create(TypeProtoSchema, { value }) });
};

/** The bytes of the model's file. */
export const modelBytes = ({ nodes, initializers }, { inputs, outputs }) =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: 'grafo, as optimum exports',
      opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: OPSET })],
      graph: create(GraphProtoSchema, {
        name: 'main_graph',
        node: nodes,
        input: inputs.map(valueInfo),
        output: outputs.map(valueInfo),
        initializer: [...initializers.values()],
      }),
    }),
  );
