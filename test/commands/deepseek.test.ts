import { describe, expect, it } from 'vitest';
import { Conversation } from '../../src/commands/chat/conversation.ts';
import { withGguf } from '../../src/commands/text/open.ts';
import type { Written } from '../../src/commands/text/writer.ts';
import type { TensorToWrite } from '../../src/io/gguf/writer.ts';
import { chatTemplate } from '../../src/io/text/chat.ts';
import { readTokenizer } from '../../src/io/text/tokenizer.ts';
import { fixture } from '../fixtures.ts';
import { tensorOf } from '../tiny-gguf.ts';
import { changedModel } from './models.ts';
import { grafo, type RunOptions } from './run.ts';

const model = fixture('deepseek/v2lite-q8_0.gguf');
const dense = fixture('llama/gqa-f32.gguf');
/** Random weights write anything but the end token; a table row should not depend on luck. */
const greedy = ['--temp', '0', '--ignore-eos'];

const deepseek = (args: readonly string[], options?: RunOptions) => grafo(['deepseek', '-m', model, ...args], options);

const jsonOf = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await grafo([...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
};

describe('grafo deepseek', () => {
  it('writes text, and says what a token takes in the cache beside what plain keys and values would', async () => {
    const { code, stdout, stderr } = await deepseek(['-p', 'Hi', '-n', '5', ...greedy]);
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(1);
    // 2 layers of (32 + 16) float32, and of 4 heads of (48 + 16).
    expect(stderr).toMatch(/^cache: 0\.4 KiB a token, 18\.8 % of the 2\.0 KiB of plain keys and values\n/);
  });

  it('writes the same in both forms of its attention, with fused kernels or without', async () => {
    const args = ['deepseek', '-m', model, '-p', 'Hello', '-n', '12', ...greedy, '--compute', 'f32'];
    const { ids } = await jsonOf([...args, '--mla', 'auto']);
    expect(ids).toHaveLength(12);
    expect((await jsonOf([...args, '--mla', 'absorb', '-fa', 'off'])).ids).toEqual(ids);
    expect((await jsonOf([...args, '--mla', 'expand'])).ids).toEqual(ids);
  });

  it('takes metadata from the command line', async () => {
    const args = ['deepseek', '-m', model, '-p', 'Hello', '-n', '12', ...greedy];
    const { ids } = await jsonOf(args);
    const fewer = await jsonOf([...args, '--override-kv', 'deepseek2.expert_used_count=int:1']);
    expect(fewer.ids).not.toEqual(ids);
    const same = 'deepseek2.expert_used_count=int:3,deepseek2.expert_weights_norm=bool:false';
    expect((await jsonOf([...args, '--override-kv', same])).ids).toEqual(ids);
  });

  it.each([
    ['deepseek2.expert_used_count=4', 2, 'is not KEY=TYPE:VALUE'],
    ['deepseek2.expert_used_count=int:four', 2, 'is not KEY=TYPE:VALUE'],
    ['deepseek2.expert_used_count=str:four', 2, "'deepseek2.expert_used_count' is a number in the file, not a text"],
    ['deepseek2.expert_used_count=int:9', 4, 'expert_used_count is 9, expected 1 to expert_count 8'],
  ])('refuses --override-kv %s', async (text, expected, message) => {
    const { code, stderr } = await deepseek(['-p', 'Hi', '--override-kv', text]);
    expect(code).toBe(expected);
    expect(stderr).toContain(message);
  });
});

it('--expert-stats tells which experts were chosen, and what a token reads of the weights', async () => {
  const args = ['-p', 'Hello', '-n', '12', ...greedy, '--expert-stats'];
  const { experts, prompt_tokens } = await jsonOf(['deepseek', '-m', model, ...args]);
  expect(experts.layers).toHaveLength(1);
  const [{ layer, counts }] = experts.layers;
  expect([layer, counts.length]).toEqual([1, 8]);
  // Three for each token that was computed: the last one was only chosen.
  expect(counts.reduce((a: number, b: number) => a + b, 0)).toBe(3 * (prompt_tokens + 11));
  expect(experts.active_bytes_per_token).toBeLessThan(experts.weight_bytes);
  const { stderr } = await deepseek(args);
  expect(stderr).toMatch(
    /\nexperts: 3 of 8 a token; a token reads 0\.1 MiB of 0\.1 MiB \([\d.]+ %\)\n {2}layer {2}1: /,
  );
});

describe('a model with a layer that predicts a further token', () => {
  const base = 'deepseek/v3-groups-q8_0';
  const u32 = (value: number) => ({ type: 'u32', value }) as const;
  /** The last layer once more, and what joins a token to the row before it; all random. */
  const further = (all: readonly TensorToWrite[]): TensorToWrite[] => [
    ...all,
    ...all
      .filter(({ name }) => name.startsWith('blk.1.'))
      .map((tensor) => ({ ...tensor, name: tensor.name.replace('blk.1.', 'blk.2.') })),
    tensorOf('blk.2.nextn.eh_proj.weight', 'f32', [32, 64], (i) => Math.sin(i * i)),
    tensorOf('blk.2.nextn.enorm.weight', 'f32', [32], (i) => 1 + i / 64),
    tensorOf('blk.2.nextn.hnorm.weight', 'f32', [32], (i) => 1 - i / 64),
  ];
  const withLayer = () =>
    changedModel(
      'further',
      {
        metadata: { 'deepseek2.block_count': u32(3), 'deepseek2.nextn_predict_layers': u32(1) },
        tensors: further,
      },
      base,
    );
  const args = ['-p', 'Hello', '-n', '24', '--ignore-eos', '--seed', '3'];

  it('writes without it what a model that never had one writes', async () => {
    const { ids } = await jsonOf(['deepseek', '-m', await withLayer(), ...args, '--temp', '0']);
    expect(ids).toEqual((await jsonOf(['deepseek', '-m', fixture(`${base}.gguf`), ...args, '--temp', '0'])).ids);
  });

  it.each(['0', '0.8'])('writes with it, guessing ahead, the same tokens at temperature %s', async (temp) => {
    const run = ['deepseek', '-m', await withLayer(), ...args, '--temp', temp];
    const { ids } = await jsonOf(run);
    const guessing = await jsonOf([...run, '--spec-type', 'draft-mtp']);
    expect(guessing.ids).toEqual(ids);
    // Every run but the prompt's guesses one token; a right guess saves a run.
    const { guessed, right } = guessing.speculation;
    expect(guessed).toBe(23 - right);
  });

  it('says so where a file has none', async () => {
    const { code, stderr } = await deepseek(['-p', 'Hi', '--spec-type', 'draft-mtp']);
    expect(code).toBe(4);
    expect(stderr).toContain('this file has no layer that predicts further tokens');
  });
});

describe('whose model it is', () => {
  it.each([
    ['deepseek', dense, "architecture 'llama', which grafo llama runs\n  grafo llama -m "],
    ['llama', model, "architecture 'deepseek2', which grafo deepseek runs\n  grafo deepseek -m "],
  ])('grafo %s names the command for what is not its own', async (command, path, message) => {
    const { code, stdout, stderr } = await grafo([command, '-m', path, '-p', 'Hi']);
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain(message);
  });

  it('grafo llama names the command for a model that writes no text', async () => {
    const path = await changedModel('a vit by its name', {
      metadata: { 'general.architecture': { type: 'string', value: 'vit' } },
    });
    const { code, stderr } = await grafo(['llama', '-m', path, '-p', 'Hi']);
    expect(code).toBe(4);
    expect(stderr).toBe(
      `grafo llama: '${path}' has architecture 'vit', which grafo vit runs\n  grafo vit -m ${path}\n`,
    );
  });

  it.each([
    ['by its name', { 'general.name': { type: 'string', value: 'DeepSeek R1 Distill Qwen 1.5B' } }],
    ['by its origin', { 'general.base_model.0.name': { type: 'string', value: 'Deepseek LLM 7B' } }],
    ['by its chat', { 'tokenizer.chat_template': { type: 'string', value: '<｜User｜>{{ x }}<｜Assistant｜>' } }],
  ] as const)('a distill is run by both commands alike, known %s', async (how, metadata) => {
    const path = await changedModel(`distill ${how}`, { metadata });
    const args = ['-m', path, '-p', 'Hi', '-n', '6', '-no-cnv', ...greedy];
    expect((await jsonOf(['deepseek', ...args])).ids).toEqual((await jsonOf(['llama', ...args])).ids);
  });
});

describe('thoughts', () => {
  const open = '{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}';
  const args = ['-p', 'Hi', '-st', '-n', '24', ...greedy, '--chat-template', open, '--reasoning-budget', '4'];

  it('begun by the template are closed by the budget and told apart from the text', async () => {
    const { ids, text, reasoning } = await jsonOf(['deepseek', '-m', model, ...args]);
    const tokenizer = await withGguf(model, async (file) => readTokenizer(file.metadata));
    const tag = tokenizer.encode('</think>\n\n', { addSpecial: false });
    expect(ids.slice(4, 4 + tag.length)).toEqual(tag);
    expect(reasoning.length).toBeGreaterThan(0);
    expect(text.length).toBeGreaterThan(0);
    expect(reasoning + text).not.toContain('think>');
  });

  it('are shown in their tags where stdout is no terminal, or dim, or not, or alone', async () => {
    const { text, reasoning } = await jsonOf(['deepseek', '-m', model, ...args]);
    const shown = async (...flags: string[]) => (await deepseek([...args, '-q', ...flags])).stdout;
    expect(await shown()).toBe(`<think>\n${reasoning}\n</think>\n\n${text}\n`);
    expect(await shown('--thinking', 'hide')).toBe(`${text}\n`);
    expect(await shown('--thinking', 'only')).toBe(`${reasoning}\n`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they make it dim
    const dim = (await shown('--color', 'on')).replaceAll(/\x1b\[2m(.*?)\x1b\[0m/gs, '$1');
    expect(dim).toBe(`${reasoning}\n\n${text}\n`);
  });

  it('stay where the model wrote them with --reasoning-format none', async () => {
    const { text, reasoning } = await jsonOf(['deepseek', '-m', model, ...args, '--reasoning-format', 'none']);
    expect(reasoning).toBeUndefined();
    expect(text.length).toBeGreaterThan(0);
  });

  it('cost nothing with a budget of 0', async () => {
    const { text, reasoning } = await jsonOf(['deepseek', '-m', model, ...args, '--reasoning-budget', '0']);
    expect(reasoning).toBeUndefined();
    expect(text.length).toBeGreaterThan(0);
  });

  it('are not part of what later turns remember', async () => {
    const tokenizer = await withGguf(model, async (file) => readTokenizer(file.metadata));
    const written: Written = {
      text: 'Yes.',
      reasoning: 'hm',
      ids: [],
      finish: 'eog',
      promptMs: 0,
      firstTokenMs: 0,
      generateMs: 0,
      promptTokens: 0,
      timings: { loadMs: 0, promptTokens: 0, promptMs: 0, firstTokenMs: 0, generatedTokens: 0, generateMs: 0 },
    };
    const writer = { cached: [], choose: () => undefined, resume: () => undefined, write: async () => written };
    const conversation = new Conversation({ template: chatTemplate('deepseek3'), tokenizer, writer }, []);
    const listener = { signal: new AbortController().signal, hear: async () => undefined, tell: () => undefined };
    expect(await conversation.say('Is it?', listener)).toBe(written);
    expect(conversation.messages).toEqual([
      { role: 'user', content: 'Is it?' },
      { role: 'assistant', content: 'Yes.' },
    ]);
  });
});
