/** Files that are read or written at once; what the system refuses becomes a sentence. */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { fileError } from './gguf/file.ts';

/** A text file's content. Throws a UserError 'file' that says why it cannot be read. */
export const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError('read', path, error);
  }
};

/** Writes a file anew, or whatever a path leads to. Throws a UserError 'file' that says why it cannot be written. */
export const saveFile = async (path: string, content: string | Uint8Array): Promise<void> => {
  try {
    await writeFile(path, content);
  } catch (error) {
    throw fileError('write', path, error);
  }
};

/** Writes behind what a file holds. Throws a UserError 'file' that says why it cannot be written. */
export const appendText = async (path: string, text: string): Promise<void> => {
  try {
    await appendFile(path, text);
  } catch (error) {
    throw fileError('write', path, error);
  }
};
