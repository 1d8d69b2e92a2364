/** A model file of any kind that grafo reads, opened by what it begins with. */
import type { WeightSource } from '../graph/weights.ts';
import { openVitCpp } from './ggml/vit.ts';
import { isWhisperCpp, openWhisperCpp } from './ggml/whisper.ts';
import { GGML_MAGIC, isFolder, magicOf, type Open, openFile } from './gguf/file.ts';
import { openGguf } from './gguf/reader.ts';
import { openVit } from './vit/open.ts';

/** An open model; its files stay open until `close`. */
export interface ModelFile extends WeightSource {
  close(): Promise<void>;
}

/**
 * Opens GGUF, files of whisper.cpp and vit.cpp, safetensors, and folders of Hugging Face's.
 * @throws UserError 'file' or 'model'
 */
export const openModelFile = async (path: string): Promise<ModelFile> =>
  isFolder(path) || path.endsWith('.safetensors') ? openVit(path) : openSingleFile(path, openFile);

/**
 * The same for a model that is no folder, wherever its files are.
 * @param open how they are opened
 * @throws UserError 'file', 'model', or what `open` throws
 */
export const openSingleFile = async (path: string, open: Open): Promise<ModelFile> => {
  if ((await magicOf(path, open)) !== GGML_MAGIC) return openGguf(path, open);
  return (await isWhisperCpp(path, open)) ? openWhisperCpp(path, open) : openVitCpp(path, open);
};
