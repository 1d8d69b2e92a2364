/** A program as ONNX Runtime wants it: a model and a weights file beside it, which it maps. */
import type { FileHandle } from 'node:fs/promises';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { messageOf, UserError } from '../../errors.ts';
import type { Program } from '../lower/lower.ts';
import { WEIGHTS_FILE } from '../lower/onnx.ts';
import type { CheckedFile, CheckedRange } from './checksums.ts';
import { sumFile } from './checksums.ts';

export interface ProgramFiles {
  readonly folder: string;
  /** Path of the model. */
  readonly model: string;
  /** The sums of what was written; none where they were not asked for. */
  readonly files: readonly CheckedFile[];
  /** Deletes the files. On POSIX systems a mapping outlives its file, so this can be done as soon as it exists. */
  remove(): Promise<void>;
}

/** Bytes of weights written so far, of all. */
export type Progress = (done: number, total: number) => void;

export interface WriteOptions {
  readonly progress?: Progress;
  /** Whether to sum what is written, for files that stay. */
  readonly withSums?: boolean;
}

const PREFIX = 'run-';

/**
 * Writes a program's files into a new folder under `parent`, or the system's temporary folder where that cannot be
 * written or is full, one group of weights at a time.
 * @throws UserError 'file' when there is no room
 */
export const writeProgram = async (
  program: Program,
  parent: string,
  options: WriteOptions = {},
): Promise<ProgramFiles> => {
  const folder = await newFolder(parent);
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const files = await writeFiles(program, folder, options);
    return { folder, model: join(folder, modelName(program)), files, remove };
  } catch (error) {
    await remove();
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    if (dirname(folder) !== tmpdir()) return writeProgram(program, tmpdir(), options);
    throw new UserError(
      'file',
      `no room for ${program.weightBytes} bytes of prepared weights in ${parent}`,
      'set GRAFO_CACHE to a folder with more room',
    );
  }
};

const modelName = (program: Program): string => `${program.name}.onnx`;

/** Writes the model and its weights; their sums if they are wanted. */
const writeFiles = async (
  program: Program,
  folder: string,
  { progress, withSums = false }: WriteOptions,
): Promise<readonly CheckedFile[]> => {
  await writeFile(join(folder, modelName(program)), program.onnx);
  const ranges: CheckedRange[] = [];
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
        if (withSums) ranges.push({ offset: part.offset, byteLength: part.byteLength, crc: crc32(bytes) });
        done += part.byteLength;
      }
      progress?.(done, program.weightBytes);
    }
  } finally {
    await file.close();
  }
  if (!withSums) return [];
  return [await sumFile(folder, modelName(program)), { name: WEIGHTS_FILE, byteLength: program.weightBytes, ranges }];
};

/** Node writes at most 2 GiB at once. */
const CHUNK = 2 ** 30;

const writeAll = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let at = 0; at < bytes.byteLength; at += CHUNK) {
    const piece = bytes.subarray(at, at + CHUNK);
    await file.write(piece, 0, piece.byteLength, position + at);
  }
};

/** A folder for files that belong to this process until they are renamed; swept up when the process was killed. */
export const newFolder = async (parent: string): Promise<string> => {
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

/** Whether there is a process of this number. */
export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};
