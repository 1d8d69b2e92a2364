/**
 * One ONNX Runtime session with its kept state. This room is all that knows onnxruntime-node; the engine
 * blocks the thread that calls it, so commands talk to it through a worker (session.ts).
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { CacheSpec } from '../lower/cache-plan.ts';
import type { NamedType } from '../lower/emitter.ts';
import type { Program } from '../lower/lower.ts';
import type { Provider } from '../lower/target.ts';
import type { DType, Shape, Sizes } from '../tensor.ts';
import { elements, resolve } from '../tensor.ts';
import { bytesOf, firstRows, putRows } from './cache-rows.ts';
import type { Fallback } from './fallbacks.ts';
import { FALLS_BACK, fallbacksIn } from './fallbacks.ts';
import { InferenceSession, Tensor as OrtTensor } from './runtime.ts';
import { sampleInputs } from './sample.ts';

export type HostData = Float32Array | BigInt64Array | Int32Array | Uint8Array | Uint16Array;

/** An array with its shape, as a run takes and gives them. */
export interface HostTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: HostData;
}

/** What an engine must know of a program; plain data, so that it can cross to another thread. */
export type EngineProgram = Pick<Program, 'inputs' | 'outputs' | 'cache' | 'stop' | 'sizes'> &
  Partial<Pick<Program, 'target'>>;

export interface EngineOptions {
  /** Path of the model; its weights file lies beside it. */
  readonly model: string;
  readonly program: EngineProgram;
  readonly provider: Provider;
  readonly index: number;
  readonly threads: number;
  /** Where a profile of every node's time goes; none if absent. */
  readonly profilePrefix?: string;
  /** Refuse to run single operations on the CPU where the device lacks them. */
  readonly strict?: boolean;
}

type Feeds = Record<string, OrtTensor>;
export type Inputs = Readonly<Record<string, HostTensor>>;

export interface RunOptions {
  /** Which of the last run's sequences each sequence goes on from; itself if absent. */
  readonly parents?: readonly number[];
  /**
   * The outputs that are wanted, all if absent: others stay where they are computed. A device with a memory of its own
   * goes on to give what earlier runs have wanted, so that more can only be wanted of those that come later.
   */
  readonly outputs?: readonly string[];
}

const ortType = { f32: 'float32', f16: 'float16', i64: 'int64', i32: 'int32', bool: 'bool', u8: 'uint8' } as const;
const arrayOf = {
  f32: Float32Array,
  f16: Uint16Array,
  i64: BigInt64Array,
  i32: Int32Array,
  bool: Uint8Array,
  u8: Uint8Array,
} as const;

/**
 * What the binding throws when the first output is a sequence: after the run, before it copies any output. Buffers
 * that were given for the other outputs are filled by then, so a cache of gigabytes is never copied.
 */
const STOPPED = 'Non tensor type is temporarily not supported.';

/** One ONNX Runtime session, with its states between runs; lives on the session's own thread. */
export class Engine {
  readonly #session: InferenceSession;
  readonly #program: EngineProgram;
  readonly #states: Feeds;
  readonly #provider: Provider;
  /** Outputs that are given in every run from now on. */
  readonly #bound = new Set<string>();
  #fallbacks: readonly Fallback[] = [];
  #held: Inputs = {};
  #stop: string | undefined;

  private constructor(session: InferenceSession, { program, provider }: EngineOptions, states: Feeds) {
    this.#session = session;
    this.#provider = provider;
    this.#program = program;
    this.#stop = program.stop;
    this.#states = states;
  }

  /** Creates the session; throws what the runtime throws when the provider does not start. */
  static async open(options: EngineOptions): Promise<Engine> {
    // Before the session: memory that loading has used and freed would have to be cleared, fresh memory is zero already.
    const states = freshStates(options.program);
    const open = async (o: EngineOptions) => new Engine(await createSession(o), o, states);
    if (options.provider === 'cpu' || options.strict || options.profilePrefix) return open(options);
    try {
      return await open({ ...options, strict: true });
    } catch (error) {
      if (!messageOf(error).includes(FALLS_BACK)) throw error;
    }
    const folder = await mkdtemp(join(tmpdir(), 'grafo-fallbacks-'));
    try {
      const engine = await open({ ...options, profilePrefix: join(folder, 'run') });
      try {
        await engine.#findFallbacks(folder);
        return engine;
      } catch (error) {
        await engine.close();
        throw error;
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What of each run the processor does although the program is on another device. */
  get fallbacks(): readonly Fallback[] {
    return this.#fallbacks;
  }

  /** By a run with inputs that mean nothing, while the session writes its profile into this folder. */
  async #findFallbacks(folder: string): Promise<void> {
    const [first] = this.#program.outputs;
    await this.run(sampleInputs(this.#program), { outputs: first ? [first.name] : [] });
    this.endProfile();
    const [file = ''] = await readdir(folder);
    this.#fallbacks = fallbacksIn(JSON.parse(await readFile(join(folder, file), 'utf8')));
  }

  /** Inputs that every later run brings, until they are held anew. */
  hold(inputs: Inputs): void {
    this.#held = inputs;
  }

  /** One run. The cache's rows at the positions of this run are written; everything else is left as it was. */
  async run(given: Inputs, { parents, outputs: wanted }: RunOptions = {}): Promise<Record<string, HostTensor>> {
    const { cache } = this.#program;
    const outputs = this.#outputsOf(wanted);
    const inputs = { ...this.#held, ...given };
    const sizes = this.#sizesOf(inputs);
    const positions = cache && named(inputs, cache.positions);
    if (positions && parents) this.#inherit(parents, Number(positions.data[0]));
    const states = this.#statesOf(sizes);
    const feeds: Feeds = { ...states, ...fusedInputs(cache, inputs) };
    for (const { name, dtype } of this.#program.inputs) feeds[name] = toOrt(named(inputs, name), dtype);
    const results = await this.#call(feeds, outputs, states, sizes);
    for (const state of cache?.states ?? []) {
      const next = results[state.next.name] as OrtTensor;
      if (state.write === 'rows') writeRows(states[state.name] as OrtTensor, next, positions as HostTensor);
      // On the CPU the given buffer is written, whether or not it is also copied; elsewhere it is the device's now.
      else if (next && next.location !== 'cpu') this.#states[state.name] = next;
    }
    return Object.fromEntries(outputs.map((o) => [o.name, toHost(results[o.name] as OrtTensor, o.dtype)]));
  }

  /** The first sequence's rows at positions below `nRow` of every state, `[n, nRow, d]` as bytes. */
  async readCache(nRow: number): Promise<Record<string, Uint8Array>> {
    const rows: Record<string, Uint8Array> = {};
    for (const [name, state] of Object.entries(this.#states)) {
      const data = state.location === 'cpu' ? state.data : await state.getData();
      rows[name] = firstRows(state.dims, bytesOf(data), nRow);
    }
    return rows;
  }

  /** Puts rows that another session has read at the same positions. */
  writeCache(rows: Readonly<Record<string, Uint8Array>>): void {
    for (const spec of this.#program.cache?.states ?? []) {
      const given = rows[spec.name];
      if (!given) throw new Error(`the cache lacks rows of '${spec.name}'`);
      const state = this.#states[spec.name];
      const place = state?.location === 'cpu' ? state : zeros(spec, this.#program.sizes);
      putRows(place.dims, bytesOf(place.data), given);
      this.#states[spec.name] = place;
    }
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  /** Ends profiling; the profile's file is complete afterwards. */
  endProfile(): void {
    this.#session.endProfiling();
  }

  /** The binding keeps what it has bound to a place on the device, and counts on the order of the program. */
  #outputsOf(wanted: readonly string[] | undefined): readonly NamedType[] {
    const { outputs } = this.#program;
    if (this.#provider !== 'webgpu') return outputs.filter(({ name }) => wanted?.includes(name) ?? true);
    const bound = outputs.filter(({ name }) => this.#bound.has(name) || (wanted?.includes(name) ?? true));
    if (bound.slice(0, this.#bound.size).some(({ name }) => !this.#bound.has(name)))
      throw new Error(`a run that wants ${wanted} after others have wanted ${[...this.#bound]}`);
    for (const { name } of bound) this.#bound.add(name);
    return bound;
  }

  /** The states of as many sequences as this run has; a session may have room for more. */
  #statesOf(sizes: Sizes): Feeds {
    const nSeq = sizes.B ?? this.#program.sizes.B;
    if (nSeq === this.#program.sizes.B) return this.#states;
    return Object.fromEntries(Object.entries(this.#states).map(([name, state]) => [name, firstOf(state, nSeq ?? 1)]));
  }

  /** Gives every sequence the rows of its parent, up to the position where it goes on. */
  #inherit(parents: readonly number[], nRow: number): void {
    if (parents.every((parent, s) => parent === s)) return;
    for (const state of Object.values(this.#states)) copyRows(state, parents, nRow);
  }

  async #call(feeds: Feeds, outputs: readonly NamedType[], states: Feeds, sizes: Sizes): Promise<Feeds> {
    const { cache } = this.#program;
    const inPlace = (cache?.states ?? []).filter((s) => s.write === 'in-place');
    const rows = (cache?.states ?? []).filter((s) => s.write === 'rows');
    const fetches: Record<string, OrtTensor | null> = {};
    for (const state of inPlace) fetches[state.next.name] = states[state.name] ?? null;
    for (const state of rows) fetches[state.next.name] = null;
    if (!this.#stop) {
      for (const output of outputs) fetches[output.name] = null;
      return (await this.#session.run(feeds, fetches)) as Feeds;
    }
    const made = Object.fromEntries(outputs.map((o) => [o.name, blank(o, sizes)]));
    const all = { [this.#stop]: null, ...made, ...fetches };
    try {
      // A binding that can return sequences hands out the very buffers: then nothing is left to be avoided.
      return (await this.#session.run(feeds, all)) as Feeds;
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes(STOPPED)) throw error;
      if (Object.values(made).every(isWritten)) return made;
      this.#stop = undefined;
      return this.#call(feeds, outputs, states, sizes);
    }
  }

  #sizesOf(inputs: Inputs): Sizes {
    const { B: capacity, ...fixed } = this.#program.sizes;
    const sizes: Record<string, number> = { ...fixed };
    for (const { name, shape } of this.#program.inputs) bind(sizes, shape, named(inputs, name).dims);
    if (capacity !== undefined && (sizes.B ?? capacity) > capacity)
      throw new Error(`${sizes.B} sequences in a session for ${capacity}`);
    return sizes;
  }
}

const createSession = async ({ model, program, provider, ...o }: EngineOptions): Promise<InferenceSession> => {
  const isInt8 = provider === 'cpu' && program.target?.compute === 'int8';
  return InferenceSession.create(model, {
    executionProviders: [providerOption(provider, o.index)],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: o.threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: {
      session: {
        // On the CPU there is nothing to fall back from.
        ...(o.strict && provider !== 'cpu' && { disable_cpu_ep_fallback: '1' }),
        ...(isInt8 && (await int8Option())),
      },
    },
    ...(provider === 'webgpu' && { preferredOutputLocation: locations(program) }),
    ...(o.profilePrefix && { enableProfiling: true, profileFilePrefix: o.profilePrefix }),
  });
};

/** Read only where there are such products: it builds and lowers a graph. */
const int8Option = async () => {
  const { multipliesInt8, preciseInt8 } = await import('./int8.ts');
  return preciseInt8(!(await multipliesInt8()));
};

const freshStates = ({ cache, sizes }: EngineProgram): Feeds =>
  Object.fromEntries((cache?.states ?? []).map((s) => [s.name, zeros(s, sizes)]));

/** Only CUDA and DirectML take the number of a card. */
const providerOption = (provider: Provider, index: number) =>
  provider === 'cuda' || provider === 'dml' ? { name: provider, deviceId: index } : provider;

const locations = (program: EngineProgram): Record<string, 'gpu-buffer' | 'cpu'> =>
  Object.fromEntries([
    ...program.outputs.map((o) => [o.name, 'cpu'] as const),
    ...(program.cache?.states ?? []).map((s) => [s.next.name, s.write === 'in-place' ? 'gpu-buffer' : 'cpu'] as const),
  ]);

const named = (inputs: Inputs, name: string): HostTensor => {
  const tensor = inputs[name];
  if (!tensor) throw new Error(`the run lacks input '${name}'`);
  return tensor;
};

const bind = (sizes: Record<string, number>, shape: Shape, dims: readonly number[]): void => {
  shape.forEach((dim, axis) => {
    const n = dims[axis] ?? -1;
    const known = typeof dim === 'number' ? dim : sizes[dim];
    if (known !== undefined && known !== n) throw new Error(`dimension '${dim}' is ${n} here and ${known} elsewhere`);
    if (typeof dim === 'string') sizes[dim] = n;
  });
};

const toOrt = ({ data, dims }: HostTensor, dtype: DType): OrtTensor => new OrtTensor(ortType[dtype], data, [...dims]);

const toHost = (tensor: OrtTensor, dtype: DType): HostTensor => ({
  dtype,
  dims: tensor.dims,
  data: tensor.data as HostData,
});

const zeros = ({ dtype, shape }: NamedType, sizes: Sizes): OrtTensor => {
  const dims = resolve(shape, sizes);
  return new OrtTensor(ortType[dtype], new arrayOf[dtype](elements(dims)), dims);
};

/** A buffer for one output, marked so that it shows whether the run wrote it. */
const blank = (type: NamedType, sizes: Sizes): OrtTensor => {
  const tensor = zeros(type, sizes);
  if (tensor.data instanceof Float32Array) tensor.data[0] = UNWRITTEN;
  return tensor;
};

const UNWRITTEN = Number.NaN;

const isWritten = (tensor: OrtTensor): boolean =>
  !(tensor.data instanceof Float32Array) ||
  !Number.isNaN(tensor.data[0]) ||
  tensor.data.some((x) => !Number.isNaN(x) && x !== 0);

/** Each sequence's last position and the number of keys in view, for the fused kernel. */
const fusedInputs = (cache: CacheSpec | undefined, inputs: Inputs): Feeds => {
  if (!cache?.fused) return {};
  const { data, dims } = named(inputs, cache.positions);
  const [nSeq, nToken] = dims as readonly [number, number];
  const last = Int32Array.from({ length: nSeq }, (_, s) => Number(data[(s + 1) * nToken - 1]));
  return {
    [cache.fused.last]: new OrtTensor('int32', last, [nSeq]),
    [cache.fused.nKv]: new OrtTensor('int32', Int32Array.of(last.reduce((a, b) => Math.max(a, b)) + 1), []),
  };
};

/** float32, or the bits of float16. */
type StateData = Float32Array | Uint16Array;

/** The part of a state `[B, ...]` that holds its first sequences; the same memory. */
const firstOf = (state: OrtTensor, nSeq: number): OrtTensor => {
  const dims = [nSeq, ...state.dims.slice(1)];
  return new OrtTensor(state.type, (state.data as StateData).subarray(0, elements(dims)), dims);
};

/** Copies rows 0 up to `nRow` of a state `[B, n, nCtx, d]` from each sequence's parent, all at once. */
const copyRows = (state: OrtTensor, parents: readonly number[], nRow: number): void => {
  const [, nHead, nCtx, d] = state.dims as [number, number, number, number];
  const data = state.data as StateData;
  const at = (s: number, h: number) => (s * nHead + h) * nCtx * d;
  for (let h = 0; h < nHead; h++) {
    const rows = new Map([...new Set(parents)].map((p) => [p, data.slice(at(p, h), at(p, h) + nRow * d)]));
    parents.forEach((parent, s) => {
      if (parent !== s) data.set(rows.get(parent) as StateData, at(s, h));
    });
  }
};

/** Copies a run's rows `[B, n, T, d]` into a state `[B, n, nCtx, d]` at their positions `[B, T]`. */
const writeRows = (state: OrtTensor, rows: OrtTensor, positions: HostTensor): void => {
  const [nSeq, nHead, nToken, d] = rows.dims as [number, number, number, number];
  const nCtx = state.dims[2] as number;
  const [from, to] = [rows.data as StateData, state.data as StateData];
  for (let s = 0; s < nSeq; s++) {
    for (let h = 0; h < nHead; h++) {
      for (let t = 0; t < nToken; t++) {
        const source = ((s * nHead + h) * nToken + t) * d;
        const row = Number(positions.data[s * nToken + t]);
        to.set(from.subarray(source, source + d), ((s * nHead + h) * nCtx + row) * d);
      }
    }
  }
};
