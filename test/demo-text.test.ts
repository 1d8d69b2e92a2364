/** The text models of demo/, made by scripts/train: real files, always here, that do what their cards say. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { withGguf } from '../src/commands/text/open.ts';
import { chatTemplate, encodeChat, findChatTemplate } from '../src/io/text/chat.ts';
import { thoughtSplitter } from '../src/io/text/thoughts.ts';
import type { Tokenizer } from '../src/io/text/tokenizer.ts';
import { readTokenizer } from '../src/io/text/tokenizer.ts';
import { topOfRows, withDecoder } from './models/decoders.ts';

const demo = (name: string): string => fileURLToPath(new URL(`../demo/${name}`, import.meta.url));
const [llama, deepseek] = [demo('llama.gguf'), demo('deepseek.gguf')];

/** Long enough for any story or thought, and all the context that the tests open. */
const N_CTX = 320;

interface Author {
  readonly tokenizer: Tokenizer;
  /** What the model writes after each prompt, always the likeliest, up to its own end or that of the context. */
  write(prompts: readonly (readonly number[])[]): Promise<readonly { text: string; ends: boolean }[]>;
  /** The prompt of a conversation that these messages began, people and model in turn. */
  chat(...messages: readonly string[]): readonly number[];
}

/** Opens a model for `nSeq` texts at a time. */
const withAuthor = async <R>(path: string, nSeq: number, use: (author: Author) => Promise<R>): Promise<R> => {
  const metadata = await withGguf(path, async (file) => file.metadata);
  const tokenizer = readTokenizer(metadata);
  const template = chatTemplate(findChatTemplate(metadata)!);
  return withDecoder(path, { compute: 'block', fused: true, nSeq }, (decoder) =>
    use({
      tokenizer,
      chat: (...messages) => {
        const roles = messages.map((content, i) => ({
          role: i % 2 ? ('assistant' as const) : ('user' as const),
          content,
        }));
        return encodeChat(tokenizer, template, roles, { addGenerationPrompt: true });
      },
      async write(prompts) {
        const texts = prompts.map((): number[] => []);
        const ended = new Set<number>();
        let [tokens, pos] = [prompts, prompts.map(() => 0)];
        while (ended.size < prompts.length && Math.max(...pos.map((p, s) => p + tokens[s]!.length)) <= N_CTX) {
          const logits = await decoder.batch(tokens, pos);
          pos = pos.map((p, s) => p + tokens[s]!.length);
          tokens = logits.map((row) => topOfRows(row, decoder.nVocab));
          for (const [s, [id]] of tokens.entries()) {
            if (tokenizer.endOfGeneration.has(id!)) ended.add(s);
            if (!ended.has(s)) texts[s]!.push(id!);
          }
        }
        return texts.map((ids, s) => ({ text: tokenizer.decode(ids), ends: ended.has(s) }));
      },
    }),
  );
};

it.each([llama, deepseek])(
  '%s is small enough to come along, and has a vocabulary and a chat template',
  async (path) => {
    expect(statSync(path).size).toBeLessThanOrEqual(4 * 1024 * 1024);
    await withGguf(path, async ({ metadata }) => {
      const tokenizer = readTokenizer(metadata);
      const text = 'Once upon a time, there were 347 "apples"!';
      expect(tokenizer.decode(tokenizer.encode(text, { addSpecial: false }))).toBe(text);
      expect(findChatTemplate(metadata)).toContain('add_generation_prompt');
      expect(metadata.get('general.license')).toBe('mit');
    });
  },
);

describe('the llama of demo/', () => {
  const openings = [
    'Once upon a time',
    'One day',
    'In a small village',
    'There was a brave',
    'Long ago',
    'The little fox',
  ];

  it('writes stories that end, in whole sentences, without saying anything twice', async () => {
    const stories = await withAuthor(llama, openings.length, async ({ tokenizer, write }) =>
      (await write(openings.map((text) => tokenizer.encode(text)))).map((s, i) => ({
        ...s,
        text: openings[i] + s.text,
      })),
    );
    for (const { text, ends } of stories) {
      expect(ends, text).toBe(true);
      expect(text).toMatch(/^[A-Z].*[.!?]"?$/);
      const sentences = text.split(/(?<=[.!?]"?) (?=["A-Z])/).filter((s) => s.split(' ').length > 3);
      expect(sentences.length, text).toBeGreaterThan(5);
      expect(new Set(sentences).size, text).toBe(sentences.length);
    }
    expect(new Set(stories.map(({ text }) => text)).size).toBe(openings.length);
  });

  it('tells stories of whom it is asked for, at least 17 times of 20', async () => {
    const asked = `dragon fox robot princess mouse wizard penguin knight giant bear
      ghost pirate unicorn cat dog king witch lion farmer rabbit`.split(/\s+/);
    const stories = await withAuthor(llama, asked.length, ({ chat, write }) =>
      write(asked.map((hero) => chat(`Tell me a story about a ${hero}.`))),
    );
    const missed = asked.filter((hero, i) => !stories[i]!.text.includes(` ${hero}`));
    expect(missed.length, missed.join(', ')).toBeLessThanOrEqual(3);
  });

  it('answers simple questions, and tells kindly what it cannot do', async () => {
    const table: readonly (readonly [messages: readonly string[], answer: RegExp])[] = [
      [['What colour is the sky?'], /^The sky is blue\.$/],
      [['What is 7 + 5?'], /^7 plus 5 is 12\.$/],
      [['What is the opposite of hot?'], /^The opposite of hot is cold\.$/],
      [['Count to 5'], /^1, 2, 3, 4, 5\.$/],
      [['How many legs does a spider have?'], /^A spider has eight legs\.$/],
      [['Who are you?'], /small language model/],
      [['Explain quantum physics'], /stories/],
      [['My name is Anna.', 'Nice to meet you, Anna! What can I do for you?', 'What is my name?'], /Anna/],
      [['Thank you!'], /welcome|pleasure|glad/],
    ];
    const answers = await withAuthor(llama, table.length, ({ chat, write }) =>
      write(table.map(([messages]) => chat(...messages))),
    );
    for (const [i, [messages, answer]] of table.entries()) {
      expect(answers[i]!.text, messages.at(-1)).toMatch(answer);
      expect(answers[i]!.ends).toBe(true);
    }
  });
});

describe('the deepseek of demo/', () => {
  /** Whether the training held this sum out, by the rule of scripts/train/deepseek/sums.py. */
  const isHeldOut = (sum: string): boolean => createHash('sha256').update(sum).digest()[0]! % 10 === 0;

  it('thinks aloud, and gets 38 of 40 sums, differences and products right that it never met', async () => {
    const wordings = ['What is {}?', 'Calculate {}', '{} =', 'how much is {}?', '{}'];
    const problems = Array.from({ length: 2000 }, (_, i) => {
      const [a, b, digit] = [(i * 389 + 57) % 1000, (i * 151 + 7) % 1000, 2 + (i % 8)];
      if (i % 3 === 0) return { sum: `${a} + ${b}`, result: a + b };
      if (i % 3 === 1) return { sum: `${Math.max(a, b)} - ${Math.min(a, b)}`, result: Math.abs(a - b) };
      return { sum: `${a % 100} * ${digit}`, result: (a % 100) * digit };
    })
      .filter(({ sum }) => isHeldOut(sum))
      .slice(0, 40);
    const written = await withAuthor(deepseek, problems.length, ({ chat, write }) =>
      write(problems.map(({ sum }, i) => chat(wordings[i % wordings.length]!.replace('{}', sum)))),
    );
    const right = written.filter(({ text }, i) => {
      const pieces = thoughtSplitter(false).push(text);
      expect(pieces[0]?.kind, text).toBe('thought');
      return pieces.some((p) => p.kind === 'text' && p.text === `${problems[i]!.sum} = ${problems[i]!.result}.`);
    });
    expect(right.length, written.map(({ text }) => text).join('\n\n')).toBeGreaterThanOrEqual(38);
  });

  it('solves little stories, and says kindly what it has not learnt', async () => {
    const table: readonly (readonly [message: string, answer: RegExp])[] = [
      ['Tom has 120 coins and gives 45 to Mia. How many coins does Tom have left?', /<\/think>\nThe answer is 75\.$/],
      ['There are 24 pears in a box. How many pears are in 6 boxes?', /<\/think>\nThe answer is 144\.$/],
      ['Hello', /<\/think>\nHello! I can add/],
      ['What is the capital of France?', /<\/think>\nI am sorry, I only know sums\./],
    ];
    const answers = await withAuthor(deepseek, table.length, ({ chat, write }) =>
      write(table.map(([message]) => chat(message))),
    );
    for (const [i, [message, answer]] of table.entries()) {
      expect(answers[i]!.text, message).toMatch(answer);
      expect(answers[i]!.ends).toBe(true);
    }
  });
});
