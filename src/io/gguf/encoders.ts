/** Threads that round values to types of ggml: for K-quants that is a search, and by far the most of the work. */
import { Worker } from 'node:worker_threads';

export interface EncodeRequest {
  readonly typeName: string;
  /** Whole blocks. */
  readonly values: Float32Array<ArrayBuffer>;
}

export type EncodeAnswer =
  | { readonly kind: 'done'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly message: string };

export interface Encoders {
  /** Rows of `nIn` values as bytes of a type, shared among the threads. */
  encode(typeName: string, values: Float32Array, nIn: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Built code, also when this file runs from its source in tests. */
const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/io/gguf/encode-worker.js' : './encode-worker.js',
  import.meta.url,
);

/** Threads that quantise rows; close them when done. */
export const openEncoders = (nThread: number): Encoders => {
  const threads = Array.from({ length: nThread }, () => new Worker(workerFile, { name: 'encoder' }));
  return {
    async encode(typeName, values, nIn) {
      const nRow = values.length / nIn;
      const step = Math.ceil(nRow / threads.length) * nIn;
      const parts = await Promise.all(
        threads.map((thread, i) => {
          const part = values.slice(i * step, (i + 1) * step);
          return part.length > 0 ? ask(thread, { typeName, values: part }) : new Uint8Array();
        }),
      );
      return Buffer.concat(parts);
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.terminate()));
    },
  };
};

const ask = (thread: Worker, request: EncodeRequest): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.once('message', (answer: EncodeAnswer) => {
      thread.off('error', reject);
      if (answer.kind === 'done') resolve(answer.bytes);
      else reject(new Error(answer.message));
    });
    thread.postMessage(request, [request.values.buffer]);
  });
