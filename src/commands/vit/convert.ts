/** `grafo vit --convert`: any model that is read becomes a GGUF file that says how its images are prepared. */
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import { writeVit } from '../../io/vit/convert.ts';
import { openVit } from '../../io/vit/open.ts';
import { labelsFor } from './labels.ts';
import { readVit } from './model.ts';
import type { VitFlags } from './options.ts';
import { recipeFor } from './preprocessing.ts';

/** Writes the model in `flags` to `--convert`, matrices in `--type`. */
export const convertModel = async (flags: VitFlags, path: string, out: string): Promise<void> => {
  if (flags.preprocess === 'vit.cpp')
    throw new UserError('usage', 'a file cannot say --preprocess vit.cpp', 'give it when you classify');
  const file = await openVit(path);
  try {
    const { h } = readVit(path, file);
    const recipe = recipeFor(flags, file.metadata, h.trainedSize);
    const metadata = new Map<string, MetadataValue>([
      ...file.metadata,
      ['vit.class_count', h.nClass],
      ['vit.preprocess.interpolation', recipe.interpolation],
      ['vit.preprocess.crop_mode', recipe.cropMode],
      ['vit.preprocess.crop_pct', recipe.cropPct],
      ['vit.image_mean', recipe.mean],
      ['vit.image_std', recipe.std],
      ['vit.classifier.output_labels', await labelsFor(flags.labels, file.metadata, h.nClass)],
    ]);
    await writeVit(out, { metadata, tensors: file.tensors }, flags.type);
  } finally {
    await file.close();
  }
};
