/** The header of one GGUF file: metadata as plain values, and where each tensor lies. */
import { resolve } from 'node:path';
import { type GGUFTensorInfo, gguf } from '@huggingface/gguf';
import { messageOf, UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import { GGML_MAGIC, type OpenFile, openFile } from './file.ts';
import { MAX_HEADER, type Outline, outlineHeader } from './outline.ts';
import { storedLength, type TensorPlace } from './place.ts';
import { typeOfId } from './types.ts';

export interface Header {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: readonly TensorPlace[];
}

/** Most headers of models are a few megabytes: one read. */
const FIRST_READ = 4_000_000;

/**
 * Reads and checks the header of an open file; no weights are read.
 * @throws UserError 'model' for another kind of file, a damaged header, a tensor outside the file or of an unread type
 */
export const readHeader = async (file: OpenFile): Promise<Header> => {
  const outline = await readOutline(file);
  const parsed = await parseHeader(file).catch((error: unknown) => {
    if (error instanceof UserError) throw error;
    throw new UserError('model', `cannot read the header of '${file.path}': ${messageOf(error)}`);
  });
  return {
    metadata: plainMetadata(new Map(Object.entries(parsed.metadata)), outline, file.path),
    tensors: placeTensors(parsed.tensorInfos, outline, file),
  };
};

/** What the library makes of a header. It reads paths, and web servers; to it, other files are such a server. */
const parseHeader = (file: OpenFile) =>
  file.isLocal
    ? gguf(resolve(file.path), { allowLocalFile: true }) // absolute, because it takes what looks like an address for one
    : gguf('https://file/', { fetch: fetchFrom(file) });

/** A server that answers with the ranges of a file. */
const fetchFrom =
  (file: OpenFile): typeof fetch =>
  async (_, init) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init?.headers).get('range') ?? '') ?? [];
    const from = Math.min(Number(first), file.size);
    const to = Math.min(Number(last) + 1, file.size);
    const headers = { 'content-range': `bytes ${from}-${to - 1}/${file.size}` };
    return new Response(new Uint8Array(await file.read(from, to - from)), { status: 206, headers });
  };

/** Every key with its value as the bytes that stand in the file: what a copy takes over without knowing its types. */
export const readEncodedMetadata = async (path: string): Promise<ReadonlyMap<string, Uint8Array>> => {
  const file = await openFile(path);
  try {
    const { keys, spans, dataStart } = await readOutline(file);
    const bytes = await file.read(0, Math.min(dataStart, file.size));
    return new Map(keys.map((key, i) => [key, bytes.subarray(spans[i]?.start, spans[i]?.end)]));
  } finally {
    await file.close();
  }
};

const readOutline = async (file: OpenFile): Promise<Outline> => {
  for (let size = FIRST_READ; ; size *= 4) {
    const bytes = await file.read(0, Math.min(size, file.size, MAX_HEADER));
    checkMagic(bytes, file.path);
    const outline = outlineHeader(bytes, file.path, file.size);
    if (outline) return outline;
    if (bytes.length === MAX_HEADER) {
      throw new UserError('model', `the header of '${file.path}' is longer than ${MAX_HEADER / 1e6} MB`);
    }
  }
};

const checkMagic = (bytes: Uint8Array, path: string): void => {
  if (bytes.length === 0) throw new UserError('model', `'${path}' is empty`);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic === 'GGUF') return;
  if (magic === GGML_MAGIC) {
    const hint = "models of vit.cpp and whisper.cpp are such files: open them with 'grafo vit' or 'grafo whisper'";
    throw new UserError('model', `'${path}' is a file of the old ggml format, not GGUF`, hint);
  }
  throw new UserError('model', `'${path}' is not a GGUF file (it starts with ${JSON.stringify(magic)})`);
};

const plainMetadata = (
  parsed: ReadonlyMap<string, MetadataValue>,
  { keys, repairs }: Outline,
  path: string,
): Map<string, MetadataValue> => {
  const metadata = new Map<string, MetadataValue>();
  for (const key of keys) {
    const value = parsed.get(key); // none for '__proto__', which an object swallows
    if (value === undefined) throw new UserError('model', `'${path}' has a key '${key}', which is not allowed`);
    metadata.set(key, value);
  }
  for (const { key, index, value } of repairs) {
    const old = metadata.get(key);
    if (index === undefined) metadata.set(key, value);
    else if (Array.isArray(old)) old[index] = value;
  }
  return metadata;
};

const placeTensors = (infos: readonly GGUFTensorInfo[], outline: Outline, file: OpenFile): TensorPlace[] => {
  const { alignment, dataStart } = outline;
  const names = new Set<string>();
  let expected = 0;
  return infos.map((info) => {
    const fail = (what: string, hint?: string) => new UserError('model', `tensor '${info.name}': ${what}`, hint);
    if (names.has(info.name)) throw fail(`appears twice in '${file.path}'`);
    names.add(info.name);

    const type = typeOfId(info.dtype, info.name);
    const byteLength = storedLength(info.shape, type, file.size, fail);
    // ggml packs tensors in the order of their headers; anything else is a gap or an overlap.
    if (info.offset !== BigInt(expected)) {
      const unaligned = info.offset % BigInt(alignment) !== 0n ? `, not a multiple of the alignment ${alignment}` : '';
      throw fail(`offset ${info.offset}${unaligned}, expected ${expected}, the end of the tensor before it`);
    }
    const offset = dataStart + expected;
    if (offset + byteLength > file.size) {
      const hint = 'the file is incomplete: download or copy it again';
      throw fail(`ends at byte ${offset + byteLength}, but '${file.path}' has ${file.size}`, hint);
    }
    expected += Math.ceil(byteLength / alignment) * alignment;
    return { name: info.name, type, shape: info.shape.map(Number).reverse(), offset };
  });
};
