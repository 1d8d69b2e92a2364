/**
 * safetensors files: the length of a JSON header as u64, the header, and the data. The published readers of this
 * format for JavaScript read it from the hub; from a disk it is these few lines over ours of bytes and types.
 */
import { isUtf8 } from 'node:buffer';
import { UserError } from '../../errors.ts';
import { damagedFile, hasControls, type OpenFile, openFile } from '../gguf/file.ts';
import { storedLength, type TensorPlace } from '../gguf/place.ts';
import { typeOfName } from '../gguf/types.ts';
import { isObject, type JsonObject, parsedJson } from '../json.ts';

/** As the format's own reader allows. */
const MAX_HEADER = 100_000_000;

/** ggml's names of the types that weights have. */
const TYPES: Readonly<Record<string, string>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

/** A tensor, its file and its place there. */
export interface FilePlace extends TensorPlace {
  readonly file: OpenFile;
}

/** Open files of one model; they stay open until `close`. */
export interface SafetensorsFiles {
  readonly places: readonly FilePlace[];
  close(): Promise<void>;
}

/**
 * Opens all files of a model; only headers are read.
 * @throws UserError 'file' for a missing or unreadable file, 'model' for a damaged one, a tensor twice or of another type
 */
export const openSafetensors = async (paths: readonly string[]): Promise<SafetensorsFiles> => {
  const files: OpenFile[] = [];
  const close = async () => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    const places = new Map<string, FilePlace>();
    for (const path of paths) {
      const file = await openFile(path);
      files.push(file);
      for (const place of await readHeader(file)) {
        if (places.has(place.name))
          throw new UserError('model', `tensor '${place.name}' of '${path}' is in an earlier file too`);
        places.set(place.name, place);
      }
    }
    return { places: [...places.values()], close };
  } catch (error) {
    await close();
    throw error;
  }
};

const readHeader = async (file: OpenFile): Promise<FilePlace[]> => {
  const damaged = (what: string) => damagedFile(file.path, what);
  if (file.size < 8) throw new UserError('model', `'${file.path}' is no safetensors file`);
  const length = Number(new DataView((await file.read(0, 8)).buffer).getBigUint64(0, true));
  if (length < 2 || length > Math.min(MAX_HEADER, file.size - 8))
    throw new UserError('model', `'${file.path}' is no safetensors file, or is cut in its header`);
  const entries = headerEntries(await file.read(8, length));
  if (!entries) throw new UserError('model', `'${file.path}' is no safetensors file: its header is no JSON object`);
  const places = Object.entries(entries)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => ({ name, ...placeOf(name, entry, file, damaged) }))
    .sort((a, b) => a.from - b.from);
  let end = 0;
  return places.map(({ name, type, shape, from, to }) => {
    if (from !== end)
      throw damaged(`tensor '${name}' begins at ${from}, expected ${end}, the end of the one before it`);
    end = to;
    const offset = 8 + length + from;
    if (8 + length + to > file.size)
      throw damaged(`tensor '${name}' ends at byte ${8 + length + to}, the file has ${file.size}`);
    return { name, type, shape, offset, file };
  });
};

const headerEntries = (bytes: Uint8Array): JsonObject | undefined => {
  const value = isUtf8(bytes) ? parsedJson(new TextDecoder().decode(bytes)) : undefined;
  return isObject(value) ? value : undefined;
};

const placeOf = (name: string, entry: unknown, file: OpenFile, damaged: (what: string) => UserError) => {
  if (hasControls(name)) throw damaged(`a tensor is called ${JSON.stringify(name)}`);
  const { dtype, shape, data_offsets: offsets } = isObject(entry) ? entry : {};
  if (typeof dtype !== 'string' || !isNaturals(shape) || !isNaturals(offsets) || offsets.length !== 2)
    throw damaged(`tensor '${name}' has no dtype, shape or data_offsets`);
  const type = typeOfName(TYPES[dtype] ?? '');
  if (!type)
    throw new UserError('model', `tensor '${name}' has type ${dtype}, read are ${Object.keys(TYPES).join(', ')}`);
  const [from = 0, to = 0] = offsets;
  const ne = shape.map(BigInt).reverse();
  const expected = storedLength(ne, type, file.size, (what) => new UserError('model', `tensor '${name}': ${what}`));
  if (to - from !== expected) throw damaged(`tensor '${name}' has ${to - from} bytes, its shape needs ${expected}`);
  return { type, shape, from, to };
};

const isNaturals = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
