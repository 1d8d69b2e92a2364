/**
 * Whisper's shapes with random weights beside whisper.cpp, in turn on the same machine:
 *
 *   node scripts/bench-whisper.mjs [--rounds 3] [--threads 2] [--whisper-cpp BUILD/bin]
 *
 * Every figure is the best of all rounds, in milliseconds. A round is a whole run of each program.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { writeWhisper } from './bench/whisper-file.mjs';

const run = promisify(execFile);
const grafo = fileURLToPath(new URL('../bin/grafo.js', import.meta.url));

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    'whisper-cpp': { type: 'string' },
  },
});

const shapes = {
  tiny: { nEmbd: 384, nHead: 6, nLayer: 4 },
  base: { nEmbd: 512, nHead: 8, nLayer: 6 },
};

const folder = join(tmpdir(), 'grafo-bench-whisper');
mkdirSync(folder, { recursive: true });

/** 30 s of noise. */
const recording = join(folder, 'noise.raw');
if (!existsSync(recording)) {
  let x = 1;
  const samples = Int16Array.from({ length: 16_000 * 30 }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    return x >> 20;
  });
  writeFileSync(recording, Buffer.from(samples.buffer));
}

const grafoRun = async (model, ...more) => {
  const args = ['whisper', '-m', model, '-t', flags.threads, '-nf', '-et', '0', '-nt', '--json', '-q', '--no-guards'];
  const input = ['--input-format', 's16le', recording];
  const { stdout } = await run(process.execPath, [grafo, ...args, ...more, ...input], { maxBuffer: 1 << 26 });
  const { timings: t } = JSON.parse(stdout);
  const perRun = (ms, runs) => (runs > 0 ? ms / runs : undefined);
  return {
    encode: t.encode_ms,
    step: perRun(t.decode_ms, t.decode_runs),
    'step of 5': perRun(t.batchd_ms, t.batchd_runs),
    mel: t.mel_ms,
  };
};

/** `encode time = 657.10 ms / 1 runs ( 657.10 ms per run)`; its batches are of 5 tokens. */
const whisperCppRun = async (model, ...more) => {
  const program = join(flags['whisper-cpp'], 'whisper-bench');
  const { stderr } = await run(program, ['-m', model, '-t', flags.threads, '-ng', ...more]);
  const perRun = (name) => Number(new RegExp(`${name} time = .*\\(\\s*([\\d.]+) ms per run\\)`).exec(stderr)?.[1]);
  return { encode: perRun('encode'), step: perRun('decode'), 'step of 5': perRun('batchd') };
};

const contestants = {
  'grafo, float32, greedy': (model) => grafoRun(model, '--compute', 'f32', '-bs', '1'),
  'grafo, float32, beam 5': (model) => grafoRun(model, '--compute', 'f32', '-bs', '5'),
  'grafo, int8, greedy': (model) => grafoRun(model, '--compute', 'int8', '-bs', '1'),
  ...(flags['whisper-cpp'] && {
    'whisper.cpp': (model) => whisperCppRun(model),
    'whisper.cpp, -nfa': (model) => whisperCppRun(model, '-nfa'),
  }),
};

const columns = ['encode', 'step', 'step of 5', 'mel'];
for (const [name, shape] of Object.entries(shapes)) {
  const model = join(folder, `${name}.bin`);
  if (!existsSync(model)) await writeWhisper(model, shape);
  const best = new Map(Object.keys(contestants).map((who) => [who, {}]));
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [who, measure] of Object.entries(contestants)) {
      const figures = await measure(model);
      const row = best.get(who);
      for (const column of columns) {
        const value = figures[column];
        if (value !== undefined) row[column] = Math.min(value, row[column] ?? Number.POSITIVE_INFINITY);
      }
    }
  }
  console.log(`\n${name}, ${flags.threads} threads, ms`);
  console.log(`${''.padEnd(26)}${columns.map((c) => c.padStart(12)).join('')}`);
  for (const [who, row] of best) {
    console.log(`${who.padEnd(26)}${columns.map((c) => (row[c]?.toFixed(2) ?? '-').padStart(12)).join('')}`);
  }
}
