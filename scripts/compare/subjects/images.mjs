/** ViT beside vit.cpp, which reads the same file, and transformers.js with an export of its weights. */
import { join } from 'node:path';
import { randomSource, vitShape, vitSizes } from '../../../dist/io/random.js';
import { openVit } from '../../../dist/io/vit/open.js';
import { runVitCpp } from '../engines/vit-cpp.mjs';
import { exportVit } from '../files/huggingface-vit.mjs';
import { writeVitCpp } from '../files/vit-cpp.mjs';
import { inChild } from '../turns.mjs';

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
    exact: 'grafo float32',
    async prepare(folder) {
      const file = join(folder, 'model.bin');
      await writeVitCpp(file, randomSource(vitShape({ ...vitSizes[size], type: 'f16' })));
      const runs = quick ? QUICK : FULL;
      const options = { plan: { runs, imageSize: IMAGE_SIZE }, imageSize: IMAGE_SIZE, threads };
      const grafo = (compute) => () =>
        inChild('grafo images', {
          ...options,
          file,
          compute,
          batches: Object.keys(runs).map(Number),
          cache: join(folder, compute),
        });
      const other = (dtype) => () =>
        inChild('transformers images', { ...options, folder: transformers, model: folder, dtype });
      if (transformers) await exported(file, folder);
      return [
        { name: 'grafo float32', measure: grafo('f32') },
        { name: 'grafo int8', measure: grafo('int8') },
        ...(vitCpp
          ? [
              {
                name: 'vit.cpp f16',
                beside: ['grafo float32', 'grafo int8'],
                measure: () => runVitCpp({ program: vitCpp, file, threads, runs: runs[1] }),
              },
            ]
          : []),
        ...(transformers
          ? [
              { name: 'transformers.js fp32', beside: ['grafo float32'], measure: other('fp32') },
              { name: 'transformers.js q8', beside: ['grafo int8'], measure: other('q8') },
            ]
          : []),
      ];
    },
  }));

const exported = async (file, folder) => {
  const source = await openVit(file);
  await exportVit(source, folder);
  await source.close();
};
