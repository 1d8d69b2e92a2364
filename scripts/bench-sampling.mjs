/**
 * What choosing a token costs, in ms. Build first: npm run build; then:
 * node scripts/bench-sampling.mjs [--runs 300] [--model FILE.gguf]
 * The vocabulary is the file's, or one of 128,256 made-up words; logits are noise either way.
 */
import { parseArgs } from 'node:util';
import { openGguf } from '../dist/io/gguf/reader.js';
import { readTokenizer } from '../dist/io/text/tokenizer.js';
import { createConstraints } from '../dist/models/grammar/constraint.js';
import { parseGrammar } from '../dist/models/grammar/gbnf.js';
import { schemaGrammar } from '../dist/models/grammar/json-schema.js';
import { createRandom } from '../dist/models/samplers/random.js';
import { createSampler, defaultSampling } from '../dist/models/sampling.js';
import { median } from './compare/table.mjs';

const { values } = parseArgs({ options: { model: { type: 'string' }, runs: { type: 'string', default: '300' } } });
const runs = Number(values.runs);

/** Words of letters, most of them after a space, and every byte and two signs; the last one ends a text. */
const madeUp = (size) => {
  const random = createRandom(7);
  const below = (n) => Math.floor(random.next() * n);
  const signs = [...'"{}[]:,.0123456789'];
  const bytes = Array.from({ length: 256 }, (_, i) => Uint8Array.of(i));
  const pairs = signs.flatMap((a) => signs.map((b) => Buffer.from(a + b)));
  const word = () =>
    (below(3) > 0 ? ' ' : '') +
    Array.from({ length: 1 + below(9) }, () => String.fromCharCode(97 + below(26))).join('');
  const words = Array.from({ length: size - 1 - bytes.length - pairs.length }, () => Buffer.from(word()));
  const all = [...bytes, ...pairs, ...words, new Uint8Array()];
  return { size, bytes: (id) => all[id], ends: new Set([size - 1]) };
};

const ofFile = async (path) => {
  const file = await openGguf(path);
  const tokenizer = readTokenizer(file.metadata);
  await file.close();
  return { size: tokenizer.vocabSize, bytes: (id) => tokenizer.piece(id), ends: tokenizer.endOfGeneration };
};

const tokens = values.model ? await ofFile(values.model) : madeUp(128_256);
const nVocab = tokens.size;

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

console.log(`| ${nVocab} tokens | median ms | mean ms of processor |\n|---|---:|---:|`);
const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const show = (name, times, begun) => {
  const mean = (processorMs() - begun) / times.length;
  console.log(`| ${name} | ${median(times).toFixed(3)} | ${mean.toFixed(3)} |`);
};

for (const [name, chain] of Object.entries(chains)) {
  const sampler = createSampler({ ...defaultSampling, seed: 1, ...chain }, nVocab);
  const random = createRandom(99);
  for (let i = 0; i < 4096; i++) sampler.accept(Math.floor(random.next() * 500));
  const times = [];
  const begun = processorMs();
  for (let i = 0; i < runs; i++) {
    const row = rows[i % rows.length];
    const start = performance.now();
    const id = sampler.sample(row);
    times.push(performance.now() - start);
    sampler.accept(id);
  }
  show(name, times, begun);
}

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 40 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    tags: { type: 'array', items: { type: 'string' } },
    friends: { type: 'array', items: { $ref: '#' } },
  },
  required: ['name', 'age', 'tags'],
};
const grammars = {
  'any JSON': schemaGrammar({}),
  'a person of a schema': schemaGrammar(person),
  'a line of words': 'root ::= [A-Z] [a-z]+ (" " [a-z]+)* "."',
};

/** Noise agrees with a grammar only by chance: this is the worst that a model can do. */
for (const [name, grammar] of Object.entries(grammars)) {
  const start = processorMs();
  const constraints = createConstraints(parseGrammar(grammar), tokens);
  const made = processorMs() - start;
  const sampler = createSampler({ ...defaultSampling, seed: 1 }, nVocab);
  const times = [];
  const begun = processorMs();
  let masks = 0;
  let constraint = constraints();
  for (let i = 0; i < runs; i++) {
    const row = rows[i % rows.length];
    const counted = {
      ...constraint,
      allowed() {
        masks++;
        return constraint.allowed();
      },
    };
    const before = performance.now();
    const id = sampler.sample(row, counted);
    constraint.accept(id);
    times.push(performance.now() - before);
    if (tokens.ends.has(id)) constraint = constraints();
  }
  show(`${name} (prepared in ${made.toFixed(0)} ms; ${masks} of ${runs} chosen again)`, times, begun);
}
