/** Adapters: the model with one computes what it would with the adapter's product added to its weights. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAdapters, parseAdapter } from '../src/commands/text/adapters.ts';
import { buildDecoder, withGguf } from '../src/commands/text/open.ts';
import type { Device } from '../src/graph/device/device.ts';
import { openSession } from '../src/graph/device/session.ts';
import { lower } from '../src/graph/lower/lower.ts';
import type { TypedMetadata } from '../src/io/gguf/metadata.ts';
import { type TensorToWrite, writeGguf } from '../src/io/gguf/writer.ts';
import { createDecoder } from '../src/models/decoder.ts';
import { changedModel } from './commands/models.ts';
import { grafo } from './commands/run.ts';
import { fixture, nmse, scratch } from './fixtures.ts';
import { idsOf } from './models/decoders.ts';
import { tensorOf } from './tiny-gguf.ts';

const base = fixture('llama/gqa-f32.gguf');
const ids = idsOf('gqa-f32').slice(0, 12);
const RANK = 4;
const ALPHA = 6;

/** Values without order, the same for the same place. */
const noise = (seed: number) => (i: number) => 0.3 * Math.sin(12.9898 * i + 78.233 * seed);

/** Some layers of each kind, but not the same ones in every block. */
const TARGETS = [
  'blk.0.attn_q.weight',
  'blk.0.attn_k.weight',
  'blk.0.ffn_gate.weight',
  'blk.0.ffn_down.weight',
  'blk.1.attn_v.weight',
  'blk.1.attn_output.weight',
  'blk.1.ffn_up.weight',
  'output.weight',
];

const shapesOf = (path: string): Promise<Map<string, readonly number[]>> =>
  withGguf(path, async ({ tensors }) => new Map([...tensors].map(([name, { shape }]) => [name, shape])));

const lora: TypedMetadata = {
  'general.architecture': { type: 'string', value: 'llama' },
  'general.type': { type: 'string', value: 'adapter' },
  'adapter.type': { type: 'string', value: 'lora' },
  'adapter.lora.alpha': { type: 'f32', value: ALPHA },
};

const written = async (name: string, tensors: readonly TensorToWrite[], metadata = lora): Promise<string> => {
  const path = join(scratch, name);
  await writeGguf(path, { metadata, tensors });
  return path;
};

const halves = (target: string, [nOut = 0, nIn = 0]: readonly number[], seed: number): TensorToWrite[] => [
  tensorOf(`${target}.lora_a`, 'f32', [RANK, nIn], noise(seed)),
  tensorOf(`${target}.lora_b`, 'f32', [nOut, RANK], noise(seed + 1)),
];

/** The base model's file with scale * alpha / rank * B A added to its weights, value by value in float64. */
const mergedModel = async (scale: number): Promise<string> => {
  const shapes = await shapesOf(base);
  const values = new Map<string, Float32Array>();
  await withGguf(base, async ({ tensors }) => {
    for (const [seed, target] of TARGETS.entries()) {
      const [nOut = 0, nIn = 0] = shapes.get(target) ?? [];
      const w = (await tensors.get(target)?.decode()) ?? new Float32Array();
      const [a, b] = [noise(2 * seed), noise(2 * seed + 1)].map((at) => (i: number) => Math.fround(at(i)));
      values.set(
        target,
        w.map((value, i) => {
          const [row, column] = [Math.floor(i / nIn), i % nIn];
          let sum = 0;
          for (let r = 0; r < RANK; r++) sum += (b?.(row * RANK + r) ?? 0) * (a?.(r * nIn + column) ?? 0);
          return value + ((scale * ALPHA) / RANK) * sum;
        }),
      );
      expect(w).toHaveLength(nOut * nIn);
    }
  });
  return changedModel(`merged-${scale}`, {
    tensors: (all) =>
      all.map((tensor) => {
        const changed = values.get(tensor.name);
        return changed ? tensorOf(tensor.name, 'f32', tensor.shape, (i) => changed[i] ?? 0) : tensor;
      }),
  });
};

/** Logits of every position. */
const logitsOf = (path: string, fused: boolean, adapters: readonly string[] = []): Promise<Float32Array> =>
  withGguf(path, async (file) => {
    const opened = await openAdapters(adapters.map(parseAdapter), 'llama');
    try {
      const { graph, h } = buildDecoder({ ...file, adapters: opened.adapters });
      const program = lower(graph, { provider: 'cpu', compute: 'f32', fused }, { nCtx: 320, B: 1 });
      const device: Device = { provider: 'cpu', index: 0, name: 'cpu', state: { kind: 'available' } };
      const session = await openSession(program, device, {
        threads: 1,
        cacheFolder: join(scratch, 'cache'),
        strict: false,
      });
      try {
        const rows: number[] = [];
        for await (const row of createDecoder(session, { nVocab: h.nVocab, nTokenPerRun: 5 }).all(ids, 0))
          rows.push(...row);
        return Float32Array.from(rows);
      } finally {
        await session.close();
      }
    } finally {
      await opened.close();
    }
  });

const adapterFile = async (): Promise<string> => {
  const shapes = await shapesOf(base);
  const tensors = TARGETS.flatMap((target, seed) => halves(target, shapes.get(target) ?? [], 2 * seed));
  return written('adapter.gguf', tensors);
};

describe('a model with an adapter', () => {
  it.each([true, false])(
    'computes what it would with the product in its weights (fused kernels: %s)',
    async (fused) => {
      const adapter = await adapterFile();
      const expected = await logitsOf(await mergedModel(0.5), fused);
      expect(nmse(await logitsOf(base, fused, [`${adapter}:0.5`]), expected)).toBeLessThan(1e-9);
      expect(nmse(await logitsOf(base, fused), expected)).toBeGreaterThan(1e-3);
    },
  );

  it('takes several, each by its own scale', async () => {
    const adapter = await adapterFile();
    const expected = await logitsOf(await mergedModel(1), true);
    expect(nmse(await logitsOf(base, true, [`${adapter}:1.5`, `${adapter}:-0.5`]), expected)).toBeLessThan(1e-9);
  });

  it('writes other text from the command line, and keeps nothing of it for a run without', async () => {
    const adapter = await adapterFile();
    const text = async (...more: string[]) => {
      const args = ['llama', '-m', base, '-p', 'Hi', '-n', '8', '--temp', '0', '--ignore-eos', '--json', ...more];
      const { code, stdout, stderr } = await grafo(args);
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout).ids;
    };
    const plain = await text();
    expect(await text('--lora', adapter)).not.toEqual(plain);
    expect(await text('--lora', `${adapter}:0`)).toEqual(plain);
    expect(await text()).toEqual(plain);
  });
});

describe('an adapter is refused by name where', () => {
  const q = 'blk.0.attn_q.weight';
  it.each<[what: string, tensors: readonly TensorToWrite[], metadata: TypedMetadata, message: string]>([
    ['it fits no layer of that shape', halves(q, [8, 8], 1), lora, `tensor '${q}.lora_a' of`],
    [
      'it is for an embedding',
      halves('token_embd.weight', [8, 8], 1),
      lora,
      "no place for an adapter of 'token_embd.weight'",
    ],
    [
      'it is for a layer too many',
      halves('blk.99.attn_q.weight', [8, 8], 1),
      lora,
      "an adapter of 'blk.99.attn_q.weight'",
    ],
    ['half of it is missing', halves(q, [8, 8], 1).slice(0, 1), lora, `has no '${q}.lora_b'`],
    ['it has another tensor', [tensorOf(q, 'f32', [2, 2], noise(1))], lora, `has the tensor '${q}'`],
    [
      'it is for another architecture',
      halves(q, [8, 8], 1),
      { ...lora, 'general.architecture': { type: 'string', value: 'qwen2' } },
      "is an adapter for 'qwen2', the model is 'llama'",
    ],
  ])('%s', async (_, tensors, metadata, message) => {
    const path = await written('wrong-adapter.gguf', tensors, metadata);
    await expect(logitsOf(base, true, [path])).rejects.toThrow(message);
  });

  it('it is a whole model, or no file', async () => {
    await expect(logitsOf(base, true, [base])).rejects.toThrow('is no LoRA adapter');
    writeFileSync(join(scratch, 'text.gguf'), 'text');
    await expect(logitsOf(base, true, [join(scratch, 'text.gguf')])).rejects.toThrow('text.gguf');
    expect(() => parseAdapter(':2')).toThrow("--lora ':2' names no file");
  });
});
