/** The thread's side of packers.ts: packs runs of blocks, one at a time. */
import type { BlockQuantized } from '../../graph/weights.ts';
import { answerQuestions } from '../../system/thread.ts';
import type { PackRequest } from './packers.ts';
import { typeOfName } from './types.ts';

const packed = ({ typeName, bytes }: PackRequest): BlockQuantized => {
  const { blocks } = typeOfName(typeName) ?? {};
  if (!blocks) throw new TypeError(`blocks of ${typeName} cannot be packed`);
  return blocks.pack(bytes);
};

const buffersOf = ({ data, scales, offsets }: BlockQuantized): ArrayBuffer[] =>
  [data, scales, ...(offsets ? [offsets] : [])].map(({ buffer }) => buffer as ArrayBuffer);

answerQuestions(packed, buffersOf);
