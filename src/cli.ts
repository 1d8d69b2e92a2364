/** Wires the commands to the command line; the one place that decides how the process ends. */
import { createRequire } from 'node:module';
import { argumentsIn, normaliseArguments } from './commands/arguments.ts';
import type { Command, CommandTitle } from './commands/command.ts';
import { optionGroup } from './commands/command.ts';
import { commandHelp, overview } from './commands/help.ts';
import { nearest } from './commands/nearest.ts';
import { write } from './commands/terminal.ts';
import { exitCodes, messageOf, UserError } from './errors.ts';

interface Entry extends CommandTitle {
  /** Reads the command's own modules: nobody waits for what another command needs. */
  load(): Promise<Command>;
}

const commands: readonly Entry[] = [
  {
    name: 'demo',
    describe: 'half a minute with the models below, on small ones that come along',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
  {
    name: 'llama',
    describe: 'write text or chat with LLaMA, Mistral, Mixtral, Qwen2, Qwen3',
    load: async () => (await import('./commands/llama.ts')).llamaCommand,
  },
  {
    name: 'deepseek',
    describe: 'write text or chat with DeepSeek: LLM, Coder, MoE, V2, V3, R1',
    load: async () => (await import('./commands/deepseek.ts')).deepseekCommand,
  },
  {
    name: 'vit',
    describe: 'say what is in images with ViT and DeiT',
    load: async () => (await import('./commands/vit.ts')).vitCommand,
  },
  {
    name: 'whisper',
    describe: 'write down what is said with Whisper',
    load: async () => (await import('./commands/whisper.ts')).whisperCommand,
  },
  {
    name: 'graph-dump',
    describe: "show a model's graph, from its header: as text, picture, ONNX",
    load: async () => (await import('./commands/graph-dump.ts')).graphDumpCommand,
  },
  {
    name: 'bench',
    describe: 'how fast models run here: prompts, tokens, images, speech',
    load: async () => (await import('./commands/bench.ts')).benchCommand,
  },
  {
    name: 'quantize',
    describe: 'write a GGUF model in another type, such as Q4_K_M or Q8_0',
    load: async () => (await import('./commands/quantize.ts')).quantizeCommand,
  },
  {
    name: 'models',
    describe: "models in the cache of Hugging Face's tools: list, pull, path, rm",
    load: async () => (await import('./commands/models.ts')).modelsCommand,
  },
  {
    name: 'inspect',
    describe: 'what a model holds and whether it fits, from its header alone',
    load: async () => (await import('./commands/inspect.ts')).inspectCommand,
  },
  {
    name: 'cache',
    describe: 'list the prepared weights that are kept; grafo cache clear removes',
    load: async () => (await import('./commands/cache.ts')).cacheCommand,
  },
  {
    name: 'completion',
    describe: 'what bash, zsh or fish need to complete all this',
    load: async () => (await import('./commands/completion.ts')).completionCommand(commands),
  },
];

/** What every command understands. */
const commonOptions = optionGroup('Help', {
  help: { alias: 'h', type: 'boolean', default: false, describe: 'show this and exit' },
  version: { type: 'boolean', default: false, describe: 'show the version and exit' },
});

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** Runs one command line. The process ends by itself when nothing is left to do. */
export const main = async (argv: readonly string[]): Promise<void> => {
  // What stdout refuses, `write` tells; what stderr refuses, nobody can be told.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const [name, ...rest] = argv;
  const chosen = commands.find((c) => c.name === name);
  try {
    process.exitCode = await (chosen ? runCommand(chosen, rest) : runAlone(argv));
  } catch (error) {
    report(error, chosen?.name, argv);
  }
};

const runCommand = async ({ name, describe, load }: Entry, argv: readonly string[]): Promise<number> => {
  const command = await load();
  const page = { name, describe, ...command, options: { ...command.options, ...commonOptions } };
  const normalised = normaliseArguments(argumentsIn(argv), page.options);
  const asks = (flag: string) => normalised.includes(flag);
  if (asks('--help')) await write(`${commandHelp(page)}\n`);
  else if (asks('--version')) await write(`${version}\n`);
  else return command.run(normalised);
  return 0;
};

/** A command line that names no command. */
const runAlone = async (argv: readonly string[]): Promise<number> => {
  const [word] = argv;
  if (word === '--version') await write(`${version}\n`);
  else if (word === undefined || ['help', '--help', '-h'].includes(word)) await write(`${overview(commands)}\n`);
  else {
    const names = commands.map((c) => c.name);
    const close = nearest(word, names);
    const what = word.startsWith('-') ? 'flag' : 'command';
    throw new UserError(
      'usage',
      `unknown ${what} '${word}'`,
      close && what === 'command' ? `did you mean ${close}?` : `commands are ${names.join(', ')}; see grafo --help`,
    );
  }
  return 0;
};

const report = (error: unknown, commandName: string | undefined, argv: readonly string[]): void => {
  const kind = error instanceof UserError ? error.kind : undefined;
  process.exitCode = kind ? exitCodes[kind] : 1;
  const hint = error instanceof UserError && error.hint ? `\n  ${error.hint}` : '';
  const sentence = kind ? messageOf(error) : `internal error: ${messageOf(error)}`;
  process.stderr.write(`grafo${commandName ? ` ${commandName}` : ''}: ${sentence.split('\n')[0]}${hint}\n`);
  if (argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ error: { code: process.exitCode, message: sentence } })}\n`);
  const wantsStack = ['--verbose', '-v'].some((flag) => argv.includes(flag)) || process.env.GRAFO_DEBUG;
  if (wantsStack && error instanceof Error) process.stderr.write(`${error.stack}\n`);
};
