/** Guessing ahead with real models: whatever is guessed, asked and kept, the tokens are those of plain decoding. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TextModelFile } from '../../src/commands/text/open.ts';
import { openText } from '../../src/commands/text/open.ts';
import type { Listener, Writer, WriterOptions, Written } from '../../src/commands/text/writer.ts';
import { createWriter } from '../../src/commands/text/writer.ts';
import { defaultSampling } from '../../src/models/sampling.ts';
import { fixture, scratch } from '../fixtures.ts';
import { asText } from '../open-options.ts';
import { sharedData } from '../shared-data.ts';

const N_CTX = 160;
const greedy = { ...defaultSampling, seed: 1, temp: 0 };
/** Few enough candidates to repeat itself now and then. */
const drawn = { ...defaultSampling, seed: 5, temp: 0.7, topK: 2, repeatPenalty: 1.05 };

const open = (path: string): Promise<TextModelFile> =>
  openText(path, {
    ...asText,
    family: path.includes('deepseek') ? 'deepseek' : 'llama',
    speculation: { kind: 'ngram-simple', sizeN: 1, sizeM: 48 },
    nCtx: N_CTX,
  });

const listener: Listener = {
  signal: new AbortController().signal,
  hear: async () => undefined,
  tell: () => undefined,
};

const models: readonly (string | undefined)[] = [
  ...['llama/gqa-f32', 'llama/tied', 'llama/moe', 'deepseek/v2lite-q8_0'].map((name) => fixture(`${name}.gguf`)),
  sharedData('llama/stories260K.gguf', 'the repetitive text of a trained model'),
];

process.env.GRAFO_CACHE = `${scratch}/cache`;

describe.each(models.flatMap((path) => path ?? []))('%s', (path) => {
  let model: TextModelFile;
  beforeAll(async () => {
    model = await open(path);
  });
  afterAll(() => model.close());

  const ids = (text: string) => model.tokenizer.encode(text);
  const never: ReadonlySet<number> = new Set();

  /** Two writers alike, of which the second guesses. They share a cache, so each feeds its prompts anew. */
  const writers = (over: Partial<WriterOptions> & { ends?: ReadonlySet<number> }): readonly [Writer, Writer] => {
    const { ends = never, ...rest } = over;
    const options = {
      sampling: greedy,
      tokenizer: { ...model.tokenizer, endOfGeneration: ends },
      nCtx: N_CTX,
      nPredict: -1,
      stops: [],
      special: true,
      whenFull: { kind: 'end' },
      loadMs: 0,
      ...rest,
    } as const;
    const { speculation, decoder } = model;
    if (!speculation) throw new Error('no speculation');
    return [createWriter({ ...options, step: decoder.row }), createWriter({ ...options, step: speculation.step })];
  };

  const told = ({ ids, finish }: Written) => ({ ids, finish });
  /** What it writes after these prompts, one after the other. */
  const conversation = async (writer: Writer, prompts: readonly string[]) => {
    const answers: (ReturnType<typeof told> & { readonly cached: readonly number[] })[] = [];
    let context: readonly number[] = [];
    for (const prompt of prompts) {
      context = [...context, ...ids(prompt)];
      const written = await writer.write(context, listener);
      answers.push({ ...told(written), cached: [...writer.cached] });
      context = [...context, ...written.ids];
    }
    return answers;
  };
  const both = async (prompts: readonly string[], over: Parameters<typeof writers>[0] = {}) => {
    const [plain, guessing] = writers(over);
    return [await conversation(plain, prompts), await conversation(guessing, prompts)] as const;
  };

  it('writes the same until the context is full, some guesses being right and some wrong', async () => {
    const { guessed, right } = model.speculation?.count ?? { guessed: 0, right: 0 };
    for (const prompt of ['Once upon a time', 'Lily and Tom and Lily and Tom and']) {
      const [plain, guessing] = await both([prompt]);
      expect(plain[0]?.finish).toBe('context');
      expect(guessing).toEqual(plain);
    }
    const count = model.speculation?.count ?? { guessed: 0, right: 0 };
    expect(count.right).toBeGreaterThan(right);
    expect(count.guessed - guessed).toBeGreaterThan(count.right - right);
  });

  it('draws the same tokens from the same seed', async () => {
    const [plain, guessing] = await both(['Once upon a time', ' and'], { sampling: drawn, nPredict: 40 });
    expect(guessing).toEqual(plain);
  });

  it('stops where it is told to, and at an end token, within what was guessed too', async () => {
    const [[whole]] = await both(['Once upon a time'], { nPredict: 60 });
    const all = whole?.ids ?? [];
    for (const nPredict of [1, 2, 3, 5, 8, 13, 21, 34]) {
      const [, [cut]] = await both(['Once upon a time'], { nPredict });
      expect(cut).toMatchObject({ ids: all.slice(0, nPredict), finish: 'limit' });
    }
    const ends = [...new Set(all)].map((id) => all.indexOf(id)).filter((at) => at > 8);
    for (const at of ends.slice(0, 6)) {
      const [, [cut]] = await both(['Once upon a time'], { ends: new Set([all[at] ?? -1]) });
      expect(cut).toMatchObject({ ids: all.slice(0, at), finish: 'eog' });
    }
  });

  it('goes on with what was said, and from an earlier place, whatever wrong guesses have left', async () => {
    const [plain, guessing] = await both(['Once upon a time', ' there was', ' a time'], { nPredict: 24 });
    expect(guessing).toEqual(plain);
    const again = async (writer: Writer) => {
      await writer.write(ids('Once upon a time, upon a time'), listener);
      return told(await writer.write(ids('Once upon a time, Lily'), listener));
    };
    const [one, other] = writers({ nPredict: 40 });
    expect(await again(other)).toEqual(await again(one));
  });

  it('forgets the oldest tokens of a full context at the same place', async () => {
    const over = { whenFull: { kind: 'forget', keep: 4 }, nPredict: 260 } as const;
    const [plain, guessing] = await both(['Once upon a time'], over);
    expect(plain[0]?.ids).toHaveLength(260);
    expect(guessing).toEqual(plain);
  });
});
