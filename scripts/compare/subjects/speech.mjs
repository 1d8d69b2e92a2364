/** Whisper beside whisper.cpp, which reads the same file, and transformers.js with an export of its weights. */
import { join } from 'node:path';
import { openWhisper } from '../../../dist/io/whisper/open.js';
import { runWhisperBench } from '../engines/whisper-cpp.mjs';
import { exportWhisper } from '../files/huggingface-whisper.mjs';
import { writeWhisper } from '../files/whisper-cpp.mjs';
import { contestantsOf, EXACT } from './contestants.mjs';

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
    exact: EXACT,
    async prepare(folder) {
      const file = join(folder, 'model.bin');
      await writeWhisper(file, SHAPES[size]);
      if (transformers) await exported(file, folder);
      const program = { folder: whisperCpp, file, threads };
      return contestantsOf('speech', {
        file,
        folder,
        options: { plan: { ...(quick ? QUICK : FULL), nMel: N_MEL }, threads },
        native: whisperCpp && { name: 'whisper.cpp f16', measure: () => runWhisperBench(program) },
        transformers,
      });
    },
  }));

const exported = async (file, folder) => {
  const source = await openWhisper(file);
  await exportWhisper(source, folder);
  await source.close();
};
