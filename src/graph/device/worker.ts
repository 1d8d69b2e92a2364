/** The worker thread's side of a session: one question at a time, answered in order. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import type { EngineOptions, HostTensor, Inputs, RunOptions } from './engine.ts';
import { Engine } from './engine.ts';
import { buffersOf } from './host-tensor.ts';

export type Request =
  | { readonly kind: 'open'; readonly options: EngineOptions }
  | { readonly kind: 'hold'; readonly inputs: Inputs }
  | { readonly kind: 'run'; readonly inputs: Inputs; readonly options?: RunOptions }
  | { readonly kind: 'read-cache'; readonly nRow: number }
  | { readonly kind: 'write-cache'; readonly rows: Readonly<Record<string, Uint8Array>> }
  | { readonly kind: 'close' };

export type Answer =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly message: string };

let engine: Engine | undefined;
let profiles = false;

const opened = (): Engine => {
  if (!engine) throw new Error('no program is loaded');
  return engine;
};

const answer = async (request: Request): Promise<unknown> => {
  switch (request.kind) {
    case 'open':
      profiles = request.options.profilePrefix !== undefined;
      engine = await Engine.open(request.options);
      return engine.fallbacks;
    case 'hold':
      opened().hold(request.inputs);
      return undefined;
    case 'run':
      return opened().run(request.inputs, request.options);
    case 'read-cache':
      return opened().readCache(request.nRow);
    case 'write-cache':
      opened().writeCache(request.rows);
      return undefined;
    case 'close':
      if (profiles) engine?.endProfile();
      await engine?.close();
      engine = undefined;
      return undefined;
  }
};

let last: Promise<void> = Promise.resolve();

parentPort?.on('message', (request: Request) => {
  last = last.then(async () => {
    try {
      const value = await answer(request);
      parentPort?.postMessage({ kind: 'done', value } satisfies Answer, transferred(request, value));
    } catch (error) {
      parentPort?.postMessage({ kind: 'failed', message: messageOf(error) } satisfies Answer);
    }
  });
});

/** Outputs change hands without a copy. */
const transferred = ({ kind }: Request, value: unknown): ArrayBuffer[] =>
  kind === 'run' ? buffersOf(value as Record<string, HostTensor>) : [];
