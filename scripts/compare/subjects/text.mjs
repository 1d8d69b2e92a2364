/** LLaMA beside llama.cpp: one GGUF file of random weights. */
import { join } from 'node:path';
import { writeGguf } from '../../../dist/io/gguf/writer.js';
import { randomSource } from '../../../dist/io/random.js';
import { TEXT_PLAN } from '../measure/text.mjs';
import { SHAPES } from '../shapes.mjs';
import { inChild } from '../turns.mjs';

const QUICK = { prompt: 128, prompts: 1, generated: 8, positions: [32, 128], steps: 4, nCtx: 512 };

export const textSubjects = ({ quick, threads, llama, shape: name, types }) => {
  const plan = quick ? QUICK : TEXT_PLAN;
  const shapes = quick ? [['small', 'q4_0']] : types.map((type) => [name, type]);
  return shapes.map(([shape, type]) => ({
    title: `${shape}, ${type.toUpperCase()}`,
    rows: [
      { title: `prompt of ${plan.prompt}, tokens/s`, figure: 'prompt', digits: 0, more: true },
      { title: `${plan.generated} tokens from the start, tokens/s`, figure: 'generate', digits: 1, more: true },
      ...plan.positions.map((p) => ({ title: `a token after ${p}, ms`, figure: `at ${p}`, digits: 1 })),
    ],
    async prepare(folder) {
      const file = join(folder, 'model.gguf');
      const model = SHAPES[shape](type);
      await writeGguf(file, { metadata: model.metadata, tensors: [...randomSource(model).tensors.values()] });
      const options = { plan, file, threads, nCtx: plan.nCtx };
      return [
        { name: 'grafo', measure: () => inChild('grafo text', { ...options, cache: join(folder, 'cache') }) },
        ...(llama
          ? [
              {
                name: 'llama.cpp',
                beside: ['grafo'],
                measure: () => inChild('node-llama-cpp text', { ...options, folder: llama }),
              },
            ]
          : []),
      ];
    },
  }));
};
