/** The exports that transformers.js is measured with, and the script that measures. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { GraphBuilder } from '../src/graph/builder.ts';
import type { HostTensor, Inputs } from '../src/graph/device/engine.ts';
import { Engine } from '../src/graph/device/engine.ts';
import { lower } from '../src/graph/lower/lower.ts';
import type { DType } from '../src/graph/tensor.ts';
import type { WeightSource } from '../src/graph/weights.ts';
import { openVit } from '../src/io/vit/open.ts';
import { openWhisper } from '../src/io/whisper/open.ts';
import { readModel } from '../src/models/definition.ts';
import { vit } from '../src/models/vit.ts';
import { run } from './commands/run.ts';
import { f32, plain, runAll } from './cpu.ts';
import { fixture, nmse, scratch } from './fixtures.ts';
import { openGraphs, textInputs } from './models/speech.ts';

vi.setConfig({ testTimeout: 60_000 });

const script = (name: string) => new URL(`../scripts/${name}`, import.meta.url).href;

type Export = (source: WeightSource, folder: string) => Promise<void>;
const { exportVit }: { exportVit: Export } = await import(script('compare/files/huggingface-vit.mjs'));
const { exportWhisper }: { exportWhisper: Export } = await import(script('compare/files/huggingface-whisper.mjs'));

const newFolder = () => mkdtempSync(join(scratch, 'export-'));
const tensor = (dtype: DType, dims: readonly number[], data: HostTensor['data']): HostTensor => ({ dtype, dims, data });
const floats = ({ data }: HostTensor): Float32Array => data as Float32Array;

/** What an exported model answers, as it lies there. */
const answer = async (model: string, inputs: Inputs, names: readonly string[]): Promise<Record<string, HostTensor>> => {
  const program = {
    inputs: Object.entries(inputs).map(([name, { dtype, dims }]) => ({ name, dtype, shape: dims })),
    outputs: names.map((name) => ({ name, dtype: 'f32' as const, shape: [] })),
    sizes: {},
  };
  const engine = await Engine.open({ model, program, provider: 'cpu', index: 0, threads: 1 });
  const outputs = await engine.run(inputs);
  await engine.close();
  return outputs;
};

describe('an export for transformers.js', () => {
  it('of an image model gives the same logits, its quantised form nearly', async () => {
    const file = await openVit(fixture('vit/vit-micro-f16.bin'));
    const folder = newFolder();
    await exportVit(file, folder);
    const g = new GraphBuilder('vit');
    const model = readModel(vit, file);
    vit.graphs.classify(g, model);
    const side = model.h.imageSize;
    const image = f32([2, 3, side, side], (i) => Math.sin(0.37 * i));
    const [own] = await runAll(lower(g.build(), plain, {}), [{ image }]);
    await file.close();
    const exact = Float32Array.from(own!.logits!.values);

    const pixel_values = tensor('f32', image.dims, Float32Array.from(image.values));
    const whole = await answer(join(folder, 'onnx', 'model.onnx'), { pixel_values }, ['logits']);
    expect(nmse(floats(whole.logits!), exact)).toBeLessThanOrEqual(1e-10);
    const quantised = await answer(join(folder, 'onnx', 'model_quantized.onnx'), { pixel_values }, ['logits']);
    expect(nmse(floats(quantised.logits!), exact)).toBeLessThanOrEqual(0.05);
    expect(quantised.logits).not.toEqual(whole.logits);
  });

  it('of a speech model gives the same logits for a prompt and for a token after it', async () => {
    const path = fixture('whisper/whisper-nano-q4_0.bin');
    const file = await openWhisper(path);
    const folder = newFolder();
    await exportWhisper(file, folder);
    await file.close();

    const graphs = await openGraphs(path, { fused: false, nSeq: 1 });
    const { audio, text } = graphs.h;
    const dims = [1, graphs.h.nMels, 2 * audio.nCtx];
    const mel = tensor(
      'f32',
      dims,
      Float32Array.from({ length: dims[1]! * dims[2]! }, (_, i) => Math.sin(0.37 * i)),
    );
    const [conv, encoder, cross, decoder] = await Promise.all(
      (['conv', 'encoder', 'cross', 'decoder'] as const).map((name) => graphs.engine(name)),
    );
    const heard = await encoder!.run(await conv!.run({ mel }));
    await decoder!.hold(await cross!.run(heard));
    const prompt = await decoder!.run(textInputs([[3, 1, 4]], 0));
    const next = await decoder!.run(textInputs([[5]], 3));
    await graphs.close();

    const model = (name: string) => join(folder, 'onnx', `${name}.onnx`);
    const encoded = await answer(model('encoder_model'), { input_features: mel }, ['last_hidden_state']);
    const { last_hidden_state: encoder_hidden_states } = encoded;
    expect(nmse(floats(encoder_hidden_states!), floats(heard.embd_enc!))).toBeLessThanOrEqual(1e-10);

    const states = Array.from({ length: text.nLayer }, (_, il) =>
      ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value'].map((kind) => `${il}.${kind}`),
    ).flat();
    const step = (tokens: readonly number[], past: (name: string) => HostTensor, isLater: boolean) => {
      const inputs = {
        input_ids: tensor('i64', [1, tokens.length], BigInt64Array.from(tokens, BigInt)),
        encoder_hidden_states: encoder_hidden_states!,
        use_cache_branch: tensor('bool', [1], Uint8Array.of(isLater ? 1 : 0)),
        ...Object.fromEntries(states.map((name) => [`past_key_values.${name}`, past(name)])),
      };
      return answer(model('decoder_model_merged'), inputs, ['logits', ...states.map((name) => `present.${name}`)]);
    };
    const empty = tensor('f32', [1, text.nHead, 0, text.nEmbd / text.nHead], new Float32Array());
    const first = await step([3, 1, 4], () => empty, false);
    expect(nmse(floats(first.logits!), floats(prompt.logits!))).toBeLessThanOrEqual(1e-10);
    const second = await step([5], (name) => first[`present.${name}`]!, true);
    expect(nmse(floats(second.logits!), floats(next.logits!))).toBeLessThanOrEqual(1e-10);
    await Promise.all([conv, encoder, cross, decoder].map((engine) => engine!.close()));
  });
});

describe('the script that compares', () => {
  const compare = fileURLToPath(script('compare.mjs'));

  it('measures grafo alone where nobody else is given', async () => {
    const flags = ['--quick', '--only', 'vit', '--rounds', '1', '--threads', '1'];
    const { code, stdout } = await run(process.execPath, [compare, ...flags]);
    expect(code).toBe(0);
    expect(stdout).toContain('| ViT tiny, ms an image | grafo float32 | grafo int8 |\n|---|---|---|\n');
    expect(stdout).toMatch(/^\| one by one \| \d+\.\d \| \d+\.\d \|$/m);
  });

  it.each([
    [['--only', 'gpt'], "compare: --only names 'gpt'; there are llama, vit, whisper\n"],
    [['--rounds', '0'], "compare: --rounds is '0', expected a whole number above 0\n"],
    [
      ['--llama', scratch],
      `compare: --llama '${scratch}' has no node_modules/node-llama-cpp; npm i node-llama-cpp there\n`,
    ],
  ])('refuses %j in a sentence', async (flags, sentence) => {
    expect(await run(process.execPath, [compare, ...flags])).toMatchObject({ code: 2, stderr: sentence });
  });
});
