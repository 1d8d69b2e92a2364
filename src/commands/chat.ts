/** Conversation in a plain terminal: one line is one message, Ctrl-C stops an answer, Ctrl-D leaves. */
import { createInterface } from 'node:readline';
import type { ChatMessage, ChatTemplate } from '../io/text/chat.ts';
import { encodeChat } from '../io/text/chat.ts';
import type { Tokenizer } from '../io/text/tokenizer.ts';
import type { Interrupts } from './interrupts.ts';
import { write } from './terminal.ts';
import type { Writer, Written } from './writer.ts';

export interface ChatSession {
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
  /** Further variables of the template. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly writer: Writer;
  readonly interrupts: Interrupts;
  /** Hears of every answer, once it is complete. */
  onAnswer(written: Written): void;
}

type History = readonly ChatMessage[];

/** One turn: the whole conversation as a prompt, then the answer; gives the conversation with it. */
export const turn = async (chat: ChatSession, history: History): Promise<{ written: Written; history: History }> => {
  const prompt = encodeChat(chat.tokenizer, chat.template, history, {
    addGenerationPrompt: true,
    ...(chat.kwargs && { kwargs: chat.kwargs }),
  });
  const written = await chat.writer.write(prompt, chat.interrupts.signal);
  await write('\n');
  chat.onAnswer(written);
  return { written, history: [...history, { role: 'assistant', content: written.text }] };
};

const HELP = '/exit leaves, /clear forgets the conversation, /regen answers again; a \\ at the end of a line goes on';

/**
 * Reads messages and answers them until the input ends or somebody leaves.
 * @param begun the system message, if any, and the first message where it is there already
 */
export const converse = async (chat: ChatSession, begun: History): Promise<void> => {
  const keyboard = openKeyboard(chat.interrupts);
  const system = begun.filter(({ role }) => role === 'system');
  const say = async (history: History): Promise<History> => {
    chat.interrupts.begin();
    return (await turn(chat, history)).history;
  };
  try {
    process.stderr.write(`${HELP}\n`);
    const first = begun.at(-1);
    let history = system;
    if (first?.role === 'user') {
      process.stderr.write(`\n> ${first.content}\n`);
      history = [...(await say(begun))];
    }
    while (!chat.interrupts.leaving) {
      const message = await keyboard.message();
      if (message === undefined || message === '/exit' || message === '/bye') break;
      if (message === '/help') process.stderr.write(`${HELP}\n`);
      else if (message === '/clear') history = system;
      else if (message === '/regen') {
        if (history.at(-1)?.role === 'assistant') history = [...(await say(history.slice(0, -1)))];
      } else if (message.trim() !== '') history = [...(await say([...history, { role: 'user', content: message }]))];
    }
  } finally {
    keyboard.close();
  }
};

/** The one message that a person types, undefined where there is none. */
export const askOnce = async (interrupts: Interrupts): Promise<string | undefined> => {
  const keyboard = openKeyboard(interrupts);
  try {
    return await keyboard.message();
  } finally {
    keyboard.close();
    interrupts.begin();
  }
};

interface Keyboard {
  /** The next message; lines that end in a backslash go on. Undefined when the input has ended. */
  message(): Promise<string | undefined>;
  close(): void;
}

const openKeyboard = (interrupts: Interrupts): Keyboard => {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // While readline owns the terminal, Ctrl-C comes from it and not from the process.
  lines.on('SIGINT', interrupts.press);
  // The iterator keeps what is typed or pasted while an answer is written.
  const typed = lines[Symbol.asyncIterator]();
  const line = async (prompt: string): Promise<string | undefined> => {
    lines.setPrompt(prompt);
    lines.prompt();
    const next = await typed.next();
    return next.done ? undefined : next.value;
  };
  return {
    async message() {
      interrupts.wait(() => lines.close());
      process.stderr.write('\n');
      let message = '';
      for (;;) {
        const next = await line(message === '' ? '> ' : '. ');
        if (next === undefined) return message === '' ? undefined : message;
        if (!next.endsWith('\\')) return message + next;
        message += `${next.slice(0, -1)}\n`;
      }
    },
    close: () => lines.close(),
  };
};
