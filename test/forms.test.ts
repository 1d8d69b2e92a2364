/** Every type of weights on the real runtime: products and rows against float64, in the form each target is given. */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { lower } from '../src/graph/lower/lower.ts';
import type { Target } from '../src/graph/lower/target.ts';
import { linear } from '../src/graph/ops/matmul.ts';
import { rows } from '../src/graph/ops/select.ts';
import type { WeightRef } from '../src/graph/weights.ts';
import { Weights } from '../src/graph/weights.ts';
import { quantTypes } from '../src/io/gguf/quants/index.ts';
import { storedTensor } from '../src/io/gguf/stored.ts';
import type { NdArray } from './cpu.ts';
import { graphOf, i64, noise, runAll, runGraph } from './cpu.ts';
import { nmse } from './fixtures.ts';
import { likelyBlocks } from './golden-blocks.ts';

const N_OUT = 24;
/** Two superblocks, and one: with one, the sums of Q4_K fill a part of a block only. */
const WIDTHS = [512, 256];

const packable = quantTypes.filter(({ blocks }) => blocks).map((type) => type.name);

/** A matrix of random blocks of a type, as a model names it, and its values. */
const matrix = async (typeName: string, nIn: number, name = 'w') => {
  const type = quantTypes.find((t) => t.name === typeName)!;
  const shape = [N_OUT, nIn];
  const bytes = likelyBlocks(typeName, type.blockBytes, (N_OUT * nIn) / type.blockSize);
  const tensor = storedTensor({ name, type, shape }, async ({ from, to }, rowBytes) =>
    bytes.slice(from * rowBytes, to * rowBytes),
  );
  const weight = new Weights({ metadata: new Map(), tensors: new Map([[name, tensor]]) }).tensor(name, shape);
  return { weight, values: await tensor.decode() };
};

const productOf = ({ dims, values }: NdArray, w: Float32Array): Float32Array => {
  const [nRow, nIn] = [dims[0]! * dims[1]!, dims[2]!];
  return Float32Array.from({ length: nRow * N_OUT }, (_, i) => {
    let sum = 0;
    const [x, y] = [Math.floor(i / N_OUT) * nIn, (i % N_OUT) * nIn];
    for (let k = 0; k < nIn; k++) sum += values[x + k]! * w[y + k]!;
    return sum;
  });
};

const linearOf = async (weight: WeightRef, x: NdArray, target: Target): Promise<Float32Array> => {
  const build = linearGraph(weight, x);
  const [y] = await runGraph(build, [{ x }], { target });
  return Float32Array.from(y!.values);
};

const linearGraph =
  (weight: WeightRef, x: NdArray): Parameters<typeof graphOf>[0] =>
  (g) =>
    g.output('y', linear(g, g.input('x', 'f32', ['B', 'T', x.dims[2]!]), { weight }));

const cpu: Target = { provider: 'cpu', compute: 'block', fused: true };
/** The form for cards, which compute blocks in float32; the CPU's runtime has its kernels too. */
const card: Target = { ...cpu, provider: 'webgpu' };

describe.each(packable)('a product with %s', (type) => {
  it.each(WIDTHS)('is exact where blocks are multiplied in float32, in rows of %i', async (nIn) => {
    const { weight, values } = await matrix(type, nIn);
    const x = noise([2, 3, nIn], 1);
    expect(nmse(await linearOf(weight, x, card), productOf(x, values))).toBeLessThan(1e-11);
  });

  it.each(WIDTHS)('differs by the rounding of activations alone on a CPU, in rows of %i', async (nIn) => {
    const { weight, values } = await matrix(type, nIn);
    const x = noise([2, 3, nIn], 1);
    const error = nmse(await linearOf(weight, x, cpu), productOf(x, values));
    expect(error).toBeLessThan(1e-4);
    expect(error).toBeGreaterThan(1e-7);
  });
});

describe.each(
  ['f32', 'bf16', 'q4_0', 'q4_k', 'q6_k'].flatMap((type) => [false, true].map((fewRows) => ({ type, fewRows }))),
)('a product in int8 with weights of $type, of few rows: $fewRows', ({ type, fewRows }) => {
  const int8: Target = { ...cpu, compute: 'int8', fewRows };

  it.each(WIDTHS)('differs by the rounding of both sides, in rows of %i', async (nIn) => {
    const { weight, values } = await matrix(type, nIn);
    const x = noise([2, 3, nIn], 1);
    const error = nmse(await linearOf(weight, x, int8), productOf(x, values));
    expect(error).toBeLessThan(5e-4);
    expect(error).toBeGreaterThan(1e-6);
  });

  it('leaves a token as it is beside one of far larger values', async () => {
    const { weight, values } = await matrix(type, 256);
    const x = noise([1, 2, 256], 1);
    const beside = { ...x, values: x.values.map((value, i) => (i < 256 ? 1000 * value : value)) };
    const expected = productOf(beside, values);
    const found = await linearOf(weight, beside, int8);
    expect(nmse(found.subarray(N_OUT), expected.subarray(N_OUT))).toBeLessThan(5e-4);
  });

  it('takes rows of a larger matrix', async () => {
    const { weight, values } = await matrix(type, 256);
    const x = noise([1, 2, 256], 1);
    const part = { ...weight, name: 'part', shape: [9, 256], rows: { from: 5, to: 14 } };
    const [whole, some] = [await linearOf(weight, x, int8), await linearOf(part, x, int8)];
    expect(values).toHaveLength(N_OUT * 256);
    for (const row of [0, 1]) {
      const expected = whole.subarray(row * N_OUT + 5, row * N_OUT + 14);
      expect(nmse(some.subarray(row * 9, row * 9 + 9), expected)).toBeLessThan(1e-12);
    }
  });

  it('is one of blocks where a card has no such kernel', async () => {
    const { weight, values } = await matrix(type, 256);
    const x = noise([1, 2, 256], 1);
    expect(nmse(await linearOf(weight, x, { ...card, compute: 'int8' }), productOf(x, values))).toBeLessThan(1e-11);
  });
});

describe.each(quantTypes.map(({ name }) => name))('rows of a table of %s', (type) => {
  it.each(['block', 'f32'] as const)('are exact with compute %s', async (compute) => {
    const { weight, values } = await matrix(type, 256);
    const ids = i64([1, 5], [3, 0, 23, 7, 3]);
    const [y] = await runGraph((g) => g.output('y', rows(g, weight, g.input('ids', 'i64', ['B', 'T']))), [{ ids }], {
      target: { ...cpu, compute },
    });
    const expected = ids.values.flatMap((id) => [...values.subarray(id * 256, (id + 1) * 256)]);
    expect(nmse(Float32Array.from(y!.values), Float32Array.from(expected))).toBeLessThan(1e-14);
  });
});

describe('weights in the file for the runtime', () => {
  const bytesOf = async (build: Parameters<typeof graphOf>[0]) => lower(graphOf(build), cpu, {}).weightBytes;

  it('a table that is also the output is there once', async () => {
    const { weight } = await matrix('q6_k', 256);
    const pick = await bytesOf((g) => g.output('y', rows(g, weight, g.input('ids', 'i64', ['B', 'T']))));
    const tied = await bytesOf((g) => {
      const x = rows(g, weight, g.input('ids', 'i64', ['B', 'T']));
      g.output('y', linear(g, x, { weight }));
    });
    expect(tied).toBe(pick);
  });

  it.each(['q4_0', 'q4_k', 'q6_k', 'iq4_xs', 'bf16'])('a table of %s is not widened to float32', async (type) => {
    const { weight } = await matrix(type, 256);
    const pick = await bytesOf((g) => g.output('y', rows(g, weight, g.input('ids', 'i64', ['B', 'T']))));
    expect(pick).toBeLessThan(N_OUT * 256 * 2 + 4096);
  });
});

describe.each(['q6_k', 'iq2_s', 'iq1_m'])('8-bit blocks of 16, as %s has them', (type) => {
  it('run two as one on a CPU, whose kernel for them is quicker, and as they are on cards', async () => {
    const { weight } = await matrix(type, 256);
    const blockSizes = (target: Target) => {
      const { graph } = fromBinary(
        ModelProtoSchema,
        lower(graphOf(linearGraph(weight, noise([1, 1, 256], 1))), target, {}).onnx,
      );
      const product = graph?.node.find(({ opType }) => opType === 'MatMulNBits');
      return Number(product?.attribute.find(({ name }) => name === 'block_size')?.i);
    };
    expect([cpu, card].map(blockSizes)).toEqual([32, 16]);
  });
});

it.each([
  [false, 256, 'DynamicQuantizeMatMul'],
  [true, 256, 'MatMulNBits'],
  [true, 264, 'DynamicQuantizeMatMul'], // no whole number of blocks
])('int8 of few rows: %s, each of %i values, is for %s', async (fewRows, nIn, kernel) => {
  const { weight } = await matrix('f32', nIn);
  const { graph } = fromBinary(
    ModelProtoSchema,
    lower(graphOf(linearGraph(weight, noise([1, 1, nIn], 1))), { ...cpu, compute: 'int8', fewRows }, {}).onnx,
  );
  expect(graph?.node.map(({ opType }) => opType)).toContain(kernel);
});

describe('layers of one input', () => {
  it('share the sums of its blocks', async () => {
    const [a, b] = await Promise.all([matrix('q4_k', 256, 'a'), matrix('q4_1', 256, 'b')]);
    const graph = graphOf((g) => {
      const x = g.input('x', 'f32', ['B', 'T', 256]);
      g.output('y', linear(g, x, { weight: a.weight }));
      g.output('z', linear(g, x, { weight: b.weight }));
    });
    const x = noise([1, 2, 256], 5);
    const program = lower(graph, cpu, {});
    const [result] = await runAll(program, [{ x }]);
    expect(nmse(Float32Array.from(result!.y!.values), productOf(x, a.values))).toBeLessThan(1e-4);
    expect(nmse(Float32Array.from(result!.z!.values), productOf(x, b.values))).toBeLessThan(1e-4);
    const opTypes = fromBinary(ModelProtoSchema, program.onnx).graph?.node.map(({ opType }) => opType);
    expect(opTypes?.filter((name) => name === 'ReduceSum')).toHaveLength(1);
    expect(opTypes?.filter((name) => name === 'MatMulNBits')).toHaveLength(2);
  });
});
