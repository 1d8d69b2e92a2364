/**
 * The likeliest tokens, found where the logits are computed: a row of a large vocabulary is half a megabyte, and what
 * samplers look at is a few dozens of it.
 */
import type { GraphBuilder } from '../graph/builder.ts';
import type { HostTensor } from '../graph/device/engine.ts';
import { columns, take, topK } from '../graph/ops/select.ts';
import { cut, join } from '../graph/ops/shape.ts';

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
  /** Names of the outputs that tell them. */
  readonly outputs: readonly string[];
}

const [IDS, LOGITS] = ['best.ids', 'best.logits'] as const;

/**
 * Makes the likeliest tokens outputs of a finished text model, before its logits: ids and logits `[nOut, k]`. Rows are cut
 * into parts that are sorted at the same time, then the best of all parts are sorted, until one part is left.
 */
export const tellBest = (g: GraphBuilder, nVocab: number): BestForm => {
  const logits = g.input('logits', 'f32', ['nOut', nVocab]);
  const k = Math.min(N_BEST, nVocab);
  const best = g.scope('best', () => {
    let best = { ids: columns(g, logits), logits };
    for (const width of widthsOf(nVocab, k)) {
      const parts = { ids: cut(g, best.ids, width), logits: cut(g, best.logits, width) }; // [nOut, nPart, width]
      const at = topK(g, parts.logits, k); // [nOut, nPart, k]
      best = { ids: join(g, take(g, parts.ids, at)), logits: join(g, take(g, parts.logits, at)) }; // [nOut, nPart * k]
    }
    return best;
  });
  g.output(IDS, best.ids);
  g.output(LOGITS, best.logits);
  g.output('logits', logits);
  return { k, outputs: [IDS, LOGITS] };
};

/**
 * Extents of the parts that a row is cut into, round for round, as wide as may be; the last round is of one part. Numbers
 * without such a divisor are sorted as a whole, whatever it takes.
 */
const widthsOf = (n: number, k: number): readonly number[] => {
  let width = Math.min(n, SHORT);
  while (n % width !== 0) width--;
  return width === n || width <= k ? [n] : [width, ...widthsOf((n / width) * k, k)];
};

/** Row 0 of what a run told. */
export const readBest = (told: Readonly<Record<string, HostTensor>>, { k }: BestForm): Best => {
  const [ids, logits] = [told[IDS]?.data as Float32Array, told[LOGITS]?.data as Float32Array];
  return { ids: Int32Array.from(ids.subarray(0, k)), logits: logits.slice(0, k) };
};
