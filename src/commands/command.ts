/** What a subcommand is, and how a table of options gives its values their types. */
import { existsSync } from 'node:fs';
import type { InferredOptionTypes, Options } from 'yargs';
import { UserError } from '../errors.ts';
import { parseArguments } from './arguments.ts';

/** An option of yargs, with what yargs has no words for. */
export interface Option extends Options {
  /** What the help calls a value: N, FILE. */
  readonly placeholder?: string;
  /** A number without a fraction. */
  readonly whole?: boolean;
  /** The smallest number allowed. */
  readonly least?: number;
  /** The largest number allowed. */
  readonly most?: number;
}

export type OptionTable = Readonly<Record<string, Option>>;

/** The options' values, typed by the table. */
export type Parsed<O extends OptionTable> = InferredOptionTypes<{ [K in keyof O]: O[K] }>;

/** What a list of commands says of one. */
export interface CommandTitle {
  readonly name: string;
  readonly describe: string;
}

/** What the help says of a command's use. */
export interface CommandUse {
  readonly options: OptionTable;
  /** What words that belong to no flag are, as the help calls them: IMAGE. Without a name there must be none. */
  readonly operands?: string;
  /** Whole command lines, and what each is for. */
  readonly examples: readonly (readonly [line: string, what: string])[];
}

interface CommandDefinition<O extends OptionTable> extends CommandUse {
  readonly options: O;
  /** Does the work; results on stdout, everything else on stderr. The number is the exit code. */
  run(options: Parsed<O>, words: readonly string[]): Promise<number>;
}

export interface Command extends CommandUse {
  /** Does what these arguments, already normalised, ask for; gives the exit code. */
  run(argv: readonly string[]): Promise<number>;
}

/** A command whose `run` gets its options typed by its own table; from outside all commands look the same. */
export const command = <O extends OptionTable>(definition: CommandDefinition<O>): Command => ({
  options: definition.options,
  ...(definition.operands !== undefined && { operands: definition.operands }),
  examples: definition.examples,
  async run(argv) {
    const { values, words } = await parseArguments(argv, definition.options);
    if (words.length > 0 && definition.operands === undefined)
      throw new UserError('usage', `'${words[0]}' belongs to no flag`, hintOn(words[0] ?? '', definition.options));
    return definition.run(values, words);
  },
});

/** What a word was meant for that belongs to no flag: a file that is there is most likely the model. */
const hintOn = (word: string, options: OptionTable): string =>
  'model' in options && existsSync(word)
    ? `a model is named with -m: -m ${word}`
    : 'quote a text that has spaces in it';

/** Options under one heading of the help. */
export const optionGroup = <O extends OptionTable>(heading: string, options: O): O => {
  const grouped: OptionTable = Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, { ...option, group: heading }]),
  );
  return grouped as O;
};
