/** Plain loops in float64: what operations and blocks mean, written as slowly as it reads. */
import { elements } from '../src/graph/tensor.ts';
import type { NdArray } from './cpu.ts';

/** One value. */
export const get = ({ dims, values }: NdArray, ...index: readonly number[]): number => {
  const value = values[index.reduce((at, i, axis) => at * dims[axis]! + i, 0)];
  if (value === undefined || index.length !== dims.length) throw new Error(`[${index}] of [${dims}]`);
  return value;
};

/** The array whose value at an index is what `value` says. */
export const made = (
  dims: readonly number[],
  value: (...index: number[]) => number,
  dtype: NdArray['dtype'] = 'f32',
): NdArray => {
  const indexOf = (flat: number): number[] => {
    const index: number[] = [];
    for (let axis = dims.length - 1, rest = flat; axis >= 0; axis--) {
      index.unshift(rest % dims[axis]!);
      rest = Math.floor(rest / dims[axis]!);
    }
    return index;
  };
  return { dtype, dims, values: Array.from({ length: elements(dims) }, (_, flat) => value(...indexOf(flat))) };
};

export const sumOf = (n: number, term: (i: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += term(i);
  return sum;
};

export const map = (x: NdArray, change: (value: number) => number): NdArray => ({ ...x, values: x.values.map(change) });
/** Value by value; the shapes must be equal. */
export const zip = (a: NdArray, b: NdArray, join: (a: number, b: number) => number): NdArray => {
  if (a.dims.join() !== b.dims.join()) throw new Error(`[${a.dims}] and [${b.dims}]`);
  return { ...a, values: a.values.map((x, i) => join(x, b.values[i]!)) };
};
export const plus = (a: NdArray, b: NdArray): NdArray => zip(a, b, (x, y) => x + y);

/** Each run of the last axis by itself. */
const eachRow = (x: NdArray, change: (row: readonly number[]) => readonly number[]): NdArray => {
  const n = x.dims.at(-1)!;
  const nRow = x.values.length / n;
  return { ...x, values: Array.from({ length: nRow }, (_, r) => change(x.values.slice(r * n, (r + 1) * n))).flat() };
};

export const silu = (x: number): number => x / (1 + Math.exp(-x));
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** The error function by its Maclaurin series: enough for |x| < 4. */
const erf = (x: number): number => {
  let term = x;
  let sum = x;
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
export const gelu = (x: number): number => (x / 2) * (1 + erf(x / Math.SQRT2));
export const geluTanh = (x: number): number =>
  (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

export const softmax = (x: NdArray): NdArray =>
  eachRow(x, (row) => {
    const most = Math.max(...row);
    const total = row.reduce((sum, v) => sum + Math.exp(v - most), 0);
    return row.map((v) => Math.exp(v - most) / total);
  });

export const rmsNorm = (x: NdArray, weight: NdArray, eps: number): NdArray =>
  eachRow(x, (row) => {
    const square = row.reduce((sum, v) => sum + v * v, 0) / row.length;
    return row.map((v, i) => (v / Math.sqrt(square + eps)) * get(weight, i));
  });

export const layerNorm = (x: NdArray, weight: NdArray, bias: NdArray, eps: number): NdArray =>
  eachRow(x, (row) => {
    const mean = row.reduce((sum, v) => sum + v, 0) / row.length;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length;
    return row.map((v, i) => ((v - mean) / Math.sqrt(variance + eps)) * get(weight, i) + get(bias, i));
  });

/** x `[..., nIn]`, weight `[nOut, nIn]`, bias `[nOut]`. */
export const linear = (x: NdArray, weight: NdArray, bias?: NdArray): NdArray => {
  const [nOut, nIn] = weight.dims as readonly [number, number];
  return made([...x.dims.slice(0, -1), nOut], (...index) => {
    const row = index.slice(0, -1);
    const o = index.at(-1)!;
    return sumOf(nIn, (i) => get(x, ...row, i) * get(weight, o, i)) + (bias ? get(bias, o) : 0);
  });
};

/** `[B, T, nHead * d]` -> `[B, nHead, T, d]`. */
export const splitHeads = (x: NdArray, nHead: number): NdArray => {
  const [nSeq, nToken, width] = x.dims as readonly [number, number, number];
  const d = width / nHead;
  return made([nSeq, nHead, nToken, d], (b, h, t, i) => get(x, b!, t!, h! * d + i!));
};

/** `[B, nHead, T, d]` -> `[B, T, nHead * d]`. */
export const mergeHeads = (x: NdArray): NdArray => {
  const [nSeq, nHead, nToken, d] = x.dims as readonly [number, number, number, number];
  return made([nSeq, nToken, nHead * d], (b, t, i) => get(x, b!, Math.floor(i! / d), t!, i! % d));
};

export interface AttendReference {
  readonly scale: number;
  /** Whether token t of sequence b sees key j; every one does if absent. */
  readonly sees?: (b: number, t: number, j: number) => boolean;
}

/** Queries `[B, nHead, T, d]`, keys and values `[B, nHeadKv, nKv, d]`, nHead / nHeadKv query heads to each. */
export const attend = (q: NdArray, k: NdArray, v: NdArray, { scale, sees }: AttendReference): NdArray => {
  const [nSeq, nHead, nToken, d] = q.dims as readonly [number, number, number, number];
  const [, nHeadKv, nKv] = k.dims as readonly [number, number, number, number];
  const shared = (h: number): number => Math.floor(h / (nHead / nHeadKv));
  const scores = made([nSeq, nHead, nToken, nKv], (b, h, t, j) => {
    if (sees && !sees(b!, t!, j!)) return Number.NEGATIVE_INFINITY;
    return scale * sumOf(d, (i) => get(q, b!, h!, t!, i) * get(k, b!, shared(h!), j!, i));
  });
  const weights = softmax(scores);
  return made([nSeq, nHead, nToken, v.dims[3]!], (b, h, t, i) =>
    sumOf(nKv, (j) => get(weights, b!, h!, t!, j) * get(v, b!, shared(h!), j, i!)),
  );
};

/** What causal attention sees: positions `[B, T]`, the last `window` keys if given. */
export const causal =
  (pos: NdArray, window = Number.POSITIVE_INFINITY) =>
  (b: number, t: number, j: number): boolean =>
    j <= get(pos, b, t) && j > get(pos, b, t) - window;

export interface RopeReference {
  readonly pairs: 'adjacent' | 'halves';
  readonly nRot: number;
  /** The angle, in radians per position, of pair i. */
  readonly frequency: (i: number) => number;
  readonly magnitude?: number;
}

/** Turns the first nRot dimensions of every head of x `[B, nHead, T, d]` by positions `[B, T]`. */
export const rope = (x: NdArray, pos: NdArray, { pairs, nRot, frequency, magnitude = 1 }: RopeReference): NdArray =>
  made(x.dims, (b, h, t, i) => {
    if (i! >= nRot) return get(x, b!, h!, t!, i!);
    const pair = pairs === 'adjacent' ? Math.floor(i! / 2) : i! % (nRot / 2);
    const [first, second] = pairs === 'adjacent' ? [2 * pair, 2 * pair + 1] : [pair, pair + nRot / 2];
    const angle = get(pos, b!, t!) * frequency(pair);
    const [a, c] = [get(x, b!, h!, t!, first), get(x, b!, h!, t!, second)];
    const turned = i === first ? a * Math.cos(angle) - c * Math.sin(angle) : a * Math.sin(angle) + c * Math.cos(angle);
    return magnitude * turned;
  });
