/** The likeliest tokens: found beside the logits, and chosen from as one chooses from all. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../src/graph/builder.ts';
import { lower } from '../src/graph/lower/lower.ts';
import type { Best } from '../src/models/best.ts';
import { readBest, tellBest, wholeRow } from '../src/models/best.ts';
import { generate } from '../src/models/generate.ts';
import type { SamplingOptions } from '../src/models/sampling.ts';
import { createSampler, defaultSampling } from '../src/models/sampling.ts';
import { fused, plain, runAll } from './cpu.ts';
import { fixture } from './fixtures.ts';
import { withDecoder } from './models/decoders.ts';

/** Logits of which many are equal, the same for the same seed. */
const steps = (n: number, seed: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => Math.round(40 * Math.sin(seed + i * i * 0.37)) / 4);

/** The k largest, of equals the first. */
const bestOf = (row: Float32Array, k: number): Best => {
  const ids = Array.from(row.keys())
    .sort((a, b) => row[b]! - row[a]! || a - b)
    .slice(0, k);
  return { ids: Int32Array.from(ids), logits: Float32Array.from(ids, (id) => row[id]!) };
};

describe('a model tells its likeliest tokens', () => {
  it.each([
    { nVocab: 40, sorts: 1, what: 'all of a few' },
    { nVocab: 2048, sorts: 1, what: 'sorted at once' },
    { nVocab: 32_000, sorts: 2, what: 'of parts' },
    { nVocab: 128_256, sorts: 3, what: 'of parts of parts' },
    { nVocab: 4099, sorts: 1, what: 'of a number that has no parts' },
  ])('of $nVocab: $what', async ({ nVocab, sorts }) => {
    const g = new GraphBuilder('test');
    g.output('logits', g.input('x', 'f32', ['nOut', nVocab]));
    const form = tellBest(g, nVocab);
    const graph = g.build();
    expect(graph.nodes.filter(({ op }) => op.name === 'top_k')).toHaveLength(sorts);
    const row = steps(nVocab, 3);
    const x = { dtype: 'f32', dims: [1, nVocab], values: [...row] } as const;
    for (const target of [plain, fused, { ...fused, halves: true }]) {
      const [told = {}] = await runAll(lower(graph, target, {}), [{ x }]);
      const asRun = Object.fromEntries(
        form.outputs.map((name) => [name, { ...told[name]!, data: Float32Array.from(told[name]!.values) }]),
      );
      expect(readBest(asRun, form)).toEqual(bestOf(row, Math.min(64, nVocab)));
    }
  });

  it('instead of all logits where a sampler says that they are enough', async () => {
    const place = { compute: 'block', fused: true, tellsBest: true } as const;
    await withDecoder(fixture('llama/gqa-f32.gguf'), place, async (decoder) => {
      const [all, few] = [await decoder.last([5, 6, 7], 0), await decoder.row([5, 6, 7], 0, { nBest: 40 })];
      expect(few).toEqual(bestOf(all, 64));
      expect(await decoder.row([5, 6, 7], 0, {})).toEqual(all);
      expect(await decoder.row([5, 6, 7], 0, { nBest: 65 })).toEqual(all);
    });
  });
});

const options = (over: Partial<SamplingOptions>): SamplingOptions => ({ ...defaultSampling, seed: 7, ...over });

describe('a sampler', () => {
  const forbidden = new Map([
    [3, Number.NEGATIVE_INFINITY],
    [4, Number.NEGATIVE_INFINITY],
  ]);
  it.each<[string, Partial<SamplingOptions>, number | undefined]>([
    ['by default', {}, 40],
    ['that is greedy', { temp: 0 }, 1],
    ['that is greedy and may not choose two tokens', { temp: 0, logitBias: forbidden }, 3],
    ['that may not choose two tokens', { logitBias: forbidden }, 42],
    ['that begins with the temperature', { order: ['temperature', 'top_k'] }, undefined],
    ['that begins with a temperature of 1', { order: ['temperature', 'top_k'], temp: 1, topK: 7 }, 7],
    ['with penalties', { repeatPenalty: 1.1 }, undefined],
    ['that is greedy with penalties', { temp: 0, presencePenalty: 0.5 }, undefined],
    ['with DRY', { dry: { ...defaultSampling.dry, multiplier: 0.8 } }, undefined],
    ['that is greedy among typical ones', { temp: 0, typicalP: 0.9, topK: 0 }, undefined],
    ['that is greedy without the top ones', { temp: 0, xtcProbability: 1 }, 40],
    ['without top-k', { topK: 0 }, undefined],
    ['of Mirostat', { mirostat: 2 }, undefined],
    ['with a bias', { logitBias: new Map([[3, 1]]) }, undefined],
  ])('%s looks at so many of the likeliest: %j -> %j', (_, over, expected) => {
    expect(createSampler(options(over), 300).nBest).toBe(expected);
  });

  it.each<[string, Partial<SamplingOptions>]>([
    ['by default', {}],
    ['that is greedy', { temp: 0 }],
    ['that is greedy and may not choose the best', { temp: 0, logitBias: forbidden }],
    ['that drops the top ones', { xtcProbability: 0.5, xtcThreshold: 0.02, minP: 0 }],
    ['of typical ones, hot', { typicalP: 0.6, temp: 1.5, logitBias: forbidden }],
  ])('%s chooses from these what it chooses from all', (_, over) => {
    const [one, other] = [createSampler(options(over), 300), createSampler(options(over), 300)];
    for (let seed = 0; seed < 200; seed++) {
      const row = steps(300, seed);
      if (seed % 2 === 0) row[3] = 11;
      const best = bestOf(row, one.nBest!);
      expect(one.sample(best)).toBe(other.sample(row));
    }
  });

  it('says where these are no numbers, or all forbidden', () => {
    const best = { ids: Int32Array.of(3, 4), logits: Float32Array.of(2, 1) };
    const nan = { ...best, logits: Float32Array.of(Number.NaN, 1) };
    expect(() => createSampler(options({}), 9).sample(nan)).toThrow('not numbers');
    expect(() => createSampler(options({ logitBias: forbidden }), 9).sample(best)).toThrow('no token is left');
  });

  it('that must keep to a grammar takes no less than all', () => {
    expect(() => wholeRow({ ids: Int32Array.of(3), logits: Float32Array.of(2) })).toThrow('all are needed');
  });
});

it('text is the same from the likeliest tokens as from all', async () => {
  const write = (tellsBest: boolean, over: Partial<SamplingOptions>) =>
    withDecoder(fixture('llama/gqa-f32.gguf'), { compute: 'block', fused: true, tellsBest }, async (decoder) => {
      const sampler = createSampler(options(over), decoder.nVocab);
      const kinds = new Set<boolean>();
      const step = async (tokens: readonly number[], pos: number) => {
        const row = await decoder.row(tokens, pos, { nBest: sampler.nBest });
        kinds.add(row instanceof Float32Array);
        return row;
      };
      const tokens = generate(step, [1, 5, 6], {
        sampler,
        pos: 0,
        nCtx: 320,
        endOfGeneration: new Set(),
        maxTokens: 24,
        signal: new AbortController().signal,
      });
      const ids: number[] = [];
      for await (const id of tokens) ids.push(id);
      return { ids, kinds: [...kinds] };
    });
  for (const over of [{ temp: 0 }, { temp: 1.2, seed: 3 }]) {
    const [few, all] = [await write(true, over), await write(false, over)];
    expect(few.ids).toEqual(all.ids);
    expect([few.kinds, all.kinds]).toEqual([[false], [true]]);
  }
});
