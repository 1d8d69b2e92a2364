import { stripVTControlCharacters } from 'node:util';
import xterm from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { createWordWrap } from '../src/commands/word-wrap.ts';

const COLUMNS = 12;

/** The lines of a terminal that was given these pieces. */
const shown = async (pieces: readonly string[]): Promise<readonly string[]> => {
  const terminal = new xterm.Terminal({ cols: COLUMNS, rows: 8, allowProposedApi: true, convertEol: true });
  const wrap = createWordWrap(() => COLUMNS);
  for (const piece of pieces) await new Promise<void>((resolve) => terminal.write(wrap(piece), resolve));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: 8 }, (_, y) => active.getLine(y)!.translateToString(true).trimEnd());
  return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
};

const dim = (text: string): string => `\x1b[2m${text}\x1b[0m`;

const cases: readonly (readonly [what: string, pieces: readonly string[], lines: readonly string[]])[] = [
  ['a word that does not fit begins the next line', ['One fine day we met'], ['One fine day', 'we met']],
  ['a word that comes in pieces is taken back', ['She was hap', 'py', ' to see'], ['She was', 'happy to see']],
  ['a word that has reached the last column is taken back whole', ['She was happ', 'ily'], ['She was', 'happily']],
  ['a lone letter on the last column is taken back', ['She was one a', 'pe'], ['She was one', 'ape']],
  ['no line begins with the space between two words', ['One fine day', ' we'], ['One fine day', 'we']],
  ['line ends stay', ['One\n\nfine', '\nday'], ['One', '', 'fine', 'day']],
  ['a word longer than a line is left as it is', ['abcdefghijklmnop', 'q r'], ['abcdefghijkl', 'mnopq r']],
  [
    'styles take no room and move with their word',
    [dim('She was ha'), dim('ppy'), dim(' to')],
    ['She was', 'happy to'],
  ],
  ['scripts without spaces break anywhere', ['今天我们去公园玩'], ['今天我们去公', '园玩']],
  ['tabs go to the next stop', ['a\tbcde f'], ['a       bcde', 'f']],
];

describe('words at a terminal', () => {
  it.each(cases)('%s', async (_, pieces, lines) => {
    expect(await shown(pieces)).toEqual(lines);
    expect(await shown([...stripVTControlCharacters(pieces.join(''))]), 'letter by letter').toEqual(lines);
  });
});
