/** Guessing ahead: the tokens are those of plain decoding, whatever the guesses. */
import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../src/graph/device/engine.ts';
import type { Runner } from '../src/models/decoder.ts';
import { guessByLookup, lookUp } from '../src/models/guessers/lookup.ts';
import { guessByLayer } from '../src/models/guessers/next-layer.ts';
import { createSpeculation, type Guesser, type Speculation } from '../src/models/speculation.ts';

const [N_VOCAB, N_EMBD, N_CTX] = [7, 2, 32];
const sizes = { nVocab: N_VOCAB, nCtx: N_CTX };

/** What follows a token at a position: any rule that is no simple one. */
const after = (token: number, pos: number): number => (3 * token + pos * pos + 1) % N_VOCAB;

const oneHot = (tokens: readonly number[]): HostTensor => {
  const data = new Float32Array(tokens.length * N_VOCAB);
  tokens.forEach((token, i) => {
    data[i * N_VOCAB + token] = 1;
  });
  return { dtype: 'f32', dims: [tokens.length, N_VOCAB], data };
};

type Inputs = Parameters<Runner['run']>[0];
const numbers = (inputs: Inputs, name: string): number[] => [...(inputs[name]?.data ?? [])].map(Number);

/** A model that follows the rule; every row tells its own token and position. */
const model = () => {
  const runs: number[][] = [];
  const run = async (inputs: Inputs) => {
    const [tokens, pos] = [numbers(inputs, 'tokens'), numbers(inputs, 'pos')];
    runs.push(tokens);
    const data = Float32Array.from(tokens.flatMap((token, i) => [token, pos[i] ?? -1]));
    const asked = numbers(inputs, 'outIds').map((i) => after(tokens[i] ?? -1, pos[i] ?? -1));
    return { logits: oneHot(asked), hidden: { dtype: 'f32', dims: [1, tokens.length, N_EMBD], data } as const };
  };
  return { run, runs };
};

/**
 * A layer that checks what it is given: each token with the row of the one before it, positions without a gap.
 * @param isRight whether the guess for this position is to come true
 */
const layer = (isRight: (pos: number) => boolean) => {
  const seen: number[] = [];
  const run = async (inputs: Inputs) => {
    const [tokens, pos, rows] = [numbers(inputs, 'tokens'), numbers(inputs, 'pos'), numbers(inputs, 'hidden')];
    pos.forEach((p, i) => {
      expect(rows[i * N_EMBD + 1], 'the row of the token before').toBe(p);
      seen.push(p);
    });
    const at = (pos.at(-1) ?? -1) + 1;
    const right = after(tokens.at(-1) ?? -1, at);
    return { logits: oneHot([isRight(at) ? right : (right + 1) % N_VOCAB]) };
  };
  return { run, seen };
};

const likeliest = (logits: Float32Array): number => logits.indexOf(1);

/** Writes n tokens after a prompt. */
const write = async (step: Speculation['step'], prompt: readonly number[], n: number, from = 0): Promise<number[]> => {
  let token = likeliest(await step(prompt, from));
  const out = [token];
  for (let pos = from + prompt.length; out.length < n; pos++) {
    token = likeliest(await step([token], pos));
    out.push(token);
  }
  return out;
};

const expected = (prompt: readonly number[], n: number, from = 0): number[] => {
  let token = prompt.at(-1) ?? -1;
  return Array.from({ length: n }, (_, i) => {
    token = after(token, from + prompt.length - 1 + i);
    return token;
  });
};

describe.each([
  { guesses: 'always right', isRight: () => true, runsFor12: 7 },
  { guesses: 'never right', isRight: () => false, runsFor12: 12 },
  { guesses: 'right now and then', isRight: (pos: number) => pos % 3 === 0, runsFor12: 9 },
])('with a layer whose guesses are $guesses', ({ isRight, runsFor12 }) => {
  it('writes what plain decoding writes, and shows each position once to the layer', async () => {
    const [main, next] = [model(), layer(isRight)];
    const { step } = createSpeculation(main, guessByLayer(next, { nEmbd: N_EMBD }), { ...sizes, nTokenPerRun: 3 });
    expect(await write(step, [1, 5, 2, 4], 12)).toEqual(expected([1, 5, 2, 4], 12));
    expect(next.seen).toEqual([...new Set(next.seen)]);
    // Two runs for the prompt, of three tokens and of one.
    expect(main.runs.slice(0, 2).map((tokens) => tokens.length)).toEqual([3, 1]);
    expect(main.runs.length - 1).toBe(runsFor12);
  });

  it('starts over in the middle, goes on from a prompt, and fills the context to its end', async () => {
    const guesser = guessByLayer(layer(isRight), { nEmbd: N_EMBD });
    const { step } = createSpeculation(model(), guesser, { ...sizes, nTokenPerRun: 64 });
    await write(step, [1, 5, 2, 4], 5);
    expect(await write(step, [3, 3], 4, 2)).toEqual(expected([3, 3], 4, 2));
    expect(await write(step, [6], 6, 3)).toEqual(expected([6], 6, 3));
    expect(await write(step, [0, 1], N_CTX - 1)).toEqual(expected([0, 1], N_CTX - 1));
  });
});

describe('what is looked up', () => {
  it.each([
    { of: 'a text without repetition', text: [1, 2, 3, 4], sizeN: 1, sizeM: 4, guesses: [] },
    { of: 'an empty text', text: [], sizeN: 1, sizeM: 4, guesses: [] },
    { of: 'one token', text: [1], sizeN: 1, sizeM: 4, guesses: [] },
    { of: 'a repetition', text: [1, 2, 3, 4, 5, 1, 2], sizeN: 2, sizeM: 3, guesses: [3, 4, 5] },
    { of: 'one that is too short', text: [1, 2, 3, 4, 5, 9, 2], sizeN: 2, sizeM: 3, guesses: [] },
    { of: 'the very beginning', text: [1, 2, 1], sizeN: 1, sizeM: 1, guesses: [2] },
    { of: 'two places, the latest', text: [1, 2, 8, 1, 3, 9, 1], sizeN: 1, sizeM: 1, guesses: [3] },
    { of: 'two places, the longest', text: [7, 1, 2, 8, 1, 3, 7, 1], sizeN: 1, sizeM: 2, guesses: [2, 8] },
    { of: 'a place near the end, itself again', text: [5, 1, 2, 1, 2], sizeN: 2, sizeM: 5, guesses: [1, 2, 1, 2, 1] },
    { of: 'one token again and again', text: [4, 4, 4], sizeN: 2, sizeM: 3, guesses: [4, 4, 4] },
    { of: 'a text as short as what is looked for', text: [4, 4], sizeN: 2, sizeM: 3, guesses: [] },
    { of: 'no room', text: [4, 4, 4], sizeN: 2, sizeM: 0, guesses: [] },
  ])('of $of: $guesses', ({ text, sizeN, sizeM, guesses }) => {
    expect(lookUp(text, { sizeN, sizeM })).toEqual(guesses);
  });
});

/** A model whose text is a cycle of four tokens with a break now and then. */
const cyclic = () => {
  const runs: number[] = [];
  const next = (pos: number) => (pos % 13 === 12 ? 6 : (pos + 1) % 4);
  const run = async (inputs: Inputs) => {
    const [tokens, pos] = [numbers(inputs, 'tokens'), numbers(inputs, 'pos')];
    runs.push(tokens.length);
    return { logits: oneHot(numbers(inputs, 'outIds').map((i) => next(pos[i] ?? -1))) };
  };
  return { run, runs, text: (from: number, n: number) => Array.from({ length: n }, (_, i) => next(from - 1 + i)) };
};

describe('guesses that are looked up', () => {
  const nCtx = 96;
  const open = (nTokenPerRun = 64, over: { sizeN?: number; sizeM?: number } = {}) => {
    const main = cyclic();
    const guesser = guessByLookup({ sizeN: 2, sizeM: 48, ...over });
    return { ...main, ...createSpeculation(main, guesser, { nVocab: N_VOCAB, nCtx, nTokenPerRun }) };
  };

  it.each([
    { nTokenPerRun: 64, sizeN: 2, sizeM: 48 },
    { nTokenPerRun: 64, sizeN: 1, sizeM: 2 },
    { nTokenPerRun: 3, sizeN: 4, sizeM: 48 },
    { nTokenPerRun: 1, sizeN: 1, sizeM: 48 },
  ])('change nothing in the text, and no run is longer than it may be: %o', async ({ nTokenPerRun, ...over }) => {
    const { step, runs, count, text } = open(nTokenPerRun, over);
    expect(await write(step, [0, 1, 2, 3], nCtx - 3)).toEqual(text(4, nCtx - 3));
    const most = Math.min(nTokenPerRun, 1 + over.sizeM);
    const nPrompt = Math.ceil(4 / nTokenPerRun);
    expect(Math.max(...runs.slice(nPrompt))).toBeLessThanOrEqual(most);
    // Every token after the first is a run of its own, or was guessed.
    expect(runs.length - nPrompt).toBe(nCtx - 4 - count.right);
    expect(count.right > 0).toBe(nTokenPerRun > 1);
    expect(count.guessed).toBeGreaterThanOrEqual(count.right);
  });

  it('go no further than the context', async () => {
    const { step, runs } = open();
    await step([0, 1, 2, 3, 0, 1], nCtx - 9);
    await step([2], nCtx - 3);
    await step([5], nCtx - 2);
    await step([2], nCtx - 1);
    expect(runs).toEqual([6, 3, 1, 1]);
  });

  it('are of what was followed, where the cache holds more than that', async () => {
    const { step, runs } = open();
    await write(step, [0, 1, 2, 3], 2, 50);
    expect(runs).toEqual([4, 1]);
    await write(step, [1, 2, 3, 0, 1], 2, 17);
    expect(runs).toEqual([4, 1, 5, 4]);
  });

  it('are as if nothing had been guessed before when the text goes on from an earlier position', async () => {
    const { step, text } = open();
    await write(step, [0, 1, 2, 3], 20);
    expect(await write(step, [2, 3, 0], 20, 10)).toEqual(text(13, 20));
    expect(await write(step, [5], 20, 3)).toEqual(text(4, 20));
  });

  it('double while they come true, and are few after one that did not', async () => {
    const guesser = guessByLookup({ sizeN: 1, sizeM: 12 });
    const lengths: number[] = [];
    const grow = async (text: Iterable<number>, from: number) => {
      let pos = from;
      for (const token of text) guesser.follow(token, pos++);
      lengths.push((await guesser.guess(64)).length);
      return pos;
    };
    let pos = await grow([1, 1], 0);
    for (let i = 0; i < 3; i++) pos = await grow(Array(lengths.at(-1)).fill(1), pos);
    pos = await grow([1, 1, 2, 1], pos);
    pos = await grow([3, 1], pos);
    expect(lengths).toEqual([3, 7, 12, 12, 5, 1]);
  });
});

it('a token that is not the one guessed is computed anew, and what was guessed after it is forgotten', async () => {
  const guesser: Guesser = { follow: () => undefined, guess: async () => [4, 5, 6] };
  const main = cyclic();
  const { step, count } = createSpeculation(main, guesser, { nVocab: N_VOCAB, nCtx: 64, nTokenPerRun: 64 });
  await step([0, 1], 0);
  await step([2], 2);
  await step([4], 3);
  await step([0], 4);
  await step([5], 5);
  expect(main.runs).toEqual([2, 4, 4, 4]);
  expect(count).toEqual({ guessed: 9, right: 1 });
});
