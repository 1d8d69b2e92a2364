/** How images are prepared: by a recipe that is asked for, else as the model's file says, else as timm does. */
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import type { DecodeOptions } from '../../io/image/decode.ts';
import type { CropMode, Preprocessing } from '../../io/image/preprocess.ts';
import { cropModes } from '../../io/image/preprocess.ts';
import { type Interpolation, interpolations } from '../../io/image/resample.ts';
import type { VitFlags } from './options.ts';

export interface Recipe extends Preprocessing, Pick<DecodeOptions, 'upright' | 'alpha' | 'jpeg'> {}

const half = [0.5, 0.5, 0.5];

/** timm's for its ViTs (the AugReg weights); models of 384 pixels are evaluated without a crop. */
const timm = (imageSize: number): Recipe => ({
  resizer: 'pillow',
  interpolation: 'bicubic',
  cropPct: imageSize === 384 ? 1 : 0.9,
  cropMode: 'center',
  mean: half,
  std: half,
  upright: true,
  alpha: 'white',
  jpeg: 'libjpeg',
});

const recipes: Readonly<Record<'timm' | 'hf' | 'vit.cpp', (imageSize: number) => Recipe>> = {
  timm,
  /** ViTImageProcessor of transformers. */
  hf: (imageSize) => ({ ...timm(imageSize), interpolation: 'bilinear', cropPct: 1, cropMode: 'squash' }),
  /** ImageNet's mean and deviation, whatever the model was trained with; neither EXIF nor transparency is looked at. */
  'vit.cpp': (imageSize) => ({
    ...timm(imageSize),
    resizer: 'vit.cpp',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    upright: false,
    alpha: 'drop',
    jpeg: 'stb',
  }),
};

type Flags = Partial<
  Pick<VitFlags, 'preprocess' | 'interpolation' | 'crop-pct' | 'crop-mode' | 'mean' | 'std' | 'exif' | 'alpha'>
>;

/** The recipe for a model of this file and these flags. */
export const recipeFor = (flags: Flags, metadata: ReadonlyMap<string, MetadataValue>, imageSize: number): Recipe => {
  const base = flags.preprocess
    ? recipes[flags.preprocess](imageSize)
    : { ...timm(imageSize), ...filesRecipe(metadata) };
  return {
    ...base,
    ...(flags.interpolation !== undefined && { interpolation: flags.interpolation, resizer: 'pillow' }),
    ...(flags['crop-pct'] !== undefined && { cropPct: flags['crop-pct'], resizer: 'pillow' }),
    ...(flags['crop-mode'] !== undefined && { cropMode: flags['crop-mode'], resizer: 'pillow' }),
    ...(flags.mean && { mean: flags.mean }),
    ...(flags.std && { std: flags.std }),
    ...(flags.exif !== undefined && { upright: flags.exif }),
    ...(flags.alpha && { alpha: flags.alpha }),
  };
};

/** What the file says: `vit.preprocess.*`, `vit.image_mean`, `vit.image_std`. */
const filesRecipe = (metadata: ReadonlyMap<string, MetadataValue>): Partial<Recipe> => {
  const interpolation = oneOf<Interpolation>(metadata, 'vit.preprocess.interpolation', interpolations);
  const cropMode = oneOf<CropMode>(metadata, 'vit.preprocess.crop_mode', cropModes);
  const cropPct = metadata.get('vit.preprocess.crop_pct');
  const [mean, std] = [colours(metadata, 'vit.image_mean'), colours(metadata, 'vit.image_std')];
  if (cropPct !== undefined && !(typeof cropPct === 'number' && cropPct > 0 && cropPct <= 1))
    throw wrong('vit.preprocess.crop_pct', cropPct, 'a number above 0, 1 at most');
  return {
    ...(interpolation && { interpolation }),
    ...(cropMode && { cropMode }),
    ...(typeof cropPct === 'number' && { cropPct }),
    ...(mean && { mean }),
    ...(std && { std }),
  };
};

const oneOf = <T extends string>(
  metadata: ReadonlyMap<string, MetadataValue>,
  key: string,
  known: readonly T[],
): T | undefined => {
  const value = metadata.get(key);
  const found = known.find((word) => word === value);
  if (value !== undefined && !found) throw wrong(key, value, known.join(', '));
  return found;
};

const colours = (metadata: ReadonlyMap<string, MetadataValue>, key: string): readonly number[] | undefined => {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const list = Array.isArray(value) ? value.map(Number) : [];
  if (list.length !== 3 || !list.every(Number.isFinite)) throw wrong(key, value, 'three numbers');
  return list;
};

const wrong = (key: string, value: MetadataValue, expected: string): UserError =>
  new UserError('model', `metadata '${key}' is ${String(value).slice(0, 40)}, expected ${expected}`);
