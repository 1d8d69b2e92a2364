/** The thread's side of encoders.ts: rounds runs of values, one at a time. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import type { EncodeAnswer, EncodeRequest } from './encoders.ts';
import { typeOfName } from './types.ts';

const encoded = ({ typeName, values }: EncodeRequest): Uint8Array<ArrayBuffer> => {
  const type = typeOfName(typeName);
  if (!type?.encode) throw new TypeError(`values cannot be written as '${typeName}'`);
  const bytes = new Uint8Array((values.length / type.blockSize) * type.blockBytes);
  type.encode(values, bytes);
  return bytes;
};

parentPort?.on('message', (request: EncodeRequest) => {
  try {
    const bytes = encoded(request);
    parentPort?.postMessage({ kind: 'done', bytes } satisfies EncodeAnswer, [bytes.buffer]);
  } catch (error) {
    parentPort?.postMessage({ kind: 'failed', message: messageOf(error) } satisfies EncodeAnswer);
  }
});
