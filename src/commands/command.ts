/** What a subcommand is. */
import type { InferredOptionTypes, Options } from 'yargs';

export type OptionTable = Readonly<Record<string, Options>>;

/** The options' values, typed by the table. */
export type Parsed<O extends OptionTable> = InferredOptionTypes<{ [K in keyof O]: O[K] }>;

export interface Command<O extends OptionTable> {
  readonly name: string;
  readonly describe: string;
  readonly options: O;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Does the work; results on stdout, everything else on stderr. The number is the exit code. */
  run(options: Parsed<O>): Promise<number>;
}

export const command = <O extends OptionTable>(c: Command<O>): Command<O> => c;
