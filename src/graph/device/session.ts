/** Runs a program in a worker thread, so that the terminal, Ctrl-C and progress stay alive while the engine is busy. */
import { Worker } from 'node:worker_threads';
import { messageOf, UserError } from '../../errors.ts';
import type { Program } from '../lower/lower.ts';
import { runtimeCause } from './cause.ts';
import type { Device } from './device.ts';
import { deviceId } from './device.ts';
import type { EngineOptions, HostTensor, Inputs } from './engine.ts';
import type { Progress } from './files.ts';
import { writeProgram } from './files.ts';
import { buffersOf } from './host-tensor.ts';
import type { Answer, Request } from './worker.ts';

export interface Session {
  readonly program: Program;
  /**
   * One run: every input of the program in, every output out. The cache stays inside; rows beyond the positions of a
   * run are never read, so starting over is a run at position 0.
   */
  run(inputs: Inputs, options?: RunOptions): Promise<Record<string, HostTensor>>;
  /**
   * Inputs that every later run brings, until they are held anew: they cross to the engine once, and the caller's
   * arrays are gone with them.
   */
  hold(inputs: Inputs): Promise<void>;
  /** Waits for the run in flight, then frees everything. */
  close(): Promise<void>;
}

export interface RunOptions {
  /** Which of the last run's sequences each sequence goes on from; itself if absent. */
  readonly parents?: readonly number[];
}

export interface SessionOptions {
  readonly threads: number;
  /** Folder for the prepared weights. */
  readonly cacheFolder: string;
  readonly progress?: Progress;
  readonly profilePrefix?: string;
  readonly strict?: boolean;
}

/**
 * Prepares the weights, starts the engine and loads the program.
 * @throws UserError 'device' when the device refuses the program
 */
export const openSession = async (program: Program, device: Device, options: SessionOptions): Promise<Session> => {
  const files = await writeProgram(program, options.cacheFolder, options.progress);
  const port = new Engine(device);
  const { onnx: _onnx, initializers: _initializers, ...plain } = program;
  try {
    await port.ask({
      kind: 'open',
      options: {
        model: files.model,
        program: plain,
        provider: device.provider,
        index: device.index,
        threads: options.threads,
        ...(options.profilePrefix && { profilePrefix: options.profilePrefix }),
        ...(options.strict && { strict: true }),
      } satisfies EngineOptions,
    });
  } catch (error) {
    await port.close();
    await files.remove();
    const hint = 'use --device cpu, or --list-devices to see what this machine has';
    throw new UserError(
      'device',
      `device '${deviceId(device)}' cannot load the model: ${runtimeCause(messageOf(error))}`,
      hint,
    );
  }
  // Windows keeps a mapped file locked; elsewhere the mapping outlives the name.
  const removeLate = process.platform === 'win32';
  if (!removeLate) await files.remove();
  return {
    program,
    run: async (inputs, { parents } = {}) =>
      (await port.ask({ kind: 'run', inputs, ...(parents && { parents }) })) as Record<string, HostTensor>,
    hold: async (inputs) => {
      await port.ask({ kind: 'hold', inputs }, buffersOf(inputs));
    },
    close: async () => {
      await port.close();
      if (removeLate) await files.remove();
    },
  };
};

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Questions to the worker and their answers, in order. */
class Engine {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];

  constructor(device: Device) {
    this.#worker = new Worker(builtFile('worker'), { name: `engine ${deviceId(device)}` });
    this.#worker.on('message', (answer: Answer) => {
      const question = this.#waiting.shift();
      if (answer.kind === 'failed') question?.reject(new Error(answer.message));
      else question?.resolve(answer.value);
    });
    this.#worker.on('error', (error) => this.#failAll(error as Error));
    this.#worker.on('exit', () => this.#failAll(new Error('the engine has stopped')));
  }

  ask(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, [...transfer]);
    });
  }

  /** The worker ends by itself: to terminate it during a run would abort the process. */
  async close(): Promise<void> {
    await this.ask({ kind: 'close' });
    await this.#worker.terminate();
  }

  #failAll(error: Error): void {
    for (const question of this.#waiting.splice(0)) question.reject(error);
  }
}

/** A file of this folder that another thread or process runs: built code, also when this one runs from sources in tests. */
export const builtFile = (name: string): URL =>
  import.meta.url.endsWith('.ts')
    ? new URL(`../../../dist/graph/device/${name}.js`, import.meta.url)
    : new URL(`./${name}.js`, import.meta.url);
