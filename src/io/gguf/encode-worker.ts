/** The thread's side of encoders.ts: rounds runs of values, one at a time. */
import { answerQuestions } from '../../system/thread.ts';
import type { EncodeRequest } from './encoders.ts';
import { typeOfName } from './types.ts';

const encoded = ({ typeName, values }: EncodeRequest): Uint8Array<ArrayBuffer> => {
  const type = typeOfName(typeName);
  if (!type?.encode) throw new TypeError(`values cannot be written as '${typeName}'`);
  const bytes = new Uint8Array((values.length / type.blockSize) * type.blockBytes);
  type.encode(values, bytes);
  return bytes;
};

answerQuestions(encoded, ({ buffer }) => [buffer]);
