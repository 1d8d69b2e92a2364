/** Positions stretched by flags: which keys go before the file's, and what the model makes of them. */
import { describe, expect, it } from 'vitest';
import { normaliseArguments, parseArguments } from '../src/commands/arguments.ts';
import { llamaOptions } from '../src/commands/text/options.ts';
import { ropeOverrides } from '../src/commands/text/rope-flags.ts';
import { Hparams } from '../src/graph/hparams.ts';
import { ropeFrequencies } from '../src/graph/ops/rope-table.ts';
import type { MetadataValue } from '../src/graph/weights.ts';
import { ropeScaling } from '../src/models/rope-scaling.ts';

const flagsOf = async (typed: string) => {
  const words = normaliseArguments(typed === '' ? [] : typed.split(' '), llamaOptions);
  return (await parseArguments(words, llamaOptions)).values;
};

const yarnFile = { 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4, 'rope.scaling.original_context_length': 128 };

describe('flags of positions', () => {
  it.each<[typed: string, inFile: Readonly<Record<string, MetadataValue>>, expected: object]>([
    ['', {}, { kind: 'none' }],
    ['', yarnFile, { kind: 'yarn', factor: 4, nCtxOrig: 128, betaFast: 32, betaSlow: 1, extFactor: 1 }],
    ['--rope-scale 4', {}, { kind: 'linear', factor: 4 }],
    ['--rope-freq-scale 0.25', {}, { kind: 'linear', factor: 4 }],
    ['--rope-scale 8', yarnFile, { kind: 'yarn', factor: 8, nCtxOrig: 128 }],
    ['--rope-scaling none', yarnFile, { kind: 'none' }],
    ['--rope-scaling linear', yarnFile, { kind: 'linear', factor: 4 }],
    [
      '--rope-scaling yarn --rope-scale 2',
      {},
      { kind: 'yarn', factor: 2, nCtxOrig: 512, magnitude: 1 + 0.1 * Math.log(2) },
    ],
    [
      '--yarn-orig-ctx 64 --yarn-beta-fast 16 --yarn-beta-slow 2 --yarn-attn-factor 0.5',
      yarnFile,
      { kind: 'yarn', nCtxOrig: 64, betaFast: 16, betaSlow: 2, magnitude: 0.5 * (1 + 0.1 * Math.log(4)) },
    ],
    ['--yarn-ext-factor 0', yarnFile, { kind: 'yarn', extFactor: 0, magnitude: 1 }],
  ])("'%s' before what the file says: %j", async (typed, inFile, expected) => {
    const own = Object.entries({ context_length: 512, ...inFile });
    const metadata = new Map(own.map(([key, value]): [string, MetadataValue] => [`llama.${key}`, value]));
    const overrides = ropeOverrides(await flagsOf(typed), 'llama', metadata);
    expect(ropeScaling(new Hparams(new Map([...metadata, ...overrides]), 'llama'))).toMatchObject(expected);
  });

  it('change the base under its key', async () => {
    const overrides = ropeOverrides(await flagsOf('--rope-freq-base 500000'), 'qwen2', new Map());
    expect([...overrides]).toEqual([['qwen2.rope.freq_base', 500_000]]);
  });

  it('interpolate every frequency where nothing is to be kept as trained', () => {
    const yarn = { kind: 'yarn', factor: 4, nCtxOrig: 128, betaFast: 32, betaSlow: 1, magnitude: 1 } as const;
    const table = { nRot: 16, base: 10_000 };
    const linear = ropeFrequencies({ ...table, scaling: { kind: 'linear', factor: 4 } });
    expect(ropeFrequencies({ ...table, scaling: { ...yarn, extFactor: 0 } })).toEqual(linear);
    expect(ropeFrequencies({ ...table, scaling: { ...yarn, extFactor: 1 } })).not.toEqual(linear);
  });

  it('name the type of a cache that cannot be had', () => {
    const read = (typed: string) => normaliseArguments(typed.split(' '), llamaOptions);
    expect(read('-ctk f32 -ctv f32')).toHaveLength(2);
    expect(() => read('-ctk q8_0')).toThrow('a cache of q8_0 cannot be had: keys and values are kept as f32');
    expect(() => read('--cache-type-v int4')).toThrow("'int4' is no type of a cache");
  });
});
