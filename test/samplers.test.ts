import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Candidates } from '../src/models/samplers/candidates.ts';
import { mirostat1, mirostat2 } from '../src/models/samplers/mirostat.ts';
import { createRandom } from '../src/models/samplers/random.ts';
import { dry, penalties } from '../src/models/samplers/repetition.ts';
import { dynamicTemperature, temperature } from '../src/models/samplers/temperature.ts';
import { minP, topK, topNSigma, topP, typical, xtc } from '../src/models/samplers/truncation.ts';
import type { SamplingOptions } from '../src/models/sampling.ts';
import { createSampler, defaultSampling, parseSamplerSequence, parseSamplers } from '../src/models/sampling.ts';

type Params = Readonly<Record<string, number>> & { breakers: number[][]; order: string };
interface Case {
  readonly sampler: string;
  readonly params: Params;
  readonly logits: 'A' | 'B';
  readonly prev: readonly number[];
  readonly steps: readonly { candidates: [id: number, logit: number, p: number][]; selected?: number }[];
}
const recorded = JSON.parse(readFileSync(new URL('./fixtures/samplers.json', import.meta.url), 'utf8')) as {
  vectors: Record<'A' | 'B', number[]>;
  cases: Case[];
};

const random = createRandom(1);

const samplers: Record<string, (c: Candidates, p: Params, prev: readonly number[]) => void> = {
  top_k: (c, p) => topK(c, p.k!),
  top_p: (c, p) => topP(c, p.p!, p.min_keep),
  min_p: (c, p) => minP(c, p.p!, p.min_keep),
  typical: (c, p) => typical(c, p.p!, p.min_keep),
  top_n_sigma: (c, p) => topNSigma(c, p.n!),
  xtc: (c, p) => xtc(c, p.probability!, p.threshold!, random, p.min_keep),
  temp: (c, p) => temperature(c, p.t!),
  temp_ext: (c, p) => dynamicTemperature(c, p.t!, p.delta!, p.exponent!),
  penalties: (c, p, prev) =>
    penalties(c, prev, { lastN: p.last_n!, repeat: p.repeat!, frequency: p.freq!, presence: p.present! }),
  dry: (c, p, prev) =>
    dry(c, prev, {
      multiplier: p.multiplier!,
      base: p.base!,
      allowedLength: p.allowed_length!,
      lastN: p.last_n! < 0 ? p.context! : p.last_n!,
      breakers: p.breakers,
    }),
  chain(c, p) {
    for (const part of p.order.split(', ')) {
      const [name, value] = part.split(' ') as [string, string];
      const key = { top_k: 'k', temp: 't' }[name] ?? 'p';
      samplers[name]!(c, { [key]: Number(value) } as Params, []);
    }
  },
};

const filled = (logits: readonly number[]): Candidates => {
  const c = new Candidates(logits.length);
  c.fill(Float32Array.from(logits));
  return c;
};

const expectCandidates = (c: Candidates, expected: Case['steps'][number]['candidates']): void => {
  c.sort();
  c.softmax();
  expect([...c.ids.subarray(0, c.length)]).toEqual(expected.map(([id]) => id));
  expected.forEach(([, logit, p], i) => {
    expect(c.logits[i]).toBeCloseTo(logit, 4);
    expect(c.probs[i]).toBeCloseTo(p, 5);
  });
};

describe('samplers leave what llama.cpp leaves', () => {
  for (const [i, test] of recorded.cases.entries()) {
    const { sampler, params, logits, prev, steps } = test;
    it(`${i}: ${sampler} ${JSON.stringify(params)} on ${logits} after [${prev}]`, () => {
      const row = recorded.vectors[logits];
      if (sampler.startsWith('mirostat')) {
        const target = { tau: params.tau!, eta: params.eta! };
        const mirostat = sampler === 'mirostat' ? mirostat1(target, params.n_vocab!) : mirostat2(target);
        for (const step of steps) {
          const c = filled(row);
          mirostat.narrow(c);
          expectCandidates(c, step.candidates);
          const at = [...c.ids.subarray(0, c.length)].indexOf(step.selected!);
          mirostat.learn(c.probs[at]!);
        }
        return;
      }
      const c = filled(row);
      samplers[sampler]!(c, params, prev);
      expectCandidates(c, steps[0]!.candidates);
    });
  }
});

const options = (over: Partial<SamplingOptions>): SamplingOptions => ({ ...defaultSampling, seed: 7, ...over });
const noise = (n: number, seed: number): Float32Array => {
  const r = createRandom(seed);
  return Float32Array.from({ length: n }, () => 8 * (r.next() + r.next() + r.next() - 1.5));
};

describe('the chain', () => {
  it('chooses the likeliest token at temperature 0, whatever the seed', () => {
    for (const seed of [1, 2, 3]) {
      const logits = noise(1000, 5);
      const best = logits.indexOf(Math.max(...logits));
      expect(createSampler(options({ temp: 0, seed }), 1000).sample(logits)).toBe(best);
    }
  });

  it('chooses the same tokens for the same seed and others for another', () => {
    const draws = (seed: number) => {
      const sampler = createSampler(options({ seed }), 200);
      return Array.from({ length: 50 }, (_, i) => sampler.sample(noise(200, i)));
    };
    expect(draws(11)).toEqual(draws(11));
    expect(draws(11)).not.toEqual(draws(12));
  });

  it('draws each token as often as its probability says', () => {
    const sampler = createSampler(options({ order: [], temp: 1 }), 3);
    const counts = [0, 0, 0];
    for (let i = 0; i < 20_000; i++)
      counts[sampler.sample(Float32Array.of(Math.log(0.5), Math.log(0.3), Math.log(0.2)))]!++;
    expect(counts.map((n) => n / 20_000)).toEqual([0.5, 0.3, 0.2].map((p) => expect.closeTo(p, 1)));
  });

  it('never chooses a token that a bias forbids, and refuses when none is left', () => {
    const logitBias = new Map([[0, Number.NEGATIVE_INFINITY]]);
    const sampler = createSampler(options({ logitBias, temp: 0 }), 2);
    expect(sampler.sample(Float32Array.of(5, 1))).toBe(1);
    const none = new Map([0, 1].map((id) => [id, Number.NEGATIVE_INFINITY]));
    expect(() => createSampler(options({ logitBias: none }), 2).sample(Float32Array.of(5, 1))).toThrow(
      'no token is left',
    );
  });

  it('says so when the model gives no numbers', () => {
    expect(() => createSampler(options({}), 2).sample(Float32Array.of(Number.NaN, 1))).toThrow('not numbers');
  });

  it('keeps the k best of many, however they are ordered', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const logits = noise(500, seed);
      const c = filled([...logits]);
      c.keepBest(40);
      const best = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, 40);
      expect([...c.ids.subarray(0, 40)]).toEqual(best);
    }
  });

  it('sorts many candidates as few: the largest first, equal ones by id, whatever their order before', () => {
    const nVocab = 3000;
    const logits = noise(nVocab, 3).map((x, id) => (id % 7 === 0 ? Math.round(x) : x));
    logits[5] = -0;
    logits[6] = 0;
    const sorted = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
    const c = filled([...logits]);
    c.sort();
    expect([...c.ids]).toEqual(sorted);
    expect([...c.logits]).toEqual(sorted.map((id) => expect.closeTo(logits[id]!, 10)));
    const reversed = filled([...logits]);
    reversed.pick([...logits.keys()].reverse());
    reversed.sort();
    expect([...reversed.ids]).toEqual(sorted);
  });

  it('finds a token by its id in any order, and none that is forbidden', () => {
    const row = [3, Number.NEGATIVE_INFINITY, 5, 1, Number.NEGATIVE_INFINITY, 4];
    const c = filled(row);
    const found = () => row.map((_, id) => c.indexOf(id)).map((at) => (at === undefined ? -1 : c.logits[at]!));
    expect(found()).toEqual([3, -1, 5, 1, -1, 4]);
    c.sort();
    expect(found()).toEqual([3, -1, 5, 1, -1, 4]);
  });

  it('leaves as many tokens to the draw as --min-keep asks for, where a sampler drops by probability', () => {
    const narrow = { topP: 1e-9, minP: 1, typicalP: 1e-9, topK: 0, temp: 1 };
    const drawn = (minKeep: number) => {
      const sampler = createSampler(options({ ...narrow, minKeep }), 40);
      return new Set(Array.from({ length: 300 }, () => sampler.sample(new Float32Array(40)))).size;
    };
    expect([0, 1, 3].map(drawn)).toEqual([1, 1, 3]);
  });

  it('never leaves nothing and never leaves what was not there', () => {
    const chains: Partial<SamplingOptions>[] = [
      { topP: 1e-9 },
      { minP: 1 },
      { typicalP: 1e-9 },
      { topNSigma: 1e-9 },
      { xtcProbability: 1, xtcThreshold: 0 },
      { mirostat: 1 },
      { mirostat: 2, mirostatTau: 0 },
    ];
    for (const chain of chains) {
      const sampler = createSampler(options(chain), 60);
      for (let seed = 1; seed <= 20; seed++) {
        const id = sampler.sample(noise(60, seed));
        expect(id >= 0 && id < 60).toBe(true);
      }
    }
  });
});

describe('names of samplers', () => {
  it('are read as llama.cpp spells them', () => {
    expect(parseSamplers('top-k;typical;temp')).toEqual(['top_k', 'typ_p', 'temperature']);
    expect(parseSamplerSequence('edskypmxt')).toEqual(defaultSampling.order);
  });

  it('are refused by name when unknown', () => {
    expect(() => parseSamplers('top_k;magic')).toThrow("unknown sampler 'magic'");
    expect(() => parseSamplerSequence('kz')).toThrow("unknown sampler letter 'z'");
  });
});
