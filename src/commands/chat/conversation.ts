/** What was said so far, and what may be done with it: asked, answered again, taken back. It knows no terminal. */
import { UserError } from '../../errors.ts';
import type { ChatMessage, ChatTemplate } from '../../io/text/chat.ts';
import { encodeChat } from '../../io/text/chat.ts';
import { isMessages } from '../../io/text/messages.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import type { Listener, Writer, Written } from '../text/writer.ts';

export type History = readonly ChatMessage[];

/** Who answers, and how a conversation becomes its prompt. */
export interface Speaker {
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
  /** Further variables of the template. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly writer: Writer;
  /** Present where the oldest messages are forgotten when a prompt is longer than so many tokens. */
  readonly forgetAt?: number;
}

/** The turns so far, and the model that answers them. */
export class Conversation {
  readonly #speaker: Speaker;
  #messages: History;
  #attached = '';

  /** @param messages the system message, if any, or a conversation that goes on */
  constructor(speaker: Speaker, messages: History) {
    this.#speaker = speaker;
    this.#messages = messages;
  }

  get messages(): History {
    return this.#messages;
  }

  /** The last answer; undefined where there is none. */
  get lastAnswer(): string | undefined {
    return this.#messages.findLast(({ role }) => role === 'assistant')?.content;
  }

  /**
   * Answers a message, before which stands what was attached. Where it cannot, the conversation is as it was.
   * @throws UserError 'capacity' where the conversation does not fit the context
   */
  async say(text: string, listener: Listener): Promise<Written> {
    const message = { role: 'user', content: this.#attached + text } as const;
    const written = await this.#answer([...this.#messages, message], listener);
    this.#attached = '';
    return written;
  }

  /** Answers the last message anew; undefined where nothing was asked yet. */
  async sayAgain(listener: Listener): Promise<Written | undefined> {
    const asked = this.#messages.findLastIndex(({ role }) => role === 'user');
    return asked < 0 ? undefined : this.#answer(this.#messages.slice(0, asked + 1), listener);
  }

  /** Puts a file's text before the next message. */
  attach(name: string, text: string): void {
    this.#attached += `--- File: ${name} ---\n${text}\n\n`;
  }

  /** Takes back the last message and its answer; gives the message, undefined where there is none. */
  undo(): string | undefined {
    const asked = this.#messages.findLastIndex(({ role }) => role === 'user');
    const message = this.#messages[asked];
    if (message) this.#messages = this.#messages.slice(0, asked);
    return message?.content;
  }

  /** Forgets all but the system message. */
  clear(): void {
    this.#messages = this.#messages.filter(({ role }) => role === 'system');
    this.#attached = '';
  }

  /** Another system message from the next answer on; an empty one is none. */
  setSystem(text: string): void {
    const said = this.#messages.filter(({ role }) => role !== 'system');
    this.#messages = text === '' ? said : [{ role: 'system', content: text }, ...said];
  }

  /** Goes on from another conversation. */
  load(messages: History): void {
    this.#messages = messages;
    this.#attached = '';
  }

  async #answer(asked: History, listener: Listener): Promise<Written> {
    const { writer, forgetAt = Number.POSITIVE_INFINITY } = this.#speaker;
    let messages = asked;
    let prompt = this.#promptOf(messages);
    if (prompt.length > forgetAt) {
      // Half of the context is made free at once: every time that something is forgotten, the rest is computed anew.
      for (
        let fewer = withoutOldest(messages);
        fewer && prompt.length > forgetAt / 2;
        fewer = withoutOldest(messages)
      ) {
        messages = fewer;
        prompt = this.#promptOf(messages);
      }
      listener.tell(`the context is full: the oldest ${asked.length - messages.length} messages are forgotten`);
    }
    const written = await writer.write(prompt, listener);
    this.#messages = [...messages, { role: 'assistant', content: written.text }];
    return written;
  }

  #promptOf(messages: History): readonly number[] {
    const { template, tokenizer, kwargs } = this.#speaker;
    return encodeChat(tokenizer, template, messages, { addGenerationPrompt: true, ...(kwargs && { kwargs }) });
  }
}

/** Without the first message that somebody asked, and its answer; undefined where only one is left. */
const withoutOldest = (messages: History): History | undefined => {
  const first = messages.findIndex(({ role }) => role === 'user');
  const next = messages.findIndex(({ role }, i) => role === 'user' && i > first);
  return next < 0 ? undefined : [...messages.slice(0, first), ...messages.slice(next)];
};

/**
 * A conversation as `/save` writes it: a JSON list of messages with role and content.
 * @throws UserError 'file' that names the file for anything else
 */
export const parseMessages = (json: string, path: string): History => {
  const wrong = () =>
    new UserError('file', `'${path}' is no conversation`, 'expected a JSON list like [{"role":"user","content":"Hi"}]');
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw wrong();
  }
  if (!isMessages(value)) throw wrong();
  return value;
};
