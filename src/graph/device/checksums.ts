/** What a prepared program's files must hold: their sizes, and CRC-32 sums of the ranges that anybody reads. */
import type { FileHandle } from 'node:fs/promises';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface CheckedFile {
  /** Within its folder. */
  readonly name: string;
  readonly byteLength: number;
  readonly ranges: readonly CheckedRange[];
}

export interface CheckedRange {
  readonly offset: number;
  readonly byteLength: number;
  readonly crc: number;
}

/** Bytes read at a time. */
const PIECE = 16 * 2 ** 20;

/** The sums of a whole file as it is. */
export const sumFile = async (folder: string, name: string): Promise<CheckedFile> => {
  const file = await open(join(folder, name), 'r');
  try {
    const { size } = await file.stat();
    const buffer = new Uint8Array(Math.min(size, PIECE));
    const ranges: CheckedRange[] = [];
    for (let offset = 0; offset < size; offset += PIECE) {
      const byteLength = Math.min(PIECE, size - offset);
      ranges.push({ offset, byteLength, crc: (await sumRange(file, offset, byteLength, buffer)) ?? 0 });
    }
    return { name, byteLength: size, ranges };
  } finally {
    await file.close();
  }
};

/** Whether all files of a folder have their sizes: enough for a file to be mapped without a crash. */
export const areWhole = async (folder: string, files: readonly CheckedFile[]): Promise<boolean> => {
  const sizes = await Promise.all(files.map(({ name }) => sizeOf(join(folder, name))));
  return files.every(({ byteLength }, i) => sizes[i] === byteLength);
};

const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  );

/** Whether every range of a file has its sum. A file that cannot be read is not intact. */
export const isIntact = async (folder: string, { name, ranges }: CheckedFile): Promise<boolean> => {
  const file = await open(join(folder, name), 'r').catch(() => undefined);
  if (!file) return false;
  try {
    const buffer = new Uint8Array(PIECE);
    for (const { offset, byteLength, crc } of ranges) {
      if ((await sumRange(file, offset, byteLength, buffer)) !== crc) return false;
    }
    return true;
  } catch {
    return false; // a disk that fails is as good as a damaged file: both are made again
  } finally {
    await file.close();
  }
};

/** undefined where the file ends before the range does. */
const sumRange = async (
  file: FileHandle,
  offset: number,
  byteLength: number,
  buffer: Uint8Array,
): Promise<number | undefined> => {
  let sum = 0;
  for (let done = 0; done < byteLength; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, byteLength - done), offset + done);
    if (bytesRead === 0) return undefined;
    sum = crc32(buffer.subarray(0, bytesRead), sum);
    done += bytesRead;
  }
  return sum;
};
