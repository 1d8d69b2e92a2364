/** What an answer can be asked for beside words: a form, certainty, a conversation from a file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/commands/arguments.ts';
import { readInput } from '../../src/commands/text/input.ts';
import { logprobLines } from '../../src/commands/text/logprobs.ts';
import { type LlamaFlags, llamaOptions } from '../../src/commands/text/options.ts';
import { logprobsOf } from '../../src/models/logprobs.ts';
import { fixture, scratch } from '../fixtures.ts';
import { grafo } from './run.ts';

const model = fixture('llama/gqa-f32.gguf');

const flagsOf = async (args: readonly string[]): Promise<LlamaFlags> =>
  (await parseArguments(args, llamaOptions)).values;

const written = (name: string, text: string): string => {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
};

describe('a conversation from a file, answered in a form', () => {
  const conversation = [
    { role: 'user', content: 'How many?' },
    { role: 'assistant', content: 'Of what?' },
    { role: 'user', content: 'Apples' },
  ];
  const messages = written('messages.json', JSON.stringify(conversation));
  const schema = { type: 'array', items: { type: 'integer', minimum: 10, maximum: 12 }, minItems: 2, maxItems: 3 };

  it('is JSON of the schema from random weights, with the certainty of each token', async () => {
    const form = ['-j', JSON.stringify(schema), '--logprobs', '3'];
    const args = [
      '--messages',
      messages,
      '--chat-template',
      'chatml',
      ...form,
      '--json',
      '-s',
      '3',
      '--verbose-prompt',
    ];
    const { code, stdout, stderr } = await grafo(['llama', '-m', model, ...args]);
    expect(code, stderr).toBe(0);
    const prompt = stderr
      .replaceAll(/^ *\d+ -> '(.*)'\n/gm, '$1')
      .replaceAll(/<0x(..)>/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
    for (const { role, content } of conversation)
      expect(prompt).toContain(`<|im_start|>${role}\n${content.replaceAll(' ', '▁')}<|im_end|>`);
    const result = JSON.parse(stdout);
    const numbers: unknown = JSON.parse(result.text);
    expect(numbers).toSatisfy((n) => Array.isArray(n) && n.length >= 2 && n.every((x) => [10, 11, 12].includes(x)));
    expect(result.finish).toBe('eog');
    expect(result.logprobs.map(({ id }: { id: number }) => id)).toEqual(result.ids);
    for (const { logprob, top } of result.logprobs) {
      expect(top).toHaveLength(3);
      expect(logprob).toBeLessThanOrEqual(top[0].logprob);
    }
  });

  it.each([
    ['{"role":"user"}', 'is no conversation'],
    ['[{"role":"robot","content":"Hi"}]', 'is no conversation'],
    ['[', 'is no conversation'],
    ['[]', 'the last message of'],
    ['[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hi"}]', "is not the user's"],
  ])('is refused as %s', async (json, message) => {
    const flags = await flagsOf([`--messages=${written('wrong.json', json)}`]);
    await expect(readInput(flags)).rejects.toThrow(message);
  });

  it('does not go together with another prompt, nor one grammar with another', async () => {
    await expect(readInput(await flagsOf([`--messages=${messages}`, '--prompt=Hi']))).rejects.toThrow('--prompt');
    const both = await flagsOf(['--prompt=Hi', '--grammar=root ::= "a"', '--json-schema={}']);
    await expect(readInput(both)).rejects.toThrow('--grammar and --json-schema do not go together');
  });
});

describe('how sure a model is', () => {
  const logits = Float32Array.of(1, 3, Number.NEGATIVE_INFINITY, 2);
  const sum = Math.exp(1) + Math.exp(3) + Math.exp(2);

  it('is the logarithm of its own probability, with the likeliest beside it', () => {
    const { id, logprob, top } = logprobsOf(logits, 2)(0);
    expect([id, logprob]).toEqual([0, expect.closeTo(1 - Math.log(sum), 6)]);
    expect(top.map((t) => t.id)).toEqual([1, 3]);
    expect(top[1]?.logprob).toBeCloseTo(2 - Math.log(sum), 6);
    expect(logprobsOf(logits, 9)(2).top).toHaveLength(3);
  });

  it('is a line for each token on stderr', () => {
    const lines = logprobLines([logprobsOf(logits, 1)(3), logprobsOf(logits, 0)(1)], { text: (id) => `t${id}` });
    expect(lines).toBe("-1.408 't3' | -0.408 't1'\n-0.408 't1'");
  });
});
