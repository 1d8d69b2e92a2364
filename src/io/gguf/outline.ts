/**
 * The outline of a GGUF header: a walk over every length in it, before the values are read.
 *
 * @huggingface/gguf reads the values, but it trusts the header: past the end of a file it reads zeros, it cuts a string
 * that crosses one of its chunks, drops a byte order mark and lets a second key replace the first. After this walk
 * every length is known to lie inside the file, and the few strings the library would damage are known too.
 */
import { UserError } from '../../errors.ts';
import { damagedFile as damaged, hasControls } from './file.ts';

/** Where the parts of a header are; see "File structure" in ggml's docs/gguf.md. */
export interface Outline {
  readonly keys: readonly string[];
  /** Where each key and its value are, in the order of `keys`. */
  readonly spans: readonly Span[];
  readonly repairs: readonly Repair[];
  /** A power of two; tensor data begin at multiples of it. */
  readonly alignment: number;
  /** The first byte of tensor data. */
  readonly dataStart: number;
}

/** Bytes of a file, `end` not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A string as it is in the file, where the library gives another; `index` inside an array. */
export interface Repair {
  readonly key: string;
  readonly index?: number;
  readonly value: string;
}

/** Longest header that is read: a vocabulary of 256 k tokens with merges takes 16 MB, the library stops at 50 MB. */
export const MAX_HEADER = 48_000_000;

/** The library reads files in pieces of this many bytes. */
const LIBRARY_CHUNK = 2_000_000;

/** Both counts: a large mixture of experts stored one matrix per expert has some 50,000 tensors. */
const MAX_COUNT = 100_000;
const MAX_KEY = 65_535; // docs/gguf.md
const MAX_NAME = 63; // GGML_MAX_NAME with its final zero
const MAX_DIMS = 4; // GGML_MAX_DIMS
const DEFAULT_ALIGNMENT = 32;

/** Value types by number. */
const U32 = 4;
const STRING = 8;
const ARRAY = 9;
/** Bytes of a value of each type; 0 where they vary. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8] as const;

const MIN_KEY_VALUE = 8 + 4 + 1;
const MIN_TENSOR_INFO = 8 + 4 + 4 + 8;

const text = new TextDecoder('utf-8', { ignoreBOM: true }); // named after what it ignores: the mark is then kept

/** Thrown where the walk needs bytes of the file that it was not given. */
class HeaderGoesOn extends Error {}

/** A position in the first bytes of a file; it cannot leave the file. */
class Cursor {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #path: string;
  readonly #fileSize: number;

  constructor(bytes: Uint8Array, path: string, fileSize: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
    this.#fileSize = fileSize;
  }

  /** Steps over `length` bytes and returns where they begin. */
  skip(length: number, what: string): number {
    const start = this.at;
    if (start + length > this.#fileSize) {
      throw damaged(
        this.#path,
        `${what} (${length} bytes at ${start}) goes beyond the end of the file at ${this.#fileSize}`,
      );
    }
    if (start + length > this.#bytes.length) throw new HeaderGoesOn();
    this.at = start + length;
    return start;
  }

  u32(what: string): number {
    return this.#view.getUint32(this.skip(4, what), true);
  }

  /** Exact below 2^53; a length or count above is refused by its size, which needs no exactness. */
  u64(what: string): number {
    const start = this.skip(8, what);
    return this.#view.getUint32(start, true) + this.#view.getUint32(start + 4, true) * 2 ** 32;
  }

  name(what: string, max: number): string {
    const length = this.u64(what);
    if (length > max) throw damaged(this.#path, `${what} is ${length} bytes long, allowed are ${max}`);
    const start = this.skip(length, what);
    const name = text.decode(this.#bytes.subarray(start, start + length));
    if (hasControls(name)) throw damaged(this.#path, `${what} is ${JSON.stringify(name)}`);
    return name;
  }

  /** Steps over a string; returns it where the library would damage it. */
  suspectString(what: string): string | undefined {
    const length = this.u64(what);
    const start = this.skip(length, what);
    const bytes = this.#bytes;
    const marked = length >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf;
    const cut = Math.floor(start / LIBRARY_CHUNK) !== Math.floor(this.at / LIBRARY_CHUNK);
    return marked || cut ? text.decode(bytes.subarray(start, start + length)) : undefined;
  }
}

/**
 * Walks a header given the first bytes of a file of `fileSize` bytes, past its magic.
 * @returns undefined where the header is longer than `bytes`
 * @throws UserError 'model' for another version or byte order, and for everything that contradicts the format
 */
export const outlineHeader = (bytes: Uint8Array, path: string, fileSize: number): Outline | undefined => {
  try {
    return walk(new Cursor(bytes, path, fileSize), path, fileSize);
  } catch (error) {
    if (error instanceof HeaderGoesOn) return undefined;
    throw error;
  }
};

const walk = (c: Cursor, path: string, fileSize: number): Outline => {
  c.skip(4, 'the magic');
  checkVersion(c.u32('the version'), path);
  const nTensor = c.u64('the number of tensors');
  const nKey = c.u64('the number of keys');
  if (nTensor > Math.min(MAX_COUNT, fileSize / MIN_TENSOR_INFO)) {
    throw damaged(path, `its header announces ${nTensor} tensors in ${fileSize} bytes`);
  }
  if (nKey > Math.min(MAX_COUNT, fileSize / MIN_KEY_VALUE)) {
    throw damaged(path, `its header announces ${nKey} keys in ${fileSize} bytes`);
  }

  const keys = new Set<string>();
  const spans: Span[] = [];
  const repairs: Repair[] = [];
  let alignment = DEFAULT_ALIGNMENT;
  for (let i = 0; i < nKey; i++) {
    const start = c.at;
    const key = c.name(`the name of key ${i}`, MAX_KEY);
    if (keys.has(key)) throw damaged(path, `the key '${key}' appears twice`);
    keys.add(key);
    const type = c.u32(`the type of key '${key}'`);
    if (key === 'general.alignment') alignment = readAlignment(c, type, path);
    else walkValue(c, key, type, path, repairs);
    spans.push({ start, end: c.at });
  }

  for (let i = 0; i < nTensor; i++) {
    const name = c.name(`the name of tensor ${i}`, MAX_NAME);
    const nDims = c.u32(`the number of dimensions of tensor '${name}'`);
    if (nDims > MAX_DIMS) throw damaged(path, `tensor '${name}' has ${nDims} dimensions, allowed are ${MAX_DIMS}`);
    c.skip(nDims * 8 + 4 + 8, `shape, type and offset of tensor '${name}'`);
  }
  return { keys: [...keys], spans, repairs, alignment, dataStart: Math.ceil(c.at / alignment) * alignment };
};

const checkVersion = (version: number, path: string): void => {
  if (version === 2 || version === 3) return; // alike, but for what 3 says about byte order
  if (version !== 0 && (version & 0xffff) === 0) {
    const hint = 'convert it on the machine it was made for, or with gguf_convert_endian.py of llama.cpp';
    throw new UserError('model', `'${path}' is a big-endian GGUF file; grafo reads little-endian ones`, hint);
  }
  const hint = version === 1 ? 'convert the original model again' : undefined;
  throw new UserError('model', `'${path}' is of GGUF version ${version}; grafo reads versions 2 and 3`, hint);
};

const readAlignment = (c: Cursor, type: number, path: string): number => {
  if (type !== U32) throw damaged(path, `general.alignment has value type ${type}, expected u32 (${U32})`);
  const alignment = c.u32('general.alignment');
  const isPowerOfTwo = alignment > 0 && Number.isInteger(Math.log2(alignment));
  if (!isPowerOfTwo) throw damaged(path, `general.alignment is ${alignment}, which is not a power of two`);
  return alignment;
};

const walkValue = (c: Cursor, key: string, type: number, path: string, repairs: Repair[]): void => {
  const what = `the value of key '${key}'`;
  if (type === STRING) {
    const value = c.suspectString(what);
    if (value !== undefined) repairs.push({ key, value });
    return;
  }
  const element = type === ARRAY ? c.u32(what) : type;
  const size = VALUE_BYTES[element];
  if (size === undefined) throw damaged(path, `the key '${key}' has value type ${element}, known are 0 to 12`);
  if (type !== ARRAY) {
    c.skip(size, what);
    return;
  }
  if (element === ARRAY)
    throw damaged(path, `the key '${key}' holds an array of arrays, which ggml does not read either`);
  const length = c.u64(what);
  if (element !== STRING) {
    c.skip(length * size, what);
    return;
  }
  for (let index = 0; index < length; index++) {
    const value = c.suspectString(what);
    if (value !== undefined) repairs.push({ key, index, value });
  }
};
