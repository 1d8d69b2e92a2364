/** Guessing ahead: the tokens are those of plain decoding, whatever the guesses. */
import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../src/graph/device/engine.ts';
import type { Runner } from '../src/models/decoder.ts';
import { createSpeculation, type Speculation } from '../src/models/speculation.ts';

const [N_VOCAB, N_EMBD, N_CTX] = [7, 2, 32];

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
 * A guesser that checks what it is given: each token with the row of the one before it, positions without a gap.
 * @param isRight whether the guess for this position is to come true
 */
const guesser = (isRight: (pos: number) => boolean) => {
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
])('with guesses that are $guesses', ({ isRight, runsFor12 }) => {
  it('writes what plain decoding writes, and shows each position once to the guesser', async () => {
    const [main, next] = [model(), guesser(isRight)];
    const { step } = createSpeculation(main, next, { nVocab: N_VOCAB, nEmbd: N_EMBD, nCtx: N_CTX, nTokenPerRun: 3 });
    expect(await write(step, [1, 5, 2, 4], 12)).toEqual(expected([1, 5, 2, 4], 12));
    expect(next.seen).toEqual([...new Set(next.seen)]);
    // Two runs for the prompt, of three tokens and of one.
    expect(main.runs.slice(0, 2).map((tokens) => tokens.length)).toEqual([3, 1]);
    expect(main.runs.length - 1).toBe(runsFor12);
  });

  it('starts over in the middle, goes on from a prompt, and fills the context to its end', async () => {
    const options = { nVocab: N_VOCAB, nEmbd: N_EMBD, nCtx: N_CTX, nTokenPerRun: 64 };
    const { step } = createSpeculation(model(), guesser(isRight), options);
    await write(step, [1, 5, 2, 4], 5);
    expect(await write(step, [3, 3], 4, 2)).toEqual(expected([3, 3], 4, 2));
    expect(await write(step, [6], 6, 3)).toEqual(expected([6], 6, 3));
    expect(await write(step, [0, 1], N_CTX - 1)).toEqual(expected([0, 1], N_CTX - 1));
  });
});
