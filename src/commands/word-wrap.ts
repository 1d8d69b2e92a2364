/** Text that comes in pieces, in lines of whole words at a terminal. */
import stringWidth from 'string-width';

/** Scripts without spaces: a line may be broken beside each of their characters. */
const WIDE = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}`;

/** A style's escape sequence, a character of those scripts, white space, or letters up to one of these. */
const PARTS = new RegExp(String.raw`\x1b\[[\d;]*m|[${WIDE}]|\s|[^\s\x1b${WIDE}]+`, 'gu');

const isWide = new RegExp(`^[${WIDE}]`, 'u');

const TAB = 8;

/**
 * Gives each piece as a terminal should get it, at once: a word that does not fit its line is taken back there and begins
 * the next. Words longer than a line are left to the terminal.
 * @param columns width of the terminal, asked for with each piece
 */
export const createWordWrap = (columns: () => number): ((piece: string) => string) => {
  /** Where the cursor is. At the width it stands on the last column: the terminal breaks lines as late as it can. */
  let column = 0;
  /** The word that the line ends in so far, and its width. */
  let word = '';
  let wordWidth = 0;

  const advance = (part: string, width: number): string => {
    column += width;
    word = '';
    wordWidth = 0;
    return part;
  };
  const breakLine = (): string => {
    column = 0;
    return advance('\n', 0);
  };
  const letters = (part: string, most: number): string => {
    const width = stringWidth(part);
    const [begun, begunWidth, end] = [word, wordWidth, column + width];
    word += part;
    wordWidth += width;
    if (end <= most || wordWidth > most) {
      column = end <= most ? end : ((end - 1) % most) + 1;
      return part;
    }
    const back = begunWidth - (column === most ? 1 : 0);
    column = wordWidth;
    if (begunWidth === 0) return `\n${part}`;
    return `${back > 0 ? `\x1b[${back}D` : ''}\x1b[K\n${begun}${part}`;
  };

  return (piece) => {
    const most = columns();
    return piece.replace(PARTS, (part) => {
      if (part.startsWith('\x1b')) {
        word += part;
        return part;
      }
      if (part === '\n') return breakLine();
      if (part === '\t') return advance(part, Math.min(TAB - (column % TAB), most - column));
      if (/^\s/.test(part)) return column >= most ? breakLine() : advance(part, 1);
      if (isWide.test(part)) return (column + 2 > most ? breakLine() : '') + advance(part, 2);
      return letters(part, most);
    });
  };
};
