/** What `grafo vit` understands. Names and defaults are vit.cpp's and timm's where they have one. */
import { UserError } from '../../errors.ts';
import { cropModes } from '../../io/image/preprocess.ts';
import { interpolations } from '../../io/image/resample.ts';
import { convertTypes } from '../../io/vit/convert.ts';
import type { Parsed } from '../command.ts';
import { optionGroup } from '../command.ts';
import { deviceOptions, modelOptions, reportOptions, shareOptions } from '../options.ts';

/** Three numbers for red, green and blue, or one for all. */
const colours = (text: string): readonly number[] => {
  const list = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const [first = Number.NaN] = list;
  const all = list.length === 1 ? [first, first, first] : list;
  if (all.length !== 3 || !all.every(Number.isFinite))
    throw new UserError('usage', `'${text}' is not one number or three, as in 0.5,0.5,0.5`);
  return all;
};

const divisors = (text: string): readonly number[] => {
  const all = colours(text);
  if (all.some((n) => n <= 0)) throw new UserError('usage', `'${text}': a deviation is larger than 0`);
  return all;
};

const inputGroup = optionGroup('Input', {
  ...modelOptions,
  model: { ...modelOptions.model, describe: 'GGUF, vit.cpp, safetensors, folder, hf:USER/REPO' },
  inp: { alias: 'i', type: 'string', array: true, default: [], placeholder: 'IMAGE', describe: 'an image, as a word' },
  labels: { type: 'string', placeholder: 'FILE', describe: 'names of the classes, one a line, or JSON' },
});

const preprocessingGroup = optionGroup('Preprocessing (default: what the file says, else timm)', {
  preprocess: { choices: ['timm', 'hf', 'vit.cpp'] as const, describe: 'a whole recipe' },
  interpolation: { choices: interpolations, describe: 'filter' },
  'crop-pct': { type: 'number', least: 0.1, most: 1, describe: 'part of the side that is kept' },
  'crop-mode': { choices: cropModes, describe: 'way to a square' },
  mean: { type: 'string', coerce: colours, placeholder: 'R,G,B', describe: 'subtracted from colours of 0 to 1' },
  std: { type: 'string', coerce: divisors, placeholder: 'R,G,B', describe: 'what they are divided by' },
  'img-size': { type: 'number', whole: true, least: 1, describe: 'side in pixels; positions are interpolated' },
  exif: { type: 'boolean', describe: 'turn images upright (default: not with vit.cpp)' },
  alpha: { choices: ['white', 'drop'] as const, describe: 'transparency (default white)' },
});

const resultGroup = optionGroup('Results', {
  topk: { alias: 'k', type: 'number', whole: true, least: 0, default: 5, describe: 'classes an image; 0 is all' },
  threshold: { type: 'number', least: 0, most: 1, default: 0, describe: 'leave out less likely classes' },
  logits: { type: 'boolean', default: false, describe: 'scores before the softmax' },
  embeddings: { type: 'boolean', default: false, describe: 'what the classifier sees instead of classes' },
  jsonl: { type: 'boolean', default: false, describe: 'one JSON object a line and image' },
  csv: { type: 'boolean', default: false, describe: 'comma-separated values' },
  'output-dir': { type: 'string', placeholder: 'DIR', describe: 'a JSON file for each image, in this folder' },
  ...shareOptions,
  eval: { type: 'string', placeholder: 'DIR', describe: 'accuracy on a folder with one folder a class' },
  'attention-map': { type: 'string', placeholder: 'OUT.png', describe: 'where the model looked (rollout)' },
});

const workGroup = optionGroup('Work', {
  convert: { type: 'string', placeholder: 'OUT.gguf', describe: 'write the model as a GGUF file, and exit' },
  type: { choices: convertTypes, placeholder: 'TYPE', describe: 'of its matrices, q8_0 (default: as is)' },
  'batch-size': { alias: 'b', type: 'number', whole: true, least: 1, default: 1, describe: 'images in one run' },
});

const computeGroup = optionGroup('Device', {
  ...deviceOptions,
  compute: {
    choices: ['auto', 'f32', 'block', 'int8'] as const,
    default: 'auto' as const,
    describe: 'auto: int8 if wide, or f32',
  },
});

/** The flags of `grafo vit`. */
export const vitOptions = {
  ...inputGroup,
  ...preprocessingGroup,
  ...resultGroup,
  ...workGroup,
  ...computeGroup,
  ...reportOptions,
};

export type VitFlags = Parsed<typeof vitOptions>;
