/** Conversations and the commands that work on them, with a writer that only repeats what it was asked. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Conversation } from '../src/commands/chat/conversation.ts';
import { runSlash } from '../src/commands/chat/slash.ts';
import type { Listener, Writer } from '../src/commands/text/writer.ts';
import { chatTemplate } from '../src/io/text/chat.ts';
import type { Tokenizer } from '../src/io/text/tokenizer.ts';
import { scratch } from './fixtures.ts';

/** One token for every character. */
const tokenizer: Tokenizer = {
  addBos: false,
  addEos: false,
  bos: undefined,
  eos: undefined,
  endOfGeneration: new Set(),
  vocabSize: 0x110000,
  warnings: [],
  encode: (text) => Array.from(text, (character) => character.codePointAt(0) ?? 0),
  decode: (ids) => String.fromCodePoint(...ids),
  piece: (id) => Buffer.from(String.fromCodePoint(id)),
  isControl: () => false,
  text: (id) => String.fromCodePoint(id),
  idOf: () => undefined,
};

const talk = (options: { forgetAt?: number } = {}) => {
  const prompts: string[] = [];
  const told: string[] = [];
  const writer: Writer = {
    cached: [],
    choose: () => undefined,
    resume: () => undefined,
    async write(prompt) {
      prompts.push(tokenizer.decode(prompt));
      return {
        text: `answer ${prompts.length}`,
        reasoning: '',
        ids: [],
        finish: 'eog',
        promptMs: 0,
        firstTokenMs: 0,
        generateMs: 0,
        promptTokens: prompt.length,
        timings: { loadMs: 0, promptTokens: 0, promptMs: 0, firstTokenMs: 0, generatedTokens: 0, generateMs: 0 },
      };
    },
  };
  const conversation = new Conversation({ template: chatTemplate('chatml'), tokenizer, writer, ...options }, []);
  const listener: Listener = {
    signal: new AbortController().signal,
    hear: async () => undefined,
    tell: (line) => void told.push(line),
  };
  const set: string[] = [];
  const slash = (line: string) =>
    runSlash(line, {
      conversation,
      settings: () => [['temp', '0.8']],
      set: async (name, value) => void set.push(`${name}=${value}`),
      stats: () => 'stats',
    });
  const contents = () => conversation.messages.map(({ content }) => content);
  return { conversation, listener, prompts, told, slash, set, contents };
};

describe('a conversation', () => {
  it('answers again, takes back, and forgets all but the system message', async () => {
    const { conversation, listener, contents, slash } = talk();
    conversation.setSystem('Be brief.');
    await conversation.say('one', listener);
    await conversation.say('two', listener);
    await conversation.sayAgain(listener);
    expect(contents()).toEqual(['Be brief.', 'one', 'answer 1', 'two', 'answer 3']);
    expect(await slash('/undo')).toEqual({ kind: 'taken back', message: 'two' });
    expect(contents()).toEqual(['Be brief.', 'one', 'answer 1']);
    await slash('/clear');
    expect(contents()).toEqual(['Be brief.']);
    await slash('/system');
    expect(contents()).toEqual([]);
  });

  it('puts files before the next message, once', async () => {
    const { conversation, listener, contents, slash } = talk();
    const file = join(scratch, 'notes.txt');
    writeFileSync(file, 'line\n');
    expect(await slash(`/read ${file}`)).toMatchObject({ kind: 'done' });
    await conversation.say('What is it?', listener);
    await conversation.say('Sure?', listener);
    expect(contents()).toEqual(['--- File: notes.txt ---\nline\n\nWhat is it?', 'answer 1', 'Sure?', 'answer 2']);
  });

  it('is saved and loaded as a list of messages', async () => {
    const { conversation, listener, slash, contents } = talk();
    const file = join(scratch, 'saved.json');
    await conversation.say('one', listener);
    await slash(`/save ${file}`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'answer 1' },
    ]);
    const other = talk();
    expect(await other.slash(`/load ${file}`)).toEqual({ kind: 'done', note: `2 messages from ${file}` });
    expect(other.contents()).toEqual(contents());
  });

  it('forgets its oldest messages, aloud, where it is longer than the context', async () => {
    const { conversation, listener, contents, told } = talk({ forgetAt: 300 });
    conversation.setSystem('S');
    for (const text of ['a', 'b', 'c']) await conversation.say(text.repeat(40), listener);
    expect(told).toEqual(['the context is full: the oldest 4 messages are forgotten']);
    expect(contents()).toEqual(['S', 'c'.repeat(40), 'answer 3']);
  });
});

describe('a command', () => {
  const missing = join(scratch, 'nothing');
  const wrong = join(scratch, 'wrong.json');
  writeFileSync(wrong, '[{"role":"robot","content":"Hi"}]');

  it.each([
    ['/bye', { kind: 'leave' }],
    ['/exit', { kind: 'leave' }],
    ['/stats', { kind: 'done', note: 'stats' }],
    ['/set', { kind: 'done', note: expect.stringMatching(/^temp +0\.8$/) }],
    ['/help', { kind: 'done', note: expect.stringContaining('/regen') }],
    ['/regen', { kind: 'failed', note: 'nothing was asked yet' }],
    ['/undo', { kind: 'failed', note: 'nothing was asked yet' }],
    ['/copy', { kind: 'failed', note: 'there is no answer yet' }],
    ['/halp', { kind: 'failed', note: 'there is no /halp; did you mean /help?' }],
    ['/read', { kind: 'failed', note: 'which file? /read FILE' }],
    [`/read ${missing}`, { kind: 'failed', note: `cannot read '${missing}': no such file or directory` }],
    [`/load ${wrong}`, { kind: 'failed', note: expect.stringContaining(`'${wrong}' is no conversation; expected`) }],
    [`/save ${missing}/x`, { kind: 'failed', note: `cannot write '${missing}/x': no such file or directory` }],
  ])('%s has its outcome', async (line, outcome) => {
    expect(await talk().slash(line)).toEqual(outcome);
  });

  it('changes settings and copies the last answer', async () => {
    const { slash, set, conversation, listener } = talk();
    expect(await slash('/set temp 0.7')).toEqual({ kind: 'done', note: 'temp is 0.7 now' });
    expect(set).toEqual(['temp=0.7']);
    await conversation.say('Hi', listener);
    expect(await slash('/copy')).toEqual({ kind: 'copy', text: 'answer 1' });
    expect(await slash('/regen')).toEqual({ kind: 'again' });
  });
});
