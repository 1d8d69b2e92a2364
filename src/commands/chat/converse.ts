/** A conversation on a drawn screen: messages in, answers and outcomes of commands out. */
import { messageOf, UserError } from '../../errors.ts';
import type { Written } from '../text/writer.ts';
import type { Ask, Chat } from './chat.ts';
import { clipboardSequence } from './clipboard.ts';
import { editorWith } from './editor.ts';
import { historyFile, readPast, rememberMessage } from './past.ts';
import { printable } from './printable.ts';
import type { Terminal } from './screen.tsx';
import { Screen } from './screen.tsx';
import type { Outcome } from './slash.ts';
import { isSlash, runSlash } from './slash.ts';
import type { ScreenState, Status } from './state.ts';
import { beginAnswer, endAnswer, entriesOf, firstState, hear, note, withEntries } from './state.ts';

export interface DrawnChat extends Chat {
  /** What the line of facts says now. */
  status(): Status;
  readonly thoughts: ScreenState['thoughts'];
  /** What is to be said of an answer. */
  remarks(written: Written): readonly string[];
}

/** Reads messages and answers them until somebody leaves. */
export const converseOnScreen = async (chat: DrawnChat, terminal: Terminal): Promise<void> => {
  const path = historyFile();
  let unread: string | undefined;
  const past = await readPast(path).catch((error: unknown) => {
    unread = messageOf(error);
    return [];
  });
  const screen = new Screen(terminal, chat.interrupts, firstState(chat.status(), past, chat.thoughts));
  const { conversation, interrupts } = chat;
  const say = (text: string, tone?: 'wrong'): void => screen.update((s) => withEntries(s, note(printable(text), tone)));

  const answer = async (ask: Ask): Promise<void> => {
    screen.update((s) => beginAnswer(s, performance.now()));
    try {
      const written = await ask({
        signal: interrupts.begin(),
        hear: async (piece) => screen.update((s) => ({ ...hear(s, piece, performance.now()), status: chat.status() })),
        tell: say,
      });
      screen.update((s) => ({ ...endAnswer(s, performance.now()), status: chat.status() }));
      if (written?.finish === 'interrupt') say('stopped');
      for (const line of written ? chat.remarks(written) : []) say(line);
    } catch (error) {
      screen.update((s) => endAnswer(s, performance.now()));
      // What does not fit the context can be mended here: nothing else of it is lost.
      if (!(error instanceof UserError) || error.kind !== 'capacity') throw error;
      say(`${messageOf(error)}; /undo or /clear, or start with a larger -c or --context-shift`, 'wrong');
    } finally {
      interrupts.wait(screen.leave);
    }
  };
  const asks = (text: string): Promise<void> => {
    screen.update((s) => withEntries(s, { kind: 'asked', text: printable(text) }));
    return answer((listener) => conversation.say(text, listener));
  };
  const follow = async (outcome: Outcome): Promise<void> => {
    if (outcome.kind === 'leave') screen.leave();
    else if (outcome.kind === 'again') await answer((listener) => conversation.sayAgain(listener));
    else if (outcome.kind === 'taken back') {
      say('the last message is taken back');
      const editor = editorWith(printable(outcome.message));
      screen.update((s) => (s.editor.text === '' ? { ...s, editor } : s));
    } else if (outcome.kind === 'copy') {
      screen.send(clipboardSequence(outcome.text));
      say(`copied ${outcome.text.length} characters`);
    } else if (outcome.kind === 'failed') say(outcome.note, 'wrong');
    else say(outcome.note);
  };

  interrupts.wait(screen.leave);
  try {
    say('/help shows the commands, Ctrl-D leaves; a line goes on after \\ or Alt-Enter, many lines between """');
    if (unread !== undefined) say(`messages of earlier runs cannot be brought back: ${unread}`);
    screen.update((s) => withEntries(s, ...entriesOf(conversation.messages)));
    if (chat.first !== undefined) await asks(chat.first);
    for (;;) {
      const message = await screen.message();
      if (message === undefined) break;
      await rememberMessage(path, message).catch((error: unknown) => {
        say(`this message is not remembered for later runs: ${messageOf(error)}`);
      });
      if (isSlash(message)) await follow(await runSlash(message, chat));
      else await asks(message);
      screen.update((s) => ({ ...s, status: chat.status() }));
    }
  } finally {
    await screen.close();
  }
};
