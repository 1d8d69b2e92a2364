/** The sampling flags as the chain of samplers they stand for. */
import { UserError } from '../../errors.ts';
import { type Metadata, readInteger, readNumber, readString } from '../../io/text/metadata.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import type { SamplingOptions } from '../../models/sampling.ts';
import { defaultSampling, parseChain, randomSeed } from '../../models/sampling.ts';
import { readEscapes } from './escapes.ts';
import type { TextModelFile } from './open.ts';
import type { LlamaFlags } from './options.ts';

/**
 * The options of a sampler: what the flags say, else the file's `general.sampling.*`, else llama.cpp's defaults.
 * @param nCtx what a window of -1 tokens means
 * @throws UserError 'model' for a value in the file that makes no sense, 'usage' for a bias of no token
 */
export const samplingOptions = (
  flags: LlamaFlags,
  { metadata, tokenizer, nCtx }: Pick<TextModelFile, 'metadata' | 'tokenizer' | 'nCtx'>,
): SamplingOptions => {
  const number = (key: string): number | undefined => readNumber(metadata, `general.sampling.${key}`);
  const whole = (key: string): number | undefined => readInteger(metadata, `general.sampling.${key}`);
  return {
    seed: flags.seed === -1 ? randomSeed() : flags.seed,
    order: flags.samplers ?? flags['sampler-seq'] ?? chainOf(metadata) ?? defaultSampling.order,
    minKeep: flags['min-keep'],
    temp: flags.temp ?? number('temp') ?? defaultSampling.temp,
    topK: flags['top-k'] ?? whole('top_k') ?? defaultSampling.topK,
    topP: flags['top-p'] ?? number('top_p') ?? defaultSampling.topP,
    minP: flags['min-p'] ?? number('min_p') ?? defaultSampling.minP,
    typicalP: flags.typical,
    topNSigma: flags['top-nsigma'],
    xtcProbability: flags['xtc-probability'] ?? number('xtc_probability') ?? defaultSampling.xtcProbability,
    xtcThreshold: flags['xtc-threshold'] ?? number('xtc_threshold') ?? defaultSampling.xtcThreshold,
    repeatLastN: window(flags['repeat-last-n'] ?? whole('penalty_last_n') ?? defaultSampling.repeatLastN, nCtx),
    repeatPenalty: flags['repeat-penalty'] ?? number('penalty_repeat') ?? defaultSampling.repeatPenalty,
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
    mirostat: flags.mirostat ?? mirostatOf(metadata) ?? defaultSampling.mirostat,
    mirostatTau: flags['mirostat-ent'] ?? number('mirostat_tau') ?? defaultSampling.mirostatTau,
    mirostatEta: flags['mirostat-lr'] ?? number('mirostat_eta') ?? defaultSampling.mirostatEta,
    logitBias: biases(flags, tokenizer),
  };
};

/** A chain that the file names. */
const chainOf = (metadata: Metadata): SamplingOptions['order'] | undefined => {
  const text = readString(metadata, 'general.sampling.sequence');
  try {
    return text === undefined ? undefined : parseChain(text);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError('model', `metadata 'general.sampling.sequence': ${error.message}`, 'give --samplers');
  }
};

const mirostatOf = (metadata: Metadata): SamplingOptions['mirostat'] | undefined => {
  const version = readInteger(metadata, 'general.sampling.mirostat');
  if (version === undefined || version === 0 || version === 1 || version === 2) return version;
  throw new UserError(
    'model',
    `metadata 'general.sampling.mirostat' is ${version}, expected 0, 1 or 2`,
    'give --mirostat',
  );
};

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
