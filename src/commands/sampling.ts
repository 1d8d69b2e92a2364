/** The sampling flags as the chain of samplers they stand for. */
import { UserError } from '../errors.ts';
import type { Tokenizer } from '../io/text/tokenizer.ts';
import type { SamplingOptions } from '../models/sampling.ts';
import { defaultSampling, randomSeed } from '../models/sampling.ts';
import { readEscapes } from './escapes.ts';
import type { LlamaFlags } from './llama-options.ts';

/** The options of a sampler; `nCtx` is what a window of -1 tokens means. */
export const samplingOptions = (flags: LlamaFlags, tokenizer: Tokenizer, nCtx: number): SamplingOptions => ({
  seed: flags.seed === -1 ? randomSeed() : flags.seed,
  order: flags.samplers ?? flags['sampler-seq'] ?? defaultSampling.order,
  temp: flags.temp,
  topK: flags['top-k'],
  topP: flags['top-p'],
  minP: flags['min-p'],
  typicalP: flags.typical,
  topNSigma: flags['top-nsigma'],
  xtcProbability: flags['xtc-probability'],
  xtcThreshold: flags['xtc-threshold'],
  repeatLastN: window(flags['repeat-last-n'], nCtx),
  repeatPenalty: flags['repeat-penalty'],
  presencePenalty: flags['presence-penalty'],
  frequencyPenalty: flags['frequency-penalty'],
  dry: {
    multiplier: flags['dry-multiplier'],
    base: flags['dry-base'],
    allowedLength: flags['dry-allowed-length'],
    lastN: window(flags['dry-penalty-last-n'], nCtx),
    breakers: breakers(flags['dry-sequence-breaker'], tokenizer),
  },
  dynatempRange: flags['dynatemp-range'],
  dynatempExponent: flags['dynatemp-exp'],
  mirostat: flags.mirostat,
  mirostatTau: flags['mirostat-ent'],
  mirostatEta: flags['mirostat-lr'],
  logitBias: biases(flags, tokenizer),
});

const window = (asked: number, nCtx: number): number => (asked < 0 ? nCtx : asked);

const breakers = (texts: readonly string[], tokenizer: Tokenizer): number[][] =>
  texts
    .filter((text) => text !== 'none')
    .map((text) => tokenizer.encode(readEscapes(text), { addSpecial: false, parseSpecial: false }))
    .filter((ids) => ids.length > 0);

const biases = (flags: LlamaFlags, tokenizer: Tokenizer): Map<number, number> => {
  const out = new Map<number, number>();
  for (const text of flags['logit-bias']) {
    const [, id, bias] = /^(\d+)([+-](?:\d+(?:\.\d+)?|inf))$/.exec(text) ?? [];
    if (id === undefined || bias === undefined || Number(id) >= tokenizer.vocabSize)
      throw new UserError('usage', `--logit-bias '${text}' is not ID+BIAS or ID-BIAS of a token of this model`);
    out.set(Number(id), bias.endsWith('inf') ? Number(`${bias[0]}Infinity`) : Number(bias));
  }
  if (flags['ignore-eos']) for (const id of tokenizer.endOfGeneration) out.set(id, Number.NEGATIVE_INFINITY);
  return out;
};
