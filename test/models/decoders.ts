/** Decoders of model files for the tests, through the same doors as the commands. Build first: npm run build. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDecoder, withGguf } from '../../src/commands/text/open.ts';
import type { Device } from '../../src/graph/device/device.ts';
import { openSession } from '../../src/graph/device/session.ts';
import { lower } from '../../src/graph/lower/lower.ts';
import type { Compute, Provider } from '../../src/graph/lower/target.ts';
import type { Decoder } from '../../src/models/decoder.ts';
import { createDecoder } from '../../src/models/decoder.ts';
import { readNda, reference, scratch } from '../fixtures.ts';

export interface Arithmetic {
  readonly compute: Compute;
  readonly fused: boolean;
  /** Whether it is float16 arithmetic; float32 if absent. */
  readonly halves?: boolean;
}

export interface Place {
  /** The CPU if absent. */
  readonly provider?: Provider;
  /** Sequences; 1 if absent. */
  readonly nSeq?: number;
  /** Whether the CPU may do what the device cannot; it may if absent. */
  readonly strict?: boolean;
  /** Which of the model's graphs; its own decoder if absent. */
  readonly graph?: string;
  /** Whether runs also tell the likeliest tokens; they do not if absent. */
  readonly tellsBest?: boolean;
}

/** Opens a model, and closes it after `use`. */
export const withDecoder = <R>(
  path: string,
  {
    compute,
    fused,
    halves = false,
    provider = 'cpu',
    nSeq = 1,
    strict = false,
    graph: name = 'decoder',
    tellsBest = false,
  }: Arithmetic & Place,
  use: (decoder: Decoder) => Promise<R>,
): Promise<R> =>
  withGguf(path, async (file) => {
    const { graph, h, best } = buildDecoder(file, { name, tellsBest });
    const program = lower(graph, { provider, compute, fused, halves }, { nCtx: 320, B: nSeq });
    const device: Device = { provider, index: 0, name: provider, state: { kind: 'available' } };
    const session = await openSession(program, device, { threads: 1, cacheFolder: join(scratch, 'cache'), strict });
    try {
      return await use(createDecoder(session, { nVocab: h.nVocab, nTokenPerRun: 64, ...(best && { best }) }));
    } finally {
      await session.close();
    }
  });

/** Logits `[n, nVocab]` of the text fed in pieces of these lengths. */
export const inPieces = async (
  decoder: Decoder,
  ids: readonly number[],
  lengths: readonly number[],
): Promise<Float32Array> => {
  const rows: Float32Array[] = [];
  let pos = 0;
  for (const n of lengths) {
    for await (const piece of decoder.all(ids.slice(pos, pos + n), pos)) rows.push(piece);
    pos += n;
  }
  return joined(rows);
};

export const joined = (rows: readonly Float32Array[]): Float32Array => {
  const all = new Float32Array(rows.reduce((n, row) => n + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
};

/** The index of the largest value of each row of `nVocab`. */
export const topOfRows = (logits: Float32Array, nVocab: number): number[] =>
  Array.from({ length: logits.length / nVocab }, (_, i) => {
    const row = logits.subarray(i * nVocab, (i + 1) * nVocab);
    return row.indexOf(row.reduce((a, b) => Math.max(a, b)));
  });

/** A reference model of the llama page, or undefined where neither the repository nor its neighbour has it. */
export const modelOf = (name: string): string | undefined =>
  reference(`llama/${name}.gguf`, `the reference model ${name}`);

/** A prompt of a reference model. */
export const idsOf = (name: string): number[] => JSON.parse(readFileSync(besideModel(`${name}.ids.json`), 'utf8')).ids;

/** Reference logits of every position of the prompt, `exact` by float64 arithmetic, `logits` by llama.cpp. */
export const referenceOf = (name: string, kind: 'exact' | 'logits'): Float32Array =>
  readNda(besideModel(`${name}.${kind}.bin`)).values;

const besideModel = (file: string): string => {
  const path = reference(`llama/${file}`, 'a reference model');
  if (!path) throw new Error(`there is no llama/${file}`);
  return path;
};
