/** Whisper's graphs for the tests, on the CPU and in this process. */
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { HostTensor } from '../../src/graph/device/engine.ts';
import { Engine } from '../../src/graph/device/engine.ts';
import { writeProgram } from '../../src/graph/device/files.ts';
import { lower } from '../../src/graph/lower/lower.ts';
import type { Sizes } from '../../src/graph/tensor.ts';
import { logMel, melBank } from '../../src/io/audio/mel.ts';
import { openRecording } from '../../src/io/audio/recording.ts';
import { openWhisperCpp } from '../../src/io/ggml/whisper.ts';
import { readModel } from '../../src/models/definition.ts';
import { whisper, withAudioContext } from '../../src/models/whisper.ts';
import { scratch } from '../fixtures.ts';

export interface GraphsOptions {
  readonly fused: boolean;
  /** Sequences that fit the decoder's cache. */
  readonly nSeq: number;
  readonly audioCtx?: number;
}

/** Opens a file of whisper.cpp; every graph is made when it is asked for. */
export const openGraphs = async (path: string, { fused, nSeq, audioCtx }: GraphsOptions) => {
  const file = await openWhisperCpp(path);
  const { h: stored, w } = readModel(whisper, file);
  const h = audioCtx === undefined ? stored : withAudioContext(stored, audioCtx);
  const filters = Float32Array.from(file.metadata.get('whisper.encoder.mel_filters') as number[]);
  const engine = async (name: keyof typeof whisper.graphs): Promise<Engine> => {
    const g = new GraphBuilder(name);
    whisper.graphs[name](g, { h, w });
    const sizes: Sizes = name === 'decoder' ? { nCtx: h.text.nCtx, B: nSeq } : {};
    const program = lower(g.build(), { provider: 'cpu', compute: 'f32', fused }, sizes);
    const { model } = await writeProgram(program, scratch);
    return Engine.open({ model, program, provider: 'cpu', index: 0, threads: 1 });
  };
  return { h, engine, bank: melBank(filters, h.nMels), close: file.close };
};

export type Graphs = Awaited<ReturnType<typeof openGraphs>>;

/** All of a recording at 16 kHz. */
export const samplesOf = async (path: string): Promise<Float32Array> => {
  const parts: Buffer[] = [];
  for await (const part of (await openRecording(path)).mono()) parts.push(Buffer.from(part.slice().buffer));
  return new Float32Array(new Uint8Array(Buffer.concat(parts)).buffer);
};

/** A window of a sound's spectrogram from this frame on, `[1, nMels, 2 nCtx]`. */
export const melWindow = ({ h, bank }: Graphs, samples: Float32Array, from = 0): HostTensor => {
  const all = logMel(samples, bank);
  const n = 2 * h.audio.nCtx;
  const data = new Float32Array(h.nMels * n);
  for (let m = 0; m < h.nMels; m++) {
    data.set(all.data.subarray(m * all.nFrame + from, m * all.nFrame + from + n), m * n);
  }
  return { dtype: 'f32', dims: [1, h.nMels, n], data };
};

/** Tensors of equal shape one behind the other along the first axis. */
export const stacked = (tensors: readonly HostTensor[]): HostTensor => {
  const dims = [tensors.length, ...tensors[0]!.dims.slice(1)];
  const data = Float32Array.from(tensors.flatMap((t) => [...(t.data as Float32Array)]));
  return { dtype: 'f32', dims, data };
};

const i64 = (dims: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: 'i64',
  dims,
  data: BigInt64Array.from(values, BigInt),
});

/** Inputs of a decoder's run: texts of equal length from a position on, and which of their rows want logits. */
export const textInputs = (texts: readonly (readonly number[])[], pos: number, outIds?: readonly number[]) => {
  const [nSeq, nToken] = [texts.length, texts[0]!.length];
  const rows = outIds ?? Array.from({ length: nSeq * nToken }, (_, i) => i);
  return {
    tokens: i64([nSeq, nToken], texts.flat()),
    pos: i64(
      [nSeq, nToken],
      Array.from({ length: nSeq * nToken }, (_, i) => pos + (i % nToken)),
    ),
    outIds: i64([rows.length], rows),
  };
};
