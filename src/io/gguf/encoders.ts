/** Threads that round values to types of ggml: for K-quants that is a search, and by far the most of the work. */
import { builtFile } from '../../system/built-file.ts';
import { Thread } from '../../system/thread.ts';

export interface EncodeRequest {
  readonly typeName: string;
  /** Whole blocks. */
  readonly values: Float32Array<ArrayBuffer>;
}

export interface Encoders {
  /** Rows of `nIn` values as bytes of a type, shared among the threads. */
  encode(typeName: string, values: Float32Array, nIn: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Threads that quantise rows; close them when done. */
export const openEncoders = (nThread: number): Encoders => {
  const file = builtFile('io/gguf/encode-worker');
  const threads = Array.from({ length: nThread }, () => new Thread<EncodeRequest, Uint8Array>(file, 'encoder'));
  return {
    async encode(typeName, values, nIn) {
      const nRow = values.length / nIn;
      const step = Math.ceil(nRow / threads.length) * nIn;
      const parts = await Promise.all(
        threads.map((thread, i) => {
          const part = values.slice(i * step, (i + 1) * step);
          return part.length > 0 ? thread.ask({ typeName, values: part }, [part.buffer]) : new Uint8Array();
        }),
      );
      return Buffer.concat(parts);
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
};
