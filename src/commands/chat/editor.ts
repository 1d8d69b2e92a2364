/** The message that is being typed: text and a cursor, changed by plain functions. It knows no terminal. */

export interface Editor {
  readonly text: string;
  /** Index into the text, always between two characters as people see them. */
  readonly cursor: number;
}

/** Nothing typed. */
export const emptyEditor: Editor = { text: '', cursor: 0 };

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Characters as people see them: one emoji is one, however many code points it has. */
export const charactersOf = (text: string): string[] => Array.from(graphemes.segment(text), ({ segment }) => segment);

/** An editor with this text, the cursor behind it. */
export const editorWith = (text: string): Editor => ({ text, cursor: text.length });

/** With text typed at the cursor. */
export const insert = ({ text, cursor }: Editor, typed: string): Editor => ({
  text: text.slice(0, cursor) + typed + text.slice(cursor),
  cursor: cursor + typed.length,
});

/** Where the cursor would be after one of these movements. */
const targets = {
  left: ({ text, cursor }: Editor) =>
    cursor - (charactersOf(text.slice(lineStart(text, cursor), cursor)).at(-1)?.length ?? (cursor > 0 ? 1 : 0)),
  right: ({ text, cursor }: Editor) => cursor + (charactersOf(text.slice(cursor, cursor + 64))[0]?.length ?? 0),
  wordLeft: ({ text, cursor }: Editor) => cursor - (/\S*\s*$/.exec(text.slice(0, cursor))?.[0].length ?? 0),
  wordRight: ({ text, cursor }: Editor) => cursor + (/^\s*\S*/.exec(text.slice(cursor))?.[0].length ?? 0),
  home: ({ text, cursor }: Editor) => lineStart(text, cursor),
  end: ({ text, cursor }: Editor) => lineEnd(text, cursor),
} as const;

export type Target = keyof typeof targets;

const lineStart = (text: string, cursor: number): number => text.lastIndexOf('\n', cursor - 1) + 1;
const lineEnd = (text: string, cursor: number): number => {
  const at = text.indexOf('\n', cursor);
  return at < 0 ? text.length : at;
};

/** With the cursor at another place. */
export const move = (editor: Editor, target: Target): Editor => ({ ...editor, cursor: targets[target](editor) });

/** Removes what lies between the cursor and a target; at the end of a line, the line break. */
export const remove = (editor: Editor, target: Target): Editor => {
  const to = targets[target](editor);
  const at = to === editor.cursor && target === 'end' ? to + 1 : to;
  const [from, until] = [Math.min(editor.cursor, at), Math.max(editor.cursor, at)];
  return { text: editor.text.slice(0, from) + editor.text.slice(until), cursor: from };
};

/** One line up or down, at the same column; undefined where there is none. */
export const moveLine = ({ text, cursor }: Editor, by: -1 | 1): Editor | undefined => {
  const column = charactersOf(text.slice(lineStart(text, cursor), cursor)).length;
  const edge = by < 0 ? lineStart(text, cursor) - 1 : lineEnd(text, cursor) + 1;
  if (edge < 0 || edge > text.length) return undefined;
  const start = lineStart(text, edge);
  const line = charactersOf(text.slice(start, lineEnd(text, edge)));
  return { text, cursor: start + line.slice(0, column).join('').length };
};
