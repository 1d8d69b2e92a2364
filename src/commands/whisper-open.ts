/** A speech model's file, opened: read, built, lowered and loaded on the chosen device, one session for each graph. */
import { UserError } from '../errors.ts';
import { GraphBuilder } from '../graph/builder.ts';
import type { Device } from '../graph/device/device.ts';
import { deviceId } from '../graph/device/device.ts';
import type { Session } from '../graph/device/session.ts';
import { openSession } from '../graph/device/session.ts';
import { lower } from '../graph/lower/lower.ts';
import type { Compute, Provider } from '../graph/lower/target.ts';
import type { MetadataValue } from '../graph/weights.ts';
import type { MelBank } from '../io/audio/mel.ts';
import { melBank, slaneyFilters } from '../io/audio/mel.ts';
import type { WhisperWords } from '../io/text/whisper-words.ts';
import { readWhisperWords } from '../io/text/whisper-words.ts';
import type { WhisperFile } from '../io/whisper/open.ts';
import { openWhisper } from '../io/whisper/open.ts';
import { readModel } from '../models/definition.ts';
import type { SpecialTokens } from '../models/transcribe/special-tokens.ts';
import { specialTokens } from '../models/transcribe/special-tokens.ts';
import type { SpeechModel } from '../models/transcribe/speech-model.ts';
import { createSpeechModel } from '../models/transcribe/speech-model.ts';
import type { WhisperHparams } from '../models/whisper.ts';
import { whisper, withAudioContext } from '../models/whisper.ts';
import { findDevice } from './devices.ts';
import { keepingOf } from './keeping.ts';
import type { PlacementOptions } from './open.ts';
import { cacheFolder } from './options.ts';

export interface OpenSpeechOptions extends PlacementOptions {
  /** Positions of 20 ms in a window; 0: all that the model has. */
  readonly audioCtx: number;
  /** Texts that are decoded together at most. */
  readonly nSequence: number;
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

/** Opens a speech model. Throws UserErrors that name what is wrong with the file, the device or the memory. */
export const openSpeech = async (path: string, o: OpenSpeechOptions): Promise<SpeechModelFile> => {
  const start = performance.now();
  const file = await openWhisper(path);
  const sessions: Session[] = [];
  const close = async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await file.close();
  };
  try {
    const arch = file.metadata.get('general.architecture');
    if (arch !== whisper.arch)
      throw new UserError('model', `architecture '${arch}' is not supported`, 'grafo whisper runs whisper');
    const { h: stored, w } = readModel(whisper, file);
    const h = withAudioContext(stored, audioContext(o.audioCtx, stored));
    const words = readWhisperWords(file.metadata);
    const weightBytes = [...file.tensors.values()].reduce((sum, t) => sum + t.byteLength, 0);
    const { device, why } = await findDevice(o.wish, weightBytes);
    const compute: Compute = o.compute === 'auto' ? 'block' : o.compute;
    const keeping = o.cache ? await keepingOf(path, file.parts, o.notice) : undefined;
    const open = async (name: keyof typeof whisper.graphs, sizes: Readonly<Record<string, number>> = {}) => {
      const g = new GraphBuilder(name);
      whisper.graphs[name](g, { h, w });
      const fused = o.fused && takesFusedKernels(name, device.provider);
      const program = lower(g.build(), { provider: device.provider, compute, fused }, sizes);
      const session = await openSession(program, device, {
        threads: o.threads,
        cacheFolder: cacheFolder(),
        strict: o.strictDevice,
        ...(keeping && { keeping }),
        ...(o.progress && { progress: o.progress }),
      });
      sessions.push(session);
      return session;
    };
    let alignment: Promise<Session> | undefined;
    const [conv, encoder, cross, decoder] = await all([
      open('conv'),
      open('encoder'),
      open('cross'),
      open('decoder', { nCtx: h.text.nCtx, B: o.nSequence }),
    ]);
    const graphs = {
      conv,
      encoder,
      cross,
      decoder,
      alignment: () => (alignment ??= open('alignment')),
    };
    const where = device.provider === 'cpu' ? `${device.name}, using ${o.threads}` : device.name;
    o.notice(`${deviceId(device)} (${where}): ${why}; compute ${compute}`);
    return {
      stored,
      h,
      threads: o.threads,
      metadata: file.metadata,
      special: specialTokens(h.nVocab),
      words,
      bank: melBank(melFilters(file, h.nMels), h.nMels),
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
export const takesFusedKernels = (name: string, provider: Provider): boolean =>
  provider === 'cpu' || name !== 'decoder';

/** All that is promised, once nothing is under way any more: what was opened can then be closed if something failed. */
const all = async <const P extends readonly Promise<Session>[]>(promises: P): Promise<{ [K in keyof P]: Session }> => {
  await Promise.allSettled(promises);
  return Promise.all(promises);
};

const audioContext = (asked: number, { audio }: WhisperHparams): number => {
  if (asked > audio.nCtx)
    throw new UserError('usage', `--audio-ctx is ${asked}, the model has ${audio.nCtx}`, 'use a smaller one, or 0');
  return asked === 0 ? audio.nCtx : asked;
};

const melFilters = (file: WhisperFile, nMels: number): Float32Array => {
  const filters = file.metadata.get('whisper.encoder.mel_filters');
  return Array.isArray(filters) ? Float32Array.from(filters, Number) : slaneyFilters(nMels);
};
