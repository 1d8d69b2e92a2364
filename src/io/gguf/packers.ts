/** Threads that bring blocks into the order in which kernels take them: of a first start the part that is grafo's own. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { BlockQuantized } from '../../graph/weights.ts';
import type { QuantType } from './quants/quant.ts';

export interface PackRequest {
  readonly typeName: string;
  readonly bytes: Uint8Array;
}

export type PackAnswer =
  | { readonly kind: 'done'; readonly packed: BlockQuantized }
  | { readonly kind: 'failed'; readonly message: string };

export interface Packers {
  /** Blocks of a type that can be packed, in the kernels' order; the bytes may be gone afterwards. */
  pack(type: QuantType, bytes: Uint8Array): Promise<BlockQuantized>;
  close(): Promise<void>;
}

/** Fewer bytes are packed by the time that they have crossed to a thread. */
const WORTH_CROSSING = 2 ** 20;

/** More would only wait for the disk. */
const MOST_THREADS = 4;

/** Built code, also when this file runs from its source in tests. */
const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/io/gguf/pack-worker.js' : './pack-worker.js',
  import.meta.url,
);

/** Threads start when there is work for them: as many as there are requests at once, at most as the machine runs at once. */
export const createPackers = (nThread = Math.min(availableParallelism(), MOST_THREADS)): Packers => {
  const threads: PackThread[] = [];
  const leastBusy = (): PackThread => {
    const [first] = threads.toSorted((a, b) => a.nWaiting - b.nWaiting);
    if (first && (first.nWaiting === 0 || threads.length === nThread)) return first;
    const thread = new PackThread();
    threads.push(thread);
    return thread;
  };
  return {
    async pack(type, bytes) {
      if (!type.blocks) throw new TypeError(`blocks of ${type.name} cannot be packed`);
      if (nThread < 2 || bytes.length < WORTH_CROSSING) return type.blocks.pack(bytes);
      return leastBusy().pack({ typeName: type.name, bytes });
    },
    async close() {
      await Promise.all(threads.splice(0).map((thread) => thread.close()));
    },
  };
};

/** Requests to one thread and its answers, in order. */
class PackThread {
  readonly #worker = new Worker(workerFile, { name: 'packer' });
  readonly #waiting: { resolve(packed: BlockQuantized): void; reject(error: unknown): void }[] = [];

  constructor() {
    this.#worker.on('message', (answer: PackAnswer) => {
      const request = this.#waiting.shift();
      if (answer.kind === 'done') request?.resolve(answer.packed);
      else request?.reject(new Error(answer.message));
    });
    this.#worker.on('error', (error) => this.#failAll(error));
    this.#worker.on('exit', () => this.#failAll(new Error('a packing thread has stopped')));
  }

  get nWaiting(): number {
    return this.#waiting.length;
  }

  pack(request: PackRequest): Promise<BlockQuantized> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, [request.bytes.buffer as ArrayBuffer]);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #failAll(error: unknown): void {
    for (const request of this.#waiting.splice(0)) request.reject(error);
  }
}
