/** `grafo completion`: what a shell needs to complete grafo's commands, flags and values, from the same tables as the help. */
import { UserError } from '../errors.ts';
import { dashed, onOffAuto } from './arguments.ts';
import type { Command, CommandTitle, Option } from './command.ts';
import { command } from './command.ts';
import { write } from './terminal.ts';

/** A command that is read when it is asked for. */
export interface Loadable extends CommandTitle {
  load(): Promise<Command>;
}

interface Described extends CommandTitle {
  readonly flags: readonly Flag[];
}

interface Flag {
  /** Every spelling, with its dashes: `--model`, `-m`. */
  readonly spellings: readonly string[];
  readonly describe: string;
  /** What may follow; an empty list: nothing does. */
  readonly values: readonly string[] | 'file' | 'any';
}

/** The command, for this list of commands. */
export const completionCommand = (commands: readonly Loadable[]): Command =>
  command({
    operands: 'bash|zsh|fish',
    options: {},
    examples: [
      ['source <(grafo completion bash)', 'in this shell; in ~/.bashrc: in every one'],
      ['grafo completion zsh > ~/.zfunc/_grafo', 'zsh, with ~/.zfunc in fpath'],
      ['grafo completion fish > ~/.config/fish/completions/grafo.fish', 'fish'],
    ],
    async run(_, [shell, ...more]) {
      if (shell === undefined || more.length > 0) throw new UserError('usage', 'one shell is expected', HINT);
      const script = scripts.get(shell);
      if (!script) throw new UserError('usage', `no completion for '${shell}'`, HINT);
      await write(`${script(await Promise.all(commands.map(describeCommand)))}\n`);
      return 0;
    },
  });

const describeCommand = async ({ name, describe, load }: Loadable): Promise<Described> => {
  const { options } = await load();
  const flags = Object.entries(options).flatMap(([flag, option]) =>
    option.hidden
      ? []
      : [{ spellings: spellingsOf(flag, option), describe: option.describe ?? '', values: valuesOf(option) }],
  );
  return { name, describe, flags: [...flags, { spellings: ['--help', '-h'], describe: 'show the flags', values: [] }] };
};

const spellingsOf = (name: string, option: Option): readonly string[] => [
  `--${name}`,
  ...[option.alias ?? []].flat().map(dashed),
];

/** Paths are what the help calls so. */
const PATHS = /FILE|FOLDER|DIR|PATH|OUT/;

const valuesOf = (option: Option): Flag['values'] => {
  if (option.type === 'boolean') return [];
  if (option.choices) return option.choices.map(String);
  if (option.coerce === onOffAuto) return ['on', 'off', 'auto'];
  return PATHS.test(option.placeholder ?? '') ? 'file' : 'any';
};

/** Bash completes files by itself wherever the function finds nothing. */
const bashScript = (commands: readonly Described[]): string => {
  const reply = (words: readonly string[]): string => `COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$word"))`;
  const values = commands.flatMap(({ name, flags }) =>
    flags.flatMap(({ spellings, values }) =>
      Array.isArray(values) && values.length > 0
        ? [`    ${spellings.map((flag) => `${name}:${flag}`).join('|')}) ${reply(values)}; return ;;`]
        : [],
    ),
  );
  const flags = commands.map(
    ({ name, flags }) => `    ${name}) ${reply(flags.flatMap(({ spellings }) => spellings))} ;;`,
  );
  return [
    '# grafo for bash: source <(grafo completion bash)',
    '_grafo() {',
    `  local word="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}"`,
    '  COMPREPLY=()',
    '  if ((COMP_CWORD == 1)); then',
    `    ${reply(commands.map(({ name }) => name))}`,
    '    return',
    '  fi',
    `  case "$command:\${COMP_WORDS[COMP_CWORD - 1]}" in`,
    ...values,
    '  esac',
    '  [[ $word == -* ]] || return',
    '  case "$command" in',
    ...flags,
    '  esac',
    '}',
    'complete -o bashdefault -o default -F _grafo grafo',
  ].join('\n');
};

const zshScript = (commands: readonly Described[]): string => {
  const text = (of: string): string => of.replace(/[\\'[\]:]/g, (char) => (char === "'" ? "'\\''" : `\\${char}`));
  const action = ({ values }: Flag): string => {
    if (values === 'any') return ':value: ';
    if (values === 'file') return ':file:_files';
    return values.length > 0 ? `:value:(${values.join(' ')})` : '';
  };
  const argument = (flag: Flag): string[] =>
    flag.spellings.map((spelling) => `      '*${spelling}[${text(flag.describe)}]${action(flag)}' \\`);
  return [
    '#compdef grafo',
    '# grafo for zsh: in a folder of fpath as _grafo, or: source <(grafo completion zsh)',
    '_grafo() {',
    '  local -a commands=(',
    ...commands.map(({ name, describe }) => `    '${name}:${text(describe)}'`),
    '  )',
    '  if ((CURRENT == 2)); then',
    '    _describe command commands',
    '    return',
    '  fi',
    '  local command=$words[2]',
    `  words=($words[1] \${words[3,-1]})`,
    '  ((CURRENT--))',
    '  case $command in',
    ...commands.flatMap(({ name, flags }) => [
      `    ${name}) _arguments \\`,
      ...flags.flatMap(argument),
      "      '*:file:_files' ;;",
    ]),
    '  esac',
    '}',
    'compdef _grafo grafo',
  ].join('\n');
};

const fishScript = (commands: readonly Described[]): string => {
  const quoted = (of: string): string => `'${of.replace(/['\\]/g, '\\$&')}'`;
  const spelling = (flag: string): string => {
    if (flag.startsWith('--')) return `-l ${flag.slice(2)}`;
    return flag.length === 2 ? `-s ${flag.slice(1)}` : `-o ${flag.slice(1)}`;
  };
  const values = ({ values }: Flag): string => {
    if (values === 'file') return ' -r -F';
    if (values === 'any') return ' -x';
    return values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : '';
  };
  return [
    '# grafo for fish: grafo completion fish > ~/.config/fish/completions/grafo.fish',
    ...commands.map(
      ({ name, describe }) => `complete -c grafo -n __fish_use_subcommand -f -a ${name} -d ${quoted(describe)}`,
    ),
    ...commands.flatMap(({ name, flags }) =>
      flags.map(
        (flag) =>
          `complete -c grafo -n '__fish_seen_subcommand_from ${name}' ${flag.spellings.map(spelling).join(' ')}` +
          `${values(flag)} -d ${quoted(flag.describe)}`,
      ),
    ),
  ].join('\n');
};

/** What each shell is given. */
const scripts = new Map([
  ['bash', bashScript],
  ['zsh', zshScript],
  ['fish', fishScript],
]);

const HINT = `shells are ${[...scripts.keys()].join(', ')}`;
