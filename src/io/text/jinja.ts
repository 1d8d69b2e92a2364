/**
 * Chat templates are Jinja texts written for Hugging Face's `apply_chat_template`. This file gives them what that
 * environment has: its globals, and whitespace rules (trim_blocks, lstrip_blocks).
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { messageOf, UserError } from '../../errors.ts';

/** Python's jinja2 refuses longer ranges in its sandbox; without a limit a template could fill the memory. */
const MAX_RANGE = 100_000;

const range = (first: number, second?: number, step = 1): number[] => {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_RANGE)) throw new UserError('model', `the chat template asks for a range of ${length} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
};

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

const pad = (value: number): string => String(value).padStart(2, '0');

/** The directives of Python's strftime that chat templates use, in English whatever the locale. */
const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => pad(date.getFullYear() % 100),
  m: (date) => pad(date.getMonth() + 1),
  B: (date) => MONTHS[date.getMonth()]!,
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  d: (date) => pad(date.getDate()),
  A: (date) => DAYS[date.getDay()]!,
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  H: (date) => pad(date.getHours()),
  M: (date) => pad(date.getMinutes()),
  S: (date) => pad(date.getSeconds()),
  '%': () => '%',
};

const strftime = (date: Date, format: string): string =>
  format.replace(/%(.)/g, (directive, letter: string) => DIRECTIVES[letter]?.(date) ?? directive);

/**
 * What a template may name besides its variables. The library's own `Template` declares these too, but its
 * `strftime_now` is bound to the system's clock and locale and cannot be declared again: hence an environment of ours.
 */
const globals = (now: Date): Record<string, unknown> => ({
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range,
  strftime_now: (format: string) => strftime(now, format),
  raise_exception: (message: string) => {
    throw new UserError('model', `the chat template refuses the conversation: ${message}`);
  },
});

/** Renders with these variables, at this time of day. */
export type Render = (variables: Readonly<Record<string, unknown>>, now: Date) => string;

/** Runs `body`; what the Jinja library throws becomes a sentence about the template. */
const explained = <T>(what: string, body: () => T): T => {
  try {
    return body();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError('model', `${what}: ${messageOf(error)}`, 'name a built-in one with --chat-template');
  }
};

/**
 * Parses a chat template.
 * @throws UserError 'model' for a text that is no Jinja; the result throws the same for what fails when rendering,
 *   with the template's own message where it calls `raise_exception`
 */
export const compileTemplate = (source: string): Render => {
  const program = explained('the chat template cannot be parsed', () =>
    parse(tokenize(source, { trim_blocks: true, lstrip_blocks: true })),
  );
  return (variables, now) =>
    explained('the chat template fails', () => {
      const environment = new Environment();
      for (const [name, value] of Object.entries({ ...globals(now), ...variables })) environment.set(name, value);
      return String(new Interpreter(environment).run(program).value);
    });
};
