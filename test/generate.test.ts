import { describe, expect, it } from 'vitest';
import type { FinishReason, GenerateOptions } from '../src/models/generate.ts';
import { generate } from '../src/models/generate.ts';

/** A model that says the token after the last one, and a record of what it was fed. */
const counting = () => {
  const fed: [tokens: readonly number[], pos: number][] = [];
  const step = async (tokens: readonly number[], pos: number) => {
    fed.push([tokens, pos]);
    return Float32Array.of((tokens.at(-1) ?? 0) + 1);
  };
  return { fed, step };
};

const accepted: number[] = [];
const sampler = { sample: (logits: Float32Array) => logits[0]!, accept: (id: number) => void accepted.push(id) };

const run = async (prompt: readonly number[], over: Partial<GenerateOptions<Float32Array>>) => {
  const { fed, step } = counting();
  const o = {
    sampler,
    pos: 0,
    nCtx: 100,
    endOfGeneration: new Set<number>(),
    maxTokens: 3,
    signal: new AbortController().signal,
  };
  const tokens = generate(step, prompt, { ...o, ...over });
  const ids: number[] = [];
  for (;;) {
    const next = await tokens.next();
    if (next.done) return { ids, finish: next.value as FinishReason, fed };
    ids.push(next.value);
  }
};

describe('generation', () => {
  it('ends at the limit without a step that nobody needs', async () => {
    const { ids, finish, fed } = await run([5, 6], { maxTokens: 3 });
    expect({ ids, finish }).toEqual({ ids: [7, 8, 9], finish: 'limit' });
    expect(fed).toEqual([
      [[5, 6], 0],
      [[7], 2],
      [[8], 3],
    ]);
  });

  it('ends at an end token and does not give it out', async () => {
    expect(await run([5], { endOfGeneration: new Set([8]), maxTokens: 9 })).toMatchObject({
      ids: [6, 7],
      finish: 'eog',
    });
  });

  it('ends when the context is full, after the last token that fits', async () => {
    const { ids, finish, fed } = await run([5, 6], { nCtx: 4, maxTokens: 9 });
    expect({ ids, finish, steps: fed.length }).toEqual({ ids: [7, 8, 9], finish: 'context', steps: 3 });
  });

  it('goes on from a position of a warm cache', async () => {
    expect((await run([5, 6], { pos: 10, maxTokens: 2 })).fed).toEqual([
      [[5, 6], 10],
      [[7], 12],
    ]);
  });

  it('computes the prompt even when no token is wanted', async () => {
    expect(await run([5, 6], { maxTokens: 0 })).toEqual({ ids: [], finish: 'limit', fed: [[[5, 6], 0]] });
  });

  it('stops between two steps when asked to', async () => {
    const stop = new AbortController();
    const step = async () => {
      stop.abort();
      return Float32Array.of(1);
    };
    const o = { sampler, pos: 0, nCtx: 10, endOfGeneration: new Set<number>(), maxTokens: 5, signal: stop.signal };
    expect(await generate(step, [1], o).next()).toEqual({ done: true, value: 'interrupt' });
  });

  it('tells the sampler every token that it chose', async () => {
    accepted.length = 0;
    await run([5], { maxTokens: 2 });
    expect(accepted).toEqual([6, 7]);
  });
});
