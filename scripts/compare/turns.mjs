/** Engines take turns, so that what a machine does besides falls on all of them alike. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** An engine's figures, from a process of its own; what grafo prepares goes to `cache`. */
export const inChild = async (task, { cache, ...options }) => {
  const script = fileURLToPath(new URL('child.mjs', import.meta.url));
  const env = { ...process.env, ...(cache && { GRAFO_CACHE: cache }) };
  const { stdout } = await runProgram(process.execPath, [script, task, JSON.stringify(options)], { env });
  return JSON.parse(stdout.trim().split('\n').at(-1));
};

/** A program that ends well and in time, and what it printed. */
export const runProgram = (program, args, options) =>
  promisify(execFile)(program, args, { maxBuffer: 2 ** 26, timeout: LIMIT_MS, ...options });

/** Nobody's round takes so long on a machine that can be measured on. */
const LIMIT_MS = 10 * 60_000;

/**
 * Figures of every contestant, one for each round. Every other round goes from the last to the first. One that fails is
 * told and left out; the others go on.
 * @param contestants `{ name, measure }`
 * @returns {Promise<{ results: Map<string, object[]>, failed: string[] }>}
 */
export const inTurns = async (contestants, rounds, say) => {
  const results = new Map(contestants.map(({ name }) => [name, []]));
  const failed = [];
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const { name, measure } of order) {
      const figures = results.get(name);
      if (!figures) continue;
      say(`round ${round + 1} of ${rounds}, ${name}`);
      try {
        figures.push(await measure());
      } catch (error) {
        failed.push(`${name}: ${lastWords(error)}`);
        results.delete(name);
      }
    }
  }
  return { results, failed };
};

/** How it ended, and the last that it said. */
const lastWords = ({ code, signal, killed, stderr = '', message }) => {
  if (code === undefined || typeof code === 'string') return message;
  const how = killed ? 'not done in time' : (signal ?? `exit code ${code}`);
  return `${how}; ${stderr.trim().split('\n').at(-1)}`;
};
