/** A speech model's file, opened: read, built, lowered and loaded on the chosen device, one session for each graph. */
import { basename } from 'node:path';
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { Device } from '../../graph/device/device.ts';
import { attendsWidely, deviceId, targetOn } from '../../graph/device/device.ts';
import type { OnnxSession, Session } from '../../graph/device/session.ts';
import { openSession } from '../../graph/device/session.ts';
import { lower } from '../../graph/lower/lower.ts';
import type { Compute } from '../../graph/lower/target.ts';
import type { MetadataValue, WeightSource } from '../../graph/weights.ts';
import type { MelBank } from '../../io/audio/mel.ts';
import { melBank, slaneyFilters } from '../../io/audio/mel.ts';
import type { WhisperWords } from '../../io/text/whisper-words.ts';
import { readWhisperWords } from '../../io/text/whisper-words.ts';
import { openWhisper } from '../../io/whisper/open.ts';
import { readModel } from '../../models/definition.ts';
import type { SpecialTokens } from '../../models/transcribe/special-tokens.ts';
import { specialTokens } from '../../models/transcribe/special-tokens.ts';
import type { SpeechModel } from '../../models/transcribe/speech-model.ts';
import { createSpeechModel, encodeBy } from '../../models/transcribe/speech-model.ts';
import type { WhisperHparams } from '../../models/whisper.ts';
import { whisper, withAudioContext } from '../../models/whisper.ts';
import { findDevice, noticeFallbacks } from '../devices.ts';
import { keepingOf } from '../keeping.ts';
import type { MemoryNeed, MemoryPlan, PlannedRun } from '../memory.ts';
import { expectFit, needOf } from '../memory.ts';
import { cacheFolder } from '../options.ts';
import type { PlacementOptions } from '../placement.ts';
import { runSizes } from '../run-sizes.ts';
import { encoderBytes, openEncoder } from './encoder.ts';

export interface OpenSpeechOptions extends PlacementOptions {
  /** Positions of 20 ms in a window; 0: all that the model has. */
  readonly audioCtx: number;
  /** Texts that are decoded together at most. */
  readonly nSequence: number;
  /** An ONNX file whose encoder stands in for the model's own. */
  readonly encoder?: string;
}

export interface SpeechModelFile {
  /** As the file has them. */
  readonly stored: WhisperHparams;
  /** With the audio context that was asked for. */
  readonly h: WhisperHparams;
  readonly threads: number;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly special: SpecialTokens;
  readonly words: WhisperWords;
  readonly bank: MelBank;
  readonly model: SpeechModel;
  readonly device: Device;
  readonly loadMs: number;
  close(): Promise<void>;
}

/** A speech model as it would run: all that opening it comes to before weights are read. */
const planSpeech = async (file: WeightSource, name: string, o: OpenSpeechOptions) => {
  const arch = file.metadata.get('general.architecture');
  if (arch !== whisper.arch)
    throw new UserError('model', `architecture '${arch}' is not supported`, 'grafo whisper runs whisper');
  const { h: stored, w } = readModel(whisper, file);
  const h = withAudioContext(stored, audioContext(o.audioCtx, stored));
  const weightBytes = [...file.tensors.values()].reduce((sum, t) => sum + t.byteLength, 0);
  const { device, why } = await findDevice(o.wish, weightBytes);
  const compute: Compute = o.compute === 'auto' ? 'block' : o.compute;
  const planned = (name: keyof typeof whisper.graphs, given: Readonly<Record<string, number>> = {}): PlannedRun => {
    const g = new GraphBuilder(name);
    whisper.graphs[name](g, { h, w });
    const graph = g.build();
    const fused = o.fused && takesFusedKernels(name, device);
    const how = { compute, fused, activations: o.activations, ...(name === 'decoder' && { fewRows: true }) };
    const program = lower(graph, targetOn(device, how), given);
    const seqs = given.B ?? 1;
    return { graph, program, sizes: runSizes(graph, { tokens: 1, past: h.text.nCtx - 1, seqs }) };
  };
  const runs = {
    conv: planned('conv'),
    encoder: planned('encoder'),
    cross: planned('cross'),
    decoder: planned('decoder', { nCtx: h.text.nCtx, B: o.nSequence }),
  };
  const setting = `compute ${compute}, ${o.nSequence} texts at once`;
  const own = needOf(Object.values(runs));
  // What lives while another encoder of these shapes runs is taken to be what lives while the model's own does.
  const need: MemoryNeed =
    o.encoder === undefined
      ? own
      : { ...own, weights: needOf([runs.cross, runs.decoder]).weights + (await encoderBytes(o.encoder)) };
  const memory: MemoryPlan = { name: basename(name), device, setting, need };
  return { stored, h, device, why, compute, planned, runs, memory };
};

/** What a speech model would take of memory, from its header alone. Throws UserErrors as opening it does. */
export const speechMemory = async (file: WeightSource, name: string, o: OpenSpeechOptions): Promise<MemoryPlan> =>
  (await planSpeech(file, name, o)).memory;

/** Opens a speech model. Throws UserErrors that name what is wrong with the file, the device or the memory. */
export const openSpeech = async (path: string, o: OpenSpeechOptions): Promise<SpeechModelFile> => {
  const start = performance.now();
  const file = await openWhisper(path);
  const sessions: OnnxSession[] = [];
  const close = async () => {
    for (const session of sessions) await session.close();
    await file.close();
  };
  try {
    const { stored, h, device, why, compute, planned, runs, memory } = await planSpeech(file, path, o);
    expectFit(memory, o.notice);
    const words = readWhisperWords(file.metadata);
    const keeping = o.cache ? await keepingOf(path, file.parts, o.notice) : undefined;
    const begin = openingOn(device);
    const open = async ({ program }: PlannedRun): Promise<Session> => {
      const options = {
        threads: o.threads,
        cacheFolder: cacheFolder(),
        strict: o.strictDevice,
        ...(keeping && { keeping }),
        ...(o.progress && { progress: o.progress }),
      };
      const session = await begin(() => openSession(program, device, options));
      sessions.push(session);
      return session;
    };
    const ownEncoder = async () => {
      const [conv, encoder] = await all([open(runs.conv), open(runs.encoder)]);
      return encodeBy(conv, encoder);
    };
    const otherEncoder = async (path: string) => {
      const options = { threads: o.threads, strict: o.strictDevice };
      const { session, encode } = await begin(() => openEncoder(path, h, device, options));
      sessions.push(session);
      return encode;
    };
    let alignment: Promise<Session> | undefined;
    const [encode, cross, decoder] = await all([
      o.encoder === undefined ? ownEncoder() : otherEncoder(o.encoder),
      open(runs.cross),
      open(runs.decoder),
    ]);
    const graphs = {
      encode,
      cross,
      decoder,
      alignment: () => (alignment ??= open(planned('alignment'))),
    };
    const where = device.provider === 'cpu' ? `${device.name}, using ${o.threads}` : device.name;
    o.notice(`${deviceId(device)} (${where}): ${why}; compute ${compute}`);
    noticeFallbacks(device, sessions, o.notice);
    return {
      stored,
      h,
      threads: o.threads,
      metadata: file.metadata,
      special: specialTokens(h.nVocab),
      words,
      bank: melBank(melFilters(file.metadata, h.nMels), h.nMels),
      model: createSpeechModel(graphs, h),
      device,
      loadMs: performance.now() - start,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Whether a graph may use fused kernels: beams go on from each other in memory that only the CPU's leave to us. */
export const takesFusedKernels = (name: string, device: Device): boolean =>
  device.provider === 'cpu' || (name !== 'decoder' && attendsWidely(device));

/**
 * On the processor all at once; elsewhere one after the other: drivers of graphics cards are shared by all threads of a
 * process, and not all of them bear that.
 */
const openingOn = ({ provider }: Device) => {
  let before: Promise<unknown> = Promise.resolve();
  return <T>(open: () => Promise<T>): Promise<T> => {
    const opened = provider === 'cpu' ? open() : before.then(open);
    before = opened;
    return opened;
  };
};

/** All that is promised, once nothing is under way any more: what was opened can then be closed if something failed. */
const all = async <const P extends readonly Promise<unknown>[]>(
  promises: P,
): Promise<{ -readonly [K in keyof P]: Awaited<P[K]> }> => {
  await Promise.allSettled(promises);
  return Promise.all(promises);
};

const audioContext = (asked: number, { audio }: WhisperHparams): number => {
  if (asked > audio.nCtx)
    throw new UserError('usage', `--audio-ctx is ${asked}, the model has ${audio.nCtx}`, 'use a smaller one, or 0');
  return asked === 0 ? audio.nCtx : asked;
};

/** The file's own filters, or those that all models were trained with. */
export const melFilters = (metadata: ReadonlyMap<string, MetadataValue>, nMels: number): Float32Array => {
  const filters = metadata.get('whisper.encoder.mel_filters');
  return Array.isArray(filters) ? Float32Array.from(filters, Number) : slaneyFilters(nMels);
};
