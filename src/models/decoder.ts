/** Text models step by step: feeds tokens at positions in runs of bounded size, and gives logits. */
import type { HostTensor, RunOptions } from '../graph/device/engine.ts';
import type { Program } from '../graph/lower/lower.ts';
import type { BestForm, Row } from './best.ts';
import { readBest } from './best.ts';

/** What a decoder needs of a session. */
export interface Runner {
  readonly program: Pick<Program, 'cache'>;
  run(
    inputs: Readonly<Record<string, HostTensor>>,
    options?: Pick<RunOptions, 'outputs'>,
  ): Promise<Record<string, HostTensor>>;
}

export interface DecoderOptions {
  readonly nVocab: number;
  /** At most so many tokens of a sequence in one run: runs cannot be interrupted, so they are kept short. */
  readonly nTokenPerRun: number;
  /** How the model tells its likeliest tokens, where it does. */
  readonly best?: BestForm;
}

export interface RowOptions {
  readonly signal?: AbortSignal;
  /** How many of the likeliest tokens are as good as all; all are needed if absent. */
  readonly nBest?: number | undefined;
}

/** Thrown between two runs when the signal asks to stop. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

export interface Decoder {
  readonly nVocab: number;
  /** Logits `[nVocab]` after the last of `tokens`, the first of which stands at `pos`. */
  last(tokens: readonly number[], pos: number, signal?: AbortSignal): Promise<Float32Array>;
  /** The same, or only the likeliest tokens where these are enough and the model tells them. */
  row(tokens: readonly number[], pos: number, options: RowOptions): Promise<Row>;
  /** Logits after every token, one run's rows `[n, nVocab]` at a time. */
  all(tokens: readonly number[], pos: number, signal?: AbortSignal): AsyncGenerator<Float32Array>;
  /**
   * Several sequences at once, `tokens[s]` from position `pos[s]` on: logits `[nVocab]` after each one's last token.
   * Shorter ones are padded to the right; what padding writes is overwritten before anybody sees it.
   */
  batch(tokens: readonly (readonly number[])[], pos: readonly number[]): Promise<Float32Array[]>;
}

/** A decoder over a session of a text model's `decoder` graph. */
export const createDecoder = (session: Runner, { nVocab, nTokenPerRun, best }: DecoderOptions): Decoder => {
  const run = async (tokens: readonly (readonly number[])[], pos: readonly number[], outIds: readonly number[]) => {
    const { logits } = await session.run(runInputs(tokens, pos, outIds));
    return logits?.data as Float32Array;
  };
  /** What is told after the last token. */
  const afterLast = async (
    tokens: readonly number[],
    pos: number,
    signal: AbortSignal | undefined,
    wanted?: Pick<RunOptions, 'outputs'>,
  ) => {
    let told: Record<string, HostTensor> | undefined;
    for (const { from, chunk } of chunks(tokens, nTokenPerRun)) {
      if (signal?.aborted) throw new Interrupted();
      told = await session.run(runInputs([chunk], [pos + from], [chunk.length - 1]), wanted);
    }
    if (!told) throw new Error('no token to decode');
    return told;
  };
  const last = async (tokens: readonly number[], pos: number, signal?: AbortSignal) =>
    (await afterLast(tokens, pos, signal)).logits?.data as Float32Array;

  return {
    nVocab,
    last,
    async row(tokens, pos, { signal, nBest }) {
      const isEnough = best !== undefined && nBest !== undefined && nBest <= best.k;
      return isEnough ? readBest(await afterLast(tokens, pos, signal, best), best) : last(tokens, pos, signal);
    },
    async *all(tokens, pos, signal) {
      for (const { from, chunk } of chunks(tokens, nTokenPerRun)) {
        if (signal?.aborted) throw new Interrupted();
        yield run([chunk], [pos + from], [...chunk.keys()]);
      }
    },
    async batch(tokens, pos) {
      const nToken = Math.max(...tokens.map((row) => row.length));
      const padded = tokens.map((row) => [...row, ...new Array<number>(nToken - row.length).fill(row.at(-1) ?? 0)]);
      const isFresh = pos.every((p) => p === 0);
      const last = new Array<Float32Array>(tokens.length);
      for (let from = 0, width = 0; from < nToken; from += width) {
        // The fused kernel takes several tokens of several sequences only when nothing is cached yet.
        const widest = session.program.cache?.fused && !(isFresh && from === 0) ? 1 : nTokenPerRun;
        width = Math.min(nToken - from, widest);
        const rows = padded.map((row) => row.slice(from, from + width));
        const ends = tokens.map((row, s) => ({ s, t: row.length - 1 - from })).filter(({ t }) => t >= 0 && t < width);
        const outIds = ends.map(({ s, t }) => s * width + t);
        const logits = await run(
          rows,
          pos.map((p) => p + from),
          outIds.length > 0 ? outIds : [0],
        );
        ends.forEach(({ s }, i) => {
          last[s] = logits.subarray(i * nVocab, (i + 1) * nVocab);
        });
      }
      return last;
    },
  };
};

/**
 * What one run brings: tokens of equally long sequences, of which `tokens[s]` stands at `pos[s]` and after it, and the
 * rows, counted over all of them, whose logits are wanted.
 */
export const runInputs = (
  tokens: readonly (readonly number[])[],
  pos: readonly number[],
  outIds: readonly number[],
): Record<string, HostTensor> => {
  const dims = [tokens.length, tokens[0]?.length ?? 0];
  const positions = tokens.flatMap((row, s) => row.map((_, t) => (pos[s] ?? 0) + t));
  return { tokens: i64(dims, tokens.flat()), pos: i64(dims, positions), outIds: i64([outIds.length], outIds) };
};

const i64 = (dims: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: 'i64',
  dims,
  data: BigInt64Array.from(values, BigInt),
});

function* chunks(tokens: readonly number[], width: number): Generator<{ from: number; chunk: readonly number[] }> {
  for (let from = 0; from < tokens.length; from += width) yield { from, chunk: tokens.slice(from, from + width) };
}
