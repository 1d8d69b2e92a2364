import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { UserError } from '../src/errors.ts';
import type { MetadataValue } from '../src/graph/weights.ts';
import { builtinTemplateNames } from '../src/io/text/builtin-templates.ts';
import { type ChatMessage, chatTemplate, encodeChat, findChatTemplate } from '../src/io/text/chat.ts';
import { opensThought } from '../src/io/text/thoughts.ts';
import { readTokenizer } from '../src/io/text/tokenizer.ts';
import fixture from './fixtures/templates-builtin.json' with { type: 'json' };
import { sharedData } from './shared-data.ts';

const conversations = fixture.conversations as Readonly<Record<string, readonly ChatMessage[]>>;
const conversation = (name: string): readonly ChatMessage[] => conversations[name]!;
const plain = { addGenerationPrompt: true, bosToken: '<s>', eosToken: '</s>' };
const hello: readonly ChatMessage[] = [{ role: 'user', content: 'Hello' }];

const errorOf = (action: () => unknown): UserError => {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('a built-in chat format', () => {
  it.each(fixture.builtin)(
    '$name renders $conversation (generation prompt $addGenerationPrompt) as llama.cpp does',
    (row) => {
      const text = chatTemplate(row.name).render(conversation(row.conversation), {
        ...plain,
        addGenerationPrompt: row.addGenerationPrompt,
      });
      expect(text).toBe(row.text);
    },
  );

  // Formats of which there is no recording: written down from llama.cpp's llm_chat_apply_template.
  const talk: readonly ChatMessage[] = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: ' Hi ' },
    { role: 'assistant', content: ' Yes? ' },
    { role: 'user', content: 'Bye' },
  ];
  it.each([
    [
      'llama4',
      '<|header_start|>system<|header_end|>\n\nBe brief.<|eot|><|header_start|>user<|header_end|>\n\nHi<|eot|>' +
        '<|header_start|>assistant<|header_end|>\n\nYes?<|eot|><|header_start|>user<|header_end|>\n\nBye<|eot|>' +
        '<|header_start|>assistant<|header_end|>\n\n',
    ],
    ['mistral-v7-tekken', '[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST] Hi [/INST] Yes? </s>[INST]Bye[/INST]'],
    ['falcon3', '<|system|>\nBe brief.\n<|user|>\n Hi \n<|assistant|>\n Yes? \n<|user|>\nBye\n<|assistant|>\n'],
    ['orion', 'Human: Be brief.\n\n Hi \n\nAssistant: </s> Yes? </s>Human: Bye\n\nAssistant: </s>'],
    [
      'openchat',
      'Be brief.<|end_of_turn|>GPT4 Correct User:  Hi <|end_of_turn|>GPT4 Correct Assistant:  Yes? <|end_of_turn|>' +
        'GPT4 Correct User: Bye<|end_of_turn|>GPT4 Correct Assistant:',
    ],
    ['vicuna-orca', 'SYSTEM: Be brief.\nUSER:  Hi \nASSISTANT:  Yes? </s>\nUSER: Bye\nASSISTANT:'],
    [
      'command-r',
      '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|>' +
        '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|>' +
        '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Yes?<|END_OF_TURN_TOKEN|>' +
        '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Bye<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>',
    ],
    [
      'granite',
      '<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|> Hi <|end_of_text|>\n' +
        '<|start_of_role|>assistant<|end_of_role|> Yes? <|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Bye<|end_of_text|>\n' +
        '<|start_of_role|>assistant<|end_of_role|>\n',
    ],
  ])('%s keeps its format', (name, text) => {
    expect(chatTemplate(name).render(talk, plain)).toBe(text);
  });

  it('is tested under every name', () => {
    const recorded = new Set(fixture.builtin.map(({ name }) => name));
    const others = builtinTemplateNames.filter((name) => !recorded.has(name));
    expect(others).toEqual(
      expect.arrayContaining([
        'llama4',
        'mistral-v7-tekken',
        'falcon3',
        'orion',
        'openchat',
        'vicuna-orca',
        'command-r',
        'granite',
      ]),
    );
    expect(others).toHaveLength(8);
  });

  it('of an unknown name is refused with the names there are', () => {
    const error = errorOf(() => chatTemplate('chatlm'));
    expect(error.kind).toBe('usage');
    expect(error.message).toContain("'chatlm'");
    expect(error.hint).toContain('chatml');
    expect(errorOf(() => chatTemplate('toString')).kind).toBe('usage');
  });
});

interface JinjaRow {
  readonly template: string;
  readonly conversation: string;
  readonly add_generation_prompt: boolean;
  readonly bos_token: string;
  readonly eos_token: string;
  readonly text: string;
}

describe('a Jinja template of a published model', () => {
  const folder = sharedData('templates', 'rendering published chat templates');
  const rows: readonly JinjaRow[] = folder ? JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')).jinja : [];

  it.skipIf(!folder)('is tested with all recordings', () => {
    expect(rows).toHaveLength(85);
    expect(new Set(rows.map(({ template }) => template)).size).toBe(17);
  });

  it.skipIf(!folder).each(rows)('$template renders $conversation as jinja2 does', (row) => {
    const text = chatTemplate(readFileSync(`${folder}/${row.template}`, 'utf8')).render(
      conversation(row.conversation),
      {
        addGenerationPrompt: row.add_generation_prompt,
        bosToken: row.bos_token,
        eosToken: row.eos_token,
        now: new Date(2024, 6, 26),
      },
    );
    expect(text).toBe(row.text);
  });
});

describe('a Jinja template', () => {
  const render = (source: string, options: Partial<Parameters<ReturnType<typeof chatTemplate>['render']>[1]> = {}) =>
    chatTemplate(source).render(hello, { ...plain, ...options });

  it.each([
    ['drops the newline after a block and the blanks before it', '  {% if true %}\na\n  {% endif %}\nb', 'a\nb'],
    ['sees the special tokens', '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}', '<s>Hello</s>'],
    ['knows the Python names of constants', '{{ True and not False and None is none }}', 'true'],
    ['can count', '{% for i in range(2, 8, 3) %}{{ i }} {% endfor %}', '2 5 '],
    ['can count down', '{% for i in range(3, 0, -1) %}{{ i }}{% endfor %}', '321'],
    ['finds what it was not given undefined', "{{ 'no' if tools is not defined else 'yes' }}", 'no'],
    ['splits off thoughts', "{{ '<think>x</think>y'.split('</think>')[-1] }}", 'y'],
    ['may continue a loop', '{% for i in [1, 2] %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}', '2'],
  ])('%s', (_, source, text) => {
    expect(render(source)).toBe(text);
  });

  it('learns the date that was given, in English', () => {
    const source = "{{ strftime_now('%d %b %Y|%A %a, %B|%y-%m-%d %H:%M:%S|100%% %q') }}";
    expect(render(source, { now: new Date(2024, 6, 6, 7, 8, 9) })).toBe(
      '06 Jul 2024|Saturday Sat, July|24-07-06 07:08:09|100% %q',
    );
  });

  it('of the kind that DeepSeek-V3.1 carries begins a thought where it is asked to, and drops those of the past', () => {
    const source = [
      '{%- if not thinking is defined %}{% set thinking = false %}{% endif -%}',
      "{%- for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}{% else -%}",
      "<｜Assistant｜></think>{{ m.content.split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}{% endfor -%}",
      "{%- if add_generation_prompt %}<｜Assistant｜>{{ '<think>' if thinking else '</think>' }}{% endif -%}",
    ].join('\n');
    const messages: readonly ChatMessage[] = [
      { role: 'user', content: '1+1?' },
      { role: 'assistant', content: '<think>easy</think>2' },
      { role: 'user', content: '2+2?' },
    ];
    const past = '<｜User｜>1+1?<｜Assistant｜></think>2<｜end▁of▁sentence｜><｜User｜>2+2?<｜Assistant｜>';
    const prompts = [undefined, { thinking: true }].map((kwargs) =>
      chatTemplate(source).render(messages, { ...plain, ...(kwargs && { kwargs }) }),
    );
    expect(prompts).toEqual([`${past}</think>`, `${past}<think>`]);
    expect(prompts.map(opensThought)).toEqual([false, true]);
  });

  it('takes further variables, which cannot replace the conversation', () => {
    const kwargs = { enable_thinking: false, messages: [] };
    expect(render('{{ enable_thinking }} {{ messages | length }}', { kwargs })).toBe('false 1');
  });

  it.each([
    [
      'is refused with its own words when it refuses the conversation',
      "{{ raise_exception('roles must alternate') }}",
      'roles must alternate',
    ],
    ['is refused when it is broken', '{% if %}', 'cannot be parsed'],
    ['is refused when it is cut off', '{% for m in messages %}{{ m.content }}', 'cannot be parsed'],
    ['is refused when it names a filter that does not exist', '{{ messages | nonesuch }}', 'nonesuch'],
    ['is refused when it would count forever', '{% for i in range(1000000000) %}{% endfor %}', '1000000000'],
    ['is refused when it would count by nothing', '{% for i in range(0, 9, 0) %}{% endfor %}', 'range'],
  ])('%s', (_, source, words) => {
    const error = errorOf(() => render(source));
    expect(error.kind).toBe('model');
    expect(error.message).toContain(words);
  });

  it('is found in the metadata of a file', () => {
    const metadata = new Map<string, MetadataValue>([
      ['tokenizer.chat_template', '{{ 1 }}'],
      ['tokenizer.chat_template.rag', '{{ 2 }}'],
      ['tokenizer.chat_template.bad', 3],
    ]);
    expect(findChatTemplate(metadata)).toBe('{{ 1 }}');
    expect(findChatTemplate(metadata, 'rag')).toBe('{{ 2 }}');
    expect(findChatTemplate(new Map())).toBeUndefined();
    expect(errorOf(() => findChatTemplate(metadata, 'bad')).kind).toBe('model');
  });
});

describe('the ids of a conversation', () => {
  const texts = ['<unk>', '<s>', '</s>', '\u2581', 'H', 'i', '<|im_start|>'];
  const metadata = (extra: readonly (readonly [string, MetadataValue])[] = []): ReadonlyMap<string, MetadataValue> =>
    new Map<string, MetadataValue>([
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.tokens', texts],
      ['tokenizer.ggml.token_type', [2, 3, 3, 1, 1, 1, 3]],
      ['tokenizer.ggml.add_space_prefix', false],
      ...extra,
    ]);
  const hi: readonly ChatMessage[] = [{ role: 'user', content: 'Hi' }];
  const options = { addGenerationPrompt: true };
  const contents = '{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}';

  it.each([
    ['have one BOS when the template writes none', contents, [1, 6, 4, 5]],
    ['have one BOS when the template writes it', `{{ bos_token }}${contents}`, [1, 6, 4, 5]],
    ['keep an EOS of the template', `${contents}{{ eos_token }}`, [1, 6, 4, 5, 2]],
  ])('%s', (_, source, ids) => {
    expect(encodeChat(readTokenizer(metadata()), chatTemplate(source), hi, options)).toEqual(ids);
  });

  it('have the BOS of the template alone when the model adds none', () => {
    const tokenizer = readTokenizer(metadata([['tokenizer.ggml.add_bos_token', false]]));
    expect(encodeChat(tokenizer, chatTemplate(contents), hi, options)).toEqual([6, 4, 5]);
    expect(encodeChat(tokenizer, chatTemplate(`{{ bos_token }}${contents}`), hi, options)).toEqual([1, 6, 4, 5]);
  });

  it('do not end with the EOS a model adds to whole texts', () => {
    const tokenizer = readTokenizer(metadata([['tokenizer.ggml.add_eos_token', true]]));
    expect(encodeChat(tokenizer, chatTemplate(contents), hi, options)).toEqual([1, 6, 4, 5]);
  });

  it('begin with the special tokens of a built-in format', () => {
    expect(encodeChat(readTokenizer(metadata()), chatTemplate('chatml'), hi, options).slice(0, 2)).toEqual([1, 6]);
  });
});
