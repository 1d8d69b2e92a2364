/** What models take of memory, told from their headers, and what comes of models that do not fit. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectFit, type MemoryPlan, machineMemory, memoryJson, memoryText } from '../src/commands/memory.ts';
import { textMemory, withGguf } from '../src/commands/text/open.ts';
import { imageMemory } from '../src/commands/vit/model.ts';
import { speechMemory } from '../src/commands/whisper/open.ts';
import type { Device } from '../src/graph/device/device.ts';
import { openVit } from '../src/io/vit/open.ts';
import { openWhisper } from '../src/io/whisper/open.ts';
import { grafo } from './commands/run.ts';
import { fixture, scratch } from './fixtures.ts';
import { asText, onProcessor } from './open-options.ts';

const GIB = 2 ** 30;
const processor: Device = { provider: 'cpu', index: 0, name: 'processor', state: { kind: 'available' } };
const planned = (nCtx: number): Promise<MemoryPlan> =>
  withGguf(fixture('llama/gqa-q4_0.gguf'), (file) => textMemory(file, 'gqa.gguf', { ...asText, nCtx }));

describe('the memory of a model', () => {
  it('grows with its context by what one position takes in the cache', async () => {
    const [short, long] = [await planned(64), await planned(128)];
    expect(short.need.weights).toBeGreaterThan(100_000);
    expect(short.need.cache / 64).toBe(long.need.cache / 128);
    expect(long.need.activations).toBeGreaterThan(0);
  });

  it('of images grows with their number in one run', async () => {
    const file = await openVit(fixture('vit/vit-micro-f16.bin'));
    const of = (batchSize: number) => imageMemory(file, 'vit', { ...onProcessor, looks: false, batchSize });
    const [one, four] = [(await of(1)).need, (await of(4)).need];
    await file.close();
    expect(one.cache).toBe(0);
    expect(four.weights).toBe(one.weights);
    expect(four.activations).toBe(4 * one.activations);
  });

  it('of speech is that of all its graphs, and more for more texts at once', async () => {
    const file = await openWhisper(fixture('whisper/whisper-nano-q4_0.bin'));
    const of = (nSequence: number) => speechMemory(file, 'nano', { ...onProcessor, audioCtx: 0, nSequence });
    const [one, five] = [(await of(1)).need, (await of(5)).need];
    await file.close();
    expect(five.cache).toBe(5 * one.cache);
    expect(one.activations).toBeGreaterThan(1500 * 4);
  });
});

describe('a model that', () => {
  const plan: MemoryPlan = {
    name: 'big.gguf',
    device: processor,
    setting: 'context 4096',
    need: { weights: 4 * GIB, cache: GIB, activations: GIB / 2 },
  };
  const fits = (total: number, free: number, canMap = false): readonly string[] => {
    const told: string[] = [];
    expectFit({ ...plan, canMap }, (line) => told.push(line), {
      name: 'this machine',
      total: total * GIB,
      free: free * GIB,
    });
    return told;
  };

  it('fits is not spoken of', () => {
    expect(fits(16, 8)).toEqual([]);
  });

  it('fits, but not into what is free now, is told of', () => {
    expect(fits(16, 2)).toEqual(['big.gguf needs 5.6 GiB, 2.0 GiB are free now: it may become slow']);
  });

  it('does not fit is refused before anything is read', () => {
    expect(() => fits(4, 4)).toThrow(
      'big.gguf with context 4096 needs 5.6 GiB (weights 4.0 GiB, cache 1.0 GiB), this machine has 4.0 GiB',
    );
  });

  it('maps its weights may be larger than memory by what need not stay there', () => {
    expect(fits(4, 4, true)).toEqual([
      'big.gguf needs 5.6 GiB, this machine has 4.0 GiB: weights stay on disk until they are used',
    ]);
    expect(() => fits(2, 2, true)).toThrow('needs 5.6 GiB');
  });

  it.each([
    [8, true, 'it fits:', { fits: true, maps_weights: false }],
    [4, true, 'it fits, with weights that stay on disk until they are used:', { fits: true, maps_weights: true }],
    [4, false, 'it does not fit:', { fits: false, maps_weights: false }],
    [2, true, 'it does not fit:', { fits: false, maps_weights: false }],
  ])('has %i GiB and may map (%s): %s is the verdict, in words and in JSON', (total, canMap, words, json) => {
    const room = { name: 'this machine', total: total * GIB };
    expect(memoryText({ ...plan, canMap }, room)).toContain(`\n${words} this machine has ${total}.0 GiB\n`);
    expect(memoryJson({ ...plan, canMap }, room)).toMatchObject(json);
  });

  it('is read from a file on the processor may map its weights, unless nothing is kept', async () => {
    const kept = withGguf(fixture('llama/gqa-q4_0.gguf'), (file) =>
      textMemory(file, 'gqa', { ...asText, cache: true }),
    );
    expect((await kept).canMap).toBe(true);
    const unkept = withGguf(fixture('llama/gqa-q4_0.gguf'), (file) => textMemory(file, 'gqa', asText));
    expect((await unkept).canMap).toBe(false);
  });

  it('runs where nobody tells how much memory there is, is not refused', () => {
    const told: string[] = [];
    const { memoryBytes: _, ...card } = { ...processor, provider: 'webgpu' as const };
    expectFit({ ...plan, device: card }, (line) => told.push(line));
    expect(told).toEqual([]);
  });
});

describe('this machine', () => {
  it('has no less memory than is free', () => {
    const { total, free } = machineMemory();
    expect(free).toBeGreaterThan(0);
    expect(free).toBeLessThanOrEqual(total);
  });
});

describe('--dry-run', () => {
  it('prints what a model takes and that it fits, without running it', async () => {
    const { code, stdout, stderr } = await grafo([
      'llama',
      '-m',
      fixture('llama/gqa-q4_0.gguf'),
      '-c',
      '64',
      '--dry-run',
    ]);
    expect(stdout).toMatch(
      /^gqa-q4_0\.gguf on cpu, compute block, context 64\nweights +\S+ \w+\ncache +\S+ \w+\nactivations .*\nthe program .*\ntogether .*\nit fits: this machine has .* of it free\n$/,
    );
    expect([code, stderr]).toEqual([0, '']);
  });

  it('exits with 6 where it does not fit', async () => {
    const { code, stdout, stderr } = await grafo([
      'llama',
      '-m',
      fixture('llama/gqa-q4_0.gguf'),
      '-c',
      '1000000000000',
      '--dry-run',
      '--json',
    ]);
    const [plan, error] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(plan).toMatchObject({ model: 'gqa-q4_0.gguf', device: 'cpu', fits: false });
    expect(error.error.code).toBe(6);
    expect(stderr).toMatch(/^grafo llama: gqa-q4_0\.gguf with .* needs .*, this machine has .*\n {2}a shorter context/);
    expect(code).toBe(6);
  });

  it('of quantize tells what would be written', async () => {
    const out = join(scratch, 'never.gguf');
    const { code, stdout } = await grafo(['quantize', '--dry-run', fixture('llama/gqa-f16.gguf'), out, 'Q8_0']);
    expect(stdout).toMatch(
      /never\.gguf: Q8_0, \d+ bytes of weights, 8\.\d\d bits a weight; \d+ bytes are free there\n$/,
    );
    expect(code).toBe(0);
  });
});
