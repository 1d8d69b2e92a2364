/** Conversation in a plain terminal: one line is one message, Ctrl-C stops an answer, Ctrl-D leaves. */
import { createInterface } from 'node:readline';
import { messageOf, UserError } from '../../errors.ts';
import type { Piece } from '../../io/text/thoughts.ts';
import type { Interrupts } from '../interrupts.ts';
import { write } from '../terminal.ts';
import type { Written } from '../text/writer.ts';
import type { Ask, Chat } from './chat.ts';
import { goesOn, messageOfLines } from './chat.ts';
import { clipboardSequence } from './clipboard.ts';
import { isSlash, runSlash } from './slash.ts';

/** Where answers go. */
export interface AnswerOutput {
  /** A new answer begins. */
  begin(): void;
  write(piece: Piece): Promise<void>;
  tell(line: string): void;
  /** Hears of every answer, once it is complete. */
  report(written: Written): Promise<void>;
}

/** One answer, shown as it comes. */
export const askInLines = async (ask: Ask, signal: AbortSignal, output: AnswerOutput): Promise<Written | undefined> => {
  output.begin();
  const written = await ask({ signal, hear: (piece) => output.write(piece), tell: output.tell });
  if (!written) return undefined;
  await write('\n');
  await output.report(written);
  return written;
};

/** Reads messages and answers them until the input ends or somebody leaves. */
export const converseInLines = async (chat: Chat, output: AnswerOutput): Promise<void> => {
  const { conversation, interrupts } = chat;
  const keyboard = openKeyboard(interrupts);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const answer = async (ask: Ask): Promise<void> => {
    try {
      await askInLines(ask, interrupts.begin(), output);
    } catch (error) {
      // What does not fit the context can be mended here: nothing else of it is lost.
      if (!(error instanceof UserError) || error.kind !== 'capacity') throw error;
      say(`${messageOf(error)}; /undo or /clear, or start with a larger -c or --context-shift`);
    }
  };
  try {
    say('/help shows the commands, /exit leaves; a \\ at the end of a line goes on, """ begins and ends many lines');
    if (chat.first !== undefined) {
      const first = chat.first;
      say(`\n> ${first}`);
      await answer((listener) => conversation.say(first, listener));
    }
    while (!interrupts.leaving) {
      const message = await keyboard.message();
      if (message === undefined) break;
      if (message.trim() === '') continue;
      if (!isSlash(message)) {
        await answer((listener) => conversation.say(message, listener));
        continue;
      }
      const outcome = await runSlash(message, chat);
      if (outcome.kind === 'leave') break;
      if (outcome.kind === 'again') await answer((listener) => conversation.sayAgain(listener));
      else if (outcome.kind === 'taken back') say(`taken back: ${outcome.message}`);
      else if (outcome.kind === 'copy') {
        await write(clipboardSequence(outcome.text));
        say('copied');
      } else say(outcome.note);
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
        message += next;
        if (!goesOn(message)) return messageOfLines(message);
        message = `${message.replace(/\\$/, '')}\n`;
      }
    },
    close: () => lines.close(),
  };
};
