/** Costs and memory of graphs against counts by hand. */
import { describe, expect, it } from 'vitest';
import type { GraphWish } from '../src/commands/graph/model.ts';
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
    const angles = 2 * f32 * T * (hd / 2); // of these positions
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
    const bytes = f32 * values + f16 * weights + 2 * angles + 3 * positions;
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
    const linear = (n: number, nIn: number, nOut: number) => f32 * (n * nIn + n * nOut) + f16 * nIn * nOut;
    const biased = (n: number, nIn: number, nOut: number) => linear(n, nIn, nOut) + f32 * (2 * n * nOut + nOut);
    const normBytes = (n: number) => f32 * (2 * n * d + 2 * d);
    const sum = (n: number) => f32 * 3 * n * d;
    const layerBytes = (n: number) =>
      normBytes(T) +
      2 * biased(T, d, d) +
      biased(n, d, d) + // keys, values, queries
      f32 * 2 * (2 * T * d + n * d) + // as heads
      f32 * (n * d + 2 * T * d + n * d) +
      f32 * 2 * n * d + // attend, merge
      biased(n, d, d) +
      sum(n) +
      normBytes(n) +
      biased(n, d, 4 * d) +
      f32 * 2 * n * 4 * d +
      biased(n, 4 * d, d) +
      sum(n);
    const bytes =
      f32 * (3 * 224 * 224 + nPatch * d + d) +
      f16 * 3 * 16 * 16 * d + // patches
      f32 * 2 * nPatch * d + // as a sequence
      f32 * (nPatch * d + d + T * d) + // class token
      f32 * 2 * T * d +
      f16 * T * d + // positions
      layerBytes(T) +
      f32 * 2 * 2 * d + // of the last layer's stream and norm the class token
      layerBytes(1) +
      normBytes(1) +
      f32 * 2 * 2 * d + // its row, as a list
      biased(1, d, 1000) +
      f32 * 2 * 1000; // softmax
    const total = costTotal(await rowsOf('vit-tiny', { shape: 'vit-tiny,block_count=2', seqs: 1 }));
    expect(total).toMatchObject({ flops, bytes });
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
    const x = f32 * T * d;
    const linear = (nIn: number, nOut: number) => f32 * T * (nIn + nOut) + f16 * nIn * nOut;
    const bias = (n: number) => f32 * (2 * T * n + n);
    const norm = 2 * x + f32 * 2 * d;
    const bytes =
      f16 * T * d +
      x + // positions, as float32
      3 * x +
      3 * norm +
      4 * linear(d, d) +
      3 * bias(d) +
      3 * 2 * x + // q, k, v as heads
      4 * x +
      2 * x + // attend, merge
      2 * 3 * x + // residuals
      linear(d, 4 * d) +
      bias(4 * d) +
      2 * 4 * x + // gelu
      linear(4 * d, d) +
      bias(d);
    const rows = await rowsOf('whisper', { shape: 'encoder.block_count=1', part: 'encoder', seqs: 1 });
    expect(costTotal(rows)).toMatchObject({ flops, bytes });
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

    const i64 = 8;
    const linear = (nIn: number, nOut: number) => f32 * (nIn + nOut) + f16 * nIn * nOut;
    const norm = (n: number) => f32 * 3 * n;
    const moved = (n: number) => f32 * 2 * n;
    const angles = i64 + f32 * 2 * (rot / 2);
    const attentionBytes =
      norm(d) +
      linear(d, qRank) +
      norm(qRank) +
      linear(qRank, nHead * (nope + rot)) +
      2 * moved(nHead * (nope + rot)) + // as heads, then in two parts
      linear(d, rank + rot) +
      moved(rank + rot) + // in two parts
      norm(rank) +
      moved(rank + rot) + // each as one head
      moved(nHead * rot + rot) +
      2 * angles + // rope
      f32 * nHead * (nope + rank) +
      f16 * nHead * nope * rank + // queries turned into latent rows
      moved(nHead * (rank + rot) + rank + rot) + // both parts together again
      moved(rank + rot) + // append
      moved(nKv * rank) + // the values among the latent rows
      f32 * (nHead * (rank + rot) + nKv * (rank + rot) + nKv * rank + nHead * rank) +
      i64 + // attend
      f32 * nHead * (rank + v) +
      f16 * nHead * rank * v +
      moved(nHead * v) +
      linear(nHead * v, d);
    const gated = (n: number) => moved(n * ff) + f32 * 3 * n * ff; // silu, product
    const expertBytes =
      moved(d) + // as a list
      linear(d, nExpert) +
      moved(nExpert) +
      f32 * 3 * nExpert +
      moved(nExpert) + // sigmoid, bias, groups
      f32 * nExpert +
      i64 * used + // the best
      f32 * (nExpert + used) +
      i64 * used + // their weights
      f32 * (used + 1) +
      f32 * (2 * used + 1) +
      moved(used) + // sum, quotient, scale
      2 * i64 * used + // as a list
      f32 * (d + used * d) + // the token once for each
      2 * (f32 * used * (d + ff) + f16 * used * d * ff + i64 * used) +
      gated(used) +
      (f32 * used * (ff + d) + f16 * used * ff * d + i64 * used) +
      moved(used) + // weights as a list
      f32 * (2 * used * d + used) +
      f32 * (used * d + d) + // weighed, summed
      moved(d) +
      2 * linear(d, ff) +
      gated(1) +
      linear(ff, d) +
      f32 * 3 * d; // shared, and both together
    expect(cost.bytes).toBe(attentionBytes + norm(d) + expertBytes + 2 * f32 * 3 * d);
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
