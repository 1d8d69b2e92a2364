/** Choosing the next token: llama.cpp's chain of samplers, its order and its defaults. */
import { UserError } from '../errors.ts';
import type { Constraint } from './grammar/constraint.ts';
import { Candidates } from './samplers/candidates.ts';
import type { Mirostat } from './samplers/mirostat.ts';
import { mirostat1, mirostat2 } from './samplers/mirostat.ts';
import type { Random } from './samplers/random.ts';
import { createRandom } from './samplers/random.ts';
import type { Dry } from './samplers/repetition.ts';
import { dry, penalties } from './samplers/repetition.ts';
import { dynamicTemperature } from './samplers/temperature.ts';
import { minP, topK, topNSigma, topP, typical, xtc } from './samplers/truncation.ts';

export { randomSeed } from './samplers/random.ts';

/** Samplers of the chain, by llama.cpp's names and letters. */
const samplerLetters = {
  penalties: 'e',
  dry: 'd',
  top_n_sigma: 's',
  top_k: 'k',
  typ_p: 'y',
  top_p: 'p',
  min_p: 'm',
  xtc: 'x',
  temperature: 't',
} as const;

export type SamplerName = keyof typeof samplerLetters;

const samplerNames = Object.keys(samplerLetters) as SamplerName[];

const aliases: Readonly<Record<string, SamplerName>> = {
  typical: 'typ_p',
  typical_p: 'typ_p',
  typ: 'typ_p',
  nucleus: 'top_p',
  temp: 'temperature',
  top_nsigma: 'top_n_sigma',
};

export interface SamplingOptions {
  readonly seed: number;
  /** Samplers that drop candidates leave at least so many; 0 or 1: one. */
  readonly minKeep: number;
  readonly order: readonly SamplerName[];
  /** 0 or less: always the likeliest token. */
  readonly temp: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly topNSigma: number;
  readonly xtcProbability: number;
  readonly xtcThreshold: number;
  readonly repeatLastN: number;
  readonly repeatPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly dry: Dry;
  readonly dynatempRange: number;
  readonly dynatempExponent: number;
  /** 1 or 2 replace the chain by temperature and Mirostat. */
  readonly mirostat: 0 | 1 | 2;
  readonly mirostatTau: number;
  readonly mirostatEta: number;
  /** Added to the logits of these tokens before anything else; -Infinity forbids one. */
  readonly logitBias: ReadonlyMap<number, number>;
}

/** llama.cpp's defaults. */
export const defaultSampling: Omit<SamplingOptions, 'seed'> = {
  order: samplerNames,
  minKeep: 0,
  temp: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  typicalP: 1,
  topNSigma: -1,
  xtcProbability: 0,
  xtcThreshold: 0.1,
  repeatLastN: 64,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  dry: { multiplier: 0, base: 1.75, allowedLength: 2, lastN: Number.POSITIVE_INFINITY, breakers: [] },
  dynatempRange: 0,
  dynatempExponent: 1,
  mirostat: 0,
  mirostatTau: 5,
  mirostatEta: 0.1,
  logitBias: new Map(),
};

/** Either form of a chain, as files have it: names with semicolons, or letters. */
export const parseChain = (text: string): readonly SamplerName[] =>
  text.includes(';') ? parseSamplers(text) : parseSamplerSequence(text);

/** 'penalties;top_k;temperature' as names. Throws a UserError that names the unknown word. */
export const parseSamplers = (text: string): readonly SamplerName[] =>
  text
    .split(';')
    .filter((word) => word !== '')
    .map((word) => {
      const plain = word.trim().toLowerCase().replaceAll('-', '_');
      const name = samplerNames.find((n) => n === plain) ?? aliases[plain];
      if (name) return name;
      throw new UserError('usage', `unknown sampler '${word}'`, `samplers are ${samplerNames.join(', ')}`);
    });

/** 'edskypmxt' as names. */
export const parseSamplerSequence = (letters: string): readonly SamplerName[] =>
  [...letters].map((letter) => {
    const name = samplerNames.find((n) => samplerLetters[n] === letter);
    if (name) return name;
    const known = samplerNames.map((n) => `${samplerLetters[n]} ${n}`).join(', ');
    throw new UserError('usage', `unknown sampler letter '${letter}'`, `letters are ${known}`);
  });

export interface Sampler {
  /** Chooses a token from logits `[nVocab]`, one of those that the constraint allows. */
  sample(logits: Float32Array, constraint?: Constraint): number;
  /** Remembers a token of the text, prompt or chosen, for the penalties. */
  accept(id: number): void;
}

/** A sampler with its own random numbers and memory. */
export const createSampler = (options: SamplingOptions, nVocab: number): Sampler => {
  const random = createRandom(options.seed);
  const candidates = new Candidates(nVocab);
  const history: number[] = [];
  const mirostat = options.temp > 0 ? createMirostat(options, nVocab) : undefined;
  /** The index of the candidate that the chain chooses. */
  const choose = (): number => {
    if (mirostat) {
      dynamicTemperature(candidates, options.temp, options.dynatempRange, options.dynatempExponent);
      mirostat.narrow(candidates);
      return draw(candidates, random);
    }
    for (const name of options.order) apply(name, candidates, options, history, random);
    if (options.temp > 0) return draw(candidates, random);
    candidates.keepBest(1);
    return 0;
  };
  return {
    accept: (id) => void history.push(id),
    sample(logits, constraint) {
      for (const [id, bias] of options.logitBias) logits[id] = logits[id]! + bias;
      candidates.fill(logits);
      let at = choose();
      // As in llama.cpp: most choices are allowed anyway, and only after another one all tokens are looked at.
      if (constraint && !constraint.allows(candidates.ids[at]!)) {
        if (!candidates.fillAllowed(logits, constraint.allowed())) return constraint.end();
        at = choose();
      }
      mirostat?.learn(candidates.probs[at]!);
      return candidates.ids[at]!;
    },
  };
};

const apply = (name: SamplerName, c: Candidates, o: SamplingOptions, history: readonly number[], random: Random) => {
  switch (name) {
    case 'penalties':
      return penalties(c, history, {
        lastN: o.repeatLastN,
        repeat: o.repeatPenalty,
        frequency: o.frequencyPenalty,
        presence: o.presencePenalty,
      });
    case 'dry':
      return dry(c, history, o.dry);
    case 'top_n_sigma':
      return topNSigma(c, o.topNSigma);
    case 'top_k':
      return o.topK > 0 && topK(c, o.topK);
    case 'typ_p':
      return typical(c, o.typicalP, o.minKeep);
    case 'top_p':
      return topP(c, o.topP, o.minKeep);
    case 'min_p':
      return minP(c, o.minP, o.minKeep);
    case 'xtc':
      return xtc(c, o.xtcProbability, o.xtcThreshold, random, o.minKeep);
    case 'temperature':
      return dynamicTemperature(c, o.temp, o.dynatempRange, o.dynatempExponent);
  }
};

const createMirostat = (o: SamplingOptions, nVocab: number): Mirostat | undefined => {
  const target = { tau: o.mirostatTau, eta: o.mirostatEta };
  if (o.mirostat === 1) return mirostat1(target, nVocab);
  return o.mirostat === 2 ? mirostat2(target) : undefined;
};

/** The index of one of the candidates left, by their probabilities. */
const draw = (c: Candidates, random: Random): number => {
  c.softmax();
  let rest = random.next();
  for (let i = 0; i < c.length; i++) {
    rest -= c.probs[i]!;
    if (rest < 0) return i;
  }
  return c.length - 1;
};
