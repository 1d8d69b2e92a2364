/** What ONNX Runtime makes of a program when it loads it: its own fusions and layouts, as a model. */
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program } from '../lower/lower.ts';
import { WEIGHTS_FILE } from '../lower/onnx.ts';
import { InferenceSession } from './runtime.ts';

/** The model after the CPU provider's optimisation, its weights left out. No weights are read: a file of holes stands in. */
export const optimised = async (program: Pick<Program, 'onnx' | 'weightBytes'>): Promise<Uint8Array> => {
  const folder = await mkdtemp(join(tmpdir(), 'grafo-optimise-'));
  try {
    const [model, result] = [join(folder, 'model.onnx'), join(folder, 'optimised.onnx')];
    await writeFile(model, program.onnx);
    const weights = await open(join(folder, WEIGHTS_FILE), 'w');
    await weights.truncate(program.weightBytes);
    await weights.close();
    const session = await InferenceSession.create(model, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      optimizedModelFilePath: result,
      logSeverityLevel: 4,
      extra: {
        session: {
          optimized_model_external_initializers_file_name: 'optimised.bin',
          optimized_model_external_initializers_min_size_in_bytes: '1024',
        },
      },
    });
    await session.release();
    return await readFile(result);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
