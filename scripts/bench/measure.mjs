/**
 * What is measured of an engine, the same for each. An engine holds one growing context:
 * `clear()` empties it, `prompt(tokens)` appends to it, `step(token)` appends one and gives the likeliest next.
 */

/** Positions at which single tokens are timed. */
export const POSITIONS = [128, 512, 3500];
export const CONTEXT = 4096;
const PROMPT = 512;
const GENERATED = 64;
const STEPS = 24;
const PROMPTS = 3;

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Ordinary tokens, the same in every run; the first 260 ids of a vocabulary are bytes and controls. */
export const someTokens = (n) => Array.from({ length: n }, (_, i) => 300 + ((i * 7919) % 31000));

/** Milliseconds of each of `n` steps. */
export const timeSteps = async (engine, n) => {
  const times = [];
  let token = 300;
  for (let i = 0; i < n; i++) {
    const start = performance.now();
    token = await engine.step(token);
    times.push(performance.now() - start);
  }
  return times;
};

/**
 * Lets an engine's context really grow to each position in turn and times `STEPS` tokens there. Positions could be
 * claimed over an unwritten cache, but the pages of one that was never written are all the same page of zeros.
 */
export const eachPosition = async (engine, visit) => {
  await engine.clear();
  let length = 0;
  for (const position of POSITIONS) {
    await engine.prompt(someTokens(position - length));
    await visit(position, await timeSteps(engine, STEPS));
    length = position + STEPS;
  }
};

/** Opens an engine and takes all of its figures: rates in tokens per second, the rest in milliseconds and bytes. */
export const measure = async (open) => {
  const start = performance.now();
  const engine = await open();
  const load = performance.now() - start;
  await engine.step(1);
  const firstToken = performance.now() - start;

  const promptTimes = [];
  for (let i = 0; i < PROMPTS; i++) {
    await engine.clear();
    const from = performance.now();
    await engine.prompt(someTokens(PROMPT));
    promptTimes.push(performance.now() - from);
  }
  await engine.clear();
  const generated = (await timeSteps(engine, GENERATED)).reduce((a, b) => a + b);
  const at = {};
  await eachPosition(engine, (position, times) => {
    at[position] = median(times);
  });
  await engine.close();
  return {
    load,
    firstToken,
    prompt: (1000 * PROMPT) / median(promptTimes),
    generate: (1000 * GENERATED) / generated,
    at,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
};
