/** A text model's file, opened: read, built, lowered and loaded on the chosen device. */
import { freemem, totalmem } from 'node:os';
import { UserError } from '../errors.ts';
import { GraphBuilder } from '../graph/builder.ts';
import type { Device, Wish } from '../graph/device/device.ts';
import { deviceId } from '../graph/device/device.ts';
import type { Progress } from '../graph/device/files.ts';
import { openSession } from '../graph/device/session.ts';
import { cacheBytes } from '../graph/graph.ts';
import { Hparams } from '../graph/hparams.ts';
import { lower } from '../graph/lower/lower.ts';
import type { Compute } from '../graph/lower/target.ts';
import type { MetadataValue, WeightSource } from '../graph/weights.ts';
import { Weights } from '../graph/weights.ts';
import { openGguf } from '../io/gguf/reader.ts';
import type { Tokenizer } from '../io/text/tokenizer.ts';
import { readTokenizer } from '../io/text/tokenizer.ts';
import type { Decoder } from '../models/decoder.ts';
import { createDecoder } from '../models/decoder.ts';
import { textModel } from '../models/index.ts';
import { findDevice } from './devices.ts';
import { cacheFolder } from './options.ts';

export interface OpenOptions {
  readonly wish: Wish;
  readonly strictDevice: boolean;
  readonly threads: number;
  readonly compute: 'auto' | Compute;
  readonly fused: boolean;
  /** Positions of the cache; 0: as many as the model was trained for and memory has room for. */
  readonly nCtx: number;
  /** Tokens in one run at most; by device if absent. */
  readonly nTokenPerRun?: number;
  readonly progress?: Progress;
  /** One line for a person. */
  notice(line: string): void;
  /** One line for a person who wants to know more. */
  detail(line: string): void;
}

export interface TextModelFile {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tokenizer: Tokenizer;
  readonly decoder: Decoder;
  readonly device: Device;
  readonly threads: number;
  readonly compute: Compute;
  readonly nCtx: number;
  readonly loadMs: number;
  close(): Promise<void>;
}

/** Opens a file for a reader that closes it in any case. */
export const withGguf = async <R>(path: string, read: (file: WeightSource) => Promise<R>): Promise<R> => {
  const file = await openGguf(path);
  try {
    return await read(file);
  } finally {
    await file.close();
  }
};

/** Opens a text model. Throws UserErrors that name what is wrong with the file, the device or the memory. */
export const openText = (path: string, options: OpenOptions): Promise<TextModelFile> =>
  withGguf(path, async (file) => {
    const start = performance.now();
    const { graph, h } = buildDecoder(file);
    const tokenizer = readTokenizer(file.metadata);
    options.detail(describeFile(file, h.nCtxTrain));

    const weightBytes = [...file.tensors.values()].reduce((sum, t) => sum + t.byteLength, 0);
    const { device, why } = await findDevice(options.wish, weightBytes);
    const { nCtx, note } = contextLength(
      options.nCtx,
      { perPosition: cacheBytes(graph), nCtxTrain: h.nCtxTrain },
      weightBytes,
      device,
    );
    if (note) options.notice(note);

    const compute = options.compute === 'auto' ? 'block' : options.compute;
    const program = lower(graph, { provider: device.provider, compute, fused: options.fused }, { nCtx, B: 1 });
    const session = await openSession(program, device, {
      threads: options.threads,
      cacheFolder: cacheFolder(),
      strict: options.strictDevice,
      ...(options.progress && { progress: options.progress }),
    });
    const where = device.provider === 'cpu' ? `${device.name}, using ${options.threads}` : device.name;
    options.notice(`${deviceId(device)} (${where}): ${why}; compute ${compute}, context ${nCtx}`);
    return {
      metadata: file.metadata,
      tokenizer,
      decoder: createDecoder(session, { nVocab: h.nVocab, nTokenPerRun: options.nTokenPerRun ?? runLength(device) }),
      device,
      threads: options.threads,
      compute,
      nCtx,
      loadMs: performance.now() - start,
      close: () => session.close(),
    };
  });

/**
 * A graph of a file's text model, from its header alone. Tensors that the architecture does not use are an error.
 * @param name which of the model's graphs
 */
export const buildDecoder = (file: WeightSource, name = 'decoder') => {
  const arch = file.metadata.get('general.architecture');
  if (typeof arch !== 'string') throw new UserError('model', "metadata 'general.architecture' is missing");
  const weights = new Weights(file);
  const { h, graphs } = textModel(arch).open(new Hparams(file.metadata, arch), weights);
  const unclaimed = weights.unclaimed();
  if (unclaimed.length > 0) {
    const names = unclaimed.slice(0, 3).join("', '") + (unclaimed.length > 3 ? "', ..." : "'");
    throw new UserError(
      'model',
      `architecture '${arch}' does not use ${unclaimed.length} of the file's tensors: '${names}`,
    );
  }
  const build = graphs[name];
  if (!build) throw new Error(`architecture '${arch}' has no graph '${name}'`);
  const g = new GraphBuilder('decoder');
  build(g);
  return { graph: g.build(), h };
};

/** `llama: 12 tensors of f32, q8_0 with 263,000 parameters; trained for 2,048 positions`. */
const describeFile = ({ metadata, tensors }: WeightSource, nCtxTrain: number): string => {
  const stored = [...tensors.values()];
  const types = [...new Set(stored.map(({ type }) => type))].sort().join(', ');
  const n = stored.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const count = (x: number) => x.toLocaleString('en-US');
  const arch = metadata.get('general.architecture');
  return `${arch}: ${stored.length} tensors of ${types} with ${count(n)} parameters; trained for ${count(nCtxTrain)} positions`;
};

/** As short as a context may be; llama.cpp has the same bound. */
const MIN_CTX = 8;

/** On a device the cache is allocated at once and its memory is not known beforehand. */
const DEVICE_CTX = 4096;

const contextLength = (
  asked: number,
  { perPosition, nCtxTrain }: { readonly perPosition: number; readonly nCtxTrain: number },
  weightBytes: number,
  device: Device,
): { nCtx: number; note?: string } => {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  if (weightBytes > totalmem())
    throw new UserError('capacity', `the weights need ${gib(weightBytes)}, this machine has ${gib(totalmem())}`);
  if (asked > 0) {
    const need = weightBytes + asked * perPosition;
    if (need > totalmem())
      throw new UserError(
        'capacity',
        `a context of ${asked} needs ${gib(need)} with the weights, this machine has ${gib(totalmem())}`,
        'use a smaller -c',
      );
    if (asked < MIN_CTX) return { nCtx: MIN_CTX, note: `context raised from ${asked} to ${MIN_CTX}` };
    return { nCtx: asked };
  }
  const room = Math.floor(Math.max(0, freemem() - weightBytes) / 2 / perPosition);
  const most = device.provider === 'cpu' ? Math.max(room, DEVICE_CTX) : DEVICE_CTX;
  if (nCtxTrain <= most) return { nCtx: nCtxTrain };
  return {
    nCtx: most,
    note: `context ${most} of the ${nCtxTrain} the model was trained for, to fit memory; -c sets it`,
  };
};

/** Short enough to be interrupted on a CPU, long enough to fill a card. */
const runLength = (device: Device): number => (device.provider === 'cpu' ? 64 : 512);
