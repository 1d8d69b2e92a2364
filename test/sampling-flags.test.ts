/** Sampling flags, the file's own choice, and llama.cpp's defaults: which goes before which. */
import { describe, expect, it } from 'vitest';
import { normaliseArguments, parseArguments } from '../src/commands/arguments.ts';
import { llamaOptions } from '../src/commands/text/options.ts';
import { samplingOptions } from '../src/commands/text/sampling.ts';
import type { MetadataValue } from '../src/graph/weights.ts';
import { readTokenizer } from '../src/io/text/tokenizer.ts';
import { defaultSampling } from '../src/models/sampling.ts';

const tokenizer = readTokenizer(
  new Map<string, MetadataValue>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', ['<unk>', '<s>', '</s>', 'a', 'b']],
    ['tokenizer.ggml.token_type', [2, 3, 3, 1, 1]],
  ]),
);

const sampling = async (typed: string, inFile: Readonly<Record<string, MetadataValue>> = {}) => {
  const words = typed === '' ? [] : typed.split(' ');
  const { values } = await parseArguments(normaliseArguments(words, llamaOptions), llamaOptions);
  const metadata = new Map(Object.entries(inFile).map(([key, value]) => [`general.sampling.${key}`, value]));
  return samplingOptions(values, { metadata, tokenizer, nCtx: 512 });
};

describe('the chain of samplers', () => {
  it("has llama.cpp's defaults where neither flags nor the file say anything", async () => {
    const { dry, ...plain } = await sampling('-s 7');
    const { dry: expected, ...rest } = defaultSampling;
    expect(plain).toEqual({ ...rest, seed: 7 });
    expect({ ...dry, breakers: [] }).toEqual({ ...expected, lastN: 512 });
  });

  it.each<[key: string, value: MetadataValue, option: keyof typeof defaultSampling, flag: string, expected: unknown]>([
    ['temp', 0.5, 'temp', '--temp 0.25', 0.25],
    ['top_k', 20, 'topK', '--top-k 0', 0],
    ['top_p', 0.75, 'topP', '--top-p 1', 1],
    ['min_p', 0.5, 'minP', '--min-p 0', 0],
    ['xtc_probability', 0.5, 'xtcProbability', '--xtc-probability 1', 1],
    ['xtc_threshold', 0.25, 'xtcThreshold', '--xtc-threshold 0.5', 0.5],
    ['penalty_last_n', 32, 'repeatLastN', '--repeat-last-n 0', 0],
    ['penalty_repeat', 1.5, 'repeatPenalty', '--repeat-penalty 1', 1],
    ['mirostat', 2, 'mirostat', '--mirostat 0', 0],
    ['mirostat_tau', 4, 'mirostatTau', '--mirostat-ent 5', 5],
    ['mirostat_eta', 0.5, 'mirostatEta', '--mirostat-lr 0.25', 0.25],
  ])('takes general.sampling.%s from the file, and the flag before it', async (key, value, option, flag, expected) => {
    expect((await sampling('', { [key]: value }))[option]).toBe(value);
    expect((await sampling(flag, { [key]: value }))[option]).toBe(expected);
  });

  it('takes the order from the file by names or by letters, and --samplers before it', async () => {
    expect((await sampling('', { sequence: 'kt' })).order).toEqual(['top_k', 'temperature']);
    expect((await sampling('', { sequence: 'min_p;temperature' })).order).toEqual(['min_p', 'temperature']);
    expect((await sampling('--samplers top_p', { sequence: 'kt' })).order).toEqual(['top_p']);
  });

  it.each<[string, MetadataValue, string]>([
    ['sequence', 'k?', "metadata 'general.sampling.sequence': unknown sampler letter '?'"],
    ['mirostat', 3, "metadata 'general.sampling.mirostat' is 3, expected 0, 1 or 2"],
    ['temp', 'hot', "metadata 'general.sampling.temp': expected a number, got a string"],
  ])('refuses general.sampling.%s = %s by name', async (key, value, message) => {
    await expect(sampling('', { [key]: value })).rejects.toThrow(message);
  });
});
