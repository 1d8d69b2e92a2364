/** Files that are there whole or not at all, whatever happens to the process or the machine while they are written. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Writes a file under a temporary name beside `path`; it takes its name when all of it is on the disk.
 * @param fill writes the bytes; what it throws is thrown, and then nothing is left of the file
 * @param mode who may read it, before the process's mask
 */
export const writeWhole = async (
  path: string,
  fill: (file: FileHandle) => Promise<void>,
  mode = 0o666,
): Promise<void> => {
  // Containers that share a disk have the same process ids, so these do not tell writers of one file apart.
  const unfinished = `${path}.${randomBytes(4).toString('hex')}.part`;
  try {
    const file = await open(unfinished, 'wx', mode);
    try {
      await fill(file);
      // Else a machine that stops might come back with the name and without the bytes.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw error;
  }
};

const UNFINISHED = /\.[0-9a-f]{8}\.part$/;

/** Nothing that is still being written rests so long. */
const REST_MS = 60 * 60 * 1000;

/** Removes what processes that were killed have left of `writeWhole` in a folder: what nobody has touched for an hour. */
export const removeLeftovers = async (folder: string): Promise<void> => {
  for (const name of await readdir(folder)) {
    if (!UNFINISHED.test(name)) continue;
    const path = join(folder, name);
    // Another process may be as tidy at the same time.
    const touched = await stat(path).catch(() => undefined);
    if (touched && Date.now() - touched.mtimeMs > REST_MS) await rm(path, { force: true });
  }
};
