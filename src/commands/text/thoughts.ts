/** Thoughts on stdout: dim at a terminal, in their tags for a reader that is none, or left out. */
import type { Piece } from '../../io/text/thoughts.ts';

export interface ThoughtStyle {
  /** Whether thoughts are shown beside the text, left out, or shown alone. */
  readonly shown: 'show' | 'hide' | 'only';
  readonly hasColours: boolean;
}

/** Writes one answer's pieces with `write`; what was begun is closed by the first piece of another kind. */
export const createThoughtWriter = ({ shown, hasColours }: ThoughtStyle, write: (text: string) => Promise<void>) => {
  let last: Piece['kind'] | undefined;
  return {
    /** Forgets the answer before. */
    begin(): void {
      last = undefined;
    },
    async write({ kind, text }: Piece): Promise<void> {
      const isShown = shown === 'show' || (shown === 'only') === (kind === 'thought');
      if (!isShown) return;
      const [opens, closes] = [kind === 'thought' && last !== 'thought', kind === 'text' && last === 'thought'];
      last = kind;
      const isMarked = shown === 'show' && !hasColours;
      const before = opens && isMarked ? '<think>\n' : closes ? (isMarked ? '\n</think>\n\n' : '\n\n') : '';
      await write(before + (kind === 'thought' && hasColours ? dim(text) : text));
    },
  };
};

const dim = (text: string): string => `\x1b[2m${text}\x1b[0m`;
