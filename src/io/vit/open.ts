/** Vision Transformers in whatever form they come, under grafo's keys and names (README: GGUF files of ViT). */
import type { WeightSource } from '../../graph/weights.ts';
import { openVitCpp } from '../ggml/vit.ts';
import { magicOf } from '../gguf/file.ts';
import { openGguf } from '../gguf/reader.ts';

/** An open model; its files stay open until `close`. */
export interface VitFile extends WeightSource {
  /** As given. */
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Opens a file by what it begins with, whatever it is called.
 * @throws UserError 'file' or 'model'
 */
export const openVit = async (path: string): Promise<VitFile> => {
  const magic = await magicOf(path);
  if (magic === 'lmgg') return openVitCpp(path);
  return openGguf(path);
};
