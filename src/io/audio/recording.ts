/** A recording on disk or from stdin, heard as Whisper hears: 16,000 samples a second, piece by piece. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileError, openFile } from '../gguf/file.ts';
import { readCompressed } from './compressed.ts';
import { containerOf, HEAD_BYTES } from './container.ts';
import { readThroughFfmpeg } from './ffmpeg.ts';
import type { PcmFormat } from './pcm.ts';
import { readPcm } from './pcm.ts';
import { monoAt16k, stereoAt16k } from './rate.ts';
import type { Block } from './sound.ts';
import { unreadable } from './sound.ts';
import { readWav } from './wav.ts';

export interface Recording {
  /** As given; 'stdin' for `-`. */
  readonly name: string;
  /** 16 kHz, the mean of all channels; from the beginning at every call. */
  mono(): AsyncGenerator<Float32Array>;
  /** 16 kHz, the first two channels side by side, the only one twice where there is one. */
  stereo(): AsyncGenerator<readonly [left: Float32Array, right: Float32Array]>;
  /** Removes what was kept of stdin. */
  close(): Promise<void>;
}

export interface RecordingOptions {
  /** How to read samples without a header; by default the file says what it is. */
  readonly pcm?: PcmFormat;
  /** Where `-` reads from. */
  readonly stdin?: Readable;
}

/**
 * Opens a recording in any format that its first bytes show.
 * @param path `-` for stdin, which is kept in a temporary file, since a recording is heard more than once
 * @throws UserError 'file' for what is missing, unreadable, empty or no audio; a damaged one throws when it is read
 */
export const openRecording = async (path: string, options: RecordingOptions = {}): Promise<Recording> => {
  if (path !== '-') return recordingOf(path, path, options);
  const folder = await mkdtemp(join(tmpdir(), 'grafo-stdin-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const copy = join(folder, 'sound');
    await pipeline(options.stdin ?? process.stdin, createWriteStream(copy)).catch((error: unknown) => {
      throw fileError('keep a copy of stdin in', copy, error);
    });
    return { ...(await recordingOf('stdin', copy, options)), close: remove };
  } catch (error) {
    await remove();
    throw error;
  }
};

const recordingOf = async (name: string, path: string, { pcm }: RecordingOptions): Promise<Recording> => {
  const head = await headOf(path);
  if (head.length === 0) throw unreadable(name, 'it is empty');
  const blocks = pcm ? () => readPcm(name, createReadStream(path), pcm) : readerOf(name, path, head);
  return {
    name,
    mono: () => monoAt16k(name, blocks()),
    stereo: () => stereoAt16k(name, blocks()),
    close: async () => {},
  };
};

const headOf = async (path: string): Promise<Uint8Array> => {
  const { handle } = await openFile(path);
  try {
    const head = new Uint8Array(HEAD_BYTES);
    const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } catch (error) {
    throw fileError('read', path, error);
  } finally {
    await handle.close();
  }
};

const readerOf = (name: string, path: string, head: Uint8Array): (() => AsyncGenerator<Block>) => {
  const container = containerOf(head);
  switch (container?.kind) {
    case 'wav':
      return () => readWav(name, createReadStream(path), (what) => readThroughFfmpeg(name, path, what));
    case 'compressed':
      return () => readCompressed(name, createReadStream(path), container.codec);
    case 'foreign':
      return () => readThroughFfmpeg(name, path, container.what);
    case undefined:
      throw unreadable(name, 'it is no audio file', `grafo reads ${KNOWN}`);
  }
};

const KNOWN = 'WAV, MP3, FLAC, Ogg Vorbis and Opus, and through ffmpeg M4A, MP4, WebM and more';
