/** Conversations that go on in a later run, prompts that are not computed twice, contexts that are full. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture, scratch } from '../fixtures.ts';
import { grafo } from './run.ts';

const model = fixture('llama/gqa-f32.gguf');
const greedy = ['--temp', '0', '--ignore-eos', '-n', '6', '-c', '300'];
const llama = (args: readonly string[]) => grafo(['llama', '-m', model, ...greedy, ...args]);
const jsonOf = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await llama([...args, '--json']);
  expect(code, stderr).toBe(0);
  return { ...JSON.parse(stdout), stderr };
};

describe('--session', () => {
  const chat = ['-cnv', '--chat-template', 'chatml', '-st'];
  const file = join(scratch, 'talk.kv');

  it('goes on where an earlier run ended, and computes nothing of it again', async () => {
    const first = await jsonOf([...chat, '--session', file, '-p', 'Hello']);
    const second = await jsonOf([...chat, '--session', file, '-p', 'And then?']);
    expect(second.stderr).toContain(`2 messages, ${first.prompt_tokens + 5} tokens from '${file}'`);
    expect(second.timings.prompt_tokens).toBeLessThanOrEqual(second.prompt_tokens - first.prompt_tokens);
    const messages = JSON.parse(readFileSync(file, 'latin1').match(/"messages":(\[.*?\]),"states"/s)?.[1] ?? '[]');
    expect(messages.map(({ role }: { role: string }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
  });

  it('refuses the conversation of another model by its name, and leaves it as it is', async () => {
    const other = join(scratch, 'other.gguf');
    copyFileSync(fixture('llama/mha.gguf'), other);
    const before = readFileSync(file);
    const { code, stderr } = await grafo(['llama', '-m', other, ...chat, '--session', file, '-p', 'Hi']);
    expect(code).toBe(3);
    expect(stderr).toContain(`'${file}' belongs to model 'gqa-f32.gguf', not to 'other.gguf'`);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it.each([
    [['-no-cnv', '--session', file], '--session keeps a chat'],
    [[...chat, '--session', file, '--prompt-cache', file], '--session and --prompt-cache are two ways of the same'],
    [[...chat, '--prompt-cache-ro'], '--prompt-cache-ro needs --prompt-cache FILE'],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await llama([...args, '-p', 'Hi']);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('--prompt-cache', () => {
  const prompt = ['-no-cnv', '-p', 'Once upon a time there was'];

  it('computes of a prompt only what it has not kept, and writes the same', async () => {
    const file = join(scratch, 'prompt.kv');
    const fresh = await jsonOf([...prompt, '--prompt-cache', file]);
    const again = await jsonOf([...prompt, '--prompt-cache', file, '--prompt-cache-ro']);
    expect(again.ids).toEqual(fresh.ids);
    expect(again.timings.prompt_tokens).toBe(1);
    const n = fresh.prompt_tokens;
    expect(again.stderr).toContain(`${n - 1} of the prompt's ${n} tokens were in '${file}'`);
  });

  it('keeps nothing with -ro, and the answer too with -all', async () => {
    const file = join(scratch, 'all.kv');
    await jsonOf([...prompt, '--prompt-cache', file, '--prompt-cache-ro']);
    expect(existsSync(file)).toBe(false);
    const { prompt_tokens } = await jsonOf([...prompt, '--prompt-cache', file, '--prompt-cache-all']);
    const tokens = JSON.parse(readFileSync(file, 'latin1').match(/"tokens":(\[[\d,]*\])/)?.[1] ?? '[]');
    // The last token was chosen, not computed.
    expect(tokens).toHaveLength(prompt_tokens + 5);
  });
});

describe('a context that is full', () => {
  const prompt = ['-no-cnv', '-p', 'Hello', '-c', '16', '-n', '40'];

  it('ends the answer and says so', async () => {
    const { finish, stderr } = await jsonOf(prompt);
    expect(finish).toBe('context');
    expect(stderr).toContain('the context of 16 tokens is full; -c makes it longer, --context-shift goes on');
  });

  it('forgets its older half with --context-shift, and says so', async () => {
    const { finish, ids, stderr } = await jsonOf([...prompt, '--context-shift', '--keep', '2']);
    expect([finish, ids.length]).toEqual(['limit', 40]);
    expect(stderr).toContain('the context of 16 tokens is full: 7 are forgotten, 8 after them are computed again');
  });
});
