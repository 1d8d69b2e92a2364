/**
 * How fast grafo runs a language model of random weights on the CPU, beside llama.cpp where node-llama-cpp is installed.
 * Build first: npm run build; then:
 *
 *   node scripts/bench-llama.mjs [--shape NAME] [--type q4_0|q4_k_m|...] [--threads 2] [--rounds 3] [--peer FOLDER] [--expanded]
 *
 * FOLDER holds the node_modules with node-llama-cpp; --expanded adds latent attention that keeps every head's keys and
 * values. Engines take turns, round by round; the table has medians of rounds.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { writeGguf } from '../dist/io/gguf/writer.js';
import { randomSource } from '../dist/io/random.js';
import { median, POSITIONS } from './bench/measure.mjs';
import { SHAPES } from './bench/shapes.mjs';

const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: 'tinyllama-1.1b' },
    type: { type: 'string', default: 'q4_0' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    peer: { type: 'string' },
    expanded: { type: 'boolean', default: false },
  },
});
const shape = SHAPES[values.shape];
if (!shape) {
  console.error(`unknown shape '${values.shape}'; shapes are ${Object.keys(SHAPES).join(', ')}`);
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'grafo-bench-'));
const file = join(folder, 'model.gguf');

/** In a child process; what grafo prepares goes to the folder of the file, so that both lie on one disk. */
const run = async (what) => {
  console.error(`${what} ...`);
  const script = fileURLToPath(new URL('bench/run.mjs', import.meta.url));
  const options = { env: { ...process.env, GRAFO_CACHE: join(folder, 'cache') }, maxBuffer: 2 ** 24 };
  const args = [script, what, file, values.threads, ...(values.peer ? [values.peer] : [])];
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return JSON.parse(stdout);
};

const [first, , last] = POSITIONS;
const ms = (x) => x.toFixed(1);
const rows = [
  ['prompt of 512, tokens/s', (r) => r.prompt, ms],
  ['64 tokens from an empty context, tokens/s', (r) => r.generate, ms],
  ...POSITIONS.map((p) => [`a token at ${p}, ms`, (r) => r.at[p], ms]),
  [`a token at ${last} / at ${first}`, (r) => r.at[last] / r.at[first], (x) => x.toFixed(2)],
  ['load, s', (r) => r.load / 1000, (x) => x.toFixed(2)],
  ['load and first token, s', (r) => r.firstToken / 1000, (x) => x.toFixed(2)],
  ['peak memory, MiB', (r) => r.peakBytes / 2 ** 20, (x) => x.toFixed(0)],
];

const cell = (results, take, show) => {
  const all = results.map(take);
  return `${show(median(all))} (${show(Math.min(...all))}-${show(Math.max(...all))})`;
};

try {
  const model = shape(values.type);
  await writeGguf(file, { metadata: model.metadata, tensors: [...randomSource(model).tensors.values()] });
  const engines = { grafo: [], ...(values.expanded && { 'grafo-expanded': [] }), ...(values.peer && { peer: [] }) };
  for (let i = 0; i < Number(values.rounds); i++) {
    for (const [name, results] of Object.entries(engines)) results.push(await run(name));
  }
  const columns = Object.entries(engines);
  const titles = columns.map(([name]) => (name === 'peer' ? 'node-llama-cpp' : name));
  console.log(
    `${values.shape}, ${values.type}, ${values.threads} threads, median (least-most) of ${values.rounds} rounds\n`,
  );
  console.log(`| | ${titles.join(' | ')} |\n|---|${titles.map(() => '---|').join('')}`);
  for (const [title, take, show] of rows) {
    console.log(`| ${title} | ${columns.map(([, results]) => cell(results, take, show)).join(' | ')} |`);
  }

  for (const { position, wall, ops } of await run('profile')) {
    const products = ops.find(([name]) => name === 'MatMulNBits')?.[1] ?? 0;
    console.log(
      `\na token at ${position}, profiled: ${ms(wall)} ms, weight products ${((100 * products) / wall).toFixed(0)} %\n`,
    );
    console.log('| operation | ms | share |\n|---|---|---|');
    for (const [name, time] of ops.slice(0, 8)) {
      console.log(`| ${name} | ${time.toFixed(2)} | ${((100 * time) / wall).toFixed(0)} % |`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
