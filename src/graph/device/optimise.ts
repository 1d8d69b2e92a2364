/** What ONNX Runtime makes of a program when it loads it: its own fusions and layouts, as a model. */
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program } from '../lower/lower.ts';
import { WEIGHTS_FILE } from '../lower/onnx.ts';
import { InferenceSession } from './runtime.ts';

/** Options of a session that writes its optimised model: the file beside it that its weights go to. */
export const weightsWrittenTo = (name: string) => ({
  optimized_model_external_initializers_file_name: name,
  optimized_model_external_initializers_min_size_in_bytes: '1024',
});

/** The model after the CPU provider's optimisation, its weights left out. No weights are read: a file of holes stands in. */
export const optimised = async (program: Pick<Program, 'onnx' | 'weightBytes'>): Promise<Uint8Array> => {
  const folder = await mkdtemp(join(tmpdir(), 'grafo-optimise-'));
  try {
    const [model, result] = [join(folder, 'model.onnx'), join(folder, 'optimised.onnx')];
    await writeFile(model, program.onnx);
    await writeFile(join(folder, WEIGHTS_FILE), '');
    await truncate(join(folder, WEIGHTS_FILE), program.weightBytes);
    const session = await InferenceSession.create(model, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      optimizedModelFilePath: result,
      logSeverityLevel: 4,
      extra: { session: weightsWrittenTo('optimised.bin') },
    });
    await session.release();
    return await readFile(result);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
