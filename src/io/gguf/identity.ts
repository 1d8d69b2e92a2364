/** What a file is told by, wherever it lies: its size, when it was changed, and a sample of its bytes. */
import { createHash } from 'node:crypto';
import { openFile } from './file.ts';

/** So many pieces of so many bytes, spread evenly: the header is in the first, every part of the weights has some. */
const N_PIECE = 32;
const PIECE = 64 * 1024;

/** Changes whenever the bytes of these files may have changed. */
export const identityOf = (paths: readonly string[]): Promise<string> => hashOf(paths, true);

/** The same for the same bytes, wherever and whenever they were written. */
export const contentOf = (paths: readonly string[]): Promise<string> => hashOf(paths, false);

const hashOf = async (paths: readonly string[], withTimes: boolean): Promise<string> => {
  const hash = createHash('sha256');
  for (const path of paths) {
    const file = await openFile(path);
    try {
      const { mtimeMs } = await file.handle.stat();
      hash.update(JSON.stringify(withTimes ? [file.size, mtimeMs] : [file.size]));
      const last = Math.max(0, file.size - PIECE);
      for (let i = 0; i < N_PIECE; i++) {
        const at = Math.floor((last * i) / (N_PIECE - 1));
        hash.update(await file.read(at, Math.min(PIECE, file.size - at)));
      }
    } finally {
      await file.close();
    }
  }
  return hash.digest('hex');
};
