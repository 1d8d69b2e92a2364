/** Costs and memory of graphs against counts by hand. */
import { describe, expect, it } from 'vitest';
import type { GraphWish } from '../src/commands/graph-model.ts';
import { costRows, costTotal, printCost, quantity } from '../src/graph/print/cost.ts';
import { folded, repeatsCollapsed } from '../src/graph/print/filter.ts';
import { memoryOf } from '../src/graph/print/liveness.ts';
import { printMemory } from '../src/graph/print/memory.ts';
import { viewOf } from '../src/graph/print/view.ts';
import { graphFor } from './graph-models.ts';

const f32 = 4;
const f16 = 2;

const rowsOf = async (model: string, wish: Partial<GraphWish>, depth = 1) => {
  const { graph, sizes } = await graphFor(model, wish);
  return costRows(folded(viewOf(graph, sizes), depth));
};

const costOf = async (model: string, wish: Partial<GraphWish>, name: string) => {
  const row = (await rowsOf(model, wish)).find((r) => r.name === name);
  return { flops: row?.flops, bytes: row?.bytes, parameters: row?.parameters };
};

describe('costs counted by hand', () => {
  it('are those of a layer of Llama 3 8B, 3 tokens after 5', async () => {
    const [T, nKv, d, nHead, nHeadKv, hd, ff] = [3, 8, 4096, 32, 8, 128, 14336];
    const kv = nHeadKv * hd;
    const weights = 2 * d * d + 2 * d * kv + 3 * d * ff;
    const flops =
      2 * T * weights +
      2 * T * nHead * nKv * (hd + hd) + // scores and sums
      3 * T * (d + kv) + // rope
      2 * 4 * T * d + // norms
      2 * T * d + // residuals
      6 * T * ff; // silu and product
    const positions = 8 * T;
    const tables = 2 * f32 * nKv * (hd / 2);
    const values =
      2 * (2 * T * d + d) + // norms: in, out, weight
      T * d +
      T * d +
      2 * (T * d + T * kv) +
      2 * T * d + // q, k and v, o
      3 * (2 * T * kv) +
      2 * T * d + // split and turn, keys and values: split q, k, v; rope k
      2 * T * d + // rope q
      2 * 2 * T * kv + // append: read and written
      (T * d + 2 * nKv * kv + T * d) + // attend
      2 * T * d + // merge
      2 * 3 * T * d + // residuals
      2 * (T * d + T * ff) +
      2 * T * ff +
      3 * T * ff +
      (T * ff + T * d); // gate and up, silu, product, down
    const bytes = f32 * values + f16 * weights + 2 * tables + 3 * positions;
    expect(await costOf('llama-3-8b', { shape: 'block_count=1', tokens: T, past: 5 }, 'blk.0')).toEqual({
      flops,
      bytes,
      parameters: weights + 2 * d,
    });
  });

  it('are those of a Vision Transformer of two layers, the last of which computes the class token alone', async () => {
    const [T, d, nPatch] = [197, 192, 196];
    const attention = (nQuery: number) =>
      2 * T * 2 * d * d +
      2 * T * d + // keys and values
      2 * nQuery * 2 * d * d +
      2 * nQuery * d + // queries and output
      4 * nQuery * T * d;
    const rest = (n: number) =>
      2 * n * d + // residuals
      8 * n * d + // norm
      2 * n * 2 * d * 4 * d +
      n * 5 * d + // products and biases
      8 * n * 4 * d; // gelu
    const layer = (nQuery: number) => 8 * T * d + attention(nQuery) + rest(nQuery);
    const flops =
      2 * nPatch * d * 3 * 16 * 16 + // patches
      T * d + // positions
      layer(T) +
      layer(1) +
      8 * d + // norm
      2 * d * 1000 +
      1000 +
      5 * 1000; // head, bias, softmax
    const total = costTotal(await rowsOf('vit-tiny', { shape: 'vit-tiny,block_count=2', seqs: 1 }));
    expect(total.flops).toBe(flops);
  });

  it('are those of an encoder of Whisper of one layer', async () => {
    const [T, d] = [1500, 512];
    const flops =
      T * d + // positions
      2 * 8 * T * d + // norms
      4 * (2 * T * d * d) +
      3 * T * d + // q, k, v, o; k has no bias
      4 * T * T * d +
      2 * T * d + // residuals
      2 * (2 * T * d * 4 * d) +
      5 * T * d +
      8 * T * 4 * d + // gelu
      8 * T * d; // last norm
    const rows = await rowsOf('whisper', { shape: 'encoder.block_count=1', part: 'encoder', seqs: 1 });
    expect(costTotal(rows).flops).toBe(flops);
  });

  it('are those of a layer of DeepSeek-V3: latent attention absorbed, 8 of 256 experts and a shared one', async () => {
    const [nKv, d, nHead, nope, rot, rank, qRank, v] = [4096, 7168, 128, 128, 64, 512, 1536, 128];
    const [nExpert, used, ff] = [256, 8, 2048];
    const attention =
      2 * d * qRank +
      4 * qRank +
      2 * qRank * nHead * (nope + rot) +
      2 * d * (rank + rot) +
      4 * rank +
      3 * (nHead * rot + rot) +
      2 * nHead * nope * rank + // queries turned into latent rows
      2 * nHead * nKv * (rank + rot + rank) +
      2 * nHead * rank * v +
      2 * nHead * v * d;
    const experts =
      2 * d * nExpert +
      4 * nExpert +
      nExpert + // router, sigmoid, bias
      2 * nExpert +
      nExpert + // groups, the best
      3 * used + // sum, quotient, scale
      used * (3 * 2 * d * ff + 6 * ff) +
      2 * used * d + // weighed, summed
      3 * 2 * d * ff +
      6 * ff +
      d; // shared
    const cost = await costOf('deepseek-v3', { part: 'decode', tokens: 1, past: nKv - 1 }, 'blk.3');
    expect(cost.flops).toBe(attention + experts + 2 * 4 * d + 2 * d);
  });

  it('read of experts only those that are chosen, as they are stored', async () => {
    const row = async (tokens: number) => {
      const rows = await rowsOf('deepseek-v3', { tokens, type: 'q8_0' }, 2);
      return rows.find(({ name }) => name === 'blk.3/moe')?.bytes ?? 0;
    };
    const expert = (3 * 7168 * 2048 * 34) / 32;
    expect((await row(1)) / (9 * expert)).toBeCloseTo(1, 1);
    expect((await row(8)) / (65 * expert)).toBeCloseTo(1, 1);
    expect((await row(100)) / (257 * expert)).toBeCloseTo(1, 1);
  });
});

describe('memory', () => {
  it('of a llama is its weights as stored, its cache, and the widest moment of its feed-forward layer', async () => {
    const { graph, sizes } = await graphFor('llama-3-8b', { tokens: 512 });
    const { weightBytes, cacheBytes, peak, steps } = memoryOf(graph, sizes);
    const vectors = 65 * 4096;
    expect(weightBytes).toBe(f16 * (8_030_261_248 - vectors) + f32 * vectors);
    expect(cacheBytes).toBe(2 * 32 * 8 * 128 * 512 * f32);
    // The stream, gate after silu, up, and their product; the inputs of the run and the tables of angles.
    expect(peak.node.name).toBe('blk.0.mul');
    expect(peak.liveBytes).toBe(f32 * 512 * (4096 + 3 * 14336) + 8 * (512 + 1) + 2 * f32 * 512 * 64);
    expect(Math.max(...steps.map(({ liveBytes }) => liveBytes))).toBe(peak.liveBytes);
  });

  it('of latent attention is a fraction of that of plain keys and values', async () => {
    const cache = async (mla: 'absorb' | 'expand') => {
      const { graph, sizes } = await graphFor('deepseek-v3', { tokens: 1, past: 99, mla });
      return memoryOf(graph, sizes).cacheBytes;
    };
    expect((await cache('absorb')) / (await cache('expand'))).toBeCloseTo(576 / (128 * (192 + 128)), 6);
  });
});

describe('tables', () => {
  it('of costs have a row for each block and the sum of all', async () => {
    const { graph, sizes } = await graphFor('llama-3-8b', { tokens: 7 });
    const view = folded(viewOf(graph, sizes), 2);
    const all = costTotal(costRows(view));
    expect(costTotal(costRows(repeatsCollapsed(view)))).toEqual(all);
    const text = printCost(repeatsCollapsed(view), 'a title');
    expect(text).toMatch(/^a title\nname +op +FLOPs/);
    expect(text).toMatch(/blk\.0\/ffn x32 +ffn/);
    expect(text).toContain(quantity(all.flops));
  });

  it('of memory are bars as long as what they say', async () => {
    const { graph, sizes } = await graphFor('llama-3-8b', { tokens: 7 });
    const text = printMemory(memoryOf(graph, sizes), 'a title');
    const [weights = '', together = ''] = ['weights', 'together'].map(
      (name) => new RegExp(`^${name} +(#+)`, 'm').exec(text)?.[1],
    );
    expect(together.length).toBe(40);
    expect(weights.length).toBe(40);
  });

  it.each([
    [7, '7'],
    [1234, '1.234 k'],
    [671_026_419_200, '671.026 G'],
  ])('write %d as %s', (n, text) => {
    expect(quantity(n)).toBe(text);
  });
});
