/** Models of random weights by the name of the shape they have. */
import { llamaShape, tinyLlama, vitShape, vitSizes } from '../../dist/io/random.js';
import { deepseek2Shape, v2Lite, v2LiteCut } from '../../dist/io/random-deepseek.js';

/** Llama 3 8B. */
const llama3 = { nLayer: 32, nEmbd: 4096, nHead: 32, nHeadKv: 8, nFf: 14336, nVocab: 128_256, nCtx: 8192 };

/** Nobody's: for trying what takes long. */
const small = { nLayer: 4, nEmbd: 512, nHead: 8, nHeadKv: 2, nFf: 1408, nVocab: 32_000, nCtx: 2048 };

export const SHAPES = {
  'tinyllama-1.1b': (type) => llamaShape({ ...tinyLlama, type }),
  small: (type) => llamaShape({ ...small, type }),
  'llama-3-8b': (type) => llamaShape({ ...llama3, type }),
  'v2-lite': (type) => deepseek2Shape({ ...v2Lite, type }),
  'v2-lite-4-layers': (type) => deepseek2Shape({ ...v2LiteCut, type }),
  ...Object.fromEntries(
    Object.entries(vitSizes).map(([name, s]) => [`vit-${name}`, (type) => vitShape({ ...s, type })]),
  ),
};
