/**
 * A model as the runtime has optimised it, taken apart into products with stored weights, each of which the runtime packs
 * without knowing the others; and the whole again with what became of them.
 *
 * Weights lie in a file beside the model. The model says `offset` and `length` of each, and in `prepacked_N`, as
 * `KEY|OFFSET;LENGTH;CHECKSUM|...`, where that is which the runtime has made of it.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import type { GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto } from 'onnx-buf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
} from 'onnx-buf';
import { tensorType, valueInfo } from './onnx.ts';
import { parseModel } from './onnx-read.ts';

/** Some products of a model, as a model of its own: it takes float32 rows for each, and gives what each makes of them. */
export interface ModelPart {
  readonly name: string;
  /** Of the stored weights. */
  readonly byteLength: number;
  readonly inputs: readonly PartInput[];
  /** The serialised model; it finds its weights in the file beside the whole. */
  onnx(forms?: PackedForms): Uint8Array;
}

export interface PartInput {
  readonly name: string;
  readonly dims: readonly [nRow: number, nIn: number];
}

/** Where the packed forms of weights lie, by the weights' names, in the model's own words. */
export type PackedForms = ReadonlyMap<string, readonly Said[]>;

type Said = Pick<StringStringEntryProto, 'key' | 'value'>;

interface Product {
  readonly node: NodeProto;
  readonly nIn: number;
  /** What is packed, and what else is stored. */
  readonly weights: readonly [TensorProto, ...TensorProto[]];
}

/** One row and several go through different kernels. */
const N_ROW = 2;

/** The parts of a model, each of as many products as have `mostBytes` of weights, or of one. */
export const takeApart = (onnx: Uint8Array, mostBytes: number): readonly ModelPart[] => {
  const { model, graph } = parseModel(onnx);
  const stored = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  // What the runtime makes of one weight for several products is said in one place.
  const byWeight = new Map<string, Product[]>();
  for (const product of productsIn(graph, stored)) {
    const { name } = product.weights[0];
    byWeight.set(name, [...(byWeight.get(name) ?? []), product]);
  }
  const parts: ModelPart[] = [];
  let products: Product[] = [];
  const end = () => {
    if (products.length > 0) parts.push(partOf(model, `part ${parts.length}`, products));
    products = [];
  };
  for (const more of byWeight.values()) {
    if (bytesIn([...products, ...more]) > mostBytes) end();
    products.push(...more);
  }
  end();
  return parts;
};

/** The same model, saying where the packed forms of its weights are. */
export const withForms = (onnx: Uint8Array, forms: PackedForms): Uint8Array => {
  const { model, graph } = parseModel(onnx);
  graph.initializer = graph.initializer.map((tensor) => saying(tensor, forms));
  return toBinary(ModelProtoSchema, model);
};

/** What a model says of packed forms. */
export const formsIn = (onnx: Uint8Array): PackedForms => {
  const said = parseModel(onnx).graph.initializer.map(({ name, externalData }) => {
    return [name, externalData.filter(({ key }) => key.startsWith('prepacked_'))] as const;
  });
  return new Map(said.filter(([, forms]) => forms.length > 0));
};

/** Bytes of a file. */
export interface Place {
  readonly offset: number;
  readonly byteLength: number;
}

const PLACE = /(\d+);(\d+)(?=;)/g;

/** Everything that packed forms lie in, each once. */
export const placesOf = (forms: PackedForms): readonly Place[] => {
  const found = [...forms.values()].flat().flatMap(({ value }) => [...value.matchAll(PLACE)]);
  return [...new Map(found.map(([, at, n]) => [Number(at), { offset: Number(at), byteLength: Number(n) }])).values()];
};

/** The same forms at other places. */
export const movedTo = (forms: PackedForms, to: (offset: number) => number): PackedForms =>
  new Map(
    [...forms].map(([name, said]) => [
      name,
      said.map(({ key, value }) => ({ key, value: value.replace(PLACE, (_, at, n) => `${to(Number(at))};${n}`) })),
    ]),
  );

/** Products within branches too: what they multiply with is stored outside. */
const productsIn = (graph: GraphProto, stored: ReadonlyMap<string, TensorProto>): readonly Product[] =>
  graph.node.flatMap((node) => [
    ...productOf(node, stored),
    ...node.attribute.flatMap(({ g }) => (g ? productsIn(g, stored) : [])),
  ]);

const productOf = (node: NodeProto, stored: ReadonlyMap<string, TensorProto>): readonly Product[] => {
  const [x, ...names] = node.input;
  const [weight, ...others] = names.flatMap((name) => (name === '' ? [] : [stored.get(name)]));
  if (x === undefined || stored.has(x) || !weight || weight.externalData.length === 0) return [];
  if (!others.every((tensor) => tensor !== undefined)) return [];
  const nIn = widths[node.opType]?.(node, weight);
  return nIn === undefined ? [] : [{ node, nIn, weights: [weight, ...others] }];
};

/** The values of a row that an operator multiplies with a stored weight; undefined where it is not packed. */
const widths: Readonly<Record<string, (node: NodeProto, weight: TensorProto) => number | undefined>> = {
  MatMulNBits: (node) => intOf(node, 'K'),
  DynamicQuantizeMatMul: (_, weight) => dimOf(weight, 0),
  MatMul: (_, weight) => floatWidth(weight, 0),
  FusedMatMul: (node, weight) => turnedWidth(node, weight),
  Gemm: (node, weight) => turnedWidth(node, weight),
  FusedGemm: (node, weight) => turnedWidth(node, weight),
};

const turnedWidth = (node: NodeProto, weight: TensorProto): number | undefined =>
  intOf(node, 'transA') ? undefined : floatWidth(weight, intOf(node, 'transB') ? 1 : 0);

const floatWidth = (weight: TensorProto, axis: number): number | undefined =>
  weight.dataType === TensorProto_DataType.FLOAT && weight.dims.length === 2 ? dimOf(weight, axis) : undefined;

const intOf = ({ attribute }: NodeProto, name: string): number =>
  Number(attribute.find((a) => a.name === name)?.i ?? 0);

const dimOf = ({ dims }: TensorProto, axis: number): number => Number(dims[axis]);

const bytesIn = (products: readonly Product[]): number => {
  const weights = new Set(products.flatMap(({ weights }) => weights));
  const lengths = [...weights].flatMap(({ externalData }) => externalData.filter(({ key }) => key === 'length'));
  return lengths.reduce((sum, { value }) => sum + Number(value), 0);
};

const partOf = ({ irVersion, opsetImport }: ModelProto, name: string, products: readonly Product[]): ModelPart => {
  const inputs = products.map(({ nIn }, i): PartInput => ({ name: `x${i}`, dims: [N_ROW, nIn] }));
  const node = products.map(({ node: { opType, domain, input, attribute } }, i) =>
    create(NodeProtoSchema, {
      name: `product${i}`,
      opType,
      domain,
      input: [`x${i}`, ...input.slice(1)],
      output: [`y${i}`],
      attribute,
    }),
  );
  const weights = [...new Set(products.flatMap(({ weights }) => weights))];
  return {
    name,
    byteLength: bytesIn(products),
    inputs,
    onnx(forms = new Map()) {
      const graph = create(GraphProtoSchema, {
        name,
        node,
        initializer: weights.map((tensor) => saying(tensor, forms)),
        input: inputs.map(({ name, dims }) => valueInfo(name, tensorType('f32', dims))),
        output: products.map((_, i) => valueInfo(`y${i}`, tensorType('f32'))),
      });
      return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion, opsetImport, graph }));
    },
  };
};

const saying = (tensor: TensorProto, forms: PackedForms): TensorProto => {
  const said = forms.get(tensor.name);
  if (!said) return tensor;
  const { name, dataType, dims, dataLocation, externalData } = tensor;
  const more = said.map(({ key, value }) => create(StringStringEntryProtoSchema, { key, value }));
  return create(TensorProtoSchema, { name, dataType, dims, dataLocation, externalData: [...externalData, ...more] });
};
