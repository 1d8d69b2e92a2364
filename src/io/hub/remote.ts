/** A file that stays on the hub: what is read of it is asked for in ranges, and kept while it is open. */
import { UserError } from '../../errors.ts';
import type { OpenFile } from '../gguf/file.ts';
import { patiently, TransientError } from './refusal.ts';
import type { Transport } from './transport.ts';

export interface RemotePlace {
  /** What messages call it. */
  readonly path: string;
  readonly url: string;
  readonly repo: string;
  readonly size: number;
}

/** The least that is asked for: headers are read in small steps. */
const BLOCK = 64 * 1024;

/** Blocks that are kept; the oldest go first. */
const MOST_BLOCKS = 1024;

/** A file of the hub, read in ranges as they are asked for. */
export const openRemote = (
  { path, url, repo, size }: RemotePlace,
  transport: Transport,
  waits: readonly number[],
): OpenFile => {
  const blocks = new Map<number, Uint8Array>();

  /** Asks for blocks `from` to `to`, both included, at once. */
  const load = async (from: number, to: number): Promise<void> => {
    const [start, end] = [from * BLOCK, Math.min((to + 1) * BLOCK, size)];
    const bytes = await patiently(waits, () => ask(start, end));
    for (let i = from; i <= to; i++) blocks.set(i, bytes.subarray((i - from) * BLOCK, (i - from + 1) * BLOCK));
  };

  const ask = async (start: number, end: number): Promise<Uint8Array> => {
    const answer = await transport.get(url, repo, { range: `bytes=${start}-${end - 1}` });
    if (!isRange(answer, start, end, size)) {
      answer.drop();
      throw new UserError(
        'network',
        `${new URL(url).host} gives no parts of '${path}'`,
        'download it: grafo models pull',
      );
    }
    const bytes = new Uint8Array(end - start);
    let at = 0;
    for await (const piece of answer.pieces()) {
      bytes.set(piece.subarray(0, bytes.length - at), at);
      at += Math.min(piece.length, bytes.length - at);
    }
    if (at === bytes.length) return bytes;
    throw new TransientError(`${new URL(url).host} ended a part of '${path}' too early`, 'try again later');
  };

  return {
    path,
    isLocal: false,
    size,
    async read(position, length) {
      if (position + length > size) throw new UserError('model', `'${path}' ends at byte ${size}`);
      const bytes = new Uint8Array(length);
      const [first, last] = [Math.floor(position / BLOCK), Math.floor((position + Math.max(1, length) - 1) / BLOCK)];
      const missing = range(first, last).filter((i) => !blocks.has(i));
      const [from] = missing;
      if (length > 0 && from !== undefined) await load(from, missing.at(-1) ?? from);
      for (const i of range(first, last)) {
        const start = i * BLOCK;
        const part = blocks.get(i)?.subarray(Math.max(0, position - start), position + length - start);
        if (part) bytes.set(part, Math.max(0, start - position));
      }
      for (const oldest of [...blocks.keys()].slice(0, Math.max(0, blocks.size - MOST_BLOCKS))) blocks.delete(oldest);
      return bytes;
    },
    close: async () => blocks.clear(),
  };
};

const range = (first: number, last: number): readonly number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Whether the answer is this part of the file, or all of a file that is asked for as a whole. */
const isRange = (
  answer: { readonly status: number; header(name: string): string | undefined },
  start: number,
  end: number,
  size: number,
): boolean => {
  if (answer.status === 200) return start === 0 && end === size;
  const text = answer.header('content-range') ?? '';
  return answer.status === 206 && [size, '*'].some((total) => text === `bytes ${start}-${end - 1}/${total}`);
};
