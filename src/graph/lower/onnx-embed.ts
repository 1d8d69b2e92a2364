/** A program as one ONNX file that has its weights in it, for other runtimes and viewers. */
import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation, TensorProtoSchema } from 'onnx-buf';
import type { Program } from './lower.ts';
import { parseModel } from './onnx-read.ts';

/** Protobuf ends here. */
export const MOST_BYTES = 2 ** 31 - 1;

/** The serialised model, all weights read and put in. Throws an Error where they are more than MOST_BYTES. */
export const withWeights = async ({ onnx, initializers, weightBytes }: Program): Promise<Uint8Array> => {
  if (onnx.byteLength + weightBytes > MOST_BYTES) throw new Error(`${weightBytes} bytes of weights are too many`);
  const byOffset = new Map<number, Uint8Array<ArrayBuffer>>();
  for (const group of initializers) {
    const arrays = await group.load();
    for (const [i, { name, offset }] of group.parts.entries()) {
      const bytes = arrays[i];
      if (!bytes) throw new Error(`'${name}' has no bytes`);
      byOffset.set(offset, new Uint8Array(bytes));
    }
  }
  const { model, graph } = parseModel(onnx);
  graph.initializer = graph.initializer.map((tensor) => {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) return tensor;
    const offset = Number(tensor.externalData.find(({ key }) => key === 'offset')?.value);
    const { name, dataType, dims } = tensor;
    const rawData = byOffset.get(offset);
    if (!rawData) throw new Error(`'${name}' lies at ${offset}, where no weight is`);
    return create(TensorProtoSchema, { name, dataType, dims, rawData });
  });
  return toBinary(ModelProtoSchema, model);
};
