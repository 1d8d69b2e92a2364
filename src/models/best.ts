/**
 * The likeliest tokens, found where the logits are computed: a row of a large vocabulary is half a megabyte, and what
 * samplers look at is a few dozens of it.
 */
import type { GraphBuilder } from '../graph/builder.ts';
import type { HostTensor } from '../graph/device/engine.ts';
import { take, topK } from '../graph/ops/select.ts';
import { cut, join } from '../graph/ops/shape.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Some tokens with their logits, the likeliest first, equally likely ones by id. */
export interface Best {
  readonly ids: Int32Array;
  readonly logits: Float32Array;
}

/** What a token is chosen from: the logits `[nVocab]` of all, or the likeliest where these are enough. */
export type Row = Float32Array | Best;

/** A row of all tokens, for those whom nothing less serves. */
export const wholeRow = (row: Row): Float32Array => {
  if (row instanceof Float32Array) return row;
  throw new Error('only the likeliest tokens are here, all are needed');
};

/** So many are told: llama.cpp's samplers look at 40 unless told otherwise, and some may be forbidden. */
const N_BEST = 64;

/** Cards sort up to so many values within a workgroup; beyond, every step of sorting is a kernel of its own. */
const SHORT = 2048;

/** How a model tells its likeliest tokens. */
export interface BestForm {
  readonly k: number;
  /** Extents of the parts that a row is cut into, round for round; the last round is of one part. */
  readonly widths: readonly number[];
  /** Names of the outputs that tell them. */
  readonly outputs: readonly string[];
}

const LOGITS = 'best.logits';
/** What each round chose of each part: `[nOut, nPart, k]`. */
const choicesOf = (round: number): string => `best.at.${round}`;

/**
 * Makes the likeliest tokens outputs of a finished text model, before its logits. Rows are cut into parts that are
 * sorted at the same time, then the best of all parts are sorted, until one part is left.
 */
export const tellBest = (g: GraphBuilder, nVocab: number): BestForm => {
  const logits = g.input('logits', 'f32', ['nOut', nVocab]);
  const k = Math.min(N_BEST, nVocab);
  const widths = roundsOf(nVocab, k);
  let values: Tensor = logits;
  g.scope('best', () =>
    widths.forEach((width, round) => {
      const parts = cut(g, values, width); // [nOut, nPart, width]
      const at = topK(g, parts, k); // [nOut, nPart, k]
      g.output(choicesOf(round), at);
      values = join(g, take(g, parts, at)); // [nOut, nPart * k]
    }),
  );
  g.output(LOGITS, values);
  g.output('logits', logits);
  return { k, widths, outputs: [LOGITS, ...widths.map((_, round) => choicesOf(round))] };
};

/** Parts are as wide as may be. Numbers without such a divisor are sorted as a whole, whatever it takes. */
const roundsOf = (n: number, k: number): readonly number[] => {
  let width = Math.min(n, SHORT);
  while (n % width !== 0) width--;
  return width === n || width <= k ? [n] : [width, ...roundsOf((n / width) * k, k)];
};

/** Row 0 of what a run told. Choices are followed back through the rounds, to where they stood in the row of logits. */
export const readBest = (told: Readonly<Record<string, HostTensor>>, { k, widths }: BestForm): Best => {
  const rounds = widths.map((_, round) => told[choicesOf(round)]);
  const logits = told[LOGITS];
  const idOf = (choice: number): number =>
    widths.reduceRight((at, width, round) => Math.floor(at / k) * width + Number(rounds[round]?.data[at]), choice);
  return {
    ids: Int32Array.from({ length: k }, (_, choice) => idOf(choice)),
    logits: Float32Array.from({ length: k }, (_, choice) => Number(logits?.data[choice])),
  };
};
