/** Conversations as text: a template, from the file or by name, turns messages into a prompt of the trained form. */
import { UserError } from '../../errors.ts';
import { builtinTemplate, builtinTemplateNames } from './builtin-templates.ts';
import { compileTemplate } from './jinja.ts';
import { type Metadata, readString } from './metadata.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatOptions {
  /** End with what begins the model's answer. */
  readonly addGenerationPrompt: boolean;
  /** What `strftime_now` tells; default the present. */
  readonly now?: Date;
  /** Further variables of the template, such as `enable_thinking`. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

export interface RenderOptions extends ChatOptions {
  readonly bosToken: string;
  readonly eosToken: string;
}

export interface ChatTemplate {
  /** The Jinja text. */
  readonly source: string;
  /** @throws UserError 'model' where the template fails or refuses the conversation, with its own words */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
}

/** A name, where Jinja text is also accepted: one word without any markup. */
const NAME = /^[\w.-]+$/;

/**
 * A chat template by the name of a built-in format, or from Jinja text.
 * @throws UserError 'usage' for a single word that is no built-in name, 'model' for a text that is no Jinja
 */
export const chatTemplate = (nameOrText: string): ChatTemplate => {
  const source = builtinTemplate(nameOrText) ?? nameOrText;
  if (NAME.test(source)) {
    const hint = `built-in: ${builtinTemplateNames.join(', ')}`;
    throw new UserError('usage', `there is no built-in chat template '${source}'`, hint);
  }
  const render = compileTemplate(source);
  return {
    source,
    render: (messages, { addGenerationPrompt, bosToken, eosToken, now = new Date(), kwargs = {} }) =>
      render(
        { ...kwargs, messages, add_generation_prompt: addGenerationPrompt, bos_token: bosToken, eos_token: eosToken },
        now,
      ),
  };
};

/**
 * The Jinja text a file brings along: `tokenizer.chat_template`, or with a variant (`tool_use`, `rag`)
 * `tokenizer.chat_template.VARIANT`.
 * @throws UserError 'model' where the key holds no string
 */
export const findChatTemplate = (metadata: Metadata, variant?: string): string | undefined =>
  readString(metadata, variant === undefined ? 'tokenizer.chat_template' : `tokenizer.chat_template.${variant}`);

const tokenText = (tokenizer: Tokenizer, id: number | undefined): string =>
  id === undefined ? '' : tokenizer.text(id);

/**
 * Token ids of a conversation: the rendered text, special tokens parsed, BOS first where the model wants one.
 *
 * A template that writes BOS itself would make two of them; one is dropped. Special tokens are parsed in all of the
 * text, as in llama.cpp, so a message that spells a control token has its effect.
 */
export const encodeChat = (
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): number[] => {
  const bosToken = tokenText(tokenizer, tokenizer.bos);
  const eosToken = tokenText(tokenizer, tokenizer.eos);
  const ids = tokenizer.encode(template.render(messages, { ...options, bosToken, eosToken }));
  // The prompt is to be continued: an EOS at its end would say that it is finished.
  const open = tokenizer.addEos ? ids.slice(0, -1) : ids;
  const isDoubled = tokenizer.addBos && open[0] === tokenizer.bos && open[1] === tokenizer.bos;
  return isDoubled ? open.slice(1) : open;
};
