/**
 * How fast grafo classifies images with ViTs of random weights on the CPU, beside vit.cpp where it is built.
 * Build first: npm run build; then: node scripts/bench-vit.mjs [--sizes tiny,small,base] [--threads 2] [--rounds 3]
 *   [--runs 8] [--peer BINARY] [--profile]
 * BINARY is bench/vit-peer.cpp, built beside vit.cpp's sources. Engines take turns, round by round; loading is left
 * out. The table has medians of all runs and, in brackets, the best; CPU time says more where a machine is busy.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { randomSource, vitShape, vitSizes } from '../dist/io/random.js';
import { median } from './bench/measure.mjs';
import { writeVitCpp } from './bench/vit-cpp-file.mjs';

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: 'tiny,small,base' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '8' },
    peer: { type: 'string' },
    profile: { type: 'boolean', default: false },
  },
});
const sizes = values.sizes.split(',');
const unknown = sizes.find((size) => !vitSizes[size]);
if (unknown !== undefined) {
  console.error(`unknown size '${unknown}'; sizes are ${Object.keys(vitSizes).join(', ')}`);
  process.exit(2);
}

const exec = promisify(execFile);
const lastLine = (text) => JSON.parse(text.trim().split('\n').at(-1));
const script = fileURLToPath(new URL('bench/run-vit.mjs', import.meta.url));
const grafo = async (size, compute, batch, profiles = false) => {
  const args = [script, size, compute, String(batch), values.threads, values.runs, ...(profiles ? ['profile'] : [])];
  return lastLine((await exec(process.execPath, args, { maxBuffer: 2 ** 24 })).stdout);
};

const configurations = [
  ['grafo f32', (size) => grafo(size, 'f32', 1)],
  ['grafo f32, batch 8', (size) => grafo(size, 'f32', 8)],
  ['grafo int8', (size) => grafo(size, 'int8', 1)],
  ['grafo int8, batch 8', (size) => grafo(size, 'int8', 8)],
];

const folder = await mkdtemp(join(tmpdir(), 'grafo-bench-'));
const column = (times, i) => {
  const all = times.map((t) => t[i]);
  return `${median(all).toFixed(1)} (${Math.min(...all).toFixed(1)})`;
};
console.log(`ms per image, ${values.threads} threads: median (best)`);
for (const size of sizes) {
  const engines = [...configurations];
  if (values.peer) {
    const file = join(folder, `${size}.bin`);
    await writeVitCpp(file, randomSource(vitShape({ ...vitSizes[size], type: 'f16' })));
    engines.push([
      'vit.cpp f16',
      async () => lastLine((await exec(values.peer, [file, values.threads, values.runs])).stderr),
    ]);
  }
  const times = new Map(engines.map(([name]) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, run] of engines) times.get(name).push(...(await run(size)));
  }
  const peer = times.get('vit.cpp f16');
  const ratio = (all, i) =>
    peer ? `${(median(peer.map((t) => t[i])) / median(all.map((t) => t[i]))).toFixed(2)} x` : '';
  console.log(`\n${size.padEnd(22)}${'wall'.padEnd(20)}${''.padEnd(9)}${'CPU'.padEnd(20)}`);
  for (const [name, all] of times) {
    console.log(
      `${name.padEnd(22)}${column(all, 0).padEnd(20)}${ratio(all, 0).padEnd(9)}${column(all, 1).padEnd(20)}${ratio(all, 1)}`,
    );
  }
  if (values.profile) {
    for (const compute of ['f32', 'int8']) {
      const ops = await grafo(size, compute, 1, true);
      console.log(
        `${compute}: ${ops
          .slice(0, 8)
          .map(([name, ms]) => `${name} ${ms.toFixed(1)}`)
          .join(', ')}`,
      );
    }
  }
}
await rm(folder, { recursive: true, force: true });
