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

/** Over one or two axes of a grid: x `[B, nIn, ...extents]`, weight `[nOut, nIn, ...kernel]`. */
export const conv = (
  x: NdArray,
  weight: NdArray,
  bias: NdArray | undefined,
  { stride, pad }: { readonly stride: number; readonly pad: number },
): NdArray => {
  // A sound is a grid of height 1 whose kernel has height 1; there, neither steps nor zeros.
  const isFlat = x.dims.length === 3;
  const tall = (a: NdArray): NdArray => (isFlat ? { ...a, dims: [a.dims[0]!, a.dims[1]!, 1, a.dims[2]!] } : a);
  const [image, kernel] = [tall(x), tall(weight)];
  const [padY, stepY] = isFlat ? [0, 1] : [pad, stride];
  const [nIn, height, width] = image.dims.slice(1) as [number, number, number];
  const [nOut, , kh, kw] = kernel.dims as [number, number, number, number];
  const at = (b: number, c: number, y: number, x: number): number =>
    y < 0 || x < 0 || y >= height || x >= width ? 0 : get(image, b, c, y, x);
  const outY = Math.floor((height + 2 * padY - kh) / stepY) + 1;
  const outX = Math.floor((width + 2 * pad - kw) / stride) + 1;
  const y = made([image.dims[0]!, nOut, outY, outX], (b, o, i, j) => {
    const sum = sumOf(nIn, (c) =>
      sumOf(kh, (u) =>
        sumOf(kw, (v) => get(kernel, o!, c, u, v) * at(b!, c, i! * stepY + u - padY, j! * stride + v - pad)),
      ),
    );
    return sum + (bias ? get(bias, o!) : 0);
  });
  return isFlat ? { ...y, dims: [y.dims[0]!, nOut, outX] } : y;
};

/** Keys' cubic with a = -0.5, which grows with the reduction; weights sum to 1. */
export const resizeGrid = (
  table: NdArray,
  { nPrefix, from, to }: { readonly nPrefix: number; readonly from: number; readonly to: number },
): NdArray => {
  const cubic = (x: number): number => {
    const d = Math.abs(x);
    if (d < 1) return 1.5 * d ** 3 - 2.5 * d ** 2 + 1;
    return d < 2 ? -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2 : 0;
  };
  const stretch = Math.max(1, from / to);
  const weights = (i: number): number[] => {
    const centre = ((i + 0.5) * from) / to - 0.5;
    const raw = Array.from({ length: from }, (_, j) => cubic((j - centre) / stretch));
    const total = raw.reduce((a, b) => a + b, 0);
    return raw.map((w) => w / total);
  };
  return made([nPrefix + to * to, table.dims[1]!], (r, c) => {
    if (r! < nPrefix) return get(table, r!, c!);
    const [rows, columns] = [weights(Math.floor((r! - nPrefix) / to)), weights((r! - nPrefix) % to)];
    return sumOf(from, (y) => sumOf(from, (x) => rows[y]! * columns[x]! * get(table, nPrefix + y * from + x, c!)));
  });
};

/** Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; gates in the order input, forget, cell, output. */
export const lstm = (
  x: NdArray,
  ofInput: NdArray,
  ofHidden: NdArray,
  inputBias: NdArray,
  hiddenBias: NdArray,
  start: { readonly hidden: NdArray; readonly cell: NdArray },
): { readonly steps: NdArray; readonly hidden: NdArray; readonly cell: NdArray } => {
  const [nStep = 0, nBatch = 0, nIn = 0] = x.dims;
  const n = start.hidden.dims[2] ?? 0;
  const at = (b: number, i: number): number => b * n + i;
  let hidden = start.hidden.values;
  let cell = start.cell.values;
  const steps: number[] = [];
  for (let t = 0; t < nStep; t++) {
    const [before, cellBefore] = [hidden, cell];
    const gate = (b: number, row: number): number =>
      get(inputBias, row) +
      get(hiddenBias, row) +
      sumOf(nIn, (k) => get(ofInput, row, k) * get(x, t, b, k)) +
      sumOf(n, (k) => get(ofHidden, row, k) * (before[at(b, k)] ?? 0));
    const each = (value: (b: number, i: number) => number): number[] =>
      Array.from({ length: nBatch * n }, (_, j) => value(Math.floor(j / n), j % n));
    const next = each(
      (b, i) =>
        sigmoid(gate(b, n + i)) * (cellBefore[at(b, i)] ?? 0) + sigmoid(gate(b, i)) * Math.tanh(gate(b, 2 * n + i)),
    );
    cell = next;
    hidden = each((b, i) => sigmoid(gate(b, 3 * n + i)) * Math.tanh(next[at(b, i)] ?? 0));
    steps.push(...hidden);
  }
  const state = (values: readonly number[]): NdArray => ({ dtype: 'f32', dims: [1, nBatch, n], values });
  return { steps: { ...state(steps), dims: [nStep, nBatch, n] }, hidden: state(hidden), cell: state(cell) };
};
