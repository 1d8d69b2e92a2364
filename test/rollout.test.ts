/** Attention rollout by hand: Abnar & Zuidema 2020. */
import { describe, expect, it } from 'vitest';
import { attentionRollout } from '../src/models/rollout.ts';

/** One head over a class token and two patches; each row is what a token looks at. */
const layer = (...rows: readonly (readonly number[])[]): Float32Array => Float32Array.from(rows.flat());

describe('attention rollout', () => {
  it('of one layer is what the class token looks at', () => {
    const looks = layer([0.5, 0.4, 0.1], [0, 1, 0], [0, 0, 1]);
    expect([...attentionRollout([looks], 3, 1)]).toEqual([1, expect.closeTo(0.25, 6)]);
  });

  it('follows a look through the layers before', () => {
    // In the last layer the class token looks at the first patch alone, which before that looked at the second alone.
    const first = layer([1, 0, 0], [0, 0, 1], [0, 0, 1]);
    const last = layer([0, 1, 0], [0, 1, 0], [0, 0, 1]);
    // Half of it stays with itself in each layer: the first patch keeps 1/4, the second gets 1/4.
    expect([...attentionRollout([first, last], 3, 1)]).toEqual([1, 1]);
  });

  it('is the mean over heads', () => {
    const looks = layer([0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 1]);
    expect([...attentionRollout([looks], 3, 1)]).toEqual([1, 1]);
  });

  it('of a model without a class token begins from all patches', () => {
    const looks = layer([1, 0, 0], [1, 0, 0], [1, 0, 0]);
    expect([...attentionRollout([looks], 3, 0)]).toEqual([1, expect.closeTo(0.25, 6), expect.closeTo(0.25, 6)]);
  });
});
