/** Every tensor of a run against llama.cpp's own recording of the same run: names, operations, values. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inputsFor, tokenInputs } from '../src/commands/graph/inputs.ts';
import { chooseGraph, withSource } from '../src/commands/graph/model.ts';
import { computeAll, valuesText } from '../src/commands/graph/values.ts';
import { llamaNames } from '../src/graph/print/llama-names.ts';
import { printValues } from '../src/graph/print/values.ts';
import { fixture } from './fixtures.ts';
import { wishOf } from './graph-models.ts';
import { sharedData } from './shared-data.ts';

interface TheirNode {
  readonly name: string;
  readonly op: string;
  readonly ne: readonly number[];
  readonly sum: number;
  readonly sumsq: number;
}

/** What llama.cpp computes and we do not, or not as a tensor of its own. */
const byDesign = [
  /^norm(-\d+)? RMS_NORM$/, // before its weight
  /^[kv]_cache_view-\d+ .* CPY$/, // the cache's rows in its own order
  /^kq-\d+ MUL_MAT$/, // scores, padded to 32 keys
  /^kq_soft_max_ext-\d+ SOFT_MAX$/,
  /\(cont\) CONT$/, // copies of views
  /^kv-\d+ MUL_MAT$/, // keys and values at once
  /^node_\d+ /, // has no name of its own
  /^ffn_moe_argsort-\d+ ARGSORT$/, // of all experts; ours are the best alone
];

const files = [
  ['llama/stories260K', 'absorb', 1e-4],
  // llama.cpp rounds activations to float16 before products with weights of float16.
  ['deepseek/v3-f16', 'expand', 3e-3],
] as const;

describe.each(files)('%s', (name, mla, tolerance) => {
  const model = sharedData(`${name}.gguf`, 'the tensors of a run');
  it.skipIf(!model)('has the tensors of llama.cpp under its names, but for what differs by design', async () => {
    const recorded = JSON.parse(readFileSync(model!.replace('.gguf', '.nodes.json'), 'utf8'));
    const { ids, nodes }: { ids: number[]; nodes: TheirNode[] } = recorded;
    await withSource({ ...wishOf('llama'), model: model!, arch: undefined }, async (source) => {
      const { graph } = chooseGraph(source, { ...wishOf('llama'), model: model!, arch: undefined, mla });
      const names = llamaNames(graph);
      const left = [...nodes];
      let compared = 0;
      for (const { node, value } of await computeAll(graph, tokenInputs(ids))) {
        const theirs = names.get(node);
        if (!theirs) continue;
        const i = left.findIndex((x) => x.name === theirs.name && x.op === theirs.op);
        expect(i, `${node.name} as ${theirs.name} (${theirs.op})`).toBeGreaterThanOrEqual(0);
        const [expected] = left.splice(i, 1) as [TheirNode];
        const values = Array.from(value.data, Number);
        const sumsq = values.reduce((a, b) => a + b * b, 0);
        const sum = values.reduce((a, b) => a + b, 0);
        expect(values.length, theirs.name).toBe(expected.ne.reduce((a, b) => a * b, 1));
        expect(Math.abs(sumsq / expected.sumsq - 1), `squares of ${theirs.name}`).toBeLessThan(tolerance);
        // A sum may cancel: it is measured by what its terms are.
        const scale = Math.sqrt(expected.sumsq * values.length);
        expect(Math.abs(sum - expected.sum) / scale, `sum of ${theirs.name}`).toBeLessThan(tolerance);
        compared++;
      }
      expect(compared).toBeGreaterThan(50);
      const unmatched = left.map((x) => `${x.name} ${x.op}`).filter((x) => !byDesign.some((rule) => rule.test(x)));
      expect(unmatched).toEqual([]);
    });
  });
});

describe('values', () => {
  it('are laid out as llama-eval-callback lays them out', () => {
    const text = printValues({
      name: 'x',
      dtype: 'f32',
      op: 'ADD',
      extents: [8, 2],
      inputs: [
        { name: 'a', extents: [8, 2] },
        { name: 'b', extents: [8] },
      ],
      values: Float32Array.from({ length: 16 }, (_, i) => i),
    });
    expect(text.split('\n')).toEqual([
      'ggml_debug:                        x = (f32)        ADD(a{8, 2, 1, 1}, b{8, 1, 1, 1}}) = {8, 2, 1, 1}',
      '                                     [',
      '                                      [',
      '                                       [      0.0000,       1.0000,       2.0000, ...,       5.0000,       6.0000,       7.0000],',
      '                                       [      8.0000,       9.0000,      10.0000, ...,      13.0000,      14.0000,      15.0000],',
      '                                      ],',
      '                                     ]',
      '                                     sum = 120.000000',
      '',
    ]);
  });

  const textOf = (model: string, part: string, flags: Parameters<typeof inputsFor>[2] = {}) => {
    const wish = wishOf(model, { part });
    return withSource(wish, async (source) => {
      const chosen = chooseGraph(source, wish);
      return valuesText(chosen, await inputsFor(source, chosen.graph, flags));
    });
  };
  const names = (text: string) => [...text.matchAll(/^ggml_debug: +(.+?) = \(/gm)].map(([, name]) => name);
  const picture = fixture('vit/tiny-5x3.png');

  it('of an image model are those of a picture, or of none', async () => {
    const model = 'vit/vit-micro-f16.bin';
    const [seen, dark] = [await textOf(model, 'classify', { input: picture }), await textOf(model, 'classify')];
    expect(names(seen)).toEqual(names(dark));
    expect(names(seen)).toEqual(
      expect.arrayContaining(['conv', 'v.blk.0.attn_out', 'v.blk.1.attend', 'head', 'softmax']),
    );
    const sumOf = (text: string) => Number(/ conv = [\s\S]*?sum = (.*)$/m.exec(text)?.[1]);
    expect(sumOf(seen)).not.toBe(sumOf(dark));
    expect(seen).toMatch(
      / v\.blk\.0\.attn_out = \(f32\) +LINEAR\(v\.blk\.0\.merge_heads\{64, 65, 1, 1\}, .*= \{64, 65, 1, 1\}$/m,
    );
    // Probabilities.
    expect(/ softmax = [\s\S]*?sum = (.*)$/m.exec(seen)?.[1]).toBe('1.000000');
  });

  it('of a speech model go from a recording through all graphs before', async () => {
    const model = 'whisper/whisper-nano-q4_0.bin';
    const input = fixture('audio/jfk.wav');
    const cross = await textOf(model, 'cross', { input });
    // What the decoder takes is what those graphs give.
    const decoder = await textOf(model, 'decoder', { input, ids: '5,6,7' });
    const silent = await textOf(model, 'decoder', { ids: '5,6,7' });
    expect(names(cross)).toEqual(expect.arrayContaining(['decoder.0.split_heads', 'decoder.1.split_heads#2']));
    expect(names(decoder)).toEqual(names(silent));
    expect(decoder).not.toBe(silent);
    expect(decoder).toMatch(/cross_k\.0\{32, 500, 2, 1\}/);
  });

  it('of a text need one', async () => {
    await expect(textOf('llama/gqa-f32.gguf', 'decoder')).rejects.toThrow('--values needs a text');
    const unseen = textOf('llama/gqa-f32.gguf', 'decoder', { ids: '1', input: picture });
    await expect(unseen).rejects.toThrow('takes only tokens');
  });
});
