/** Models of random weights by the name of the shape they have. */
import { llamaShape, tinyLlama, vitShape, vitSizes } from '../../dist/io/random.js';
import { deepseek2Shape, v2LiteCut } from '../../dist/io/random-deepseek.js';

export const SHAPES = {
  'tinyllama-1.1b': (type) => llamaShape({ ...tinyLlama, type }),
  'v2-lite-4-layers': (type) => deepseek2Shape({ ...v2LiteCut, type }),
  ...Object.fromEntries(
    Object.entries(vitSizes).map(([name, s]) => [`vit-${name}`, (type) => vitShape({ ...s, type })]),
  ),
};
