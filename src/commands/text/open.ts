/** A text model's file, opened: read, built, lowered and loaded on the chosen device. */
import { basename } from 'node:path';
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { Device } from '../../graph/device/device.ts';
import { deviceId, picksBest, targetOn } from '../../graph/device/device.ts';
import type { Session } from '../../graph/device/session.ts';
import { openSession } from '../../graph/device/session.ts';
import type { Graph } from '../../graph/graph.ts';
import { cacheBytes } from '../../graph/graph.ts';
import { Hparams } from '../../graph/hparams.ts';
import type { Program } from '../../graph/lower/lower.ts';
import { lower } from '../../graph/lower/lower.ts';
import type { Compute } from '../../graph/lower/target.ts';
import { elements, sized } from '../../graph/tensor.ts';
import type { MetadataValue, WeightSource } from '../../graph/weights.ts';
import type { GgufFile } from '../../io/gguf/reader.ts';
import { openGguf } from '../../io/gguf/reader.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import { readTokenizer } from '../../io/text/tokenizer.ts';
import { tellBest } from '../../models/best.ts';
import type { Decoder, Runner } from '../../models/decoder.ts';
import { createDecoder } from '../../models/decoder.ts';
import { guessByLookup, type LookupOptions } from '../../models/guessers/lookup.ts';
import { guessByLayer } from '../../models/guessers/next-layer.ts';
import type { TextFamily } from '../../models/index.ts';
import { textModel } from '../../models/index.ts';
import type { Guesser, Speculation } from '../../models/speculation.ts';
import { createSpeculation } from '../../models/speculation.ts';
import { watchExperts } from '../../models/watch-experts.ts';
import { findDevice, noticeFallbacks } from '../devices.ts';
import { archOf, expectFamily } from '../family.ts';
import { keepingOf } from '../keeping.ts';
import type { MemoryPlan, PlannedRun } from '../memory.ts';
import { expectFit, fitOf, needOf } from '../memory.ts';
import { cacheFolder } from '../options.ts';
import type { PlacementOptions } from '../placement.ts';
import { runSizes } from '../run-sizes.ts';
import { type AdapterWish, openAdapters } from './adapters.ts';
import { contextLength } from './context-length.ts';
import { createExpertStats, type ExpertStats } from './expert-stats.ts';
import { overridden } from './override-kv.ts';
import { type RopeFlags, ropeOverrides } from './rope-flags.ts';

export interface OpenOptions extends PlacementOptions {
  /** Whose models may be opened. */
  readonly family: TextFamily;
  /** What the cache of latent attention holds. */
  readonly mla: 'auto' | 'absorb' | 'expand';
  readonly speculation: SpeculationWish;
  /** Count which experts the tokens choose. */
  readonly expertStats: boolean;
  /** Metadata that counts instead of the file's. */
  readonly overrides: ReadonlyMap<string, MetadataValue>;
  /** What is added to its weights. */
  readonly adapters: readonly AdapterWish[];
  /** Positions stretched otherwise than the file says. */
  readonly rope: RopeFlags;
  /** Positions of the cache; 0: as many as the model was trained for and memory has room for. */
  readonly nCtx: number;
  /** Tokens in one run at most; by device if absent. */
  readonly nTokenPerRun?: number;
  /** One line for a person who wants to know more. */
  detail(line: string): void;
}

/** A text model as its file has it: nothing overridden, added, guessed or watched. */
export const asStored = {
  mla: 'auto',
  speculation: { kind: 'none' },
  expertStats: false,
  overrides: new Map(),
  rope: {},
  adapters: [],
  detail: () => undefined,
} as const satisfies Partial<OpenOptions>;

/** Who guesses tokens ahead: nobody, the model's own layer for further tokens, or what is looked up in the text. */
export type SpeculationWish =
  | { readonly kind: 'none' }
  | { readonly kind: 'draft-mtp' }
  | ({ readonly kind: 'ngram-simple' } & LookupOptions);

/** What the session keeps between runs, as rows that other runs can go on from. */
export interface ModelCache {
  readonly states: readonly { readonly name: string; readonly rowBytes: number }[];
  /** Rows at positions below `nRow`, by state. */
  read(nRow: number): Promise<Readonly<Record<string, Uint8Array>>>;
  write(rows: Readonly<Record<string, Uint8Array>>): Promise<void>;
}

export interface TextModelFile {
  /** The files that it lies in. */
  readonly parts: readonly string[];
  readonly cache: ModelCache;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tokenizer: Tokenizer;
  readonly decoder: Decoder;
  readonly device: Device;
  readonly threads: number;
  readonly compute: Compute;
  readonly nCtx: number;
  readonly loadMs: number;
  /** Present where it was asked for: its step gives what the decoder's does. */
  readonly speculation?: Speculation;
  /** Present where it was asked for. */
  readonly expertStats?: ExpertStats;
  close(): Promise<void>;
}

/** Opens a file for a reader that closes it in any case. */
export const withGguf = async <R>(path: string, read: (file: GgufFile) => Promise<R>): Promise<R> => {
  const file = await openGguf(path);
  try {
    return await read(file);
  } finally {
    await file.close();
  }
};

/** A text model as it would run: all that opening it comes to before weights are read. */
interface TextPlan extends ChosenGraph {
  /** With the metadata that counts. */
  readonly file: WeightSource;
  readonly device: Device;
  readonly why: string;
  readonly compute: Compute;
  readonly nCtx: number;
  readonly nTokenPerRun: number;
  readonly program: Program;
  /** Of the layer that guesses ahead. */
  readonly nextProgram?: Program;
  readonly memory: MemoryPlan;
}

/** @param name what the file is called */
const planText = async (stored: WeightSource, name: string, options: OpenOptions): Promise<TextPlan> => {
  const rope = ropeOverrides(options.rope, archOf(stored.metadata), stored.metadata);
  const file = overridden(stored, new Map([...rope, ...options.overrides]));
  expectFamily(file.metadata, name, options.family);
  const plain = chosenGraph(file, options);
  const { h, cacheNote } = plain;
  options.detail(describeFile(file, h.nCtxTrain));
  if (cacheNote) options.notice(cacheNote);

  const weightBytes = [...file.tensors.values()].reduce((sum, t) => sum + t.byteLength, 0);
  const { device, why } = await findDevice(options.wish, weightBytes);
  const tells = picksBest(device) && options.speculation.kind === 'none' && !options.expertStats;
  const chosen = tells ? chosenGraph(file, options, true) : plain;
  const { graph, nextGraph } = chosen;
  const cache = { perPosition: cacheBytes(graph), nCtxTrain: h.nCtxTrain };
  const { nCtx, note } = contextLength(options.nCtx, cache, weightBytes, device);
  if (note) options.notice(note);

  const compute = options.compute === 'auto' ? 'block' : options.compute;
  const nTokenPerRun = runLength(options.nTokenPerRun, device);
  const target = targetOn(device, { ...options, compute });
  const planned = (graph: Graph): PlannedRun => {
    const tokens = Math.min(nTokenPerRun, nCtx);
    const sizes = runSizes(graph, { tokens, past: nCtx - tokens, seqs: 1 });
    return { graph, program: lower(graph, target, { nCtx, B: 1 }), sizes };
  };
  const run = planned(graph);
  const next = nextGraph && planned(nextGraph);
  return {
    ...chosen,
    file,
    device,
    why,
    compute,
    nCtx,
    nTokenPerRun,
    program: run.program,
    ...(next && { nextProgram: next.program }),
    memory: {
      name: basename(name),
      device,
      setting: `compute ${compute}, context ${nCtx}`,
      need: needOf(next ? [run, next] : [run]),
      canMap: options.cache && device.provider === 'cpu',
    },
  };
};

/** What a text model would take of memory, from its header alone. Throws UserErrors as opening it does. */
export const textMemory = async (stored: WeightSource, name: string, options: OpenOptions): Promise<MemoryPlan> =>
  (await planText(stored, name, options)).memory;

/** Opens a text model. Throws UserErrors that name what is wrong with the file, the device or the memory. */
export const openText = (path: string, options: OpenOptions): Promise<TextModelFile> =>
  withGguf(path, async (stored) => {
    const start = performance.now();
    const added = await openAdapters(options.adapters, archOf(stored.metadata));
    try {
      const opened = await openWeights(
        { ...stored, adapters: added.adapters },
        path,
        [...stored.parts, ...added.parts],
        options,
      );
      return { ...opened, loadMs: performance.now() - start };
    } finally {
      await added.close();
    }
  });

/** @param parts all files that weights come from */
const openWeights = async (
  stored: WeightSource,
  path: string,
  parts: readonly string[],
  options: OpenOptions,
): Promise<Omit<TextModelFile, 'loadMs'>> => {
  const plan = await planText(stored, path, options);
  const { file, h, experts, best, device, compute, nCtx, nTokenPerRun } = plan;
  const keeping = options.cache ? await keepingOf(path, parts, options.notice) : undefined;
  expectFit(plan.memory, options.notice);
  const tokenizer = readTokenizer(file.metadata);

  const load = (program: Program) =>
    openSession(program, device, {
      threads: options.threads,
      cacheFolder: cacheFolder(),
      strict: options.strictDevice,
      packing: fitOf(plan.memory) === 'mapped' ? 'first' : 'later',
      ...(keeping && { keeping }),
      ...(options.progress && { progress: options.progress }),
    });
  const session = await load(plan.program);
  const next = plan.nextProgram && (await load(plan.nextProgram).catch(closing(session)));
  const where = device.provider === 'cpu' ? `${device.name}, using ${options.threads}` : device.name;
  options.notice(`${deviceId(device)} (${where}): ${plan.why}; compute ${compute}, context ${nCtx}`);
  noticeFallbacks(device, [session, ...(next ? [next] : [])], options.notice);
  const stats = options.expertStats ? createExpertStats(experts, file.tensors) : undefined;
  const runner = stats ? watched(session, stats) : session;
  const { nVocab, nEmbd } = h;
  const guesser = next ? guessByLayer(next, { nEmbd }) : guesserInText(options.speculation);
  if (guesser && compute === 'int8')
    options.notice('compute int8: tokens of one run share a scale, so guesses may change the text');
  return {
    parts,
    cache: cacheOf(session),
    metadata: file.metadata,
    tokenizer,
    decoder: createDecoder(runner, { nVocab, nTokenPerRun, ...(best && { best }) }),
    ...(guesser && { speculation: createSpeculation(runner, guesser, { nVocab, nCtx, nTokenPerRun }) }),
    device,
    threads: options.threads,
    compute,
    nCtx,
    ...(stats && { expertStats: stats }),
    close: async () => {
      await session.close();
      await next?.close();
    },
  };
};

/** For an error: closes what was opened before it, and throws it on. */
const closing =
  (opened: Session) =>
  async (error: unknown): Promise<never> => {
    await opened.close();
    throw error;
  };

const guesserInText = (wish: SpeculationWish): Guesser | undefined =>
  wish.kind === 'ngram-simple' ? guessByLookup(wish) : undefined;

const cacheOf = ({ program, readCache, writeCache }: Session): ModelCache => ({
  states: (program.cache?.states ?? []).map((state) => ({
    name: state.name,
    rowBytes: sized(state, { ...program.sizes, B: 1, nCtx: 1 }).bytes,
  })),
  read: readCache,
  write: writeCache,
});

/** A session whose runs are counted. */
const watched = (session: Runner, stats: ExpertStats): Runner => ({
  program: session.program,
  async run(inputs) {
    const outputs = await session.run(inputs);
    stats.add(outputs);
    return outputs;
  },
});

interface ChosenGraph extends ReturnType<typeof buildDecoder> {
  /** The graph of the layer that guesses ahead. */
  readonly nextGraph?: Graph;
  /** One line for a person. */
  readonly cacheNote?: string;
}

type GraphChoice = Pick<OpenOptions, 'mla' | 'expertStats' | 'speculation'>;

/**
 * The graph in the form asked for, and what its cache takes of memory where there is a choice.
 * @param tellsBest whether runs also tell the likeliest tokens
 */
const chosenGraph = (
  file: WeightSource,
  { mla, expertStats, speculation }: GraphChoice,
  tellsBest = false,
): ChosenGraph => {
  const build = (name: string) => buildDecoder(file, { name, watches: expertStats, tellsBest });
  const nextGraph = speculation.kind === 'draft-mtp' ? buildNext(file) : undefined;
  if (nextGraph && mla === 'expand') throw new UserError('usage', '--spec-type draft-mtp has no --mla expand');
  if (!textModel(archOf(file.metadata)).graphs.includes('expanded')) return build('decoder');
  const [latent, plain] = [build(nextGraph ? 'telling' : 'decoder'), build('expanded')];
  const [small, large] = [cacheBytes(latent.graph), cacheBytes(plain.graph)];
  if (mla === 'expand') return { ...plain, cacheNote: `cache: ${kib(large)} a token, keys and values of every head` };
  const share = ((100 * small) / large).toFixed(1);
  // Measured: the latent row is ahead at every position, and is the only form whose cache is written in place.
  return {
    ...latent,
    ...(nextGraph && { nextGraph }),
    cacheNote: `cache: ${kib(small)} a token, ${share} % of the ${kib(large)} of plain keys and values`,
  };
};

/** The graph of the layer that predicts a further token. */
const buildNext = (file: WeightSource): Graph => {
  const arch = archOf(file.metadata);
  const { openNext } = textModel(arch);
  if (!openNext || new Hparams(file.metadata, arch).count('nextn_predict_layers', 0) === 0)
    throw new UserError('model', 'this file has no layer that predicts further tokens', 'leave out --spec-type');
  const g = new GraphBuilder('next');
  openNext(file).graphs.decoder?.(g);
  return g.build();
};

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;

interface DecoderBuild {
  /** Which of the model's graphs; its decoder if absent. */
  readonly name?: string;
  /** Whether runs also tell which experts were chosen. */
  readonly watches?: boolean;
  /** Whether runs also tell the likeliest tokens. */
  readonly tellsBest?: boolean;
}

/** A graph of a file's text model, from its header alone. */
export const buildDecoder = (
  file: WeightSource,
  { name = 'decoder', watches = false, tellsBest = false }: DecoderBuild = {},
) => {
  const arch = archOf(file.metadata);
  const { h, graphs } = textModel(arch).open(file);
  const build = graphs[name];
  if (!build) throw new Error(`architecture '${arch}' has no graph '${name}'`);
  const g = new GraphBuilder('decoder');
  build(g);
  const experts = watches ? watchExperts(g) : [];
  const best = tellsBest ? tellBest(g, h.nVocab) : undefined;
  return { graph: g.build(), h, experts, ...(best && { best }) };
};

/** `llama: 12 tensors of f32, q8_0 with 263,000 parameters; trained for 2,048 positions`. */
const describeFile = ({ metadata, tensors }: WeightSource, nCtxTrain: number): string => {
  const stored = [...tensors.values()];
  const types = [...new Set(stored.map(({ type }) => type))].sort().join(', ');
  const n = stored.reduce((sum, { shape }) => sum + elements(shape), 0);
  const count = (x: number) => x.toLocaleString('en-US');
  const arch = metadata.get('general.architecture');
  return `${arch}: ${stored.length} tensors of ${types} with ${count(n)} parameters; trained for ${count(nCtxTrain)} positions`;
};

/** Tokens in one run: short enough to be interrupted on a CPU, long enough to fill a card. */
export const runLength = (asked: number | undefined, { provider, isSoftware }: Device): number =>
  Math.min(asked ?? (provider === 'cpu' ? 64 : 512), isSoftware ? NARROW_RUN : Number.POSITIVE_INFINITY);

/**
 * From 32 new tokens on, ONNX Runtime's WebGPU attention shares values within subgroups, and silently goes wrong where
 * these are as narrow as a software renderer's.
 */
const NARROW_RUN = 31;
