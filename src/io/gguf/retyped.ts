/** Values in another type than they are stored in. */
import type { StoredTensor } from '../../graph/weights.ts';
import { typeOfName } from './types.ts';
import type { TensorToWrite } from './writer.ts';

/** Whole blocks of values as bytes of a type, rounded as ggml does. */
export const encodedAs = (typeName: string, values: Float32Array): Uint8Array<ArrayBuffer> => {
  const type = typeOfName(typeName);
  if (!type?.encode) throw new TypeError(`values cannot be written as '${typeName}'`);
  const bytes = new Uint8Array((values.length / type.blockSize) * type.blockBytes);
  type.encode(values, bytes);
  return bytes;
};

/** The same tensor in another type; its own bytes where nothing changes. */
export const inType = (tensor: StoredTensor, typeName: string): TensorToWrite => {
  if (tensor.type === typeName) return tensor;
  const { name, shape } = tensor;
  return { name, shape, type: typeName, read: async (rows) => encodedAs(typeName, await tensor.decode(rows)) };
};
