/** whisper.cpp by its whisper-bench, with its own defaults (flash attention). */
import { join } from 'node:path';
import { runProgram } from '../turns.mjs';

/** whisper-bench decodes so many tokens together, and counts each of them as a run. */
const BEAMS = 5;

/** Milliseconds: `encode time = 657.10 ms / 1 runs ( 657.10 ms per run)`. */
export const runWhisperBench = async ({ folder, file, threads }) => {
  const { stderr } = await runProgram(join(folder, 'whisper-bench'), ['-m', file, '-t', String(threads), '-ng']);
  const perRun = (name) => {
    const found = new RegExp(`${name} time = .*\\(\\s*([\\d.]+) ms per run\\)`).exec(stderr);
    if (!found) throw new Error(`whisper-bench printed no time of '${name}'`);
    return Number(found[1]);
  };
  return { hear: perRun('encode'), step: perRun('decode'), beams: BEAMS * perRun('batchd') };
};
