/** Blocks of 16 integers that run two as one. */
import { describe, expect, it } from 'vitest';
import { pair, pairs } from '../src/graph/lower/pairs.ts';

/** Values of a pair: 16 integers, told from 128, times each scale. */
const values = (data: ArrayLike<number>, scales: ArrayLike<number>): number[] =>
  Array.from(data, (q, i) => scales[Math.floor((i * scales.length) / data.length)]! * (q - 128));

/** Integers of so many bits, all of them if there is room, in no order. */
const block = (bits: number, seed: number): number[] =>
  Array.from({ length: 16 }, (_, i) => 128 + (((i * 7 + seed * 5) * 2654435761) >>> (32 - bits)) - 2 ** (bits - 1));

describe('two blocks as one', () => {
  it.each([
    { what: 'equal scales', q: [block(6, 1), block(6, 2)], scales: [0.5, 0.5] },
    { what: 'the larger scale first', q: [block(6, 3), block(6, 4)], scales: [0.75, 0.2] },
    { what: 'the larger scale last', q: [block(6, 5), block(6, 6)], scales: [0.01, 3] },
    { what: 'scales of both signs', q: [block(6, 7), block(6, 8)], scales: [-0.4, 0.3] },
    { what: 'the least integer there is', q: [block(6, 9).with(3, 96), block(6, 1).with(5, 96)], scales: [1, 0.9] },
    { what: 'small integers under a large scale', q: [block(2, 1), block(6, 2)], scales: [4, 0.3] },
    { what: 'integers of 8 bits', q: [block(8, 1), block(8, 2)], scales: [0.1, 0.09] },
    { what: 'a scale of nothing', q: [block(6, 1), block(6, 2)], scales: [0, 0.2] },
    { what: 'integers of nothing', q: [new Array<number>(16).fill(128), block(6, 2)], scales: [7, 0.2] },
  ])('of $what: one keeps its values, the other is within half a step', ({ q, scales }) => {
    const plain = { data: Uint8Array.from(q.flat()), scales: Float32Array.from(scales) };
    const before = values(plain.data, plain.scales);
    const together = pair({ ...plain, data: plain.data.slice() });
    const after = values(together.data, together.scales);
    expect(together.scales).toHaveLength(1);
    const step = Math.abs(together.scales[0]!);
    const largest = Math.max(...before.map(Math.abs));
    // Nothing is wasted: what is largest takes more than half of 7 bits and a sign.
    expect(step).toBeLessThanOrEqual(largest / 63.9);
    const errors = before.map((value, i) => Math.abs(value - after[i]!));
    const worst = [errors.slice(0, 16), errors.slice(16)].map((part) => Math.max(...part));
    expect(Math.min(...worst)).toBeLessThanOrEqual(1e-6 * largest);
    expect(Math.max(...worst)).toBeLessThanOrEqual(0.5001 * step);
  });

  it('whose scales differ in sign alone lose a step of the least integer, as 8 bits have no 128', () => {
    const plain = { data: Uint8Array.from([...block(6, 9).with(3, 96), ...block(5, 1).with(5, 96)]), scales: [1, -1] };
    const before = values(plain.data, plain.scales);
    const { data, scales } = pair({ data: plain.data.slice(), scales: Float32Array.from(plain.scales) });
    const errors = values(data, scales).map((value, i) => Math.abs(value - before[i]!));
    expect(errors.filter((error) => error > 0)).toEqual([Math.abs(scales[0]!)]);
  });

  it('that are zero stay zero, whatever their scale', () => {
    const zero = { data: new Uint8Array(32).fill(128), scales: Float32Array.of(0, 0) };
    expect(values(pair(zero).data, pair(zero).scales).every((value) => value === 0)).toBe(true);
  });

  it.each([
    [{ bits: 8, blockSize: 16, hasOffsets: false }, 64, true],
    [{ bits: 8, blockSize: 16, hasOffsets: false }, 48, false],
    [{ bits: 8, blockSize: 32, hasOffsets: false }, 64, false],
    [{ bits: 4, blockSize: 16, hasOffsets: false }, 64, false],
    [{ bits: 8, blockSize: 16, hasOffsets: true }, 64, false],
  ] as const)('%o in rows of %i: %s', (layout, nIn, expected) => {
    expect(pairs(layout, nIn)).toBe(expected);
  });
});
