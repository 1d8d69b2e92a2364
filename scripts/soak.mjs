/**
 * Long work in one process: whether memory, open files, threads and child processes stay as many as they were. Linux.
 * Build first: npm run build; then: node scripts/soak.mjs [vit] [chat] [opens] [--images 2000] [--tokens 10000]
 * [--opens 500] [--growth 32]
 * The demo models do it: many images, a long answer in a short context, models of all kinds opened and closed. The exit
 * code is 1 where the last two fifths of the time have more memory, by so many MB, or more open than the two before.
 * scripts/soak-whisper.mjs is the same for hours of sound.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string', default: '2000' },
    tokens: { type: 'string', default: '10000' },
    opens: { type: 'string', default: '500' },
    growth: { type: 'string', default: '32' },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'grafo-soak-'));

/** Many images, each a file of its own. */
const images = () => {
  const samples = readdirSync(here('../demo/samples')).filter((name) => ['.png', '.jpg'].includes(extname(name)));
  const path = join(folder, 'images');
  mkdirSync(path);
  for (let i = 0; i < Number(values.images); i++) {
    const sample = samples[i % samples.length];
    copyFileSync(here(`../demo/samples/${sample}`), join(path, `${i}-${sample}`));
  }
  return path;
};

/** What a process is told to do, for each kind of work. */
const kinds = {
  vit: () => [here('../bin/grafo.js'), 'vit', '-q', '-k', '1', images(), '--output-dir', join(folder, 'seen')],
  chat: () =>
    [
      [here('../bin/grafo.js'), 'llama', '-q', '-st', '-p', 'Once upon a time', '--seed', '1'],
      ['--ignore-eos', '-n', values.tokens, '-c', '256', '--context-shift'],
    ].flat(),
  opens: () => [here('soak-opens.mjs'), values.opens],
};

/** What a process has: memory in MB, and the numbers of what is open. Throws where it has ended. */
const look = (pid) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const number = (name) => {
    const [, found] = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status) ?? [];
    if (found === undefined) throw new Error(`process ${pid} has no ${name} any more`);
    return Number(found);
  };
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return {
    MB: number('VmRSS') / 1024,
    files: readdirSync(`/proc/${pid}/fd`).length,
    threads: number('Threads'),
    children: children.filter(Boolean).length,
  };
};

/** What may come and go: images that are read ahead, threads that decode them, a process that packs weights. */
const SLACK = { MB: Number(values.growth), files: 8, threads: 4, children: 1 };
const PAUSE_MS = 250;

/** Runs it to its end; whether all stayed as it was. */
const soak = async (name) => {
  // What is freed goes back to the system at once: glibc would keep it, and what grows would not be seen.
  const allocator = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };
  const env = { ...process.env, ...allocator, GRAFO_CACHE: join(folder, 'cache') };
  const child = spawn(process.execPath, kinds[name](), { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let nByte = 0;
  child.stdout.on('data', (part) => {
    nByte += part.length;
  });
  const samples = [];
  const timer = setInterval(() => {
    try {
      samples.push(look(child.pid));
    } catch {
      clearInterval(timer); // it has ended
    }
  }, PAUSE_MS);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  const part = (from, to) => samples.slice(Math.floor(from * samples.length), Math.floor(to * samples.length));
  const seconds = (samples.length * PAUSE_MS) / 1000;
  console.log(`${name}: exit code ${code} after ${seconds.toFixed(0)} s, ${nByte} bytes written`);
  for (let tenth = 0; tenth <= 10; tenth++) {
    const at = samples[Math.min(samples.length - 1, Math.floor((tenth * samples.length) / 10))];
    const counts = `${at.files} files, ${at.threads} threads, ${at.children} children`;
    console.log(`${String(10 * tenth).padStart(4)} % ${at.MB.toFixed(0).padStart(6)} MB, ${counts}`);
  }
  const most = (some, what) => Math.max(...some.map((sample) => sample[what]));
  const grown = Object.keys(SLACK).filter(
    (what) => most(part(0.6, 1), what) - most(part(0.2, 0.6), what) > SLACK[what],
  );
  if (grown.length > 0) console.log(`${name}: ${grown.join(', ')} grew`);
  return code === 0 && grown.length === 0;
};

const unknown = positionals.find((name) => !(name in kinds));
if (unknown !== undefined) throw new Error(`'${unknown}' is none of ${Object.keys(kinds).join(', ')}`);
try {
  const results = [];
  for (const name of positionals.length > 0 ? positionals : Object.keys(kinds)) results.push(await soak(name));
  process.exitCode = results.every(Boolean) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
