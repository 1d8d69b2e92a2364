/** Runs small graphs on the real CPU runtime, in this process, and the arrays they take and give. */
import { GraphBuilder } from '../src/graph/builder.ts';
import type { HostTensor } from '../src/graph/device/engine.ts';
import { Engine } from '../src/graph/device/engine.ts';
import { writeProgram } from '../src/graph/device/files.ts';
import type { Program } from '../src/graph/lower/lower.ts';
import { lower } from '../src/graph/lower/lower.ts';
import type { Target } from '../src/graph/lower/target.ts';
import type { DType, Sizes } from '../src/graph/tensor.ts';
import { elements } from '../src/graph/tensor.ts';
import type { WeightRef } from '../src/graph/weights.ts';
import { Weights } from '../src/graph/weights.ts';
import { storedTensor } from '../src/io/gguf/stored.ts';
import { typeOfName } from '../src/io/gguf/types.ts';
import { scratch } from './fixtures.ts';

/** An array of plain numbers, last axis fastest. */
export interface NdArray {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly values: readonly number[];
}

type Values = readonly number[] | ((i: number) => number);

const ndArray = (dtype: DType, dims: readonly number[], values: Values): NdArray => ({
  dtype,
  dims,
  values: typeof values === 'function' ? Array.from({ length: elements(dims) }, (_, i) => values(i)) : values,
});

/** Values are rounded to float32, so that a reference in float64 starts from what the runtime gets. */
export const f32 = (dims: readonly number[], values: Values): NdArray => {
  const array = ndArray('f32', dims, values);
  return { ...array, values: array.values.map(Math.fround) };
};

export const i64 = (dims: readonly number[], values: Values): NdArray => ndArray('i64', dims, values);

/** float32 values between -1 and 1, the same for the same seed. */
export const noise = (dims: readonly number[], seed: number): NdArray => {
  let state = seed * 2654435761 + 1;
  return f32(dims, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
};

/** A weight as a model's page gets it from a file, stored as this type. */
export const weight = (name: string, { dims, values }: NdArray, typeName = 'f32'): WeightRef => {
  const type = typeOfName(typeName);
  if (!type?.encode) throw new Error(`cannot store values as ${typeName}`);
  const bytes = new Uint8Array((values.length / type.blockSize) * type.blockBytes);
  type.encode(Float32Array.from(values), bytes);
  const tensor = storedTensor({ name, type, shape: dims }, async ({ from, to }, rowBytes) =>
    bytes.slice(from * rowBytes, to * rowBytes),
  );
  return new Weights({ metadata: new Map(), tensors: new Map([[name, tensor]]) }).tensor(name, dims);
};

/** The graph that `build` makes. */
export const graphOf = (build: (g: GraphBuilder) => void) => {
  const g = new GraphBuilder('test');
  build(g);
  return g.build();
};

/** Float32 arithmetic by ONNX's own operations: the yardstick. */
export const plain: Target = { provider: 'cpu', compute: 'f32', fused: false };
/** The same arithmetic by the runtime's fused kernels. */
export const fused: Target = { ...plain, fused: true };

export type Arrays = Readonly<Record<string, NdArray>>;

/** The outputs of each run in turn; what the graph keeps is carried from one to the next. */
export const runAll = async (program: Program, runs: readonly Arrays[]): Promise<Record<string, NdArray>[]> => {
  const files = await writeProgram(program, scratch);
  try {
    const engine = await Engine.open({ model: files.model, program, provider: 'cpu', index: 0, threads: 1 });
    const results: Record<string, NdArray>[] = [];
    for (const inputs of runs) results.push(mapValues(await engine.run(mapValues(inputs, toHost)), fromHost));
    await engine.close();
    return results;
  } finally {
    await files.remove();
  }
};

/** The output `y` after each run of what `build` declares. */
export const runGraph = async (
  build: (g: GraphBuilder) => void,
  runs: readonly Arrays[],
  { target = plain, sizes = {} }: { readonly target?: Target; readonly sizes?: Sizes } = {},
): Promise<NdArray[]> =>
  (await runAll(lower(graphOf(build), target, sizes), runs)).map(({ y }) => {
    if (!y) throw new Error("the graph has no output 'y'");
    return y;
  });

/** The largest difference of two arrays; infinite where shapes or types differ or a value is no number. */
export const distance = (a: NdArray, b: NdArray): number => {
  const alike = a.dtype === b.dtype && a.dims.join() === b.dims.join() && a.values.length === b.values.length;
  if (!alike) return Number.POSITIVE_INFINITY;
  const worst = a.values.map((x, i) => (x === b.values[i] ? 0 : Math.abs(x - (b.values[i] ?? Number.NaN)))); // -Infinity too
  return worst.some(Number.isNaN) ? Number.POSITIVE_INFINITY : worst.reduce((x, y) => Math.max(x, y), 0);
};

const mapValues = <A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));

const toHost = ({ dtype, dims, values }: NdArray): HostTensor => ({
  dtype,
  dims,
  data: dtype === 'i64' ? BigInt64Array.from(values, BigInt) : Float32Array.from(values),
});

const fromHost = ({ dtype, dims, data }: HostTensor): NdArray => ({ dtype, dims, values: Array.from(data, Number) });
