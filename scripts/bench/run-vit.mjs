/** Times grafo's runs of a ViT of random weights, as a line of JSON: [wall, CPU] milliseconds of each image. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraphBuilder } from '../../dist/graph/builder.js';
import { Engine } from '../../dist/graph/device/engine.js';
import { writeProgram } from '../../dist/graph/device/files.js';
import { lower } from '../../dist/graph/lower/lower.js';
import { randomSource, vitShape, vitSizes } from '../../dist/io/random.js';
import { readModel } from '../../dist/models/definition.js';
import { vit } from '../../dist/models/vit.js';

const [size, compute, batch, threads, runs, profiles] = process.argv.slice(2);
const source = randomSource(vitShape({ ...vitSizes[size], type: 'f16' }));
const g = new GraphBuilder('vit');
const model = readModel(vit, source);
vit.graphs.classify(g, model);
const program = lower(g.build(), { provider: 'cpu', compute, fused: true }, {});

const folder = await mkdtemp(join(tmpdir(), 'grafo-bench-'));
const files = await writeProgram(program, folder);
const engine = await Engine.open({
  model: files.model,
  program,
  provider: 'cpu',
  index: 0,
  threads: Number(threads),
  ...(profiles && { profilePrefix: join(folder, 'profile') }),
});
const n = Number(batch);
const dims = [n, 3, model.h.imageSize, model.h.imageSize];
const data = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => 1.5 * Math.sin(0.37 * i));
const times = [];
for (let i = 0; i <= Number(runs); i++) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await engine.run({ image: { dtype: 'f32', dims, data } });
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  // The first run is a warm-up.
  if (i > 0) times.push([wall / n, (user + system) / 1000 / n]);
}
if (profiles) engine.endProfile();
await engine.close();
const result = profiles ? await byType(folder) : times;
await rm(folder, { recursive: true, force: true });
console.log(JSON.stringify(result));

/** Milliseconds a run in each type of operation, by ONNX Runtime's own profile; most expensive first. */
async function byType(folder) {
  const [trace] = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  const events = JSON.parse(await readFile(join(folder, trace), 'utf8'));
  const nRun = events.filter(({ name }) => name === 'model_run').length;
  const sums = new Map();
  for (const { cat, name, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    sums.set(args.op_name, (sums.get(args.op_name) ?? 0) + dur / 1000 / nRun);
  }
  return [...sums].toSorted(([, a], [, b]) => b - a);
}
