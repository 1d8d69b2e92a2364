/** Keys of a terminal in raw mode, read by node's own parser; what is pasted comes as one text. */
import { emitKeypressEvents, type Key as NodeKey } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Key } from './keys.ts';

const BRACKETED_PASTE = { on: '\x1b[?2004h', off: '\x1b[?2004l' };

/** Calls back for every key until it is closed; the terminal is then as it was. */
export const openKeyboard = (stdin: ReadStream, stdout: WriteStream, onKey: (key: Key) => void): { close(): void } => {
  /** What was pasted so far, while the terminal says that it pastes. */
  let pasted: string | undefined;
  const heard = (text: string | undefined, { name = '', ctrl = false, meta = false }: NodeKey): void => {
    if (name === 'paste-start') pasted = '';
    else if (name === 'paste-end') {
      const whole = pasted ?? '';
      pasted = undefined;
      if (whole !== '') onKey({ kind: 'text', text: whole });
    } else if (pasted !== undefined) pasted += text ?? '';
    else if (isTyped(text, ctrl, meta)) onKey({ kind: 'text', text });
    else onKey({ kind: 'key', name, ctrl, meta });
  };
  emitKeypressEvents(stdin);
  stdin.setRawMode(true);
  stdin.on('keypress', heard);
  stdin.resume();
  stdout.write(BRACKETED_PASTE.on);
  return {
    close() {
      stdout.write(BRACKETED_PASTE.off);
      stdin.off('keypress', heard);
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
};

/** Whether this is text and no key with a name of its own. */
const isTyped = (text: string | undefined, ctrl: boolean, meta: boolean): text is string =>
  text !== undefined && !ctrl && !meta && /^\P{Cc}/u.test(text);
