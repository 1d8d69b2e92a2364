/** Whisper in whatever form it comes, under grafo's keys and OpenAI's names of tensors. */
import type { WeightSource } from '../../graph/weights.ts';
import { openWhisperCpp } from '../ggml/whisper.ts';
import { GGML_MAGIC, isFolder, magicOf } from '../gguf/file.ts';
import { tensorAt } from '../gguf/place.ts';
import { openGguf } from '../gguf/reader.ts';
import { weightFiles } from '../safetensors/folder.ts';
import { openSafetensors } from '../safetensors/reader.ts';
import { huggingFaceMetadata, openAiName } from './huggingface.ts';

/** An open model; its files stay open until `close`. */
export interface WhisperFile extends WeightSource {
  /** The paths of all files with weights. */
  readonly parts: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens a folder of Hugging Face's, or a file of whisper.cpp or GGUF by what it begins with, whatever it is called.
 * @throws UserError 'file' or 'model'
 */
export const openWhisper = async (path: string): Promise<WhisperFile> => {
  if (isFolder(path)) return openFolder(path);
  return (await magicOf(path)) === GGML_MAGIC ? { ...(await openWhisperCpp(path)), parts: [path] } : openGguf(path);
};

const openFolder = async (path: string): Promise<WhisperFile> => {
  const parts = await weightFiles(path);
  const { places, close } = await openSafetensors(parts);
  try {
    const named = places.flatMap((place) => {
      const name = openAiName(place.name);
      return name === undefined ? [] : [[name, tensorAt(place.file, { ...place, name })] as const];
    });
    return { metadata: await huggingFaceMetadata(path), tensors: new Map(named), parts, close };
  } catch (error) {
    await close();
    throw error;
  }
};
