/** Decoders of model files for the tests, through the same doors as the commands. Build first: npm run build. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDecoder, withGguf } from '../../src/commands/open.ts';
import { openSession } from '../../src/graph/device/session.ts';
import { lower } from '../../src/graph/lower/lower.ts';
import type { Compute } from '../../src/graph/lower/target.ts';
import type { Decoder } from '../../src/models/decoder.ts';
import { createDecoder } from '../../src/models/decoder.ts';
import { fixture, readNda, scratch } from '../fixtures.ts';

export interface Arithmetic {
  readonly compute: Compute;
  readonly fused: boolean;
}

const cpu = { provider: 'cpu', index: 0, name: 'processor', state: { kind: 'available' } } as const;

/** Opens a model on the CPU for `nSeq` sequences, and closes it after `use`. */
export const withDecoder = <R>(
  path: string,
  { compute, fused, nSeq = 1, graph: name }: Arithmetic & { readonly nSeq?: number; readonly graph?: string },
  use: (decoder: Decoder) => Promise<R>,
): Promise<R> =>
  withGguf(path, async (file) => {
    const { graph, h } = buildDecoder(file, name);
    const program = lower(graph, { provider: 'cpu', compute, fused }, { nCtx: 320, B: nSeq });
    const session = await openSession(program, cpu, { threads: 1, cacheFolder: join(scratch, 'cache') });
    try {
      return await use(createDecoder(session, { nVocab: h.nVocab, nTokenPerRun: 64 }));
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

/** A prompt of a reference model. */
export const idsOf = (name: string): number[] =>
  JSON.parse(readFileSync(fixture(`llama/${name}.ids.json`), 'utf8')).ids;

/** Reference logits of every position of the prompt, `exact` by float64 arithmetic, `logits` by llama.cpp. */
export const referenceOf = (name: string, kind: 'exact' | 'logits'): Float32Array =>
  readNda(fixture(`llama/${name}.${kind}.bin`)).values;
