/** The thread's side of packers.ts: packs runs of blocks, one at a time. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import type { BlockQuantized } from '../../graph/weights.ts';
import type { PackAnswer, PackRequest } from './packers.ts';
import { typeOfName } from './types.ts';

const packed = ({ typeName, bytes }: PackRequest): BlockQuantized => {
  const { blocks } = typeOfName(typeName) ?? {};
  if (!blocks) throw new TypeError(`blocks of ${typeName} cannot be packed`);
  return blocks.pack(bytes);
};

const buffersOf = ({ data, scales, offsets }: BlockQuantized): ArrayBuffer[] =>
  [data, scales, ...(offsets ? [offsets] : [])].map(({ buffer }) => buffer as ArrayBuffer);

parentPort?.on('message', (request: PackRequest) => {
  try {
    const answer = packed(request);
    parentPort?.postMessage({ kind: 'done', packed: answer } satisfies PackAnswer, buffersOf(answer));
  } catch (error) {
    parentPort?.postMessage({ kind: 'failed', message: messageOf(error) } satisfies PackAnswer);
  }
});
