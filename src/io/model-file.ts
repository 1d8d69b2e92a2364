/** A model file of any kind that grafo reads, opened by what it begins with. */
import { statSync } from 'node:fs';
import type { WeightSource } from '../graph/weights.ts';
import { openVitCpp } from './ggml/vit.ts';
import { isWhisperCpp, openWhisperCpp } from './ggml/whisper.ts';
import { magicOf } from './gguf/file.ts';
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
export const openModelFile = async (path: string): Promise<ModelFile> => {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() || path.endsWith('.safetensors')) return openVit(path);
  if ((await magicOf(path)) !== 'lmgg') return openGguf(path);
  return (await isWhisperCpp(path)) ? openWhisperCpp(path) : openVitCpp(path);
};
