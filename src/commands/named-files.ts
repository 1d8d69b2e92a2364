/** The files that a command line names: themselves, or by a folder, or by a pattern. */
import { readdir, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative } from 'node:path';
import { glob } from 'tinyglobby';
import { UserError } from '../errors.ts';
import { fileError } from '../io/gguf/file.ts';

export interface NamedFile {
  /** `-` is stdin. A file that is missing is found out when it is opened. */
  readonly path: string;
  /** Where it lies below the folder that was named; the name alone of a file that was named itself. */
  readonly place: string;
}

/** What is looked for in folders. */
export interface Sought {
  /** As messages call it: images. */
  readonly what: string;
  /** By the ends of their names. */
  readonly extensions: RegExp;
}

/**
 * Files by the words of a command line, in their order: files, folders (with all folders in them), patterns such as
 * `photos/*.jpg`, and `-`.
 * @throws UserError 'usage' where a folder or a pattern holds none, 'file' for a folder that cannot be read
 */
export const findFiles = async (words: readonly string[], sought: Sought): Promise<NamedFile[]> => {
  const files: NamedFile[] = [];
  for (const word of words) files.push(...(await filesOf(word, sought)));
  return files;
};

const filesOf = async (word: string, sought: Sought): Promise<NamedFile[]> => {
  const kind = word === '-' ? undefined : await stat(word).catch(() => undefined);
  if (kind?.isDirectory()) return below(word, await filesIn(word, sought), `folder '${word}' has no ${sought.what}`);
  const isPattern = kind === undefined && MAGIC.test(word);
  if (!isPattern) return [{ path: word, place: basename(word) }];
  const matches = await glob(word, { absolute: isAbsolute(word), onlyFiles: true, expandDirectories: false });
  return below(fixedPart(word), matches.sort(), `no file is like '${word}'`);
};

const MAGIC = /[*?[{]/;

/** The folders of a pattern before the first that stands for several. */
const fixedPart = (pattern: string): string => pattern.slice(0, pattern.lastIndexOf('/', pattern.search(MAGIC)) + 1);

const below = (folder: string, paths: readonly string[], otherwise: string): NamedFile[] => {
  if (paths.length === 0) throw new UserError('usage', otherwise);
  return paths.map((path) => ({ path, place: relative(folder, path) }));
};

/** Paths of all files of a kind below a folder, by name. Throws a UserError 'file' where it cannot be read. */
export const filesIn = async (folder: string, { extensions }: Sought): Promise<string[]> => {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((error: unknown) => {
    throw fileError('read', folder, error);
  });
  const files = entries.filter((entry) => !entry.isDirectory() && extensions.test(entry.name));
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
};
