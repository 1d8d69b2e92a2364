/**
 * What is measured of a text model, the same for each engine. An engine holds one growing context: `clear()` empties
 * it, `prompt(tokens)` appends to it, `step(token)` appends one and gives the likeliest next.
 */
import { median } from '../table.mjs';

/**
 * How much of everything: tokens of a prompt and how many prompts, tokens one by one from an empty context, positions
 * at which single tokens are timed and how many there, room in the context.
 */
export const TEXT_PLAN = { prompt: 512, prompts: 3, generated: 64, positions: [128, 512, 3500], steps: 24, nCtx: 4096 };

/** Ordinary tokens, the same in every run; the first 260 ids of a vocabulary are bytes and controls. */
export const someTokens = (n) => Array.from({ length: n }, (_, i) => 300 + ((i * 7919) % 31000));

/** Milliseconds of each of `n` steps. */
const timeSteps = async (engine, n) => {
  const times = [];
  let token = 300;
  for (let i = 0; i < n; i++) {
    const start = performance.now();
    token = await engine.step(token);
    times.push(performance.now() - start);
  }
  return times;
};

/** Rates in tokens per second, all else in milliseconds. */
export const measureText = async (open, { prompt, prompts, generated, positions, steps }) => {
  const engine = await open();
  await engine.step(1);
  const start = performance.now(); // since the process began

  const promptTimes = [];
  for (let i = 0; i < prompts; i++) {
    await engine.clear();
    const from = performance.now();
    await engine.prompt(someTokens(prompt));
    promptTimes.push(performance.now() - from);
  }
  await engine.clear();
  const generating = (await timeSteps(engine, generated)).reduce((a, b) => a + b);

  // The context really grows to each position: of a cache that was never written, all pages are one page of zeros.
  await engine.clear();
  let length = 0;
  const at = {};
  for (const position of positions) {
    await engine.prompt(someTokens(position - length));
    at[`at ${position}`] = median(await timeSteps(engine, steps));
    length = position + steps;
  }
  await engine.close();
  return { start, prompt: (1000 * prompt) / median(promptTimes), generate: (1000 * generated) / generating, ...at };
};
