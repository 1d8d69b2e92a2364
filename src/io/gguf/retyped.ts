import type { StoredTensor } from '../../graph/weights.ts';
import type { QuantType } from './quants/quant.ts';
import { typeOfName } from './types.ts';
import type { TensorToWrite } from './writer.ts';

/** The same tensor in another type, rounded as ggml does; its own bytes where nothing changes. */
export const inType = (tensor: StoredTensor, typeName: string): TensorToWrite => {
  const type: QuantType | undefined = typeOfName(typeName);
  if (tensor.type === typeName || !type) return tensor;
  const { name, shape } = tensor;
  return {
    name,
    shape,
    type: typeName,
    async read(rows) {
      const values = await tensor.decode(rows);
      const bytes = new Uint8Array((values.length / type.blockSize) * type.blockBytes);
      type.encode?.(values, bytes);
      return bytes;
    },
  };
};
