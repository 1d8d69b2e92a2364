/** Vision Transformers in whatever form they come, under grafo's keys and names. */
import { dirname } from 'node:path';
import type { MetadataValue, WeightSource } from '../../graph/weights.ts';
import { openVitCpp } from '../ggml/vit.ts';
import { GGML_MAGIC, isFolder, magicOf } from '../gguf/file.ts';
import { tensorAt } from '../gguf/place.ts';
import { openGguf } from '../gguf/reader.ts';
import { weightFiles } from '../safetensors/folder.ts';
import { type FilePlace, openSafetensors } from '../safetensors/reader.ts';
import { huggingFaceMetadata, huggingFaceName } from './huggingface.ts';
import { renamed, timmName } from './names.ts';
import { timmMetadata } from './timm.ts';

/** An open model; its files stay open until `close`. */
export interface VitFile extends WeightSource {
  /** As given. */
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Opens a folder of Hugging Face's, or a file by what it begins with, whatever it is called.
 * @throws UserError 'file' or 'model'
 */
export const openVit = async (path: string): Promise<VitFile> => {
  if (isFolder(path)) return openWeights(path, await weightFiles(path));
  const magic = await magicOf(path);
  if (magic === GGML_MAGIC) return openVitCpp(path);
  if (magic === 'GGUF' || !path.endsWith('.safetensors')) return openGguf(path);
  return openWeights(path, [path]);
};

/** safetensors by whose names they bear: timm's, or transformers'. */
const openWeights = async (path: string, files: readonly string[]): Promise<VitFile> => {
  const { places, close } = await openSafetensors(files);
  try {
    const [first = path] = files;
    const isTimm = places.some(({ name }) => name === 'patch_embed.proj.weight');
    const named = places.flatMap((place) => {
      const name = isTimm ? timmName(place.name) : huggingFaceName(place.name);
      return name === undefined ? [] : [renamed(place, name)];
    });
    const metadata = isTimm ? await timmMetadata(first, named) : await huggingFaceMetadata(dirname(first));
    return { path, metadata: withClasses(metadata, named), tensors: tensorsOf(named), close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** The number of classes is that of the classifier's rows; without a classifier there are none. */
const withClasses = (metadata: ReadonlyMap<string, MetadataValue>, places: readonly FilePlace[]) => {
  const head = places.find(({ name }) => name === 'v.head.weight');
  return new Map(metadata).set('vit.class_count', head?.shape[0] ?? 0);
};

const tensorsOf = (places: readonly FilePlace[]) =>
  new Map(places.map((place) => [place.name, tensorAt(place.file, place)]));
