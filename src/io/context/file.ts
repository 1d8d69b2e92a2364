/**
 * A conversation and what a model has computed of it, in one file: 'grafo-kv', u32 version, u32 length of a JSON header,
 * the header, then the rows of every state of the cache one after the other as the header lists them. Little-endian. A
 * file is complete when it is there: it is written under another name and renamed.
 */
import { endianness } from 'node:os';
import { UserError } from '../../errors.ts';
import { fileError, type OpenFile, openFile } from '../gguf/file.ts';
import type { ChatMessage } from '../text/chat.ts';
import { writeWhole } from '../whole-file.ts';
import { parseHeader } from './header.ts';

/** What the file is about; rows are read apart, since they may be large. */
export interface ContextHeader {
  readonly model: {
    /** As people call it. */
    readonly name: string;
    /** What tells its bytes from those of any other. */
    readonly content: string;
    /** Flags that change what it computes. */
    readonly form: string;
  };
  /** The tokens whose rows follow, from position 0 on. */
  readonly tokens: readonly number[];
  /** The conversation that they belong to; empty for a prompt alone. */
  readonly messages: readonly ChatMessage[];
  readonly states: readonly { readonly name: string; readonly byteLength: number }[];
}

/** Rows of the cache by the names of its states, as bytes. */
export type CacheRows = Readonly<Record<string, Uint8Array>>;

const MAGIC = 'grafo-kv';
const VERSION = 1;
const FIXED = MAGIC.length + 8;
/** More than any conversation, less than what makes a damaged length dangerous. */
const MAX_HEADER = 2 ** 28;

/** @throws UserError 'file' where it cannot be written; what was there before is there still */
export const writeContext = async (
  path: string,
  header: Omit<ContextHeader, 'states'>,
  rows: CacheRows,
): Promise<void> => {
  if (endianness() !== 'LE') throw new UserError('file', `cannot write '${path}': this machine is big-endian`);
  const states = Object.entries(rows).map(([name, { byteLength }]) => ({ name, byteLength }));
  const json = Buffer.from(JSON.stringify({ ...header, states } satisfies ContextHeader));
  const fixed = Buffer.alloc(FIXED);
  fixed.write(MAGIC, 'latin1');
  fixed.writeUInt32LE(VERSION, MAGIC.length);
  fixed.writeUInt32LE(json.length, MAGIC.length + 4);
  try {
    await writeWhole(
      path,
      async (file) => {
        for (const part of [fixed, json, ...Object.values(rows)]) await file.writeFile(part);
      },
      0o600,
    );
  } catch (error) {
    throw fileError('write', path, error);
  }
};

export interface OpenContext {
  readonly header: ContextHeader;
  /** All rows of the file. */
  rows(): Promise<CacheRows>;
  close(): Promise<void>;
}

/**
 * Opens a file for its header.
 * @throws UserError 'file' for one that cannot be read, was written by something else, or is not whole
 */
export const openContext = async (path: string): Promise<OpenContext> => {
  const file = await openFile(path);
  try {
    const { header, start } = await readHeader(file);
    return {
      header,
      async rows() {
        const rows: Record<string, Uint8Array> = {};
        let at = start;
        for (const { name, byteLength } of header.states) {
          rows[name] = await file.read(at, byteLength);
          at += byteLength;
        }
        return rows;
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
};

const readHeader = async (file: OpenFile): Promise<{ header: ContextHeader; start: number }> => {
  const { path, size } = file;
  const fixed = Buffer.from(await file.read(0, Math.min(FIXED, size)));
  if (fixed.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw new UserError('file', `'${path}' is no conversation of grafo's`, 'name another file, or remove this one');
  const broken = (what: string) => new UserError('file', `'${path}' is damaged: ${what}`, 'remove it to begin anew');
  if (size < FIXED) throw broken(`it ends after ${size} bytes`);
  const version = fixed.readUInt32LE(MAGIC.length);
  if (version !== VERSION)
    throw new UserError(
      'file',
      `'${path}' has version ${version}, this grafo reads ${VERSION}`,
      'remove it to begin anew',
    );
  const length = fixed.readUInt32LE(MAGIC.length + 4);
  const start = FIXED + length;
  if (length > MAX_HEADER || start > size) throw broken(`its header has ${length} bytes, the file ${size}`);
  const header = parseHeader(Buffer.from(await file.read(FIXED, length)).toString('utf8'));
  if (!header) throw broken('its header makes no sense');
  const end = header.states.reduce((sum, { byteLength }) => sum + byteLength, start);
  if (end !== size) throw broken(`it should have ${end} bytes, but has ${size}`);
  return { header, start };
};
