/**
 * Whether the cache of latent attention takes of memory what grafo says, in both of its forms. Build first: npm run build;
 * then: node scripts/bench-cache.mjs
 * A model of random weights, its weights mapped as from the second start on, reads a prompt of 4,000 tokens; memory that is
 * no file's is looked at every 500 of them. Keys and values that are no latent rows are also copied, a layer at a time, by
 * every run: that grows too. Linux only: nobody else tells a file's memory apart.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeGguf } from '../dist/io/gguf/writer.js';
import { randomSource } from '../dist/io/random.js';
import { deepseek2Shape, v2Lite } from '../dist/io/random-deepseek.js';
import { openGrafoText } from './compare/engines/grafo.mjs';
import { someTokens } from './compare/measure/text.mjs';
import { median } from './compare/table.mjs';

/** Heads and latent rows as wide as V2-Lite's, all else small: 18 KiB a token as latent rows, 80 as keys and values. */
const shape = { ...v2Lite, nLayer: 8, nEmbd: 512, nHead: 8, nFf: 1024, nFfExpert: 512, nExpert: 16, nExpertUsed: 2 };
const model = deepseek2Shape({ ...shape, nShared: 1, nVocab: 32_000, type: 'q4_0' });

const STEP = 500;
const LAST = 4000;
const forms = { absorb: 'latent rows', expand: 'keys and values' };

const anonymousBytes = async () => {
  const status = await readFile('/proc/self/status', 'utf8');
  return 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(status)[1]);
};

/** In a process of its own: one start, and either nothing else or the growth. */
const start = async (what, file, mla) => {
  let said = '';
  const notice = (line) => {
    said ||= /^cache: ([\d.]+) KiB a token/.exec(line)?.[1] ?? '';
  };
  const engine = await openGrafoText({ file, threads: 1, nCtx: LAST, mla, notice });
  const tokens = someTokens(LAST);
  const seen = [];
  for (let n = STEP; n <= (what === 'grow' ? LAST : STEP); n += STEP) {
    await engine.prompt(tokens.slice(n - STEP, n));
    seen.push(await anonymousBytes());
  }
  await engine.close();
  return { said: Number(said), seen };
};

const [what, file, mla] = process.argv.slice(2);
if (what) {
  console.log(JSON.stringify(await start(what, file, mla)));
  process.exit(0);
}

const folder = await mkdtemp(join(tmpdir(), 'grafo-cache-'));
try {
  const file = join(folder, 'model.gguf');
  const cache = join(folder, 'cache');
  await writeGguf(file, { metadata: model.metadata, tensors: [...randomSource(model).tensors.values()] });
  const run = async (what, mla) => {
    // Small caches too in memory of their own, which is nobody's until it is written: otherwise it is cleared when it is made.
    const options = { env: { ...process.env, GRAFO_CACHE: cache, MALLOC_MMAP_THRESHOLD_: `${2 ** 17}` } };
    const args = [fileURLToPath(import.meta.url), what, file, mla];
    return JSON.parse((await promisify(execFile)(process.execPath, args, options)).stdout);
  };
  for (const [i, mla] of Object.keys(forms).entries()) {
    await run('prepare', mla);
    const nPacked = async () =>
      (await readdir(join(cache, 'programs'))).filter((name) => name.endsWith('-packed')).length;
    while ((await nPacked()) <= i) await sleep(500);
    const { said, seen } = await run('grow', mla);
    const kib = seen.map((bytes) => bytes / 1024);
    const steps = kib.slice(1).map((x, i) => (x - kib[i]) / STEP);
    // What loading has left goes at some time or other, in one step.
    const [grown, ...each] = [median(steps), ...steps].map((x) => x.toFixed(1));
    console.log(
      `${mla.padEnd(7)} ${said.toFixed(1)} KiB a token said, ${grown} grown (${each.join(' ')}): ${forms[mla]}`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
