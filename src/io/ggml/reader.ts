/**
 * Files of the old ggml format as a source of weights: four bytes of magic, a header that every program lays out in
 * its own way, and a list of tensors. The header and the names are the affair of the file's kind (vit.ts).
 */
import { UserError } from '../../errors.ts';
import type { MetadataValue, WeightSource } from '../../graph/weights.ts';
import { GGML_MAGIC, type Open, openFile } from '../gguf/file.ts';
import { type TensorPlace, tensorAt } from '../gguf/place.ts';
import { GgmlCursor } from './cursor.ts';
import { readTensorList } from './tensors.ts';

/** An open model; its file stays open until `close`. */
export interface GgmlFile extends WeightSource {
  /** As given. */
  readonly path: string;
  close(): Promise<void>;
}

/** What a kind of file says before its tensors. */
export interface GgmlHeader {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** A tensor under the name and with the shape that grafo knows it by; as stored if absent. */
  rename?(place: TensorPlace): TensorPlace;
}

/**
 * Opens a file whose header `readHeader` reads, from behind the magic to the first tensor. No weights are read.
 * @throws UserError 'file' for a missing or unreadable file, 'model' for a damaged, foreign or unsupported one
 */
export const openGgml = async (
  path: string,
  readHeader: (cursor: GgmlCursor) => Promise<GgmlHeader>,
  open: Open = openFile,
): Promise<GgmlFile> => {
  const file = await open(path);
  const close = () => file.close();
  try {
    const cursor = new GgmlCursor(file);
    if (file.size < 4 || latin1(await cursor.bytes(4, 'the magic')) !== GGML_MAGIC)
      throw new UserError('model', `'${path}' is not a file of the old ggml format`);
    const { metadata, rename = (place) => place } = await readHeader(cursor);
    const places = (await readTensorList(cursor)).map((place) => rename(place));
    return { path, metadata, tensors: new Map(places.map((place) => [place.name, tensorAt(file, place)])), close };
  } catch (error) {
    await close();
    throw error;
  }
};

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
