/** Conversation in a plain terminal: one line is one message, Ctrl-C stops an answer, Ctrl-D leaves. */
import { createInterface } from 'node:readline/promises';
import type { ChatMessage, ChatTemplate } from '../io/text/chat.ts';
import { encodeChat } from '../io/text/chat.ts';
import type { Tokenizer } from '../io/text/tokenizer.ts';
import type { Answer } from './answer.ts';
import type { Interrupts } from './terminal.ts';
import { write } from './terminal.ts';

/** Answers a prompt; the tokens of earlier turns are still in the cache as far as they agree. */
export type Reply = (prompt: readonly number[], signal: AbortSignal) => Promise<Answer>;

export interface ChatSession {
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
  readonly kwargs?: Readonly<Record<string, unknown>>;
  reply: Reply;
}

/** One turn: the whole conversation as a prompt, then the answer. */
export const turn = async (
  chat: ChatSession,
  history: readonly ChatMessage[],
  signal: AbortSignal,
): Promise<{ answer: Answer; history: readonly ChatMessage[] }> => {
  const prompt = encodeChat(chat.tokenizer, chat.template, history, { addGenerationPrompt: true });
  const answer = await chat.reply(prompt, signal);
  return { answer, history: [...history, { role: 'assistant', content: answer.text }] };
};

const HELP = '/exit leaves, /clear forgets the conversation, /regen answers again; a \\ at the end of a line goes on';

/**
 * Reads messages until the input ends or somebody leaves.
 * @param first a message that is already there
 */
export const converse = async (
  chat: ChatSession,
  system: readonly ChatMessage[],
  first: string | undefined,
  interrupts: Interrupts,
): Promise<void> => {
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: '> ' });
  // While readline owns the terminal, Ctrl-C comes from it and not from the process.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  interrupts.onLeave(() => lines.close());
  const closed = new AbortController();
  lines.on('close', () => closed.abort());
  let history: readonly ChatMessage[] = system;
  let next: string | undefined = first;
  try {
    process.stderr.write(`${HELP}\n`);
    while (!closed.signal.aborted) {
      const message = next ?? (await ask(lines, closed.signal));
      next = undefined;
      if (message === undefined || message === '/exit' || message === '/bye') break;
      if (message === '/help') process.stderr.write(`${HELP}\n`);
      else if (message === '/clear') history = system;
      else if (message === '/regen' && history.at(-1)?.role === 'assistant') {
        history = await say(chat, history.slice(0, -1), interrupts);
      } else if (message.trim() !== '') {
        history = await say(chat, [...history, { role: 'user', content: message }], interrupts);
      }
    }
  } finally {
    lines.close();
  }
};

const say = async (
  chat: ChatSession,
  history: readonly ChatMessage[],
  interrupts: Interrupts,
): Promise<readonly ChatMessage[]> => {
  const done = await turn(chat, history, interrupts.renew());
  await write('\n');
  if (done.answer.finish === 'context')
    process.stderr.write('the context is full: /clear forgets the conversation, -c makes it longer\n');
  return done.history;
};

/** A message; lines that end in a backslash go on. Undefined when the input has ended. */
const ask = async (lines: ReturnType<typeof createInterface>, signal: AbortSignal): Promise<string | undefined> => {
  let message = '';
  for (;;) {
    const line = await lines.question(message === '' ? '\n> ' : '. ', { signal }).catch(() => undefined);
    if (line === undefined) return message === '' ? undefined : message;
    if (!line.endsWith('\\')) return message + line;
    message += `${line.slice(0, -1)}\n`;
  }
};
