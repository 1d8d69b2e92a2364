/** Graphs beside each other: differences of two, and what several models have in common. */
import { join } from 'node:path';
import { JSDOM } from 'jsdom';
import { describe, expect, it } from 'vitest';
import { comparison } from '../src/commands/graph/compare.ts';
import type { Comparison } from '../src/graph/print/compare.ts';
import { diffViews, isEmpty, mergedView, printDiff } from '../src/graph/print/diff.ts';
import { folded, repeatsCollapsed } from '../src/graph/print/filter.ts';
import { viewOf } from '../src/graph/print/view.ts';
import { grafo } from './commands/run.ts';
import { fixture, scratch } from './fixtures.ts';
import { graphFor } from './graph-models.ts';

const viewFor = async (...wish: Parameters<typeof graphFor>) => {
  const { graph, sizes } = await graphFor(...wish);
  return viewOf(graph, sizes);
};

describe('two graphs', () => {
  it('of one model are the same', async () => {
    const diff = diffViews(await viewFor('deepseek-v3'), await viewFor('deepseek-v3'));
    expect(isEmpty(diff)).toBe(true);
    expect(printDiff(diff)).toBe('0 only in the first, 0 only in the second, 0 changed\n');
  });

  it('of another width have the same nodes in other shapes', async () => {
    const diff = diffViews(
      await viewFor('llama-2-7b'),
      await viewFor('llama-2-7b', { shape: 'llama-2-7b,feed_forward_length=96' }),
    );
    expect([diff.removed, diff.added]).toEqual([[], []]);
    expect(new Set(diff.changed.map(({ what }) => what))).toEqual(new Set(['shape']));
    const [first] = diff.changed.filter(({ name }) => name === 'blk.0.ffn_up');
    expect(first).toMatchObject({ before: '[B, T, 11008]', after: '[B, T, 96]' });
  });

  it('of another number of layers have what one lacks, which the picture of both marks', async () => {
    const [a, b] = [
      await viewFor('llama-2-7b', { shape: 'block_count=2' }),
      await viewFor('llama-2-7b', { shape: 'block_count=1' }),
    ];
    const { removed, added } = diffViews(a, b);
    expect(removed.every(({ id }) => /(blk|cache_[kv])\.1/.test(id))).toBe(true);
    expect([removed.length > 20, added]).toEqual([true, []]);
    const merged = mergedView(a, b);
    expect(merged.boxes.filter(({ mark }) => mark === 'removed')).toHaveLength(removed.length);
    expect(merged.boxes.filter(({ id }) => id === 'flatten').map(({ mark }) => mark)).toEqual(['changed']);
    // Closed layers tell what is in them, and one that differs is not taken for one that does not.
    const closed = new Map(folded(merged, 1).boxes.map(({ id, mark }) => [id, mark]));
    expect([closed.get('blk.0'), closed.get('blk.1'), closed.get('tokens')]).toEqual([undefined, 'removed', undefined]);
    expect(repeatsCollapsed(folded(merged, 1)).repeats.size).toBe(0);
    const wider = mergedView(a, await viewFor('llama-2-7b', { shape: 'block_count=2,feed_forward_length=96' }));
    expect(folded(wider, 2).boxes.flatMap(({ id, mark }) => (mark ? [`${id} ${mark}`] : []))).toEqual([
      'blk.0/ffn changed',
      'blk.1/ffn changed',
    ]);
  });

  it('end the command with 1 where they differ, and 0 where they do not', async () => {
    const model = fixture('deepseek/v3-q4_0.gguf');
    const differ = await grafo(['graph-dump', '-m', model, '--diff', 'mla=absorb', 'mla=expand']);
    expect([differ.code, differ.stderr]).toEqual([1, '']);
    expect(differ.stdout).toMatch(/^- .*cache_latent\.0 {2}state/m);
    expect(differ.stdout).toMatch(/^\+ .*cache_v\.0 {2}state/m);
    const same = await grafo(['graph-dump', '--diff', model, model]);
    expect([same.code, same.stderr]).toEqual([0, '']);
    const picture = join(scratch, 'diff.svg');
    expect(
      (await grafo(['graph-dump', '--diff', 'vit-tiny', 'vit-small', '--depth', 'module', '-o', picture])).code,
    ).toBe(1);
  });
});

describe('the comparison of llama, vit, whisper and deepseek', () => {
  const models = ['llama', 'vit', 'whisper', 'deepseek'];

  it('tells from the graphs what the papers tell', async () => {
    const { rows, pairs }: Comparison = JSON.parse(await comparison(models, 'json', 'f16'));
    const answer = Object.fromEntries(rows.map(({ question, answers }) => [question, answers]));
    expect(answer.mask).toEqual(['causal', 'none', 'none; causal', 'causal']);
    expect(answer['class token']).toEqual(['no', 'yes', 'no', 'no']);
    expect(answer.norm?.map((text) => text.split(',')[0])).toEqual([
      'rms_norm',
      'layer_norm',
      'layer_norm',
      'rms_norm',
    ]);
    expect(answer.positions?.map((text) => /turned|table/.exec(text)?.[0])).toEqual([
      'turned',
      'table',
      'table',
      'turned',
    ]);
    expect(answer.experts).toEqual(['none', 'none', 'none', '8 of 256, and shared ones']);
    expect(answer['feed-forward']?.map((text) => text.startsWith('gated, silu'))).toEqual([true, false, false, true]);
    // ViT's layer is that of Whisper's encoder.
    const [, vit, whisper] = answer['what a layer is'] ?? [];
    expect(whisper?.split('; ')).toContain(vit);
    const vitWhisper = pairs.find(({ models: pair }) => pair.join() === 'vit,whisper');
    const llamaVit = pairs.find(({ models: pair }) => pair.join() === 'llama,vit');
    expect(vitWhisper?.operations.share).toBeGreaterThan(llamaVit?.operations.share ?? 1);
    expect(pairs).toHaveLength(6);
  });

  it('is text, Markdown and a page with a column for each model', async () => {
    expect(await comparison(models, 'text', 'f16')).toMatch(/^residual\n {2}llama +2 a layer/m);
    const markdown = await comparison(models, 'markdown', 'f16');
    const rows = markdown.split('\n\n')[0]?.split('\n') ?? [];
    expect(rows.every((row) => row.split(/(?<!\\)\|/).length === models.length + 3)).toBe(true);
    const { document } = new JSDOM(await comparison(models, 'html', 'f16')).window;
    expect([...document.querySelectorAll('table:first-of-type th')].map((cell) => cell.textContent)).toEqual([
      '',
      ...models,
    ]);
  });

  it('of unknown models is refused with a hint', async () => {
    await expect(comparison(['llama', 'gpt'], 'text', 'f16')).rejects.toThrow("'gpt' is no file and no architecture");
    await expect(comparison(['llama'], 'text', 'f16')).rejects.toThrow('needs two models');
  });
});
