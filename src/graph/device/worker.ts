/** The worker thread's side of a session: one question at a time, answered in order. */
import { answerQuestions } from '../../system/thread.ts';
import type { EngineOptions, HostTensor, Inputs, RunOptions } from './engine.ts';
import { Engine } from './engine.ts';
import type { Fallback } from './fallbacks.ts';
import { buffersOf } from './host-tensor.ts';

export type Request =
  | { readonly kind: 'open'; readonly options: EngineOptions }
  | { readonly kind: 'hold'; readonly inputs: Inputs }
  | { readonly kind: 'run'; readonly inputs: Inputs; readonly options?: RunOptions }
  | { readonly kind: 'read-cache'; readonly nRow: number }
  | { readonly kind: 'write-cache'; readonly rows: Readonly<Record<string, Uint8Array>> }
  | { readonly kind: 'close' };

/** What each kind of request is answered by. */
export interface Answers {
  readonly open: readonly Fallback[];
  readonly hold: undefined;
  readonly run: Readonly<Record<string, HostTensor>>;
  readonly 'read-cache': Readonly<Record<string, Uint8Array>>;
  readonly 'write-cache': undefined;
  readonly close: undefined;
}

export type Answer = Answers[Request['kind']];

let engine: Engine | undefined;
let profiles = false;

const opened = (): Engine => {
  if (!engine) throw new Error('no program is loaded');
  return engine;
};

const answer = async (request: Request): Promise<Answer> => {
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

/** Outputs change hands without a copy. */
const transferred = (value: Answer, { kind }: Request): ArrayBuffer[] =>
  kind === 'run' ? buffersOf(value as Answers['run']) : [];

answerQuestions(answer, transferred);
