/**
 * `npm run bench`: the standard shapes on this machine, beside what they were the last time. Results are appended to
 * bench-history.jsonl, which stays out of the repository: figures of different machines are no history.
 * Flags after `--` go to grafo bench: npm run bench -- -dev cpu,webgpu -r 3
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SHAPES = ['tinyllama-1.1b:q4_0', 'deepseek-v2-lite:q4_k_m@4layers', 'whisper-base:f16', 'vit-base:f16'];
const HISTORY = 'bench-history.jsonl';

const grafo = fileURLToPath(new URL('../bin/grafo.js', import.meta.url));
const args = [
  'bench',
  ...SHAPES.flatMap((shape) => ['--shape', shape]),
  '-ni',
  '1,8',
  '--history',
  HISTORY,
  ...(existsSync(HISTORY) ? ['--compare', HISTORY] : []),
  ...process.argv.slice(2),
];
process.exitCode = spawnSync(process.execPath, [grafo, ...args], { stdio: 'inherit' }).status ?? 1;
