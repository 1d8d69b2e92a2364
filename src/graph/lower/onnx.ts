/** Writes an ONNX ModelProto through the ONNX schema. Weights stay outside, in a file that the model points into. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { AttributeProto, NodeProto, TensorProto, TypeProto, ValueInfoProto } from 'onnx-buf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import type { DType, Shape } from '../tensor.ts';
import type { Attribute, Constant, NamedType, OnnxNode } from './emitter.ts';
import { halvesOf } from './halves.ts';
import type { Initializer, StoredDType } from './initializers.ts';

/** The file beside the model that holds its weights. */
export const WEIGHTS_FILE = 'weights.bin';

const OPSET = 21n;
const IR_VERSION = 10n;

/** Operators of ONNX Runtime's own domain; all others are of the ONNX standard. */
const contrib = new Set([
  'DynamicQuantizeMatMul',
  'FusedMatMul',
  'GatherBlockQuantized',
  'GroupQueryAttention',
  'MatMulNBits',
  'MultiHeadAttention',
  'QuickGelu',
  'RotaryEmbedding',
  'SkipSimplifiedLayerNormalization',
]);

const dataType: Readonly<Record<DType | StoredDType, TensorProto_DataType>> = {
  f32: TensorProto_DataType.FLOAT,
  f16: TensorProto_DataType.FLOAT16,
  bf16: TensorProto_DataType.BFLOAT16,
  i64: TensorProto_DataType.INT64,
  i32: TensorProto_DataType.INT32,
  bool: TensorProto_DataType.BOOL,
  u8: TensorProto_DataType.UINT8,
  i8: TensorProto_DataType.INT8,
};

export interface StoredInitializer extends Initializer {
  /** Where its bytes begin in the weights file. */
  readonly offset: number;
}

export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly NamedType[];
  /** A sequence of float32 tensors that is the first output. */
  readonly sequence?: string;
  readonly outputs: readonly NamedType[];
  readonly constants: readonly Constant[];
  readonly initializers: readonly StoredInitializer[];
}

/** The serialised model. */
export const onnxModel = (model: OnnxModel): Uint8Array =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: 'grafo',
      opsetImport: [
        create(OperatorSetIdProtoSchema, { domain: '', version: OPSET }),
        create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
      ],
      graph: create(GraphProtoSchema, {
        name: model.name,
        node: model.nodes.map(node),
        input: model.inputs.map(named),
        output: [...(model.sequence ? [sequenceInfo(model.sequence)] : []), ...model.outputs.map(named)],
        initializer: [...model.constants.map(constant), ...model.initializers.map(external)],
      }),
    }),
  );

const node = ({ opType, name, inputs, outputs, attributes }: OnnxNode): NodeProto =>
  create(NodeProtoSchema, {
    opType,
    name,
    domain: contrib.has(opType) ? 'com.microsoft' : '',
    input: inputs.map((v) => v?.name ?? ''),
    output: outputs.map((v) => v.name),
    attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  });

const attribute = (name: string, value: Attribute): AttributeProto => {
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  if (typeof value === 'string')
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  if ('nodes' in value)
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.GRAPH,
      g: create(GraphProtoSchema, { name, node: value.nodes.map(node), output: value.outputs.map(named) }),
    });
  if ('float' in value)
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
};

/** What a graph takes or gives, by name. */
export const valueInfo = (name: string, type: TypeProto): ValueInfoProto =>
  create(ValueInfoProtoSchema, { name, type });

/** The type of a tensor; of any shape where none is given. */
export const tensorType = (dtype: DType, shape?: Shape): TypeProto => {
  const dim = shape?.map((n) =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof n === 'number' ? { case: 'dimValue', value: BigInt(n) } : { case: 'dimParam', value: n },
    }),
  );
  const value = create(TypeProto_TensorSchema, {
    elemType: dataType[dtype],
    ...(dim && { shape: create(TensorShapeProtoSchema, { dim }) }),
  });
  return create(TypeProtoSchema, { value: { case: 'tensorType', value } });
};

const named = ({ name, dtype, shape }: NamedType): ValueInfoProto => valueInfo(name, tensorType(dtype, shape));

const sequenceInfo = (name: string): ValueInfoProto => {
  const value = create(TypeProto_SequenceSchema, { elemType: tensorType('f32') });
  return valueInfo(name, create(TypeProtoSchema, { value: { case: 'sequenceType', value } }));
};

const arrayOf = {
  i64: (values: readonly number[]) => BigInt64Array.from(values, BigInt),
  i32: (values: readonly number[]) => Int32Array.from(values),
  f32: (values: readonly number[]) => Float32Array.from(values),
  f16: (values: readonly number[]) => halvesOf(Float32Array.from(values)),
};

const constant = ({ name, dtype, dims, values }: Constant): TensorProto => {
  const array = arrayOf[dtype](values);
  return create(TensorProtoSchema, {
    name,
    dataType: dataType[dtype],
    dims: dims.map(BigInt),
    rawData: new Uint8Array(array.buffer),
  });
};

const external = ({ name, dtype, dims, offset, byteLength }: StoredInitializer): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType: dataType[dtype],
    dims: dims.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries({ location: WEIGHTS_FILE, offset: `${offset}`, length: `${byteLength}` }).map(
      ([key, value]) => create(StringStringEntryProtoSchema, { key, value }),
    ),
  });
