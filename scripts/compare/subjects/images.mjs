/** ViT beside vit.cpp, which reads the same file, and transformers.js with an export of its weights. */
import { join } from 'node:path';
import { randomSource, vitShape, vitSizes } from '../../../dist/io/random.js';
import { openVit } from '../../../dist/io/vit/open.js';
import { runVitCpp } from '../engines/vit-cpp.mjs';
import { exportVit } from '../files/huggingface-vit.mjs';
import { writeVitCpp } from '../files/vit-cpp.mjs';
import { contestantsOf, EXACT } from './contestants.mjs';

/** Runs of each number of images at once. */
const FULL = { 1: 8, 8: 3 };
const QUICK = { 1: 2, 8: 1 };
const IMAGE_SIZE = 224;

export const imageSubjects = ({ quick, threads, vitCpp, transformers }) =>
  (quick ? ['tiny'] : ['tiny', 'small', 'base']).map((size) => ({
    title: `ViT ${size}, ms an image`,
    rows: [
      { title: 'one by one', figure: 'batch 1', digits: 1 },
      { title: '8 at once', figure: 'batch 8', digits: 1 },
    ],
    exact: EXACT,
    async prepare(folder) {
      const file = join(folder, 'model.bin');
      await writeVitCpp(file, randomSource(vitShape({ ...vitSizes[size], type: 'f16' })));
      if (transformers) await exported(file, folder);
      const runs = quick ? QUICK : FULL;
      const program = { program: vitCpp, file, threads, runs: runs[1] };
      return contestantsOf('images', {
        file,
        folder,
        options: { plan: { runs, imageSize: IMAGE_SIZE }, imageSize: IMAGE_SIZE, batches: [1, 8], threads },
        native: vitCpp && { name: 'vit.cpp f16', measure: () => runVitCpp(program) },
        transformers,
      });
    },
  }));

const exported = async (file, folder) => {
  const source = await openVit(file);
  await exportVit(source, folder);
  await source.close();
};
