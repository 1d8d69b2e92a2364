/** A program as ONNX Runtime wants it: a model and a weights file beside it, which it maps. */
import type { FileHandle } from 'node:fs/promises';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, UserError } from '../../errors.ts';
import type { Program } from '../lower/lower.ts';
import { WEIGHTS_FILE } from '../lower/onnx.ts';

export interface ProgramFiles {
  /** Path of the model. */
  readonly model: string;
  /** Deletes the files. On POSIX systems a mapping outlives its file, so this can be done as soon as it exists. */
  remove(): Promise<void>;
}

/** Bytes of weights written so far, of all. */
export type Progress = (done: number, total: number) => void;

const PREFIX = 'run-';

/**
 * Writes a program's files into a new folder under `parent` (or the system's temporary folder where that cannot be
 * written), one group of weights at a time.
 * @throws UserError 'file' when there is no room
 */
export const writeProgram = async (program: Program, parent: string, progress?: Progress): Promise<ProgramFiles> => {
  const folder = await newFolder(parent);
  const remove = () => rm(folder, { recursive: true, force: true });
  const model = join(folder, `${program.name}.onnx`);
  try {
    await writeFile(model, program.onnx);
    const file = await open(join(folder, WEIGHTS_FILE), 'w');
    try {
      let done = 0;
      await file.truncate(program.weightBytes);
      for (const group of program.initializers) {
        const arrays = await group.load();
        for (const [i, part] of group.parts.entries()) {
          const bytes = arrays[i];
          if (bytes?.byteLength !== part.byteLength)
            throw new Error(`${part.name} has ${bytes?.byteLength} bytes, expected ${part.byteLength}`);
          await writeAll(file, bytes, part.offset);
          done += part.byteLength;
        }
        progress?.(done, program.weightBytes);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    await remove();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new UserError(
        'file',
        `no room for ${program.weightBytes} bytes of prepared weights in ${folder}`,
        'set GRAFO_CACHE to a folder with more room',
      );
    throw error;
  }
  return { model, remove };
};

/** Node writes at most 2 GiB at once. */
const CHUNK = 2 ** 30;

const writeAll = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let at = 0; at < bytes.byteLength; at += CHUNK) {
    const piece = bytes.subarray(at, at + CHUNK);
    await file.write(piece, 0, piece.byteLength, position + at);
  }
};

const newFolder = async (parent: string): Promise<string> => {
  try {
    await mkdir(parent, { recursive: true });
    await sweep(parent);
    return await mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
  } catch {
    // An unwritable cache only costs its benefit; an unwritable temporary folder is an error.
    return mkdtemp(join(tmpdir(), `grafo-${process.pid}-`)).catch((error) => {
      throw new UserError('file', `cannot write to ${parent} nor to ${tmpdir()}: ${messageOf(error)}`);
    });
  }
};

/** Removes what killed processes left. */
const sweep = async (parent: string): Promise<void> => {
  for (const name of await readdir(parent)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid && !isRunning(Number(pid))) await rm(join(parent, name), { recursive: true, force: true });
  }
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};
