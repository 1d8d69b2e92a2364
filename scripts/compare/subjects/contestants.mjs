/** Who runs a model that is no text model: grafo, a program that reads the same file, transformers.js with an export. */
import { join } from 'node:path';
import { inChild } from '../turns.mjs';

/** Whose answers those of the others are held against. */
export const EXACT = 'grafo float32';
const INT8 = 'grafo int8';

/**
 * @param kind 'images' or 'speech'
 * @param options of every engine, its plan among them
 * @param native `{ name, measure }`, or nothing where there is no such program
 * @param transformers the folder that has it, or nothing; the export lies in `folder`
 */
export const contestantsOf = (kind, { file, folder, options, native, transformers }) => {
  const grafo = (name, compute) => ({
    name,
    measure: () => inChild(`grafo ${kind}`, { ...options, file, compute, cache: join(folder, compute) }),
  });
  const other = (dtype, beside) => ({
    name: `transformers.js ${dtype}`,
    beside: [beside],
    measure: () => inChild(`transformers ${kind}`, { ...options, folder: transformers, model: folder, dtype }),
  });
  return [
    grafo(EXACT, 'f32'),
    grafo(INT8, 'int8'),
    ...(native ? [{ ...native, beside: [EXACT, INT8] }] : []),
    ...(transformers ? [other('fp32', EXACT), other('q8', INT8)] : []),
  ];
};
