import { readFile } from 'node:fs/promises';
import { fileError } from '../io/gguf/file.ts';

/** A text file's content. Throws a UserError 'file' that says why it cannot be read. */
export const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError('read', path, error);
  }
};
