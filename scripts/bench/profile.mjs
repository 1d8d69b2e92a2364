/** Where a token's time goes, by ONNX Runtime's own profile. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildDecoder, withGguf } from '../../dist/commands/open.js';
import { openSession } from '../../dist/graph/device/session.js';
import { lower } from '../../dist/graph/lower/lower.js';
import { createDecoder } from '../../dist/models/decoder.js';
import { growing } from './grafo.mjs';
import { CONTEXT, eachPosition, timeSteps } from './measure.mjs';

const N_TOKEN_PER_RUN = 64;

/**
 * Per position: milliseconds a token as the caller sees it, and in each type of operation, most expensive first.
 * @returns {Promise<{ position: number, wall: number, ops: [name: string, ms: number][] }[]>}
 */
export const profileTokens = async (file, threads) => {
  const folder = await mkdtemp(join(tmpdir(), 'grafo-profile-'));
  try {
    const windows = await runProfiled(file, threads, folder);
    const [trace] = (await readdir(folder)).filter((name) => name.endsWith('.json'));
    const events = JSON.parse(await readFile(join(folder, trace), 'utf8'));
    const runs = events.filter((e) => e.cat === 'Session' && e.name === 'model_run').toSorted((a, b) => a.ts - b.ts);
    return windows.map(({ position, first, times }) => ({
      position,
      wall: times.reduce((a, b) => a + b) / times.length,
      ops: byType(events, runs.slice(first, first + times.length)),
    }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Runs tokens at each position; a profile has no marks, so it is cut by the number of the run. */
const runProfiled = async (file, threads, folder) => {
  const program = await withGguf(file, async (source) => {
    const { graph, h } = buildDecoder(source);
    const lowered = lower(graph, { provider: 'cpu', compute: 'block', fused: true }, { nCtx: CONTEXT, B: 1 });
    const cpu = { provider: 'cpu', index: 0, name: 'cpu', state: { kind: 'available' } };
    const options = { threads, cacheFolder: folder, profilePrefix: join(folder, 'profile') };
    return { session: await openSession(lowered, cpu, options), nVocab: h.nVocab };
  });
  let nRun = 0;
  const counted = {
    program: program.session.program,
    run(inputs) {
      nRun++;
      return program.session.run(inputs);
    },
  };
  const engine = growing(createDecoder(counted, { nVocab: program.nVocab, nTokenPerRun: N_TOKEN_PER_RUN }));
  await timeSteps(engine, 4);
  const windows = [];
  await eachPosition(engine, (position, times) => {
    windows.push({ position, first: nRun - times.length, times });
  });
  await program.session.close();
  return windows;
};

/** Milliseconds a run in each type of operation. */
const byType = (events, runs) => {
  const from = runs[0].ts;
  const last = runs.at(-1);
  const sums = new Map();
  for (const { cat, name, ts, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || ts < from || ts > last.ts + last.dur) continue;
    sums.set(args.op_name, (sums.get(args.op_name) ?? 0) + dur / 1000 / runs.length);
  }
  return [...sums].toSorted(([, a], [, b]) => b - a);
};
