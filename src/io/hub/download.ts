/**
 * One file of the hub into the cache. What came stays when a connection breaks and is gone on from; a file gets its
 * name only when its size and sum are right; of two processes that want the same file one downloads and the other waits.
 */
import { mkdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { lock } from 'proper-lockfile';
import { UserError } from '../../errors.ts';
import { fileError } from '../gguf/file.ts';
import { bytesText } from './bytes.ts';
import { linkFile, sizeAt } from './cache.ts';
import { fullDisk, openPartial, type PartialFile } from './partial.ts';
import { pause, TransientError } from './refusal.ts';
import type { HubSettings } from './settings.ts';
import type { HubFile } from './snapshot.ts';
import type { Transport } from './transport.ts';

export interface DownloadOptions {
  readonly transport: Transport;
  readonly settings: HubSettings;
  readonly repo: string;
  /** Where the file is on the hub. */
  readonly url: string;
  /** Where its bytes shall be, under their sum, and the file itself. */
  readonly blob: string;
  readonly path: string;
  /** Where the lock of this file is. */
  readonly lockPath: string;
  /** Called as bytes come, with what is there of the file. */
  progress(done: number): void;
  /** One line for a person. */
  notice(line: string): void;
}

/**
 * Makes a file of the cache, of bytes that are there already or are downloaded.
 * @throws UserError 'network' for what the hub or the connection refuses, a full disk, or wrong bytes
 */
export const downloadFile = async (file: HubFile, o: DownloadOptions): Promise<void> => {
  await makeFolder(dirname(o.blob));
  await makeFolder(dirname(o.lockPath));
  const held = await holdLock(o);
  try {
    if ((await sizeAt(o.path)) === file.size) return; // another process was faster
    if ((await sizeAt(o.blob)) !== file.size) await fetchFile(file, o, held.signal);
    await linkFile(o.blob, o.path);
  } finally {
    await held.release();
  }
};

const makeFolder = async (path: string): Promise<void> => {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fileError('make', path, error);
  });
};

interface HeldLock {
  /** Aborted where another process took the lock, because this one did not live for a while. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

/** The lock is a folder whose time is renewed; one that was left by a process that died is free after this long. */
const STALE_MS = 10_000;

const holdLock = async ({ blob, lockPath, notice }: DownloadOptions): Promise<HeldLock> => {
  const lost = new AbortController();
  const options = {
    realpath: false,
    lockfilePath: lockPath,
    stale: STALE_MS,
    onCompromised: (error: Error) => lost.abort(error),
  };
  const forever = { forever: true, factor: 1.5, minTimeout: 100, maxTimeout: 1000 } as const;
  const release = await lock(blob, options).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ELOCKED'))
      throw fileError('lock', lockPath, error);
    notice('another process downloads this file; waiting for it');
    return lock(blob, { ...options, retries: forever });
  });
  return {
    signal: lost.signal,
    // One that was lost is another's to release.
    release: async () => (lost.signal.aborted ? undefined : release()),
  };
};

const fetchFile = async (file: HubFile, o: DownloadOptions, signal: AbortSignal): Promise<void> => {
  const path = `${o.blob}.incomplete`;
  const partial = await openPartial(path, file);
  try {
    await expectRoom(file.size - partial.size, o);
    await fill(partial, file, o, signal);
    if (!partial.isRight()) {
      o.notice(`what came of ${file.path} is not what the hub promised; once more from its beginning`);
      await partial.restart();
      await fill(partial, file, o, signal);
    }
    if (!partial.isRight()) throw wrongBytes(file, o);
  } finally {
    await partial.close();
    if (!partial.isRight() && partial.size === file.size) await rm(path, { force: true });
  }
  await rename(path, o.blob);
};

const wrongBytes = ({ path, digest }: HubFile, { url }: DownloadOptions): UserError =>
  new UserError(
    'network',
    `twice, what came of '${path}' has not the sum ${digest.hex.slice(0, 12)}... that ${new URL(url).host} promised`,
    'something on the way changes it, or the repository is being changed: try again later',
  );

const expectRoom = async (needed: number, { blob, repo }: DownloadOptions): Promise<void> => {
  const { bavail, bsize } = await statfs(dirname(blob));
  const free = bavail * bsize;
  if (needed > free)
    throw fullDisk(
      `${repo} needs ${bytesText(needed)} more, the disk of '${join(dirname(blob), '..')}' has ${bytesText(free)} free`,
    );
};

/** Asks for what is missing until all is there; connections may break as often as they bring something new. */
const fill = async (partial: PartialFile, file: HubFile, o: DownloadOptions, signal: AbortSignal): Promise<void> => {
  const { waits } = o.settings;
  let furthest = partial.size;
  let nInVain = 0;
  o.progress(partial.size);
  while (partial.size < file.size) {
    try {
      await appendRest(partial, file, o, signal);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      nInVain = partial.size > furthest ? 0 : nInVain + 1;
      const wait = waits[nInVain];
      if (wait === undefined) throw error;
      await pause(error.waitMs ?? wait);
    }
    furthest = Math.max(furthest, partial.size);
  }
};

/** One request for what is missing. */
const appendRest = async (
  partial: PartialFile,
  file: HubFile,
  o: DownloadOptions,
  signal: AbortSignal,
): Promise<void> => {
  const from = partial.size;
  const { host } = new URL(o.url);
  const answer = await o.transport.get(o.url, o.repo, from > 0 ? { range: `bytes=${from}-` } : {});
  if (answer.status === 206 && !isRest(answer.header('content-range'), from, file.size)) {
    answer.drop();
    await partial.restart();
    throw new TransientError(`${host} sends another part of '${file.path}' than was asked for`, 'try again later');
  }
  if (answer.status !== 206 && from > 0) await partial.restart(); // it sends all of it
  for await (const piece of answer.pieces()) {
    if (signal.aborted) throw lockLost(file);
    await partial.append(piece.subarray(0, file.size - partial.size));
    o.progress(partial.size);
    if (partial.size === file.size) {
      answer.drop();
      return;
    }
  }
  throw new TransientError(
    `${host} ended '${file.path}' after ${partial.size} of ${file.size} bytes`,
    'try again later',
  );
};

const isRest = (range: string | undefined, from: number, size: number): boolean => {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? '') ?? [];
  return Number(start) === from && (total === '*' || Number(total) === size);
};

const lockLost = ({ path }: HubFile): UserError =>
  new UserError('network', `another process took over the download of '${path}'`, 'try again: what came is kept');
