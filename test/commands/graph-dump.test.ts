/** `grafo graph-dump` as a user runs it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printDot } from '../../src/graph/print/dot.ts';
import { printJson } from '../../src/graph/print/json.ts';
import { viewOf } from '../../src/graph/print/view.ts';
import { fixture, scratch } from '../fixtures.ts';
import { graphFor } from '../graph-models.ts';
import { grafo } from './run.ts';

const model = fixture('llama/gqa-q4_0.gguf');
const dump = (...args: string[]) => grafo(['graph-dump', ...args]);

describe('grafo graph-dump', () => {
  it.each([
    ['a llama', model, 'blk.0.attn_q'],
    ['a vit.cpp file', fixture('vit/vit-micro-q4_0.bin'), 'v.blk.0.attn_qkv[0:64]'],
    ['a DeepSeek', fixture('deepseek/v3-q4_0.gguf'), 'blk.0.attn_q_a'],
  ])('prints the graph of %s', async (_, file, tensor) => {
    const { code, stdout, stderr } = await dump('-m', file);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(` ${tensor} <- `);
  });

  it.each(['txt', 'dot', 'json', 'mmd', 'svg', 'png', 'html', 'onnx'])(
    'writes .%s by the ending of the name',
    async (ending) => {
      const file = join(scratch, `graph.${ending}`);
      const { code, stdout, stderr } = await dump('-m', model, '--depth', 'module', '-o', file);
      expect([code, stdout, stderr]).toEqual([0, '', '']);
      expect(existsSync(file) && readFileSync(file).length).toBeGreaterThan(200);
    },
  );

  it('dumps DeepSeek-V3 from its shape alone in under 5 s of processor time and 1 GB', async () => {
    const start = process.cpuUsage();
    const { graph, sizes } = await graphFor('deepseek-v3', { tokens: 512 });
    const view = viewOf(graph, sizes);
    for (const print of [printDot, printJson]) expect(print(view)).toContain('blk.60.');
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1e6).toBeLessThan(5);
    expect(process.memoryUsage().rss).toBeLessThan(1e9);
  });

  it('says where the time of a run went, and which device ran what', async () => {
    const { code, stdout } = await dump('-m', model, '--profile', '--part', 'decode', '--past', '20', '-dev', 'cpu');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^llama decode on cpu, mean of 3 runs: [\d.]+ ms$/m);
    expect(stdout).toMatch(/^blk\.\*\/ffn +cpu +\d+ +[\d.]+ +[\d.]+$/m);
    const shares = [...(stdout.split('\n\n')[1] ?? '').matchAll(/([\d.]+)$/gm)].map(([, share]) => Number(share));
    expect(shares.reduce((a, b) => a + b, 0)).toBeGreaterThan(98);
    const file = join(scratch, 'profile.svg');
    expect((await dump('-m', model, '--profile', '-dev', 'cpu', '--depth', 'module', '-o', file)).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(/\d\.\d{3} ms, cpu/);
  });

  it('bounds the time of a part by what this processor does in a second', async () => {
    const { code, stdout } = await dump('--arch', 'vit-tiny', '--cost', '--bound', '--format', 'json');
    expect(code).toBe(0);
    const { machine } = JSON.parse(stdout);
    expect(machine.flopsPerSecond).toBeGreaterThan(1e8);
    expect(machine.bytesPerSecond).toBeGreaterThan(1e8);
  });

  it.each([
    [['-m', 'none.gguf'], 3, "'none.gguf'"],
    [['--arch', 'gpt'], 2, "there is no architecture or shape 'gpt'"],
    [['--arch', 'constructor'], 2, "there is no architecture or shape 'constructor'"],
    [['-m', model, '--part', 'encoder'], 2, "llama has no part 'encoder'"],
    [['-m', model, '--arch', 'llama'], 2, '-m and --arch'],
    [['-m', model, '--layers', '3-1'], 2, "'3-1'"],
    [['-m', model, '-o', 'graph.pdf'], 2, "'graph.pdf' names no format"],
    [['-m', model, '--cost', '--format', 'svg'], 2, '--cost is text or json, not svg'],
    [['--arch', 'llama', '--values', '-p', 'x'], 2, '--values runs a model'],
    [['-m', model, '--with-weights'], 2, '--with-weights is of ONNX, not text'],
    [
      ['-m', model, '-o', 'x.onnx', '--with-weights', '--stage', 'optimized'],
      2,
      '--with-weights and --stage optimized',
    ],
    [['-m', model, '--diff', 'a'], 2, '--diff takes two'],
    [['-m', model, 'word'], 2, "'word' belongs to no flag"],
    [['-m', model, '--layer', '99'], 2, "'decoder' has no layer 99"],
    [['-m', model, '--op', '*nonsense*'], 2, "no operation or tensor is like '*nonsense*'"],
    [['--arch', 'deepseek-v3', '--format', 'svg'], 6, 'too large to be drawn'],
  ])('refuses %j in a sentence', async (args, code, message) => {
    const result = await dump(...args);
    expect(result.code, result.stderr).toBe(code);
    expect(result.stderr).toContain(message);
    expect(result.stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
    expect(result.stdout).toBe('');
  });
});
