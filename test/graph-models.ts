/** The parts of all models, as the command gets them, for the tests of dumps. */

import { archOf } from '../src/commands/family.ts';
import type { ChosenGraph, GraphWish } from '../src/commands/graph/model.ts';
import { chooseGraph, partsOf, withSource } from '../src/commands/graph/model.ts';
import { anyModel } from '../src/models/index.ts';
import { fixture } from './fixtures.ts';

/** With a layer of each kind, and few words. */
const TINY_WHISPER = 'whisper-tiny';

/** A file or a shape, with everything else left to its default. */
export const wishOf = (model: string, rest: Partial<GraphWish> = {}): GraphWish => ({
  ...(/\.(gguf|bin)$/.test(model)
    ? { model: fixture(model), arch: undefined }
    : { model: undefined, quiet: true, arch: model }),
  shape: model === TINY_WHISPER ? 'encoder.block_count=1,decoder.block_count=1,vocab_size=300' : undefined,
  quiet: true,
  type: 'f16',
  part: undefined,
  mla: 'absorb',
  tokens: undefined,
  past: undefined,
  seqs: undefined,
  ...rest,
});

export const graphFor = (model: string, rest: Partial<GraphWish> = {}): Promise<ChosenGraph> =>
  withSource(wishOf(model, rest), async (source) => chooseGraph(source, wishOf(model, rest)));

/** Small models of every kind. */
export const models = [
  'llama/gqa-q4_0.gguf',
  'llama/moe.gguf',
  'llama/qwen3.gguf',
  'deepseek/v2lite-q4_0.gguf',
  'deepseek/v3-q4_0.gguf',
  'vit/vit-micro-q4_0.bin',
  TINY_WHISPER,
];

/** All parts of these models. */
export const allParts = async (): Promise<readonly (readonly [name: string, chosen: ChosenGraph])[]> => {
  const found: [string, ChosenGraph][] = [];
  for (const model of models) {
    const wish = wishOf(model);
    const parts = await withSource(wish, async (source) => partsOf(anyModel(archOf(source.metadata)).graphs));
    for (const part of parts) found.push([`${part} of ${model}`, await graphFor(model, { part })]);
  }
  return found;
};
