/**
 * Everything that is to be known of a graphics card in one go, written into one folder:
 *
 *   node scripts/bench-gpu.mjs OUT [--device webgpu] [--peer FOLDER] [--minutes 9]
 *
 * grafo bench on the standard shapes in float16 and float32, then, where FOLDER holds node_modules with node-llama-cpp,
 * llama.cpp through Vulkan on the same shapes. Every step has its own time limit, so that one that hangs costs only
 * itself; what is not begun when the minutes are over is left out and told. Nothing is downloaded: weights are random.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TEXT_PLAN } from './compare/measure/text.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'webgpu' },
    peer: { type: 'string' },
    minutes: { type: 'string', default: '9' },
  },
});
const [out] = positionals;
if (!out) {
  console.error('usage: node scripts/bench-gpu.mjs OUT [--device webgpu] [--peer FOLDER] [--minutes 9]');
  process.exit(2);
}
mkdirSync(out, { recursive: true });
const end = Date.now() + 60_000 * Number(values.minutes);
const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const summary = [];

/** Runs a step with what is left of the time, at most; its streams go to files of the step's name. */
const step = (name, args, seconds) => {
  const left = end - Date.now();
  if (left < 10_000) {
    summary.push(`${name}: left out, the time is over`);
    return;
  }
  console.error(`${name} ...`);
  const begun = Date.now();
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: Math.min(left, 1000 * seconds),
    killSignal: 'SIGINT',
    maxBuffer: 2 ** 28,
  });
  writeFileSync(join(out, `${name}.out`), stdout ?? '');
  writeFileSync(join(out, `${name}.err`), stderr ?? '');
  summary.push(`${name}: ${signal ?? `exit ${status}`} after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
};

const bench = (name, args, seconds) =>
  step(name, [script('../bin/grafo.js'), 'bench', '-dev', values.device, '-o', 'jsonl', '-oe', 'md', ...args], seconds);

const text = ['-p', '512', '-n', '64', '-d', '0,3500', '-r', '3'];
step('devices', [script('../bin/grafo.js'), 'llama', '--list-devices'], 60);
bench('llama-1b-f16', ['--shape', 'tinyllama-1.1b:q4_0', ...text], 150);
bench('llama-1b-f32', ['--shape', 'tinyllama-1.1b:q4_0', '-ctk', 'f32', '--no-roofline', ...text], 120);
bench('vit-base', ['--shape', 'vit-base:f16', '-ni', '1,8,64', '-r', '5', '--no-roofline'], 90);
bench('whisper-base', ['--shape', 'whisper-base:f16', '-r', '3', '--no-roofline'], 120);
bench('llama-8b-f16', ['--shape', 'llama-3-8b:q4_0', '--no-roofline', ...text], 240);
bench('deepseek-lite', ['--shape', 'deepseek-v2-lite:q4_k_m@4layers', '--no-roofline', '-n', '32', '-r', '2'], 120);

if (values.peer) {
  const folder = mkdtempSync(join(tmpdir(), 'grafo-bench-gpu-'));
  for (const shape of ['tinyllama-1.1b', 'llama-3-8b']) {
    const file = join(folder, `${shape}.gguf`);
    step(`${shape}-file`, [script('random-gguf.mjs'), file, '--shape', shape, '--type', 'q4_0'], 120);
    const options = { plan: TEXT_PLAN, file, threads: 8, nCtx: TEXT_PLAN.nCtx, folder: values.peer, gpu: 'vulkan' };
    const args = ['node-llama-cpp text', JSON.stringify(options)];
    step(`${shape}-llama.cpp-vulkan`, [script('compare/child.mjs'), ...args], 120);
    rmSync(file, { force: true });
  }
  rmSync(folder, { recursive: true, force: true });
}

for (const name of ['llama-1b-f16', 'vit-base', 'whisper-base', 'llama-8b-f16']) {
  try {
    console.log(readFileSync(join(out, `${name}.err`), 'utf8'));
  } catch {
    // A step that was left out wrote nothing.
  }
}
writeFileSync(join(out, 'summary.txt'), `${summary.join('\n')}\n`);
console.log(summary.join('\n'));
