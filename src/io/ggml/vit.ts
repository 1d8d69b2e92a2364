/** Models of vit.cpp: files of the old ggml format, often named `.gguf`. Their header knows nothing of preprocessing. */
import type { MetadataValue } from '../../graph/weights.ts';
import type { Open } from '../gguf/file.ts';
import { renamed, timmName } from '../vit/names.ts';
import type { GgmlCursor } from './cursor.ts';
import { type GgmlFile, type GgmlHeader, openGgml } from './reader.ts';

/**
 * Opens a model of vit.cpp with grafo's keys and tensor names.
 * @throws UserError 'file' or 'model'
 */
export const openVitCpp = (path: string, open?: Open): Promise<GgmlFile> => openGgml(path, readHeader, open);

const MAX_SIZE = 1 << 20;
const MAX_CLASSES = 1 << 20;
const MAX_LABEL = 1 << 16;
/** What its converter finds in every model and its program takes for granted. */
const FFN_RATIO = 4;
const EPS = 1e-6;

const readHeader = async (c: GgmlCursor): Promise<GgmlHeader> => {
  const size = (what: string, most = MAX_SIZE) => c.count(what, 1, most);
  const nEmbd = await size('hidden_size');
  const nLayer = await size('num_hidden_layers');
  const nHead = await size('num_attention_heads');
  const nClass = await size('num_classes', MAX_CLASSES);
  const patchSize = await size('patch_size');
  const imageSize = await size('img_size');
  await c.i32('ftype'); // a label only: every tensor says its type
  const metadata = new Map<string, MetadataValue>([
    ['general.architecture', 'vit'],
    ['vit.image_size', imageSize],
    ['vit.patch_size', patchSize],
    ['vit.embedding_length', nEmbd],
    ['vit.block_count', nLayer],
    ['vit.feed_forward_length', FFN_RATIO * nEmbd],
    ['vit.attention.head_count', nHead],
    ['vit.attention.layer_norm_epsilon', EPS],
    ['vit.class_count', nClass],
    ['vit.classifier.output_labels', await readLabels(c, nClass)],
  ]);
  return { metadata, rename: (place) => renamed(place, timmName(place.name)) };
};

/** Labels by class; a class without one is called by its number, as Hugging Face does. */
const readLabels = async (c: GgmlCursor, nClass: number): Promise<string[]> => {
  const labels = Array.from({ length: nClass }, (_, i) => `LABEL_${i}`);
  const nLabel = await c.count('the number of labels', 0, MAX_CLASSES);
  for (let i = 0; i < nLabel; i++) {
    const id = await c.count(`the class of label ${i}`, 0, nClass - 1);
    const length = await c.count(`the length of label ${i}`, 0, MAX_LABEL);
    labels[id] = new TextDecoder().decode(await c.bytes(length, `label ${i}`));
  }
  return labels;
};
