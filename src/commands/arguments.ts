/**
 * From the words of a command line to typed options. llama.cpp's spelling of flags is put in terms that yargs reads:
 * `-ngl 99` (one dash, several letters), `-fa` with or without a value, values that begin with a dash. What no option
 * knows or allows is refused here, where the word is still as it was typed.
 */
import { readFileSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { fileError } from '../io/gguf/file.ts';
import type { Option, OptionTable, Parsed } from './command.ts';
import { nearest } from './nearest.ts';

/** Words that a switch with an optional value takes. */
const switchWords = new Set(['on', 'off', 'auto', 'true', 'false', '0', '1', 'enabled', 'disabled']);

/**
 * A command line whose only word is `@FILE` stands in that file, an argument a line (whisper-cli). An input of such a
 * name is given as `./@FILE`.
 * @throws UserError 'file' for a file that cannot be read
 */
export const argumentsIn = (argv: readonly string[]): readonly string[] => {
  const [only = '', ...rest] = argv;
  if (!only.startsWith('@') || rest.length > 0) return argv;
  const path = only.slice(1);
  try {
    const lines = readFileSync(path, 'utf8').split(/\r?\n/);
    return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  } catch (error) {
    throw fileError('read', path, error);
  }
};

/**
 * Rewrites arguments to `--name=value`, `--name` and `--name=false`; what is no flag stays as it is, behind `--`. Of an
 * option given twice the last one counts, unless it may be repeated.
 * @throws UserError 'usage' for an unknown flag, with the nearest known one, and for a missing or wrong value
 */
export const normaliseArguments = (argv: readonly string[], options: OptionTable): readonly string[] => {
  const known = knownFlags(options);
  const settings = new Map<string, string[]>();
  const rest: string[] = [];
  const set = ({ name, option }: Known, text: string): void => {
    const earlier = option.array ? (settings.get(name) ?? []) : [];
    settings.set(name, [...earlier, text]);
  };
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? '';
    if (argument === '--') {
      rest.push(...argv.slice(i + 1));
      break;
    }
    const [, flag, inline] = /^--?([^-=\d][^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (flag === undefined) {
      rest.push(argument);
      continue;
    }
    const { found, negated } = lookUp(flag, known, argument);
    const { name, option } = found;
    const takes = takenBy(option);
    const next = argv[i + 1];
    if (negated) {
      set(found, takes === 'switch' ? `--${name}=off` : `--${name}=false`);
    } else if (takes === 'nothing') {
      if (inline !== undefined && inline !== 'true' && inline !== 'false')
        throw new UserError('usage', `flag '--${flag}' takes no value, but got '${inline}'`);
      set(found, inline === 'false' ? `--${name}=false` : `--${name}`);
    } else if (takes === 'switch') {
      const hasWord = inline === undefined && next !== undefined && switchWords.has(next);
      const value = inline ?? (hasWord ? next : 'on');
      checkValue(argument, value, option);
      set(found, `--${name}=${value}`);
      if (hasWord) i++;
    } else {
      const value = inline ?? next;
      if (value === undefined) throw new UserError('usage', `flag '${argument}' needs a value`);
      checkValue(inline === undefined ? argument : `--${flag}`, value, option);
      set(found, `--${name}=${keepQuotes(value)}`);
      if (inline === undefined) i++;
    }
  }
  const flags = [...settings.values()].flat();
  return rest.length > 0 ? [...flags, '--', ...rest] : flags;
};

/** yargs takes the quotes off a value that stands between two of them: one more pair is put around it. */
const keepQuotes = (value: string): string => (/^(["']).*\1$/s.test(value) ? `"${value}"` : value);

/** What a command line says: the options' values, and the words that belong to no flag. */
export interface ParsedArguments<O extends OptionTable> {
  readonly values: Parsed<O>;
  readonly words: readonly string[];
}

/**
 * The options' values, converted and with their defaults, from normalised arguments.
 * @throws UserError 'usage' for what the options' `coerce` throws
 */
export const parseArguments = async <O extends OptionTable>(
  argv: readonly string[],
  options: O,
): Promise<ParsedArguments<O>> => {
  // Read here, so that the help pages need not wait for it.
  const { default: yargs } = await import('yargs');
  const parsed: unknown = await yargs([...argv])
    .options(options)
    .version(false)
    .help(false)
    .exitProcess(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'greedy-arrays': false,
      'dot-notation': false,
      'parse-positional-numbers': false,
    })
    .fail((message, error) => {
      throw error ?? new Error(message);
    })
    .parseAsync();
  // yargs types its result only where the table is a literal; here the table is a type parameter.
  const { _: words, ...values } = parsed as Parsed<O> & { readonly _: readonly (string | number)[] };
  return { values: values as unknown as Parsed<O>, words: words.map(String) };
};

interface Known {
  readonly name: string;
  readonly option: Option;
}

/** Every spelling of every option. */
const knownFlags = (options: OptionTable): ReadonlyMap<string, Known> =>
  new Map(
    Object.entries(options).flatMap(([name, option]) =>
      [name, ...[option.alias ?? []].flat()].map((spelling) => [spelling, { name, option }] as const),
    ),
  );

const takenBy = (option: Option): 'nothing' | 'switch' | 'value' => {
  if (option.type === 'boolean') return 'nothing';
  return option.coerce === onOffAuto ? 'switch' : 'value';
};

const lookUp = (
  flag: string,
  known: ReadonlyMap<string, Known>,
  typed: string,
): { readonly found: Known; readonly negated: boolean } => {
  const found = known.get(flag);
  if (found) return { found, negated: false };
  const positive = known.get(/^no-(.+)$/.exec(flag)?.[1] ?? '');
  if (positive && takenBy(positive.option) !== 'value') return { found: positive, negated: true };
  const close = nearest(flag, known.keys());
  throw new UserError(
    'usage',
    `unknown flag '${typed.split('=')[0]}'`,
    close === undefined
      ? 'see --help'
      : `did you mean ${known.get(close)?.name === close ? `--${close}` : dashed(close)}?`,
  );
};

/** A flag's other name as people write it: llama.cpp's short names have one dash, however many letters. */
export const dashed = (flag: string): string => (flag.length <= 4 && !flag.includes('-') ? `-${flag}` : `--${flag}`);

const checkValue = (flag: string, text: string, option: Option): void => {
  const wrong = (expected: string) => new UserError('usage', `flag '${flag}' is '${text}', expected ${expected}`);
  const choices = option.choices?.map(String);
  if (choices && !choices.includes(text)) throw wrong(choices.join(', '));
  // What `coerce` throws from within yargs arrives as a bare text, without its kind and its hint.
  option.coerce?.(text);
  if (option.type !== 'number') return;
  const { whole = false, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = option;
  const n = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(n) && (!whole || Number.isInteger(n)) && n >= least && n <= most) return;
  const range = Number.isFinite(most)
    ? ` from ${least} to ${most}`
    : Number.isFinite(least)
      ? `, ${least} or more`
      : '';
  throw wrong(`a ${whole ? 'whole ' : ''}number${range}`);
};

export type OnOffAuto = 'on' | 'off' | 'auto';

/** A switch that may be given bare, or with on, off or auto (and llama.cpp's other words for these). */
export const onOffAuto = (value: string): OnOffAuto => {
  if (value === 'auto') return 'auto';
  if (['on', 'true', '1', 'enabled', ''].includes(value)) return 'on';
  if (['off', 'false', '0', 'disabled'].includes(value)) return 'off';
  throw new UserError('usage', `'${value}' is not on, off or auto`);
};
