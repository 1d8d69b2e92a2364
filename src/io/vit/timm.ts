/** Weights of timm: names as in its VisionTransformer, sizes from their shapes, the rest from a `config.json` beside them. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import type { TensorLayout } from '../gguf/stored.ts';
import { JsonFields, readJsonObject } from '../json.ts';

/** Heads where they are not of 64 dimensions: timm's so400m, huge, giant and gigantic. */
const HEADS: Readonly<Record<number, number>> = { 1152: 16, 1280: 16, 1408: 16, 1664: 16 };
const HEAD_DIM = 64;
const EPS = 1e-6;

/** `vit.pooling_type` as llama.cpp numbers it. */
const MEAN = 1;
const CLASS_TOKEN = 2;

/** grafo's metadata for tensors that already have grafo's names. */
export const timmMetadata = async (
  path: string,
  tensors: readonly TensorLayout[],
): Promise<ReadonlyMap<string, MetadataValue>> => {
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const extent = (name: string, axis: number): number => {
    const n = shapes.get(name)?.at(axis);
    if (n === undefined) throw new UserError('model', `'${path}' has no tensor '${name}': it is no ViT of timm`);
    return n;
  };
  const nEmbd = extent('v.patch_embd.weight', 0);
  const patchSize = extent('v.patch_embd.weight', -1);
  const nLayer = tensors.filter(({ name }) => /^v\.blk\.\d+\.ln1\.weight$/.test(name)).length;
  if (nLayer === 0) throw new UserError('model', `'${path}' has no layers: it is no ViT of timm`);

  const configPath = join(dirname(path), 'config.json');
  const config = existsSync(configPath) ? new JsonFields(await readJsonObject(configPath), configPath) : undefined;
  const trained = config?.object('pretrained_cfg') ?? config;
  const pooling = config?.text('global_pool') ?? trained?.text('global_pool');
  const isMean = pooling === 'avg' || (pooling === undefined && !shapes.has('v.class_embd'));
  const isDistilled = shapes.has('v.dist_embd');
  return new Map<string, MetadataValue>([
    ['general.architecture', 'vit'],
    ['vit.image_size', patchSize * gridSide(path, extent('v.position_embd.weight', 0), shapes)],
    ['vit.patch_size', patchSize],
    ['vit.embedding_length', nEmbd],
    ['vit.block_count', nLayer],
    ['vit.feed_forward_length', extent('v.blk.0.ffn_up.weight', 0)],
    ['vit.attention.head_count', HEADS[nEmbd] ?? Math.max(1, Math.round(nEmbd / HEAD_DIM))],
    ['vit.attention.layer_norm_epsilon', EPS],
    ['vit.hidden_act', 'gelu'],
    ['vit.pooling_type', isMean || shapes.has('v.head_norm.weight') ? MEAN : CLASS_TOKEN],
    ...(trained ? recipe(trained) : isDistilled ? imageNet : []),
    ...labels(trained),
  ]);
};

/** The side of the grid of patches: positions are those of the patches, and maybe of tokens before them. */
const gridSide = (path: string, nPosition: number, shapes: ReadonlyMap<string, readonly number[]>): number => {
  const nRegister = shapes.get('v.reg_embd')?.[0] ?? 0;
  const nToken = Number(shapes.has('v.class_embd')) + Number(shapes.has('v.dist_embd')) + nRegister;
  const side = [nPosition, nPosition - nToken].map(Math.sqrt).find(Number.isInteger);
  if (side === undefined)
    throw new UserError('model', `'${path}' has ${nPosition} positions, which are no square grid and ${nToken} tokens`);
  return side;
};

/** DeiT's mean and deviation. */
const imageNet: [string, MetadataValue][] = [
  ['vit.image_mean', [0.485, 0.456, 0.406]],
  ['vit.image_std', [0.229, 0.224, 0.225]],
];

const recipe = (config: JsonFields): [string, MetadataValue][] => {
  const entries: [string, MetadataValue | undefined][] = [
    ['vit.preprocess.interpolation', config.text('interpolation')],
    ['vit.preprocess.crop_pct', config.number('crop_pct')],
    ['vit.preprocess.crop_mode', config.text('crop_mode')],
    ['vit.image_mean', config.numbers('mean')],
    ['vit.image_std', config.numbers('std')],
  ];
  return entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
};

const labels = (config: JsonFields | undefined): [string, MetadataValue][] => {
  const names = config?.texts('label_names');
  return names ? [['vit.classifier.output_labels', [...names]]] : [];
};
