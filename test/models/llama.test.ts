/** The models of the llama page, every variant with random weights, against float64 arithmetic and llama.cpp. */
import { describe, expect, it } from 'vitest';
import { fixture, nmse } from '../fixtures.ts';
import { type Arithmetic, idsOf, inPieces, joined, modelOf, referenceOf, topOfRows, withDecoder } from './decoders.ts';

const N_VOCAB = 288;

/** Float32 arithmetic against float64 gives about 1e-13 to 2e-12. */
const EXACT = 1e-9;

/** Sums of another order; 5e-13 where it was measured. */
const SAME = 1e-11;

/** One activation that is rounded to the other neighbour moves a row by about 1e-5. */
const SAME_IN_BLOCKS = 1e-4;

/**
 * How far llama.cpp's logits are from float64's for a type of weights, rounded up: it rounds activations to the
 * weights' precision, to int8 for blocks.
 */
const models: readonly [name: string, toLlamaCpp: number][] = [
  ['gqa-f32', EXACT],
  ['gqa-f16', 4e-6],
  ['gqa-bf16', 1e-4],
  ['gqa-q8_0', 2e-3],
  ['gqa-q4_0', 2e-3],
  ['gqa-q4_1', 2e-3],
  ['gqa-q5_0', 2e-3],
  ['gqa-q5_1', 2e-3],
  ['gqa-iq4_nl', 2e-3],
  ['gqa256-q2_k', 2e-3],
  ['gqa256-q3_k', 2e-3],
  ['gqa256-q4_k', 2e-3],
  ['gqa256-q5_k', 2e-3],
  ['gqa256-q6_k', 2e-3],
  ['gqa256-iq4_xs', 2e-3],
  ['mha', 4e-6],
  ['tied', 4e-6],
  ['bias', 4e-6],
  ['rope-linear', 4e-6],
  ['rope-yarn', 4e-6],
  ['rope-freqs', 4e-6],
  ['moe', 4e-6],
  ['qwen2', 4e-6],
  ['qwen3', 4e-6],
];

const forms: readonly [form: string, fused: boolean][] = [
  ['fused', true],
  ['plain', false],
];

/** All ways to feed the reference prompt, and another text beside it in a batch. */
const everyWay = async (name: string, arithmetic: Arithmetic) => {
  const path = modelOf(name) ?? '';
  const ids = idsOf(name);
  const other = ids.slice(3, 12);
  const alone = await withDecoder(path, arithmetic, async (decoder) => ({
    atOnce: await inPieces(decoder, ids, [24]),
    oneByOne: await inPieces(decoder, ids, new Array<number>(24).fill(1)),
    inChunks: await inPieces(decoder, ids, [10, 7, 1, 1, 5]),
    other: await decoder.last(other, 0),
  }));
  const batches = await withDecoder(path, { ...arithmetic, nSeq: 2 }, async (decoder) => {
    const fresh = await decoder.batch([other, ids], [0, 0]);
    await decoder.batch([ids.slice(0, 20), other.slice(0, 6)], [0, 0]);
    const resumed = await decoder.batch([ids.slice(20), other.slice(6)], [20, 6]);
    return { fresh: joined(fresh), resumed: joined(resumed) };
  });
  const last = alone.atOnce.subarray(-N_VOCAB);
  return {
    atOnce: alone.atOnce,
    /** Distance of every other way to the prompt at once. */
    ways: {
      oneByOne: nmse(alone.oneByOne, alone.atOnce),
      inChunks: nmse(alone.inChunks, alone.atOnce),
      inBatch: nmse(batches.fresh, joined([alone.other, last])),
      inResumedBatch: nmse(batches.resumed, joined([last, alone.other])),
    },
  };
};

const expectAtMost = (distances: Readonly<Record<string, number>>, most: number): void => {
  for (const [way, distance] of Object.entries(distances)) expect(distance, way).toBeLessThanOrEqual(most);
};

describe.each(models)('%s', (name, toLlamaCpp) => {
  const path = modelOf(name);
  it.skipIf(!path).each(forms)(
    'gives the logits of float64 arithmetic, however the text is fed, with %s attention',
    async (_, fused) => {
      const { atOnce, ways } = await everyWay(name, { compute: 'f32', fused });
      expect(nmse(atOnce, referenceOf(name, 'exact'))).toBeLessThanOrEqual(EXACT);
      expect(topOfRows(atOnce, N_VOCAB)).toEqual(topOfRows(referenceOf(name, 'exact'), N_VOCAB));
      expectAtMost(ways, SAME);
    },
  );

  it.skipIf(!path)(
    'gives the logits of llama.cpp by default, as near as its rounding of activations allows',
    async () => {
      const arithmetic = { compute: 'block', fused: true } as const;
      const logits = await withDecoder(path ?? '', arithmetic, (decoder) => inPieces(decoder, idsOf(name), [24]));
      expect(nmse(logits, referenceOf(name, 'logits'))).toBeLessThanOrEqual(toLlamaCpp);
      expect(nmse(logits, referenceOf(name, 'exact'))).toBeLessThanOrEqual(toLlamaCpp);
    },
  );
});

describe.each(['gqa-q8_0', 'gqa-q4_0', 'gqa256-q4_k', 'gqa256-q6_k'])(
  '%s with activations rounded per block',
  (name) => {
    it.each(forms)('gives the same logits, however the text is fed, with %s attention', async (_, fused) => {
      const { atOnce, ways } = await everyWay(name, { compute: 'block', fused });
      const distance = nmse(atOnce, referenceOf(name, 'exact'));
      expect(distance).toBeLessThanOrEqual(2e-3);
      // The blocks' kernel was at work, not float32 arithmetic.
      expect(distance).toBeGreaterThan(1e-6);
      expectAtMost(ways, SAME_IN_BLOCKS);
    });
  },
);

describe('in int8', () => {
  // Measured: two to three times what rounding activations per block costs, more where tokens choose experts by it.
  it.each([
    ['gqa-f32', 2e-3],
    ['gqa-q4_0', 2e-3],
    ['gqa256-q4_k', 2.5e-3],
    ['tied', 2.5e-3],
    ['qwen3', 2e-3],
    ['moe', 8e-3],
  ])('%s is as near float64 arithmetic at once as a token at a time', async (name, most) => {
    const arithmetic = { compute: 'int8', fused: true } as const;
    const [atOnce, oneByOne] = await withDecoder(fixture(`llama/${name}.gguf`), arithmetic, async (decoder) => [
      await inPieces(decoder, idsOf(name), [24]),
      await inPieces(decoder, idsOf(name), new Array<number>(24).fill(1)),
    ]);
    const errors = [atOnce, oneByOne].map((logits) => nmse(logits!, referenceOf(name, 'exact')));
    for (const error of errors) {
      expect(error).toBeLessThan(most);
      expect(error).toBeGreaterThan(1e-4);
    }
  });
});

it('a model in two files gives bit for bit the logits of the same model in one', async () => {
  fixture('llama/split-00002-of-00002.gguf');
  const logitsOf = (file: string) =>
    withDecoder(fixture(`llama/${file}.gguf`), { compute: 'block', fused: true }, (decoder) =>
      inPieces(decoder, idsOf('gqa-q8_0'), [24]),
    );
  expect(await logitsOf('split-00001-of-00002')).toEqual(await logitsOf('gqa-q8_0'));
});
