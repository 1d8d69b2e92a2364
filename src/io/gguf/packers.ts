/** Threads that bring blocks into the order in which kernels take them: of a first start the part that is grafo's own. */
import { availableParallelism } from 'node:os';
import type { BlockQuantized } from '../../graph/weights.ts';
import { builtFile } from '../../system/built-file.ts';
import { Thread } from '../../system/thread.ts';
import type { QuantType } from './quants/quant.ts';

export interface PackRequest {
  readonly typeName: string;
  readonly bytes: Uint8Array;
}

export interface Packers {
  /** Blocks of a type that can be packed, in the kernels' order; the bytes may be gone afterwards. */
  pack(type: QuantType, bytes: Uint8Array): Promise<BlockQuantized>;
  close(): Promise<void>;
}

/** Fewer bytes are packed by the time that they have crossed to a thread. */
const WORTH_CROSSING = 2 ** 20;

/** More would only wait for the disk. */
const MOST_THREADS = 4;

/** Threads start when there is work for them: as many as there are requests at once, at most as the machine runs at once. */
export const createPackers = (nThread = Math.min(availableParallelism(), MOST_THREADS)): Packers => {
  const threads: Thread<PackRequest, BlockQuantized>[] = [];
  const leastBusy = () => {
    const [first] = threads.toSorted((a, b) => a.nWaiting - b.nWaiting);
    if (first && (first.nWaiting === 0 || threads.length === nThread)) return first;
    const thread = new Thread<PackRequest, BlockQuantized>(builtFile('io/gguf/pack-worker'), 'packing thread');
    threads.push(thread);
    return thread;
  };
  return {
    async pack(type, bytes) {
      if (!type.blocks) throw new TypeError(`blocks of ${type.name} cannot be packed`);
      if (nThread < 2 || bytes.length < WORTH_CROSSING) return type.blocks.pack(bytes);
      return leastBusy().ask({ typeName: type.name, bytes }, [bytes.buffer as ArrayBuffer]);
    },
    async close() {
      await Promise.all(threads.splice(0).map((thread) => thread.close()));
    },
  };
};
