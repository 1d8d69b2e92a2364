/**
 * What choosing a token costs at a vocabulary of 128,256, in ms: the middle and the best of many choices.
 * Build first: npm run build; then: node scripts/bench-sampling.mjs [--vocab 128256] [--runs 300]
 */
import { parseArgs } from 'node:util';
import { createRandom } from '../dist/models/samplers/random.js';
import { createSampler, defaultSampling } from '../dist/models/sampling.js';
import { median } from './bench/measure.mjs';

const { values } = parseArgs({
  options: { vocab: { type: 'string', default: '128256' }, runs: { type: 'string', default: '300' } },
});
const [nVocab, runs] = [Number(values.vocab), Number(values.runs)];

/** Rows of logits like a model's: a bell of noise, and some tokens far above it. */
const rows = Array.from({ length: 8 }, (_, seed) => {
  const random = createRandom(seed + 1);
  const bell = () => 3 * (random.next() + random.next() + random.next() + random.next() - 2);
  const row = Float32Array.from({ length: nVocab }, bell);
  for (let i = 0; i < 200; i++) row[Math.floor(random.next() * nVocab)] += 12 * random.next();
  return row;
});

const chains = {
  default: {},
  greedy: { temp: 0 },
  'penalties over 64': { repeatPenalty: 1.1 },
  'dry over 4096': { dry: { ...defaultSampling.dry, multiplier: 0.8 } },
  'top_k off': { topK: 0 },
  'typical, top_k off': { typicalP: 0.9, topK: 0 },
  top_n_sigma: { topNSigma: 1 },
  'dynamic temperature, top_k off': { topK: 0, dynatempRange: 0.5 },
  'mirostat 1': { mirostat: 1 },
  'mirostat 2': { mirostat: 2 },
};

console.log(`| ${nVocab} tokens | median ms | best ms |\n|---|---:|---:|`);
for (const [name, chain] of Object.entries(chains)) {
  const sampler = createSampler({ ...defaultSampling, seed: 1, ...chain }, nVocab);
  const random = createRandom(99);
  for (let i = 0; i < 4096; i++) sampler.accept(Math.floor(random.next() * 500));
  const times = [];
  for (let i = 0; i < runs; i++) {
    const row = rows[i % rows.length];
    const start = performance.now();
    const id = sampler.sample(row);
    times.push(performance.now() - start);
    sampler.accept(id);
  }
  console.log(`| ${name} | ${median(times).toFixed(3)} | ${Math.min(...times).toFixed(3)} |`);
}
