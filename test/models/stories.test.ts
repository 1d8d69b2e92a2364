/** A real, trained model: what grafo writes with it is what llama.cpp writes, id for id. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Decoder } from '../../src/models/decoder.ts';
import { negativeLogLikelihood, perplexity } from '../../src/models/perplexity.ts';
import { nmse, readNda } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';
import { type Arithmetic, inPieces, topOfRows, withDecoder } from './decoders.ts';

const model = sharedData('llama/stories260K.gguf', 'the text of a trained model');
const reference = (name: string): string => {
  const path = sharedData(`llama/stories260K.${name}`, 'the text of a trained model');
  if (path) return path;
  throw new Error(`stories260K.gguf is there, stories260K.${name} is not`);
};
const json = (name: string) => JSON.parse(readFileSync(reference(name), 'utf8'));

interface Case {
  readonly prompt: string;
  readonly prompt_ids: readonly number[];
  readonly ids: readonly number[];
}

const N_VOCAB = 512;

const arithmetics: readonly [what: string, arithmetic: Arithmetic][] = [
  ['by default', { compute: 'block', fused: true }],
  ['with plain attention', { compute: 'block', fused: false }],
  ['in float32', { compute: 'f32', fused: true }],
];

/** The likeliest id after these tokens. */
const next = async (decoder: Decoder, tokens: readonly number[], pos: number): Promise<number> =>
  topOfRows(await decoder.last(tokens, pos), N_VOCAB)[0]!;

/** `n` ids, each the likeliest; the prompt is fed in pieces of at most `width`. */
const greedy = async (decoder: Decoder, prompt: readonly number[], n: number, width: number): Promise<number[]> => {
  const ids: number[] = [];
  for (let pos = 0; pos < prompt.length; pos += width) {
    const id = await next(decoder, prompt.slice(pos, pos + width), pos);
    if (pos + width >= prompt.length) ids.push(id);
  }
  while (ids.length < n) ids.push(await next(decoder, ids.slice(-1), prompt.length + ids.length - 1));
  return ids;
};

/** The same for two prompts side by side. */
const greedyBatch = async (decoder: Decoder, prompts: readonly (readonly number[])[], n: number) => {
  const texts = prompts.map((): number[] => []);
  let tokens = prompts;
  let pos = prompts.map(() => 0);
  while (texts[0]!.length < n) {
    const logits = await decoder.batch(tokens, pos);
    pos = pos.map((p, s) => p + tokens[s]!.length);
    tokens = logits.map((row) => topOfRows(row, N_VOCAB));
    for (const [s, [id]] of tokens.entries()) texts[s]!.push(id!);
  }
  return texts;
};

describe.skipIf(!model)('stories260K', () => {
  const cases = (): readonly Case[] => json('greedy.json').cases;

  it.each(arithmetics)('writes 200 ids as llama.cpp does %s, however the prompt is fed', async (_, arithmetic) => {
    await withDecoder(model!, arithmetic, async (decoder) => {
      for (const { prompt, prompt_ids, ids } of cases()) {
        expect(ids).toHaveLength(200);
        for (const width of [prompt_ids.length, 1, 3])
          expect(await greedy(decoder, prompt_ids, 200, width), `${prompt} by ${width}`).toEqual(ids);
      }
    });
  });

  it.each(arithmetics)('writes the same two texts side by side in a batch %s', async (_, arithmetic) => {
    await withDecoder(model!, { ...arithmetic, nSeq: 2 }, async (decoder) => {
      const [first, second, third] = cases() as readonly [Case, Case, Case];
      for (const pair of [
        [first, second],
        [third, first],
      ]) {
        const texts = await greedyBatch(
          decoder,
          pair.map((c) => c.prompt_ids),
          200,
        );
        expect(texts).toEqual(pair.map((c) => c.ids));
      }
    });
  });

  it.each(arithmetics)('gives the logits of float64 arithmetic %s', async (_, arithmetic) => {
    const { ids } = json('ids.json');
    const logits = await withDecoder(model!, arithmetic, (decoder) => inPieces(decoder, ids, [ids.length]));
    expect(nmse(logits, readNda(reference('exact.bin')).values)).toBeLessThanOrEqual(1e-9);
    expect(nmse(logits, readNda(reference('logits.bin')).values)).toBeLessThanOrEqual(1e-9);
  });

  it('has the perplexity of llama.cpp, in one window and as its tool counts', async () => {
    const { ids, ppl_llamacpp, llama_perplexity_tool } = json('ppl.json');
    await withDecoder(model!, { compute: 'block', fused: true }, async (decoder) => {
      const logits = await inPieces(decoder, ids, [ids.length]);
      let loss = 0;
      for (let i = 0; i + 1 < ids.length; i++)
        loss += negativeLogLikelihood(logits.subarray(i * N_VOCAB, (i + 1) * N_VOCAB), ids[i + 1]);
      expect(Math.exp(loss / (ids.length - 1)) / ppl_llamacpp).toBeCloseTo(1, 3);

      const [estimates, final] = llama_perplexity_tool.output;
      const printed: string[] = [];
      let last: { perplexity: number; error: number } | undefined;
      // The tool read the text from a file, and a file's last newline is not part of the text.
      for await (last of perplexity(decoder, ids.slice(0, -1), { nCtx: llama_perplexity_tool.n_ctx, bos: 1 }))
        printed.push(last.perplexity.toFixed(4));
      expect(estimates).toBe(printed.map((ppl, i) => `[${i + 1}]${ppl},`).join(''));
      expect(final).toContain(`PPL = ${last?.perplexity.toFixed(4)} +/- ${last?.error.toFixed(5)}`);
    });
  });
});
