/** `grafo quantize`: files byte for byte as others make them, mixtures by table, nothing half-written left behind. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findMixture, mixtures, typesOf } from '../../src/io/gguf/mixture.ts';
import type { GgufFile } from '../../src/io/gguf/reader.ts';
import { openGguf } from '../../src/io/gguf/reader.ts';
import { writeGguf } from '../../src/io/gguf/writer.ts';
import { llamaShape, randomSource } from '../../src/io/random.ts';
import { fixture, scratch } from '../fixtures.ts';
import { grafo } from './run.ts';

const withFile = async <R>(path: string, use: (file: GgufFile) => Promise<R>): Promise<R> => {
  const file = await openGguf(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
};

/** Every tensor's type and bytes. */
const contentOf = (path: string) =>
  withFile(path, async ({ tensors }) => {
    const all: [name: string, type: string, bytes: string][] = [];
    for (const t of tensors.values()) all.push([t.name, t.type, Buffer.from(await t.read()).toString('hex')]);
    return all.sort(([a], [b]) => (a < b ? -1 : 1));
  });

const metadataOf = (path: string) => withFile(path, async ({ metadata }) => new Map(metadata));

describe('a file made by grafo quantize', () => {
  it.each(['q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0', 'bf16', 'f16'])(
    'in pure %s has the very bytes of the reference file of the same weights',
    async (type) => {
      const to = join(scratch, `pure-${type}.gguf`);
      const { code, stdout, stderr } = await grafo(['quantize', '--pure', fixture('llama/gqa-f32.gguf'), to, type]);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(new RegExp(`^${to}: ${type.toUpperCase()}, \\d+ bytes, \\d+\\.\\d\\d bits a weight\n$`));
      expect(await contentOf(to)).toEqual(await contentOf(fixture(`llama/gqa-${type}.gguf`)));
    },
  );

  it('keeps every key but those that say how it was written', async () => {
    const from = fixture('llama/gqa-f32.gguf');
    const to = join(scratch, 'keys.gguf');
    await grafo(['quantize', from, to, 'q5_k']);
    const [before, after] = [await metadataOf(from), await metadataOf(to)];
    expect([after.get('general.file_type'), after.get('general.quantization_version')]).toEqual([17, 2]);
    for (const map of [before, after])
      for (const key of ['file_type', 'quantization_version']) map.delete(`general.${key}`);
    expect([...after].sort()).toEqual([...before].sort());
  });

  it('is one file, whatever the parts of its source', async () => {
    fixture('llama/split-00002-of-00002.gguf');
    const to = join(scratch, 'joined.gguf');
    const { code, stderr } = await grafo(['quantize', fixture('llama/split-00001-of-00002.gguf'), to, 'Q4_0']);
    expect([code, stderr]).toEqual([0, 'weights that were quantised before have not got back what they lost then\n']);
    expect([...(await metadataOf(to)).keys()].filter((key) => key.startsWith('split.'))).toEqual([]);
    const { code: ran, stdout } = await grafo(['llama', '-m', to, '-p', 'a', '-n', '2', '--json', '-q']);
    expect([ran, JSON.parse(stdout).ids.length]).toEqual([0, 2]);
  });

  it('runs, with K-quants where rows have 256 values', async () => {
    const from = join(scratch, 'wide.gguf');
    const wide = llamaShape({
      nLayer: 2,
      nEmbd: 256,
      nHead: 4,
      nHeadKv: 2,
      nFf: 512,
      nVocab: 300,
      nCtx: 64,
      type: 'f16',
    });
    await writeGguf(from, { metadata: wide.metadata, tensors: [...randomSource(wide).tensors.values()] });
    const to = join(scratch, 'wide-q4_k_m.gguf');
    expect((await grafo(['quantize', from, to, 'Q4_K_M', '-q'])).code).toBe(0);
    const types = new Set((await contentOf(to)).map(([, type]) => type));
    expect([...types].sort()).toEqual(['f32', 'q4_k', 'q6_k']);
    const { code, stdout } = await grafo(['llama', '-m', to, '--ids', '1,299', '-n', '3', '--json', '-q', '-t', '1']);
    expect([code, JSON.parse(stdout).ids.length]).toEqual([0, 3]);
  });
});

describe('a mixture', () => {
  const layers = (n: number, ...names: string[]) =>
    Array.from({ length: n }, (_, il) => names.map((name) => `blk.${il}.${name}.weight`)).flat();
  const tensors = (names: readonly string[], nIn = 256) =>
    names.map((name) => ({ name, type: 'f16', shape: name.includes('norm') ? [nIn] : [nIn, nIn] }));
  const all = [
    'token_embd.weight',
    'output.weight',
    ...layers(16, 'attn_norm', 'attn_q', 'attn_v', 'ffn_down', 'ffn_up'),
  ];
  const typed = (mixture: string, names = all, options = {}, nIn = 256) =>
    typesOf(tensors(names, nIn), findMixture(mixture)!, { isPure: false, nExpert: 0, ...options });
  /** Layers in which a tensor has this type. */
  const layersWith = (types: ReadonlyMap<string, string>, name: string, type: string) =>
    Array.from({ length: 16 }, (_, il) => il).filter((il) => types.get(`blk.${il}.${name}.weight`) === type);

  it.each(['Q4_K_M', 'Q5_K_M'])('%s gives values and down projections more bits in some layers', (name) => {
    const types = typed(name);
    const more = [0, 1, 4, 7, 10, 13, 14, 15]; // n / 8 at each end, every third from there
    expect(layersWith(types, 'attn_v', 'q6_k')).toEqual(more);
    expect(layersWith(types, 'ffn_down', 'q6_k')).toEqual(more);
    expect(layersWith(types, 'ffn_up', findMixture(name)!.type)).toHaveLength(16);
  });

  it('Q4_K_S gives the first values and down projections one bit more', () => {
    const types = typed('Q4_K_S');
    expect(layersWith(types, 'attn_v', 'q5_k')).toEqual([0, 1, 2, 3]);
    expect(layersWith(types, 'ffn_down', 'q5_k')).toEqual([0, 1]);
  });

  it.each([
    ['Q4_0', 'q6_k'],
    ['Q5_K_M', 'q6_k'],
    ['Q6_K', 'q6_k'],
    ['Q8_0', 'q8_0'],
    ['F16', 'f16'],
  ])('%s has an output matrix of %s, and tied embeddings likewise', (name, type) => {
    expect(typed(name).get('output.weight')).toBe(type);
    expect(typed(name, ['token_embd.weight']).get('token_embd.weight')).toBe(type);
    expect(typed(name).get('token_embd.weight')).toBe(findMixture(name)?.type);
  });

  it.each([
    ['Q4_K_M', 64, 'q5_0', 'q8_0'],
    ['Q5_K_M', 64, 'q5_1', 'q8_0'],
    ['Q4_0', 64, 'q4_0', 'q8_0'],
    ['Q4_0', 48, 'f16', 'f16'],
  ])('%s falls back where rows of %i are no whole number of blocks', (name, nIn, matrix, output) => {
    const types = typed(name, all, {}, nIn);
    expect([types.get('blk.2.ffn_up.weight'), types.get('output.weight')]).toEqual([matrix, output]);
  });

  it('of eight experts keeps keys and values at eight bits', () => {
    const types = typed('Q4_K_M', layers(2, 'attn_k', 'attn_v'), { nExpert: 8 });
    expect([...types.values()]).toEqual(['q8_0', 'q8_0', 'q8_0', 'q8_0']);
  });

  it('leaves norms, routers and biases as they are', () => {
    const names = [
      'blk.0.attn_norm.weight',
      'blk.0.attn_q_norm.weight',
      'blk.0.ffn_gate_inp.weight',
      'blk.0.attn_q.bias',
    ];
    expect([...typed('Q4_0', names).values()]).toEqual(['f16', 'f16', 'f16', 'f16']);
  });

  it('is pure when asked', () => {
    const types = typed('Q4_K_M', all, { isPure: true });
    expect(new Set([...types].filter(([name]) => !name.includes('norm')).map(([, type]) => type))).toEqual(
      new Set(['q4_k']),
    );
  });
});

describe('grafo quantize refuses', () => {
  const from = () => fixture('llama/gqa-f32.gguf');
  const cases: readonly [what: string, args: () => string[], code: number, message: RegExp][] = [
    ['a type it does not write', () => [from(), 'x.gguf', 'Q2_K'], 2, /unknown type 'Q2_K'\n.*types are Q8_0 Q6_K/],
    ['too few words', () => [from(), 'x.gguf'], 2, /expected IN OUT TYPE, got 2 words/],
    ['too many', () => [from(), 'x.gguf', 'Q8_0', 'Q4_0'], 2, /expected IN OUT TYPE, got 4 words/],
    ['to replace what it reads', () => [from(), from(), 'Q8_0'], 2, /is the file that is read/],
    ['a file that is not there', () => ['/nowhere.gguf', 'x.gguf', 'Q8_0'], 3, /cannot read '\/nowhere.gguf'/],
    ['a file that is no model', () => [notAModel(), 'x.gguf', 'Q8_0'], 4, /is not a GGUF file/],
    ['a place that is not there', () => [from(), '/nowhere/x.gguf', 'Q8_0'], 3, /cannot write '\/nowhere\/x.gguf'/],
    ['to look at such a place', () => ['--dry-run', from(), '/nowhere/x.gguf', 'Q8_0'], 3, /cannot write '\/nowhere/],
  ];
  const notAModel = () => {
    const path = join(scratch, 'no-model.gguf');
    writeFileSync(path, 'hello');
    return path;
  };

  it.each(cases)('%s', async (_, args, code, message) => {
    const result = await grafo(['quantize', ...args()]);
    expect([result.code, result.stdout]).toEqual([code, '']);
    expect(result.stderr).toMatch(message);
  });

  it('nothing when it is interrupted: no file is left', async () => {
    const source = join(scratch, 'large.gguf');
    const large = llamaShape({
      nLayer: 4,
      nEmbd: 1024,
      nHead: 4,
      nHeadKv: 2,
      nFf: 4096,
      nVocab: 8000,
      nCtx: 64,
      type: 'f16',
    });
    await writeGguf(source, { metadata: large.metadata, tensors: [...randomSource(large).tensors.values()] });
    const folder = join(scratch, 'interrupted');
    mkdirSync(folder);
    const { code } = await grafo(['quantize', source, join(folder, 'out.gguf'), 'Q4_K_M', '-t', '1'], {
      signals: [{ after: 1500, signal: 'SIGINT' }],
    });
    expect(code).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
  });
});

it('every mixture is found by its name in any case', () => {
  for (const mixture of mixtures) expect(findMixture(mixture.name.toLowerCase())).toBe(mixture);
});
