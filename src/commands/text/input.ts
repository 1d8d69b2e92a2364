/** What `grafo llama` goes on from, as the flags and stdin have it. */
import { UserError } from '../../errors.ts';
import { readText } from '../../io/plain-file.ts';
import { type ChatMessage, type ChatTemplate, chatTemplate } from '../../io/text/chat.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import type { Grammar } from '../../models/grammar/gbnf.ts';
import { parseMessages } from '../chat/conversation.ts';
import { readStdin } from '../terminal.ts';
import { readEscapes } from './escapes.ts';
import { readGrammar } from './grammar.ts';
import type { LlamaFlags } from './options.ts';

/** A prompt as it was given; `none` leaves it to the person at the terminal. */
export type Prompt =
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ids'; readonly ids: readonly number[] };

export interface Input {
  readonly prompt: Prompt;
  readonly system?: string;
  /** A chat template that was asked for, instead of the model's own. */
  readonly template?: ChatTemplate;
  /** A conversation that is to be answered once. */
  readonly messages?: readonly ChatMessage[];
  /** What the answer must be. */
  readonly grammar?: Grammar;
}

/**
 * Reads what the flags name: prompt, messages, chat template and grammar.
 * @throws UserError 'usage' where there is nothing to go on from, 'file' for what cannot be read
 */
export const readInput = async (flags: LlamaFlags): Promise<Input> => {
  const system = await readSystem(flags);
  const template = await readTemplate(flags);
  const grammar = await readGrammar(flags);
  const messages = flags.messages === undefined ? undefined : await readMessages(flags.messages);
  return {
    prompt: await readPrompt(flags),
    ...(system !== undefined && { system }),
    ...(template && { template }),
    ...(messages && { messages }),
    ...(grammar && { grammar }),
  };
};

const readPrompt = async (flags: LlamaFlags): Promise<Prompt> => {
  if (flags.messages !== undefined) return withoutOther(flags);
  if (flags.ids !== undefined) return { kind: 'ids', ids: readIds(flags.ids) };
  if (flags.prompt !== undefined) return { kind: 'text', text: unescaped(flags.prompt, flags) };
  if (flags.file !== undefined) {
    const text = flags.file === '-' ? await readStdin() : await readText(flags.file);
    return { kind: 'text', text: unescaped(withoutNewline(text), flags) };
  }
  if (process.stdin.isTTY) return { kind: 'none' };
  const piped = withoutNewline(await readStdin());
  if (piped === '') throw new UserError('usage', 'no prompt', 'give one with -p, -f or a pipe');
  return { kind: 'text', text: piped };
};

/** A conversation that ends with a question. */
const readMessages = async (path: string): Promise<readonly ChatMessage[]> => {
  const messages = parseMessages(await readText(path), path);
  if (messages.at(-1)?.role === 'user') return messages;
  throw new UserError('usage', `the last message of '${path}' is not the user's: there is nothing to answer`);
};

/** A conversation has its own messages, the first and the last of them too. */
const withoutOther = (flags: LlamaFlags): Prompt => {
  const others = ['prompt', 'file', 'ids', 'system-prompt', 'system-prompt-file'] as const;
  const other = others.find((name) => flags[name] !== undefined);
  if (other === undefined) return { kind: 'none' };
  throw new UserError('usage', `--messages and --${other} do not go together`, 'write it into the file');
};

const readIds = (list: string): readonly number[] => {
  if (list.trim() === '') return [];
  return list.split(',').map((part) => {
    if (!/^\s*\d+\s*$/.test(part)) throw new UserError('usage', `--ids '${list}' is not a list like 1,2,3`);
    return Number(part);
  });
};

const readSystem = async (flags: LlamaFlags): Promise<string | undefined> => {
  const file = flags['system-prompt-file'];
  const text = flags['system-prompt'] ?? (file === undefined ? undefined : withoutNewline(await readText(file)));
  return text === undefined ? undefined : unescaped(text, flags);
};

const readTemplate = async (flags: LlamaFlags): Promise<ChatTemplate | undefined> => {
  const file = flags['chat-template-file'];
  const text = file === undefined ? flags['chat-template'] : await readText(file);
  return text === undefined ? undefined : chatTemplate(text);
};

/** Files end in a newline that nobody means; llama.cpp's tools drop it too. */
export const withoutNewline = (text: string): string => text.replace(/\r?\n$/, '');

const unescaped = (text: string, flags: LlamaFlags): string => (flags.escape ? readEscapes(text) : text);

/**
 * The token ids of a prompt.
 * @throws UserError 'usage' for an id outside the vocabulary, or where no token is left to go on from
 */
export const promptIds = (prompt: Prompt, tokenizer: Tokenizer): readonly number[] => {
  const ids = prompt.kind === 'ids' ? prompt.ids : prompt.kind === 'text' ? tokenizer.encode(prompt.text) : [];
  const unknown = ids.find((id) => id >= tokenizer.vocabSize);
  if (unknown !== undefined)
    throw new UserError('usage', `token ${unknown} is not one of the model's ${tokenizer.vocabSize}`);
  if (ids.length === 0) throw new UserError('usage', 'the prompt is empty');
  return ids;
};
