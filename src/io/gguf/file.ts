/** Files opened for positional reads; what the system refuses becomes a sentence. */
import { constants, statSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { messageOf, UserError } from '../../errors.ts';

/** Bytes by their position, on a disk here or elsewhere. */
export interface OpenFile {
  readonly path: string;
  /** Whether the path is one of this machine. */
  readonly isLocal: boolean;
  readonly size: number;
  /**
   * `length` bytes from `position` on, in memory of their own.
   * @throws UserError where they cannot be read, or the file has become shorter since it was opened
   */
  read(position: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A file of this machine. */
export interface LocalFile extends OpenFile {
  readonly handle: FileHandle;
}

/** Opens what is behind a path. */
export type Open = (path: string) => Promise<OpenFile>;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EACCES: 'no permission',
  EPERM: 'no permission',
  ENOSPC: 'no space left on the device',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a directory',
  EEXIST: 'a file of this name is there',
};

/** A refusal of the system as a UserError: `cannot read 'x.gguf': no such file or directory`. */
export const fileError = (doing: string, path: string, error: unknown): UserError => {
  if (error instanceof UserError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return new UserError('file', `cannot ${doing} '${path}': ${REASONS[code] ?? messageOf(error)}`);
};

/**
 * Opens a regular file of this machine for reading.
 * @throws UserError 'file' for a missing or unreadable file, a directory, a pipe or a device
 */
export const openFile = async (path: string): Promise<LocalFile> => {
  let handle: FileHandle | undefined;
  try {
    // Looked at before it is opened: opening a pipe waits for its other end.
    const kind = await stat(path);
    if (kind.isDirectory()) throw new UserError('file', `cannot read '${path}': it is a directory`);
    if (!kind.isFile()) throw new UserError('file', `cannot read '${path}': it is not a regular file`);
    const opened = await open(path, constants.O_RDONLY);
    handle = opened;
    return {
      path,
      isLocal: true,
      size: (await opened.stat()).size,
      handle: opened,
      read: (position, length) => readBytes(path, opened, position, length),
      close: () => opened.close(),
    };
  } catch (error) {
    await handle?.close();
    throw fileError('read', path, error);
  }
};

/** Whether there is a folder behind a path. */
export const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Linux moves at most 2^31 - 4096 bytes per call. */
const MAX_READ = 2 ** 30;

const readBytes = async (path: string, handle: FileHandle, position: number, length: number): Promise<Uint8Array> => {
  const { buffer } = Buffer.allocUnsafeSlow(length); // every byte is overwritten, so none needs clearing
  const bytes = new Uint8Array(buffer);
  for (let done = 0; done < length; ) {
    const part = Math.min(length - done, MAX_READ);
    const { bytesRead } = await handle.read(bytes, done, part, position + done).catch((error: unknown) => {
      throw fileError('read', path, error);
    });
    if (bytesRead === 0) throw new UserError('file', `'${path}' ended at byte ${position + done} while it was read`);
    done += bytesRead;
  }
  return bytes;
};

/** What is said of a file that contradicts its format. */
export const damagedFile = (path: string, what: string): UserError =>
  new UserError('model', `'${path}' is damaged: ${what}`, 'download or copy the file again');

/** Whether a name would steer the terminal: names go into messages. */
export const hasControls = (name: string): boolean => /\p{Cc}/u.test(name);

/** What files of the old ggml format begin with: 0x67676d6c, little-endian. */
export const GGML_MAGIC = 'lmgg';

/** The first four bytes of a file as text, by which its format is known; fewer where it has fewer. */
export const magicOf = async (path: string, open: Open = openFile): Promise<string> => {
  const file = await open(path);
  try {
    return String.fromCharCode(...(await file.read(0, Math.min(4, file.size))));
  } finally {
    await file.close();
  }
};
