/** A program as ONNX Runtime wants it: a model and a weights file beside it, which it maps. */
import type { FileHandle } from 'node:fs/promises';
import { mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { messageOf, UserError } from '../../errors.ts';
import { writeAll } from '../../system/write-all.ts';
import type { PlacedGroup, Program } from '../lower/lower.ts';
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

/** Several machines may share a cache, and each has its own numbers of processes. */
const MACHINE = hostname().replace(/\W/g, '_');

/** Nobody prepares a program without writing for so long. */
const REST_MS = 24 * 60 * 60 * 1000;

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
  const file = await open(join(folder, WEIGHTS_FILE), 'w');
  try {
    let done = 0;
    await file.truncate(program.weightBytes);
    const ranges = await severalAtOnce(program.initializers, async (group) => {
      const written = await writeGroup(file, group, withSums);
      done += group.parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
      progress?.(done, program.weightBytes);
      return written;
    });
    if (!withSums) return [];
    const weights = { name: WEIGHTS_FILE, byteLength: program.weightBytes, ranges: ranges.flat() };
    return [await sumFile(folder, modelName(program)), weights];
  } finally {
    await file.close();
  }
};

/** Loads and writes one group; the sums of what was written. */
const writeGroup = async (
  file: FileHandle,
  group: PlacedGroup,
  withSums: boolean,
): Promise<readonly CheckedRange[]> => {
  const ranges: CheckedRange[] = [];
  const arrays = await group.load();
  for (const [i, { name, offset, byteLength }] of group.parts.entries()) {
    const bytes = arrays[i];
    if (bytes?.byteLength !== byteLength)
      throw new Error(`${name} has ${bytes?.byteLength} bytes, expected ${byteLength}`);
    await writeAll(file, bytes, offset);
    if (withSums) ranges.push({ offset, byteLength, crc: crc32(bytes) });
  }
  return ranges;
};

/** Groups on their way at once: while some are read or written, others are packed by threads. */
const AT_ONCE = Math.min(availableParallelism(), 4) + 1;

/** What `work` makes of every item, in order. After an error no item is begun; it is thrown when all that were have ended. */
const severalAtOnce = async <T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = [];
  const left = items.entries();
  let hasFailed = false;
  const walk = async () => {
    for (const [i, item] of left) {
      if (hasFailed) return;
      results[i] = await work(item);
    }
  };
  const walks = Array.from({ length: AT_ONCE }, () =>
    walk().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(walks)).find((walked) => walked.status === 'rejected');
  if (failed) throw failed.reason;
  return results;
};

/** A folder for files that belong to this process until they are renamed; swept up when the process was killed. */
export const newFolder = async (parent: string): Promise<string> => {
  try {
    await mkdir(parent, { recursive: true });
    await sweep(parent);
    return await mkdtemp(join(parent, `run-${MACHINE}-${process.pid}-`));
  } catch {
    // An unwritable cache only costs its benefit; an unwritable temporary folder is an error.
    return mkdtemp(join(tmpdir(), `grafo-${process.pid}-`)).catch((error) => {
      throw new UserError('file', `cannot write to ${parent} nor to ${tmpdir()}: ${messageOf(error)}`);
    });
  }
};

/** Removes what killed processes left: at once where they were this machine's, after a day of rest where not. */
const sweep = async (parent: string): Promise<void> => {
  for (const name of await readdir(parent)) {
    const [, machine, pid] = /^run-(\w+)-(\d+)-/.exec(name) ?? [];
    if (machine === undefined) continue;
    const folder = join(parent, name);
    const isLeft = machine === MACHINE ? !isRunning(Number(pid)) : Date.now() - (await lastWrite(folder)) > REST_MS;
    if (isLeft) await rm(folder, { recursive: true, force: true });
  }
};

/** When something was last written into a folder, in milliseconds of the system's clock; now, where it goes meanwhile. */
const lastWrite = async (folder: string): Promise<number> => {
  const names = await readdir(folder).catch(() => []);
  const times = ['', ...names].map((name) => stat(join(folder, name)).then(({ mtimeMs }) => mtimeMs, Date.now));
  return Math.max(...(await Promise.all(times)));
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
