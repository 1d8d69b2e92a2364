/** Every tensor of a run against llama.cpp's own recording of the same run: names, operations, values. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chooseGraph, withSource } from '../src/commands/graph-model.ts';
import { computeAll, valuesText } from '../src/commands/graph-values.ts';
import { llamaNames } from '../src/graph/print/llama-names.ts';
import { printValues } from '../src/graph/print/values.ts';
import { graphFor, wishOf } from './graph-models.ts';
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
      for (const { node, value } of await computeAll(graph, ids)) {
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

  it('of a model without a text are refused in a sentence', async () => {
    await expect(graphFor('vit-tiny').then((chosen) => valuesText(chosen, [1]))).rejects.toThrow(
      '--values runs text models',
    );
  });
});
