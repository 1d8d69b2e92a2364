/** Wires the commands to the command line; the one place that decides how the process ends. */
import { createRequire } from 'node:module';
import yargs from 'yargs';
import { normaliseArguments } from './commands/arguments.ts';
import type { Command, OptionTable } from './commands/command.ts';
import { llamaCommand } from './commands/llama.ts';
import type { ErrorKind } from './errors.ts';
import { messageOf, UserError } from './errors.ts';

const commands: readonly Command<OptionTable>[] = [llamaCommand as unknown as Command<OptionTable>];

const exitCodes: Readonly<Record<ErrorKind, number>> = {
  usage: 2,
  file: 3,
  model: 4,
  device: 5,
  capacity: 6,
  partial: 7,
  network: 8,
};

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** Runs one command line. The process ends by itself when nothing is left to do. */
export const main = async (argv: readonly string[]): Promise<void> => {
  const [name] = argv;
  const chosen = commands.find((c) => c.name === name);
  try {
    if (chosen) {
      const args = normaliseArguments(argv.slice(1), { ...chosen.options, ...common });
      process.exitCode = await parse([chosen.name, ...args]);
    } else if (name === undefined || /^-/.test(name)) process.exitCode = await parse(argv);
    else
      throw new UserError(
        'usage',
        `unknown command '${name}'`,
        `commands are ${commands.map((c) => c.name).join(', ')}`,
      );
  } catch (error) {
    report(error, chosen?.name, argv);
  }
};

const common = {
  help: { alias: 'h', type: 'boolean' },
  version: { type: 'boolean' },
} as const satisfies OptionTable;

const parse = async (argv: readonly string[]): Promise<number> => {
  let code = 0;
  const parser = yargs(argv)
    .scriptName('grafo')
    .usage('$0 <command> [flags]')
    .version(version)
    .help()
    .alias('help', 'h')
    .parserConfiguration({ 'duplicate-arguments-array': false, 'camel-case-expansion': false, 'greedy-arrays': false })
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UserError('usage', message.split('\n')[0] ?? message, 'see --help');
    });
  for (const c of commands) {
    parser.command(
      c.name,
      c.describe,
      (y) => {
        y.usage(`$0 ${c.name} [flags]\n\n${c.describe}`).options(c.options).strict();
        for (const [line, what] of c.examples) y.example(`$0 ${line}`, what);
      },
      async (args) => {
        code = await c.run(args);
      },
    );
  }
  if (argv.length === 0) parser.showHelp((text) => console.log(text));
  else await parser.parseAsync();
  return code;
};

const report = (error: unknown, commandName: string | undefined, argv: readonly string[]): void => {
  const kind = error instanceof UserError ? error.kind : undefined;
  process.exitCode = kind ? exitCodes[kind] : 1;
  const hint = error instanceof UserError && error.hint ? `\n  ${error.hint}` : '';
  const sentence = kind ? messageOf(error) : `internal error: ${messageOf(error)}`;
  process.stderr.write(`grafo${commandName ? ` ${commandName}` : ''}: ${sentence.split('\n')[0]}${hint}\n`);
  if (argv.includes('--json')) console.log(JSON.stringify({ error: { code: process.exitCode, message: sentence } }));
  const wantsStack = ['--verbose', '-v'].some((flag) => argv.includes(flag)) || process.env.GRAFO_DEBUG;
  if (wantsStack && error instanceof Error) process.stderr.write(`${error.stack}\n`);
};
