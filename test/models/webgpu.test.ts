/**
 * The decoder on a GPU, or on what passes for one: SwiftShader, the software renderer that Chromium brings, is looked
 * for where Debian keeps it unless VK_ICD_FILENAMES names another driver.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it, vi } from 'vitest';
import { fetchedBytes } from '../../src/commands/bench/load.ts';
import { runSizes } from '../../src/commands/run-sizes.ts';
import { buildDecoder, withGguf } from '../../src/commands/text/open.ts';
import { openImageModel } from '../../src/commands/vit/model.ts';
import { openSpeech } from '../../src/commands/whisper/open.ts';
import { Engine } from '../../src/graph/device/engine.ts';
import { writeProgram } from '../../src/graph/device/files.ts';
import { listDevices } from '../../src/graph/device/list.ts';
import { lower } from '../../src/graph/lower/lower.ts';
import type { Provider } from '../../src/graph/lower/target.ts';
import type { Decoder, Runner } from '../../src/models/decoder.ts';
import { createDecoder } from '../../src/models/decoder.ts';
import type { SamplingOptions } from '../../src/models/sampling.ts';
import { createSampler, defaultSampling } from '../../src/models/sampling.ts';
import { grafo } from '../commands/run.ts';
import { fixture, nmse, scratch } from '../fixtures.ts';
import { onProcessor } from '../open-options.ts';
import { sharedData } from '../shared-data.ts';
import { idsOf, inPieces, referenceOf, topOfRows, withDecoder } from './decoders.ts';

const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(swiftShader)) {
  // Read by the Vulkan loader when the first session starts.
  process.env.VK_ICD_FILENAMES ??= swiftShader;
  process.env.XDG_RUNTIME_DIR ??= scratch;
}

const folder = join(scratch, 'cache');
const [webgpu] = await listDevices(folder, [{ provider: 'webgpu', index: 0 }]);
const why = webgpu?.state.kind === 'failing' ? `it does not start: ${webgpu.state.why}` : 'the runtime lacks it';
const isMissing = webgpu?.state.kind !== 'available';
if (isMissing) console.warn(`skipped: decoding on webgpu, because ${why}`);

// A software renderer compiles every shader for seconds.
vi.setConfig({ testTimeout: 180_000 });

const onDevice = { compute: 'block', fused: true, provider: 'webgpu', strict: true } as const;

describe.skipIf(isMissing)('on webgpu', () => {
  it.each([
    ['gqa-q4_0', true],
    ['qwen3', true],
    // The rows of an expert are found by an operation that only the CPU has.
    ['moe', false],
  ])('%s gives the logits of float64 arithmetic, at once and with a warm cache', async (name, strict) => {
    const [ids, exact] = [idsOf(name), referenceOf(name, 'exact')];
    const logits = await withDecoder(fixture(`llama/${name}.gguf`), { ...onDevice, strict }, (decoder) =>
      inPieces(decoder, ids, [23, 1]),
    );
    expect(nmse(logits, exact)).toBeLessThanOrEqual(1e-9);
    expect(topOfRows(logits, 288)).toEqual(topOfRows(exact, 288));
  });

  it('gqa-f32 gives them too, its cache stays on the device between runs, and only logits come back', async () => {
    const [ids, exact] = [idsOf('gqa-f32'), referenceOf('gqa-f32', 'exact')];
    const create = vi.spyOn(InferenceSession, 'create');
    await withGguf(fixture('llama/gqa-f32.gguf'), async (file) => {
      const { graph, h } = buildDecoder(file);
      const program = lower(graph, onDevice, { nCtx: 64, B: 1 });
      const { model } = await writeProgram(program, folder);
      const engine = await Engine.open({ model, program, provider: 'webgpu', index: 0, threads: 1, strict: true });
      const run = vi.spyOn(await (create.mock.results[0]?.value as Promise<InferenceSession>), 'run');
      const decoder = createDecoder({ program, run: (inputs) => engine.run(inputs) }, { ...h, nTokenPerRun: 64 });
      const logits = await inPieces(decoder, ids, [23, 1]);
      await engine.close();
      expect(nmse(logits, exact)).toBeLessThanOrEqual(1e-9);
      expect(topOfRows(logits, 288)).toEqual(topOfRows(exact, 288));

      const states = program.cache?.states.map((cache) => cache.name) ?? [];
      expect(states).toHaveLength(graph.states.length);
      expect(run).toHaveBeenCalledTimes(2);
      for (const [feeds] of run.mock.calls.slice(1))
        expect(states.map((cache) => feeds[cache]?.location)).toEqual(states.map(() => 'gpu-buffer'));
      for (const { value } of run.mock.results)
        expect((await (value as ReturnType<InferenceSession['run']>)).logits?.location).toBe('cpu');
    });
    create.mockRestore();
  });

  it('the likeliest token, or one of 40, is chosen as on the CPU, and the logits of all others stay on the device', async () => {
    const file = fixture('llama/gqa-f32.gguf');
    const write = async (decoder: Decoder, over: Partial<SamplingOptions>) => {
      const sampler = createSampler({ ...defaultSampling, seed: 11, ...over }, decoder.nVocab);
      const ids: number[] = [];
      for (let [tokens, pos] = [[1, 5, 6], 0]; ids.length < 12; pos += tokens.length, tokens = ids.slice(-1))
        ids.push(sampler.sample(await decoder.row(tokens, pos, { nBest: sampler.nBest })));
      return ids;
    };
    const ways = [{ temp: 0 }, { temp: 1.2 }, { temp: 0, repeatPenalty: 1.5 }];
    const here = await withDecoder(file, { compute: 'block', fused: true }, async (decoder) => {
      const texts: number[][] = [];
      for (const way of ways) texts.push(await write(decoder, way));
      return texts;
    });
    await withGguf(file, async (source) => {
      const { graph, h, best } = buildDecoder(source, { tellsBest: true });
      const program = lower(graph, onDevice, { nCtx: 64, B: 1 });
      const { model } = await writeProgram(program, folder);
      const engine = await Engine.open({ model, program, provider: 'webgpu', index: 0, threads: 1, strict: true });
      const fetched: number[] = [];
      const run: Runner['run'] = async (inputs, options) => {
        const told = await engine.run(inputs, options);
        fetched.push(Object.values(told).reduce((bytes, { data }) => bytes + data.byteLength, 0));
        return told;
      };
      const decoder = createDecoder({ program, run }, { ...h, nTokenPerRun: 64, ...(best && { best }) });
      const [few, all] = [64 * (4 + 4), 64 * (4 + 4) + 288 * 4];
      for (const [i, way] of ways.entries()) {
        fetched.length = 0;
        expect(await write(decoder, way)).toEqual(here[i]);
        expect(new Set(fetched)).toEqual(new Set([i < 2 ? few : all]));
      }
      await engine.close();
      const sizes = runSizes(graph, { tokens: 1, past: 3, seqs: 1 });
      expect([best?.outputs, undefined].map((wanted) => fetchedBytes(program, sizes, wanted))).toEqual([few, all]);
    });
  });

  const model = sharedData('llama/stories260K.gguf', 'the text of a trained model on webgpu');
  it.skipIf(!model)('a trained model writes the text that llama.cpp writes', async () => {
    const { cases } = JSON.parse(readFileSync(model!.replace('.gguf', '.greedy.json'), 'utf8'));
    const [{ prompt_ids, ids }] = cases;
    await withDecoder(model!, onDevice, async (decoder) => {
      const written: number[] = topOfRows(await decoder.last(prompt_ids, 0), 512);
      for (let pos = prompt_ids.length; written.length < 60; pos++)
        written.push(...topOfRows(await decoder.last(written.slice(-1), pos), 512));
      expect(written).toEqual(ids.slice(0, 60));
    });
  });

  it('the command writes what it writes on the CPU, and says where it runs', async () => {
    // Longer than what is fed to a software renderer in one run.
    const ids = [...idsOf('gqa-f32'), ...idsOf('gqa-f32')];
    const prompt = ['--ids', ids.join(','), '-n', '4', '--temp', '0', '--ignore-eos', '--json'];
    const run = (device: string) => grafo(['llama', '-m', fixture('llama/gqa-f32.gguf'), ...prompt, '-dev', device]);
    const [there, here] = [await run('webgpu'), await run('cpu')];
    expect([there.code, here.code], there.stderr).toEqual([0, 0]);
    expect(there.stderr).toMatch(/^webgpu \(.*\): as asked; compute block, /);
    expect(JSON.parse(there.stdout)).toMatchObject({ device: 'webgpu', ids: JSON.parse(here.stdout).ids });
  });

  it('is listed as available', async () => {
    const { code, stdout } = await grafo(['llama', '--list-devices']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}webgpu .*: available$/m);
  });
});

describe.skipIf(isMissing)('on webgpu an image model', () => {
  it('says what it says on the CPU, and nothing falls back', async () => {
    const place = {
      strictDevice: true,
      threads: 1,
      compute: 'f32',
      fused: true,
      activations: 'auto',
      cache: false,
    } as const;
    const logitsOn = async (provider: Provider) => {
      const wish = { kind: 'named', provider, index: 0 } as const;
      const file = fixture('vit/vit-micro-f16.bin');
      const model = await openImageModel(file, { ...place, wish, batchSize: 2, looks: false, notice: () => undefined });
      try {
        const { imageSize } = model.classifier;
        const both = Float32Array.from({ length: 2 * 3 * imageSize ** 2 }, (_, i) => Math.sin(0.37 * i));
        return (await model.classifier.classify(both, 2)).map(({ logits }) => logits);
      } finally {
        await model.close();
      }
    };
    const [there, here] = [await logitsOn('webgpu'), await logitsOn('cpu')];
    there.forEach((logits, i) => {
      expect(nmse(logits, here[i]!)).toBeLessThanOrEqual(1e-9);
    });
  });
});

describe.skipIf(isMissing)('on webgpu a speech model', () => {
  it('hears and writes what it does on the CPU, and what the processor does is told once', async () => {
    const notices: string[] = [];
    const logitsOn = async (provider: Provider) => {
      const file = await openSpeech(fixture('whisper/whisper-nano-q4_0.bin'), {
        ...onProcessor,
        wish: { kind: 'named', provider, index: 0 },
        compute: 'f32',
        audioCtx: 32,
        nSequence: 1,
        notice: (line) => notices.push(line),
      });
      try {
        const { h, model } = file;
        await model.hear(Float32Array.from({ length: h.nMels * 2 * h.audio.nCtx }, (_, i) => Math.sin(0.37 * i)));
        const [first] = await model.step([[1, 2, 3]], 0, [0]);
        const [second] = await model.step([[4]], 3, [0]);
        return Float32Array.from([...first!, ...second!]);
      } finally {
        await file.close();
      }
    };
    const there = await logitsOn('webgpu');
    // Masks are made by operations that only the CPU has.
    expect(notices.filter((line) => line.includes('--strict-device refuses that'))).toHaveLength(1);
    expect(nmse(there, await logitsOn('cpu'))).toBeLessThanOrEqual(1e-8);
  });
});

// Only Linux finds its adapters by a variable, which can so be pointed to nothing.
const isBlindable = process.platform === 'linux' && webgpu?.state.kind !== 'absent';
if (!isBlindable)
  console.warn('skipped: what --device webgpu says where there is no adapter, because nothing can hide it');
it.skipIf(!isBlindable)('--device webgpu without an adapter is refused in one sentence', async () => {
  const env = { VK_ICD_FILENAMES: join(scratch, 'no-driver.json'), VK_DRIVER_FILES: join(scratch, 'no-driver.json') };
  const args = ['llama', '-m', fixture('llama/gqa-f32.gguf'), '-p', 'Hi', '-n', '1'];
  const { code, stdout, stderr } = await grafo([...args, '--device', 'webgpu'], { env });
  expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
  expect(stderr).toMatch(/^grafo llama: device 'webgpu' does not start: [^\n]+\n {2}--list-devices [^\n]+\n$/);
  expect((await grafo(['llama', '--list-devices'], { env })).stdout).toMatch(/^ {2}webgpu .*does not start: .+$/m);
});
