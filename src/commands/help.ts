/** The text of `--help`: one line for each flag, in groups, narrow enough for any terminal. */
import { dashed, onOffAuto } from './arguments.ts';
import type { CommandTitle, CommandUse, Option } from './command.ts';

/** All commands on one page. */
export const overview = (commands: readonly CommandTitle[]): string => {
  const width = Math.max(...commands.map((c) => c.name.length));
  return [
    'usage: grafo COMMAND [FLAGS]',
    '',
    ...commands.map((c) => `  ${c.name.padEnd(width)}  ${c.describe}`),
    '',
    'grafo COMMAND --help   the flags of a command',
    'grafo --version        the version',
  ].join('\n');
};

/** One word may be given any number of times; several are places to fill. */
const operandsOf = ({ operands }: CommandUse): string => {
  if (operands === undefined) return '';
  return /^[A-Z]+$/.test(operands) ? ` ${operands}...` : ` ${operands}`;
};

/** The page of one command. */
export const commandHelp = (c: CommandTitle & CommandUse): string => {
  const options = Object.entries(c.options);
  const headings = [...new Set(options.map(([, option]) => option.group))];
  return [
    `usage: grafo ${c.name} [FLAGS]${operandsOf(c)}`,
    '',
    c.describe,
    '',
    'Examples:',
    ...c.examples.flatMap(([line, what]) => [`  # ${what}`, `  ${line}`]),
    ...headings.flatMap((heading) => [
      '',
      `${heading}:`,
      ...options.filter(([, option]) => option.group === heading).map(([name, option]) => flagLine(name, option)),
    ]),
  ].join('\n');
};

/** Column of the descriptions. */
const INDENT = 30;

const flagLine = (name: string, option: Option): string => {
  const short = [option.alias ?? []].flat().filter((alias) => dashed(alias) === `-${alias}`);
  const negatable = option.type === 'boolean' && option.default !== false;
  const value = valueName(option);
  const flags = [...short.map(dashed), `--${negatable ? '[no-]' : ''}${name}`].join(', ') + (value && ` ${value}`);
  return `  ${flags}  `.padEnd(INDENT) + option.describe + defaultOf(option);
};

const valueName = (option: Option): string => {
  if (option.type === 'boolean') return '';
  if (option.coerce === onOffAuto) return '[on|off|auto]';
  if (option.placeholder !== undefined) return option.placeholder;
  if (option.choices) return option.choices.join('|');
  return option.type === 'number' ? 'N' : 'TEXT';
};

const defaultOf = (option: Option): string => {
  const value: unknown = option.defaultDescription ?? option.default;
  const isPlain = typeof value === 'string' || typeof value === 'number';
  return isPlain ? ` (default ${value})` : '';
};
