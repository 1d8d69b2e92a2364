/** Runs a program in a worker thread, so that the terminal, Ctrl-C and progress stay alive while the engine is busy. */
import { basename } from 'node:path';
import { messageOf, UserError } from '../../errors.ts';
import { builtFile } from '../../system/built-file.ts';
import { Thread } from '../../system/thread.ts';
import type { Program } from '../lower/lower.ts';
import { runtimeCause } from './cause.ts';
import type { Device } from './device.ts';
import { deviceId } from './device.ts';
import type { EngineOptions, HostTensor, Inputs, RunOptions } from './engine.ts';
import type { Fallback } from './fallbacks.ts';
import { FALLS_BACK } from './fallbacks.ts';
import type { ProgramFiles, Progress } from './files.ts';
import { writeProgram } from './files.ts';
import { buffersOf } from './host-tensor.ts';
import type { Keeping, KeptProgram } from './kept.ts';
import { evict, findKept, keep, keyOf, removeKept } from './kept.ts';
import type { Packing } from './pack.ts';
import { startPacking } from './pack.ts';
import type { Answer, Answers, Request } from './worker.ts';

export interface Session {
  readonly program: Program;
  readonly opening: Opening;
  /**
   * One run: every input of the program in, its outputs out. The cache stays inside; rows beyond the positions of a
   * run are never read, so starting over is a run at position 0.
   */
  run(inputs: Inputs, options?: RunOptions): Promise<Record<string, HostTensor>>;
  /**
   * Inputs that every later run brings, until they are held anew: they cross to the engine once, and the caller's
   * arrays are gone with them.
   */
  hold(inputs: Inputs): Promise<void>;
  /** The cache's rows at positions below `nRow`, of every state by its name, as bytes. */
  readCache(nRow: number): Promise<Record<string, Uint8Array>>;
  /** Puts rows that were read, from this session or another of the same program, where they were. */
  writeCache(rows: Readonly<Record<string, Uint8Array>>): Promise<void>;
  /** Waits for the run in flight, then frees everything. */
  close(): Promise<void>;
}

/** What opening a session took. */
export interface Opening {
  /** Reading, converting and writing the weights; 0 where they were kept. */
  readonly prepareMs: number;
  /** Starting the engine and loading the program. */
  readonly createMs: number;
  readonly wereKept: boolean;
  /** What of each run the device leaves to the processor. */
  readonly fallbacks: readonly Fallback[];
}

export interface SessionOptions {
  readonly threads: number;
  /** Folder for the prepared weights. */
  readonly cacheFolder: string;
  readonly progress?: Progress;
  /** Whether and how the prepared weights are kept for later starts; they are not if absent. */
  readonly keeping?: Keeping;
  readonly profilePrefix?: string;
  readonly strict?: boolean;
  /** When what is kept gets the form that loads fastest; 'later' if absent. */
  readonly packing?: Packing;
}

/**
 * Prepares the weights, or finds them as an earlier start kept them, starts the engine and loads the program.
 * @throws UserError 'device' when the device refuses the program, 'file' when its weights are to be packed first and are not
 */
export const openSession = async (program: Program, device: Device, options: SessionOptions): Promise<Session> => {
  const { keeping, packing = 'later' } = options;
  const begun = performance.now();
  const key = keeping && keyOf(program, keeping.source);
  if (packing === 'first' && keeping && key) return openMapped(program, device, { ...options, keeping, key });
  const earlier = keeping && key ? await openKept(program, device, { ...options, keeping, key }) : undefined;
  if (earlier)
    return sessionOf(program, earlier, { prepareMs: 0, createMs: performance.now() - begun, wereKept: true });

  const withSums = keeping !== undefined;
  const files = await writeProgram(program, options.cacheFolder, { ...options, withSums });
  const kept = keeping && key ? await keepFiles(files, keeping, key) : undefined;
  const remove = () => (kept ? removeKept(kept) : files.remove());
  const prepared = performance.now();
  let port: EngineThread;
  try {
    port = await start(program, device, kept?.model ?? files.model, options);
  } catch (error) {
    await remove();
    if (messageOf(error).includes(FALLS_BACK))
      throw new UserError(
        'device',
        `device '${deviceId(device)}' lacks some of the model's operations`,
        'without --strict-device the processor does these',
      );
    const hint = 'use --device cpu, or --list-devices to see what this machine has';
    throw new UserError(
      'device',
      `device '${deviceId(device)}' cannot load the model: ${runtimeCause(messageOf(error))}`,
      hint,
    );
  }
  const opening = { prepareMs: prepared - begun, createMs: performance.now() - prepared, wereKept: false };
  if (kept && keeping && key) {
    // When the session ends: the processor is the model's until then.
    const pack = () => startPacking(kept, { ...keeping, key, packing });
    return sessionOf(program, port, opening, device.provider === 'cpu' ? pack : undefined);
  }
  // Windows keeps a mapped file locked; elsewhere the mapping outlives the name.
  const removeLate = process.platform === 'win32';
  if (!removeLate) await files.remove();
  return sessionOf(program, port, opening, removeLate ? files.remove : undefined);
};

/** The same where memory has no room for all weights at once: they are packed part by part, then used from the disk. */
const openMapped = async (program: Program, device: Device, options: KeepingOptions): Promise<Session> => {
  const { keeping, key } = options;
  const begun = performance.now();
  const open = async () => {
    const kept = await findKept(keeping.cacheFolder, key);
    const isMapped = kept === 'broken' || kept?.isPacked;
    return isMapped ? openKept(program, device, options) : undefined;
  };
  const earlier = await open();
  if (earlier)
    return sessionOf(program, earlier, { prepareMs: 0, createMs: performance.now() - begun, wereKept: true });
  await packFirst(program, options);
  const prepared = performance.now();
  const port = await open();
  if (port) {
    const opening = { prepareMs: prepared - begun, createMs: performance.now() - prepared, wereKept: false };
    return sessionOf(program, port, opening);
  }
  throw new UserError(
    'file',
    'memory has no room for all weights at once, and they could not be kept on disk to be used from there',
    'set GRAFO_CACHE to a folder with more room, and GRAFO_CACHE_LIMIT to more GiB',
  );
};

/** Packs what an earlier start has left unpacked, or weights prepared anew. */
const packFirst = async (program: Program, options: KeepingOptions): Promise<void> => {
  const { keeping, key, cacheFolder, progress } = options;
  const halfOf =
    (offset: number): Progress =>
    (done, total) =>
      progress?.(offset * total + done, 2 * total);
  const prepare = async () => {
    const files = await writeProgram(program, cacheFolder, { progress: halfOf(0), withSums: true });
    const made = await keepFiles(files, keeping, key);
    if (!made) await files.remove();
    return made;
  };
  const kept = (await keptWhole(keeping, key)) ?? (await prepare());
  if (kept) await startPacking(kept, { ...keeping, key, packing: 'first' }, halfOf(1));
};

/** What is kept, if all its bytes are right. */
const keptWhole = async ({ cacheFolder }: Keeping, key: string): Promise<KeptProgram | undefined> => {
  const kept = await findKept(cacheFolder, key);
  if (!kept || kept === 'broken') return undefined;
  if ((await kept.isIntact('model')) && (await kept.isIntact('weights'))) return kept;
  await removeKept(kept);
  return undefined;
};

/** An ONNX file that others made, and what it takes and gives. */
export type OnnxFile = Pick<Program, 'inputs' | 'outputs'> & { readonly path: string };

/** What can be done with such a file: it has no cache of ours. */
export type OnnxSession = Pick<Session, 'opening' | 'run' | 'close'>;

/**
 * Starts the engine with an ONNX file that others made.
 * @throws UserError 'model' when the runtime refuses it
 */
export const openOnnxFile = async (
  { path, inputs, outputs }: OnnxFile,
  device: Device,
  { threads, strict }: Pick<SessionOptions, 'threads' | 'strict'>,
): Promise<OnnxSession> => {
  const begun = performance.now();
  const { provider, index } = device;
  const port = new EngineThread(device);
  try {
    const program = { inputs, outputs, sizes: {} };
    await port.open({ model: path, program, provider, index, threads, ...(strict && { strict }) });
  } catch (error) {
    await port.close();
    throw new UserError('model', `'${path}' cannot be loaded: ${runtimeCause(messageOf(error))}`);
  }
  return {
    opening: { prepareMs: 0, createMs: performance.now() - begun, wereKept: false, fallbacks: port.fallbacks },
    run: (given) => port.ask({ kind: 'run', inputs: given }),
    close: () => port.close(),
  };
};

const sessionOf = (
  program: Program,
  port: EngineThread,
  opening: Omit<Opening, 'fallbacks'>,
  afterwards?: () => Promise<void>,
): Session => ({
  program,
  opening: { ...opening, fallbacks: port.fallbacks },
  run: (inputs, options) => port.ask({ kind: 'run', inputs, ...(options && { options }) }),
  hold: (inputs) => port.ask({ kind: 'hold', inputs }, buffersOf(inputs)),
  readCache: (nRow) => port.ask({ kind: 'read-cache', nRow }),
  writeCache: (rows) => port.ask({ kind: 'write-cache', rows }),
  close: async () => {
    await port.close();
    await afterwards?.();
  },
});

/** Starts an engine with a program's files; whatever the runtime says against them is thrown as it is. */
const start = async (
  program: Program,
  device: Device,
  model: string,
  options: SessionOptions,
): Promise<EngineThread> => {
  const port = new EngineThread(device);
  const { onnx: _onnx, initializers: _initializers, ...plain } = program;
  try {
    await port.open({
      model,
      program: plain,
      provider: device.provider,
      index: device.index,
      threads: options.threads,
      ...(options.profilePrefix && { profilePrefix: options.profilePrefix }),
      ...(options.strict && { strict: true }),
    });
    return port;
  } catch (error) {
    await port.close();
    throw error;
  }
};

type KeepingOptions = SessionOptions & { readonly keeping: Keeping; readonly key: string };

/** An engine with the program as it was kept; undefined where it was not, or not intact. */
const openKept = async (
  program: Program,
  device: Device,
  options: KeepingOptions,
): Promise<EngineThread | undefined> => {
  const { keeping, key } = options;
  const kept = await findKept(keeping.cacheFolder, key);
  if (!kept) return undefined;
  if (kept !== 'broken' && (await kept.isIntact('model'))) {
    // The sums of the weights are taken while the runtime loads them: nothing is computed before both are done.
    const [started, intact] = await Promise.allSettled([
      start(program, device, kept.model, options),
      kept.isIntact('weights'),
    ]);
    const port = started.status === 'fulfilled' ? started.value : undefined;
    if (port && intact.status === 'fulfilled' && intact.value) return port;
    await port?.close();
  }
  keeping.notice('the prepared weights are damaged, they are made again');
  // What cannot be removed is not read again in this run; what is not whole gives way to the new one.
  if (kept !== 'broken') await removeKept(kept).catch(() => undefined);
  return undefined;
};

/** Files under the name they are found by; undefined, and one line, where they cannot be kept. */
const keepFiles = async (files: ProgramFiles, keeping: Keeping, key: string): Promise<KeptProgram | undefined> => {
  const byteLength = files.files.reduce((sum, file) => sum + file.byteLength, 0);
  if (byteLength > keeping.limit) {
    keeping.notice(`the prepared weights are not kept: ${byteLength} bytes are more than the cache may hold`);
    return undefined;
  }
  try {
    const manifest = { label: keeping.label, model: basename(files.model), files: files.files };
    const kept = await keep(files.folder, { cacheFolder: keeping.cacheFolder, key, isPacked: false, manifest });
    if (kept) await evict(keeping.cacheFolder, keeping.limit, kept);
    return kept;
  } catch (error) {
    keeping.notice(`the prepared weights are not kept: ${messageOf(error)}`);
    return undefined;
  }
};

/** The engine on a thread of its own. */
class EngineThread {
  /** Known when a program is open. */
  fallbacks: readonly Fallback[] = [];
  readonly #thread: Thread<Request, Answer>;

  constructor(device: Device) {
    this.#thread = new Thread(builtFile('graph/device/worker'), `engine on ${deviceId(device)}`);
  }

  async open(options: EngineOptions): Promise<void> {
    this.fallbacks = await this.ask({ kind: 'open', options });
  }

  async ask<K extends Request['kind']>(
    request: Request & { readonly kind: K },
    transfer?: readonly ArrayBuffer[],
  ): Promise<Answers[K]> {
    return (await this.#thread.ask(request, transfer)) as Answers[K];
  }

  /** The thread is asked to end its session first: to terminate it during a run would abort the process. */
  async close(): Promise<void> {
    try {
      if (!this.#thread.hasEnded) await this.ask({ kind: 'close' });
    } finally {
      await this.#thread.close();
    }
  }
}
