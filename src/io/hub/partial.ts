/** A file on its way: what is there of it, its sum so far, and its size, which only grows unless it begins anew. */
import { createHash, type Hash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import { writeAll } from '../../system/write-all.ts';
import { fileError } from '../gguf/file.ts';
import type { HubFile } from './snapshot.ts';

export interface PartialFile {
  /** Bytes that are there. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Forgets what is there. */
  restart(): Promise<void>;
  /** Whether the sum of what is there is the file's. */
  isRight(): boolean;
  close(): Promise<void>;
}

/**
 * Opens what is there of a file, or nothing yet.
 * @throws UserError 'file' or, on a full disk, 'network'
 */
export const openPartial = async (path: string, { size, digest }: HubFile): Promise<PartialFile> => {
  const fresh = (): Hash =>
    digest.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT).catch((error: unknown) => {
    throw writeError(path, error);
  });
  let [at, hash] = [0, fresh()];
  const restart = async (): Promise<void> => {
    await handle.truncate(0);
    [at, hash] = [0, fresh()];
  };
  try {
    const there = (await handle.stat()).size;
    if (there > size) await restart();
    else if (there > 0) {
      for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
      at = there;
    }
  } catch (error) {
    await handle.close();
    throw fileError('read', path, error);
  }
  return {
    get size() {
      return at;
    },
    async append(bytes) {
      await writeAll(handle, bytes, at).catch((error: unknown) => {
        throw writeError(path, error);
      });
      hash.update(bytes);
      at += bytes.length;
    },
    restart,
    isRight: () => at === size && hash.copy().digest('hex') === digest.hex,
    close: () => handle.close(),
  };
};

/** A full disk is told as part of the download; it goes on from there once there is room. */
const writeError = (path: string, error: unknown): UserError =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
    ? fullDisk(`the disk is full, with '${path}' unfinished`)
    : fileError('write', path, error);

/** What is said where the disk is full. */
export const fullDisk = (sentence: string): UserError =>
  new UserError(
    'network',
    sentence,
    'make room (grafo models rm), or name another place with HF_HUB_CACHE; then again',
  );
