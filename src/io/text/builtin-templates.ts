/**
 * Chat formats by name, for files without a template of their own. They write what llama.cpp's
 * `llm_chat_apply_template` writes for the name, in particular no BOS: the tokenizer puts that first.
 */

// Newlines stand at the end of a text or inside it: right after a block tag Jinja would take one for the tag's own.

/** Jinja for each message in turn, then for the beginning of the answer. */
const conversation = (message: string, answer = ''): string =>
  `{% for message in messages %}${message}{% endfor %}{% if add_generation_prompt %}${answer}{% endif %}`;

interface Roles {
  readonly system: string;
  readonly user: string;
  readonly assistant: string;
}

/** Jinja for a message by its role. */
const byRole = ({ system, user, assistant }: Roles): string =>
  `{% if message.role == 'system' %}${system}{% elif message.role == 'user' %}${user}{% else %}${assistant}{% endif %}`;

const CONTENT = '{{ message.content }}';
const TRIMMED = '{{ message.content | trim }}';
const ROLE = '{{ message.role }}';

/** Jinja that opens a turn of `[INST]` formats: one holds everything up to and including an answer. */
const opening = (first: string, later = first): string =>
  `{% if loop.first %}${first}{% elif messages[loop.index0 - 1].role == 'assistant' %}${later}{% endif %}`;

interface Llama2Variant {
  readonly system?: string;
  readonly later?: string;
  readonly content?: string;
}

const SYS = (content: string): string => `<<SYS>>\n${content}\n<</SYS>>\n\n`;

/** Meta's format (huggingface.co/blog/llama2) and what others made of it. */
const llama2 = ({ system = SYS(CONTENT), later = '[INST] ', content = CONTENT }: Llama2Variant): string =>
  conversation(opening('[INST] ', later) + byRole({ system, user: `${content} [/INST]`, assistant: `${content}</s>` }));

/** Mistral's versions differ in the spaces (mistralai/cookbook, concept-deep-dive/tokenization/chat_templates.md). */
const mistral = (before: string, after: string, answer = CONTENT): string =>
  conversation(
    opening(`${before}[INST]${after}`) +
      byRole({
        system: `${CONTENT}\n\n`,
        user: `${CONTENT}${before}[/INST]`,
        assistant: `${after}${answer}</s>`,
      }),
  );

const mistral7 = (after: string): string =>
  conversation(
    byRole({
      system: `[SYSTEM_PROMPT]${after}${CONTENT}[/SYSTEM_PROMPT]`,
      user: `[INST]${after}${CONTENT}[/INST]`,
      assistant: `${after}${CONTENT}</s>`,
    }),
  );

/** For models without a system role: its text goes into the next user message. */
const systemInUser = ({ system, user, assistant }: Roles, answer = ''): string =>
  `{% set pending = namespace(system='') %}${conversation(
    byRole({
      system: `{% set pending.system = pending.system + ${system} %}`,
      user,
      assistant,
    }),
    answer,
  )}`;
const PENDING_SYSTEM = `{% if pending.system %}{{ pending.system + '\\n\\n' }}{% set pending.system = '' %}{% endif %}`;

const vicuna = (system: string): string =>
  conversation(byRole({ system, user: `USER: ${CONTENT}\n`, assistant: `ASSISTANT: ${CONTENT}</s>\n` }), 'ASSISTANT:');

const commandR = (role: string): string => `<|START_OF_TURN_TOKEN|><|${role}_TOKEN|>`;

const TEMPLATES: Readonly<Record<string, string>> = {
  chatml: conversation(`<|im_start|>${ROLE}\n${CONTENT}<|im_end|>\n`, `<|im_start|>assistant\n`),
  llama2: llama2({ system: `${CONTENT}\n` }),
  'llama2-sys': llama2({}),
  'llama2-sys-bos': llama2({ later: '<s>[INST] ' }),
  'llama2-sys-strip': llama2({ system: SYS(TRIMMED), content: TRIMMED }),
  llama3: conversation(
    `<|start_header_id|>${ROLE}<|end_header_id|>\n\n${TRIMMED}<|eot_id|>`,
    `<|start_header_id|>assistant<|end_header_id|>\n\n`,
  ),
  llama4: conversation(
    `<|header_start|>${ROLE}<|header_end|>\n\n${TRIMMED}<|eot|>`,
    `<|header_start|>assistant<|header_end|>\n\n`,
  ),
  'mistral-v1': mistral(' ', ' '),
  'mistral-v3': mistral('', ' ', TRIMMED),
  'mistral-v3-tekken': mistral('', ''),
  'mistral-v7': mistral7(' '),
  'mistral-v7-tekken': mistral7(''),
  phi3: conversation(`<|${ROLE}|>\n${CONTENT}<|end|>\n`, `<|assistant|>\n`),
  phi4: conversation(`<|im_start|>${ROLE}<|im_sep|>${CONTENT}<|im_end|>`, '<|im_start|>assistant<|im_sep|>'),
  falcon3: conversation(`<|${ROLE}|>\n${CONTENT}\n`, `<|assistant|>\n`),
  zephyr: conversation(`<|${ROLE}|>\n${CONTENT}<|endoftext|>\n`, `<|assistant|>\n`),
  gemma: systemInUser(
    {
      system: '(message.content | trim)',
      user: `<start_of_turn>user\n${PENDING_SYSTEM}${TRIMMED}<end_of_turn>\n`,
      assistant: `<start_of_turn>model\n${TRIMMED}<end_of_turn>\n`,
    },
    `<start_of_turn>model\n`,
  ),
  orion: systemInUser({
    system: 'message.content',
    user: `Human: ${PENDING_SYSTEM}${CONTENT}\n\nAssistant: </s>`,
    assistant: `${CONTENT}</s>`,
  }),
  openchat: conversation(
    byRole({
      system: `${CONTENT}<|end_of_turn|>`,
      user: `GPT4 Correct User: ${CONTENT}<|end_of_turn|>`,
      assistant: `GPT4 Correct Assistant: ${CONTENT}<|end_of_turn|>`,
    }),
    'GPT4 Correct Assistant:',
  ),
  vicuna: vicuna(`${CONTENT}\n\n`),
  'vicuna-orca': vicuna(`SYSTEM: ${CONTENT}\n`),
  deepseek: conversation(
    byRole({
      system: CONTENT,
      user: `### Instruction:\n${CONTENT}\n`,
      assistant: `### Response:\n${CONTENT}\n<|EOT|>\n`,
    }),
    `### Response:\n`,
  ),
  deepseek2: conversation(
    byRole({
      system: `${CONTENT}\n\n`,
      user: `User: ${CONTENT}\n\n`,
      assistant: `Assistant: ${CONTENT}<｜end▁of▁sentence｜>`,
    }),
    'Assistant:',
  ),
  deepseek3: conversation(
    byRole({
      system: `${CONTENT}\n\n`,
      user: `<｜User｜>${CONTENT}`,
      assistant: `<｜Assistant｜>${CONTENT}<｜end▁of▁sentence｜>`,
    }),
    '<｜Assistant｜>',
  ),
  'command-r': conversation(
    `${byRole({ system: commandR('SYSTEM'), user: commandR('USER'), assistant: commandR('CHATBOT') })}` +
      `${TRIMMED}<|END_OF_TURN_TOKEN|>`,
    commandR('CHATBOT'),
  ),
  granite: conversation(
    `<|start_of_role|>${ROLE}<|end_of_role|>${CONTENT}<|end_of_text|>\n`,
    `<|start_of_role|>assistant<|end_of_role|>\n`,
  ),
};

/** Templates by the names that llama.cpp's --chat-template knows. */
export const builtinTemplateNames: readonly string[] = Object.keys(TEMPLATES);

/** The Jinja text of a built-in format, or undefined for a name that is none. */
export const builtinTemplate = (name: string): string | undefined =>
  Object.hasOwn(TEMPLATES, name) ? TEMPLATES[name] : undefined;
