/** What Tab makes of a message: the rest of a command, or of a path behind a command that takes one. */
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Editor } from './editor.ts';
import { slashNames, takesPath, takesWords } from './slash.ts';

export interface Completion {
  readonly editor: Editor;
  /** What it could still become, where there is a choice. */
  readonly candidates: readonly string[];
}

/** Completes what stands before the cursor; undefined where there is nothing to complete. */
export const complete = ({ text, cursor }: Editor): Completion | undefined => {
  const before = text.slice(0, cursor);
  const [, word, path] = /^(\/[a-z]*)(?:\s+(.*))?$/s.exec(before) ?? [];
  if (word === undefined) return undefined;
  if (path === undefined) {
    const found = slashNames.filter((name) => name.startsWith(word));
    const [only = ''] = found;
    return completed(before, word.length, found, takesWords(only) ? ' ' : '', text.slice(cursor));
  }
  if (!takesPath(word)) return undefined;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const folder = path.slice(0, path.length - name.length);
  const found = namesIn(folder).filter((entry) => entry.startsWith(name) && (name !== '' || !entry.startsWith('.')));
  return completed(before, name.length, found, '', text.slice(cursor));
};

const completed = (
  before: string,
  length: number,
  found: readonly string[],
  ending: string,
  after: string,
): Completion | undefined => {
  const [only] = found;
  if (only === undefined) return undefined;
  const common = found.length === 1 ? only + ending : found.reduce(commonStart);
  const text = before.slice(0, before.length - length) + common;
  return { editor: { text: text + after, cursor: text.length }, candidates: found.length === 1 ? [] : found };
};

const commonStart = (a: string, b: string): string => {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return a.slice(0, n);
};

/** Names in a folder, those of folders with a slash behind; none where it cannot be read, for there is nothing to offer. */
const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder.replace(/^~(?=\/)/, homedir()) || '.', { withFileTypes: true })
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .sort();
  } catch {
    return [];
  }
};
