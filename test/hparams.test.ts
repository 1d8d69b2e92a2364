import { describe, expect, it } from 'vitest';
import { UserError } from '../src/errors.ts';
import { Hparams } from '../src/graph/hparams.ts';
import type { RopeScaling } from '../src/graph/ops/rope-table.ts';
import { ropeFrequencies } from '../src/graph/ops/rope-table.ts';
import type { MetadataValue } from '../src/graph/weights.ts';
import { inventModel } from '../src/io/invented.ts';
import { anyModel } from '../src/models/index.ts';
import { ropeScaling } from '../src/models/rope-scaling.ts';

/** The metadata of a llama file with these keys below the architecture's prefix. */
const hparams = (keys: Readonly<Record<string, MetadataValue>>): Hparams =>
  new Hparams(new Map(Object.entries(keys).map(([key, value]) => [`llama.${key}`, value])), 'llama');

describe('a hyperparameter', () => {
  it.each<[string, (m: Hparams) => unknown, unknown]>([
    ['a whole number', (m) => m.int('n'), 8],
    ['a whole number of 64 bits', (m) => m.int('big'), 8192],
    ['zero where nothing is a number too', (m) => m.count('zero'), 0],
    ['a fraction', (m) => m.num('x'), 0.5],
    ['a text', (m) => m.string('kind'), 'yarn'],
    ['a truth', (m) => m.flag('yes', false), true],
    ['what stands in for a number that is missing', (m) => m.int('none', 3), 3],
    ['what stands in for a text that is missing', (m) => m.string('none', 'linear'), 'linear'],
    ['what stands in for a truth that is missing', (m) => m.flag('none', true), true],
    ['one number for every layer', (m) => m.perLayer('n', 3), [8, 8, 8]],
    ['a list with a number for each layer', (m) => m.perLayer('list', 3), [4, 2, 8]],
    ['the first of a list that is too long', (m) => m.perLayer('list', 2), [4, 2]],
    ['what stands in for a list that is missing', (m) => m.perLayer('none', 2, 5), [5, 5]],
  ])('is read: %s', (_, read, value) => {
    const list: readonly MetadataValue[] = [4, 2n, 8];
    expect(read(hparams({ n: 8, big: 8192n, zero: 0, x: 0.5, kind: 'yarn', yes: true, list }))).toEqual(value);
  });

  it.each<[string, (m: Hparams) => unknown, string]>([
    ['it is missing', (m) => m.int('none'), "metadata 'llama.none' is missing, expected a number"],
    ['it is 0', (m) => m.int('zero'), "metadata 'llama.zero' is 0, expected a positive whole number"],
    ['it is a fraction', (m) => m.int('x'), "metadata 'llama.x' is 0.5, expected a positive whole number"],
    ['it is beyond exact numbers', (m) => m.int('huge'), "metadata 'llama.huge' is 18446744073709551615,"],
    ['it is negative', (m) => m.count('minus'), "metadata 'llama.minus' is -1, expected a whole number"],
    ['it is no number', (m) => m.num('nan'), "metadata 'llama.nan' is NaN, expected a number"],
    ['it is a text instead of a number', (m) => m.num('kind'), 'metadata \'llama.kind\' is "yarn", expected a number'],
    ['it is a number instead of a text', (m) => m.string('x'), "metadata 'llama.x' is 0.5, expected a text"],
    [
      'it is a number instead of a truth',
      (m) => m.flag('x', true),
      "metadata 'llama.x' is 0.5, expected true or false",
    ],
    ['a list is too short', (m) => m.perLayer('list', 4), "'llama.list' is [4,2,8], expected 4 positive whole numbers"],
    ['a list has a zero', (m) => m.perLayer('zeros', 2), "'llama.zeros' is [4,0], expected 2 positive whole numbers"],
    ['a list has a text', (m) => m.perLayer('words', 1), '\'llama.words\' is ["x"], expected 1 positive whole numbers'],
  ])('is refused by name when %s', (_, read, message) => {
    const lists = { list: [4, 2, 8], zeros: [4, 0], words: ['x'] };
    const m = hparams({ zero: 0, x: 0.5, huge: 2n ** 64n - 1n, minus: -1, nan: Number.NaN, kind: 'yarn', ...lists });
    expect(() => read(m)).toThrow(UserError);
    expect(() => read(m)).toThrow(message);
  });

  it('counts the vocabulary by its tokens, or by a key where the file has none', () => {
    const tokens: [string, MetadataValue] = ['tokenizer.ggml.tokens', ['<unk>', '<s>', '</s>']];
    const size: [string, MetadataValue] = ['llama.vocab_size', 32000];
    expect(new Hparams(new Map([tokens, size]), 'llama').vocabSize()).toBe(3);
    expect(new Hparams(new Map([size]), 'llama').vocabSize()).toBe(32000);
    expect(() => new Hparams(new Map(), 'llama').vocabSize()).toThrow("metadata 'llama.vocab_size' is missing");
  });
});

describe('rope scaling', () => {
  const yarn = { kind: 'yarn', factor: 4, betaFast: 32, betaSlow: 1, extFactor: 1 } as const;

  it.each<[string, Readonly<Record<string, MetadataValue>>, RopeScaling]>([
    ['is none where no key is given', {}, { kind: 'none' }],
    ['is none where the file says so', { 'rope.scaling.type': 'none', 'rope.scaling.factor': 4 }, { kind: 'none' }],
    [
      'is linear by a factor',
      { 'rope.scaling.type': 'linear', 'rope.scaling.factor': 4 },
      { kind: 'linear', factor: 4 },
    ],
    ['is linear in old files with another key', { 'rope.scale_linear': 2 }, { kind: 'linear', factor: 2 }],
    [
      'takes the new key where a file has both',
      { 'rope.scaling.type': 'linear', 'rope.scaling.factor': 4, 'rope.scale_linear': 2 },
      { kind: 'linear', factor: 4 },
    ],
    [
      'is yarn, with the magnitude of its factor',
      { 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4, 'rope.scaling.original_context_length': 128 },
      { ...yarn, nCtxOrig: 128, magnitude: 1 + 0.1 * Math.log(4) },
    ],
    [
      'is yarn from the context of the training where the original one is not given',
      { 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4, context_length: 512 },
      { ...yarn, nCtxOrig: 512, magnitude: 1 + 0.1 * Math.log(4) },
    ],
    [
      "is yarn with the file's own factor of attention",
      {
        'rope.scaling.type': 'yarn',
        'rope.scaling.factor': 4,
        'rope.scaling.attn_factor': 0.5,
        'rope.scaling.original_context_length': 128,
      },
      { ...yarn, nCtxOrig: 128, magnitude: 0.5 * (1 + 0.1 * Math.log(4)) },
    ],
  ])('%s', (_, keys, scaling) => {
    expect(ropeScaling(hparams({ context_length: 2048, ...keys }))).toEqual(scaling);
  });

  it.each<[string, Readonly<Record<string, MetadataValue>>, string]>([
    ['its kind is not known', { 'rope.scaling.type': 'longrope' }, "rope scaling 'longrope' is not supported"],
    ['its kind is a number', { 'rope.scaling.type': 1 }, "'llama.rope.scaling.type' is 1, expected a text"],
    ['its factor is 0', { 'rope.scale_linear': 0 }, 'rope.scaling.factor is 0, expected a positive number'],
    ['yarn has no factor', { 'rope.scaling.type': 'yarn' }, "'llama.rope.scaling.factor' is missing"],
  ])('is refused when %s', (_, keys, message) => {
    expect(() => ropeScaling(hparams({ context_length: 2048, ...keys }))).toThrow(message);
  });

  it('divides all frequencies, those of a range, or each by its own factor', () => {
    const table = { nRot: 8, base: 10_000 };
    const trained = [1, 0.1, 0.01, 0.001];
    const expectFrequencies = (scaling: RopeScaling, expected: readonly number[], factors?: Float32Array) => {
      const frequencies = ropeFrequencies({ ...table, scaling }, factors);
      expect(frequencies).toHaveLength(expected.length);
      for (const [i, frequency] of frequencies.entries()) expect(frequency / expected[i]!).toBeCloseTo(1, 12);
    };
    expectFrequencies({ kind: 'none' }, trained);
    expectFrequencies(
      { kind: 'linear', factor: 4 },
      trained.map((f) => f / 4),
    );
    expectFrequencies({ kind: 'none' }, [1, 0.05, 0.0025, 0.000125], Float32Array.of(1, 2, 4, 8));
    // Turns within the original context: 95, 9.5, 0.95 and 0.095. From 32 turns to 1 are pairs 0.47 to 1.98, so the ramp
    // goes from pair 0 to pair 2.
    const nCtxOrig = 190 * Math.PI;
    expectFrequencies({ ...yarn, nCtxOrig, magnitude: 1 }, [1, 0.1 * (1 / 2 + 1 / 8), 0.01 / 4, 0.001 / 4]);
  });
});

describe('the base of rotary angles', () => {
  it.each(['llama-2-7b', 'qwen3-0.6b', 'deepseek-moe-16b', 'deepseek-v2-lite'])('is a positive number: %s', (shape) => {
    const source = inventModel(shape, 'rope.freq_base=-1', 'f16');
    const open = () => anyModel(String(source.metadata.get('general.architecture'))).open(source);
    expect(open).toThrow('rope.freq_base is -1, expected a positive number');
  });
});
