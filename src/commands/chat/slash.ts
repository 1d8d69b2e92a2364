/** What a chat does beside talking: lines that begin with a slash. The same at a drawn screen and in plain lines. */
import { homedir } from 'node:os';
import { basename } from 'node:path';
import { messageOf, UserError } from '../../errors.ts';
import { readText, saveFile } from '../../io/plain-file.ts';
import { nearest } from '../nearest.ts';
import type { Conversation } from './conversation.ts';
import { parseMessages } from './conversation.ts';

/** What the commands work on. */
export interface SlashContext {
  readonly conversation: Conversation;
  /** Settings by name, as they are now. */
  settings(): readonly (readonly [name: string, value: string])[];
  /**
   * Changes a setting.
   * @throws UserError 'usage' for an unknown name or a value that it cannot have
   */
  set(name: string, value: string): Promise<void>;
  /** What the model, its context and its last answer took. */
  stats(): string;
}

/** What is to be done after a command; `note` is for the person to read. */
export type Outcome =
  | { readonly kind: 'done'; readonly note: string }
  | { readonly kind: 'failed'; readonly note: string }
  | { readonly kind: 'taken back'; readonly message: string }
  | { readonly kind: 'again' }
  | { readonly kind: 'copy'; readonly text: string }
  | { readonly kind: 'leave' };

interface SlashCommand {
  readonly words: string;
  readonly describe: string;
  /** The rest of the line is a path. */
  readonly takesPath?: boolean;
  run(rest: string, context: SlashContext): Outcome | Promise<Outcome>;
}

const done = (note: string): Outcome => ({ kind: 'done', note });
const failed = (note: string): Outcome => ({ kind: 'failed', note });

const commands: Readonly<Record<string, SlashCommand>> = {
  '/help': { words: '', describe: 'show this', run: () => done(slashHelp()) },
  '/exit': { words: '', describe: 'leave; so do /bye and Ctrl-D', run: () => ({ kind: 'leave' }) },
  '/bye': { words: '', describe: 'leave', run: () => ({ kind: 'leave' }) },
  '/clear': {
    words: '',
    describe: 'forget the conversation, not the system message',
    run(_, { conversation }) {
      conversation.clear();
      return done('the conversation is forgotten');
    },
  },
  '/regen': {
    words: '',
    describe: 'answer the last message again',
    run: (_, { conversation }) =>
      conversation.messages.some(({ role }) => role === 'user') ? { kind: 'again' } : failed('nothing was asked yet'),
  },
  '/undo': {
    words: '',
    describe: 'take the last message and its answer back',
    run(_, { conversation }) {
      const message = conversation.undo();
      return message === undefined ? failed('nothing was asked yet') : { kind: 'taken back', message };
    },
  },
  '/set': {
    words: '[NAME VALUE]',
    describe: 'change how tokens are chosen (/set temp 0.7), or show it',
    async run(rest, { set, settings }) {
      const [name, ...value] = words(rest);
      if (name === undefined)
        return done(
          settings()
            .map(([key, now]) => `${key.padEnd(20)} ${now}`)
            .join('\n'),
        );
      await set(name, value.join(' '));
      return done(`${name} is ${value.join(' ')} now`);
    },
  },
  '/system': {
    words: '[TEXT]',
    describe: 'another system message from now on, or none',
    run(rest, { conversation }) {
      conversation.setSystem(rest);
      return done(rest === '' ? 'there is no system message now' : 'the next answer follows the new system message');
    },
  },
  '/read': {
    words: 'FILE',
    describe: 'put a text file before the next message',
    takesPath: true,
    async run(rest, { conversation }) {
      const path = pathOf(rest, '/read FILE');
      const text = await readText(path);
      conversation.attach(basename(path), text.trimEnd());
      return done(`${basename(path)}, ${text.length} characters, goes before the next message`);
    },
  },
  '/save': {
    words: 'FILE',
    describe: 'write the conversation as JSON',
    takesPath: true,
    async run(rest, { conversation }) {
      const path = pathOf(rest, '/save FILE');
      await saveFile(path, `${JSON.stringify(conversation.messages, undefined, 2)}\n`);
      return done(`${conversation.messages.length} messages are in ${path}`);
    },
  },
  '/load': {
    words: 'FILE',
    describe: 'go on from a conversation that was saved',
    takesPath: true,
    async run(rest, { conversation }) {
      const path = pathOf(rest, '/load FILE');
      const messages = parseMessages(await readText(path), path);
      conversation.load(messages);
      return done(`${messages.length} messages from ${path}`);
    },
  },
  '/stats': {
    words: '',
    describe: 'what the context holds and the last answer took',
    run: (_, { stats }) => done(stats()),
  },
  '/copy': {
    words: '',
    describe: "put the last answer on the terminal's clipboard",
    run(_, { conversation }) {
      const text = conversation.lastAnswer;
      return text === undefined ? failed('there is no answer yet') : { kind: 'copy', text };
    },
  },
};

/** Names of all commands. */
export const slashNames: readonly string[] = Object.keys(commands);

/** Whether something may follow this word. */
export const takesWords = (word: string): boolean => commands[word]?.words !== '';

/** Whether what follows this word is a path. */
export const takesPath = (word: string): boolean => commands[word]?.takesPath === true;

/** Whether a line is a command; a path such as /etc/hosts in a message is none. */
export const isSlash = (line: string): boolean => /^\/[a-z]+(\s|$)/.test(line);

/** Runs a line that begins with a slash; what a person can mend is an outcome like any other. */
export const runSlash = async (line: string, context: SlashContext): Promise<Outcome> => {
  const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
  const command = commands[word];
  if (!command) {
    const close = nearest(word, slashNames);
    return failed(
      `there is no ${word}${close === undefined ? '; /help shows what there is' : `; did you mean ${close}?`}`,
    );
  }
  try {
    return await command.run(rest.trim(), context);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return failed(error.hint === undefined ? messageOf(error) : `${messageOf(error)}; ${error.hint}`);
  }
};

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

const pathOf = (rest: string, usage: string): string => {
  if (rest === '') throw new UserError('usage', `which file? ${usage}`);
  return rest.replace(/^~(?=\/|$)/, homedir());
};

/** One line per command. */
const slashHelp = (): string =>
  Object.entries(commands)
    .map(([name, { words, describe }]) => `${`${name} ${words}`.padEnd(20)} ${describe}`)
    .join('\n');
