/** Whisper beside whisper.cpp, which reads the same file, and transformers.js with an export of its weights. */
import { join } from 'node:path';
import { openWhisper } from '../../../dist/io/whisper/open.js';
import { runWhisperBench } from '../engines/whisper-cpp.mjs';
import { exportWhisper } from '../files/huggingface-whisper.mjs';
import { writeWhisper } from '../files/whisper-cpp.mjs';
import { inChild } from '../turns.mjs';

/** Windows heard, tokens one by one, and steps of five texts at once: the last two as whisper-bench counts them. */
const FULL = { windows: 3, steps: 256, beams: 64 };
const QUICK = { windows: 1, steps: 16, beams: 4 };

const SHAPES = {
  tiny: { nEmbd: 384, nHead: 6, nLayer: 4 },
  base: { nEmbd: 512, nHead: 8, nLayer: 6 },
};
const N_MEL = 80 * 3000;

export const speechSubjects = ({ quick, threads, whisperCpp, transformers }) =>
  (quick ? ['tiny'] : ['tiny', 'base']).map((size) => ({
    title: `Whisper ${size}, ms`,
    rows: [
      { title: '30 s of sound heard', figure: 'hear', digits: 0 },
      { title: 'a token', figure: 'step', digits: 2 },
      { title: 'five at once, beams of a search', figure: 'beams', digits: 2 },
    ],
    exact: 'grafo float32',
    async prepare(folder) {
      const file = join(folder, 'model.bin');
      await writeWhisper(file, SHAPES[size]);
      const options = { plan: { ...(quick ? QUICK : FULL), nMel: N_MEL }, threads };
      const grafo = (compute) => () =>
        inChild('grafo speech', { ...options, file, compute, cache: join(folder, compute) });
      const other = (dtype) => () =>
        inChild('transformers speech', { ...options, folder: transformers, model: folder, dtype });
      if (transformers) await exported(file, folder);
      return [
        { name: 'grafo float32', measure: grafo('f32') },
        { name: 'grafo int8', measure: grafo('int8') },
        ...(whisperCpp
          ? [
              {
                name: 'whisper.cpp f16',
                beside: ['grafo float32', 'grafo int8'],
                measure: () => runWhisperBench({ folder: whisperCpp, file, threads }),
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
  const source = await openWhisper(file);
  await exportWhisper(source, folder);
  await source.close();
};
