/** The message that is being typed as rows of a screen, and where the cursor stands in them. */
import stringWidth from 'string-width';
import type { Editor } from './editor.ts';
import { charactersOf } from './editor.ts';

export interface EditorRows {
  readonly rows: readonly string[];
  readonly cursor: { readonly row: number; readonly column: number };
}

/**
 * Wraps at `width` columns, by the width that characters have on a terminal.
 * @param height rows shown at most: those around the cursor
 */
export const editorRows = ({ text, cursor }: Editor, width: number, height: number): EditorRows => {
  const rows = [''];
  let column = 0;
  let index = 0;
  let at = { row: 0, column: 0 };
  const mark = (): void => {
    if (index === cursor) at = { row: rows.length - 1, column };
  };
  const breakRow = (): void => {
    rows.push('');
    column = 0;
  };
  for (const character of charactersOf(text)) {
    const wide = character === '\n' ? 0 : stringWidth(character);
    if (column + wide > width) breakRow();
    mark();
    if (character === '\n') breakRow();
    else rows[rows.length - 1] += character;
    column += wide;
    index += character.length;
  }
  // The cursor needs a cell of its own behind a full row.
  if (column >= width) breakRow();
  mark();
  const from = Math.min(Math.max(0, at.row - height + 1), Math.max(0, rows.length - height));
  return { rows: rows.slice(from, from + height), cursor: { row: at.row - from, column: at.column } };
};
