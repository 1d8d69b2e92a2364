/** What both ways to chat have in common: a drawn screen, and plain lines. */
import type { Interrupts } from '../interrupts.ts';
import type { Listener, Written } from '../text/writer.ts';
import type { SlashContext } from './slash.ts';

export interface Chat extends SlashContext {
  readonly interrupts: Interrupts;
  /** A first message that was given on the command line. */
  readonly first?: string;
}

/** Asks for an answer by way of the conversation; undefined where there was nothing to answer. */
export type Ask = (listener: Listener) => Promise<Written | undefined>;

/** The text of a message without the marks that let it have several lines. */
export const messageOfLines = (text: string): string => {
  const [, quoted] = /^\s*"""\n?(.*?)\n?"""\s*$/s.exec(text) ?? [];
  return quoted ?? text;
};

/** Whether a message has begun that its next line goes on with: after a backslash, or before the closing """. */
export const goesOn = (text: string): boolean => text.endsWith('\\') || /^\s*"""(?!.*"""\s*$)/s.test(text);
