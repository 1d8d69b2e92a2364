/** Folders of Hugging Face: `config.json`, `preprocessor_config.json` and weights of ViT and DeiT by transformers' names. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import { JsonFields, readJsonObject } from '../json.ts';
import { own } from '../own.ts';

const KINDS = ['vit', 'deit'];

/** transformers' names of activations; `gelu` is the exact one. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

/** grafo's metadata from the JSON files of a folder. */
export const huggingFaceMetadata = async (folder: string): Promise<ReadonlyMap<string, MetadataValue>> => {
  const path = join(folder, 'config.json');
  const config = new JsonFields(await readJsonObject(path), path);
  const kind = config.text('model_type') ?? '';
  if (!KINDS.includes(kind))
    throw new UserError('model', `'${path}' is of a '${kind}' model`, `grafo vit runs ${KINDS.join(' and ')}`);
  const act = config.text('hidden_act') ?? 'gelu';
  const known = own(ACTIVATIONS, act);
  if (!known) throw config.wrong('hidden_act', Object.keys(ACTIVATIONS).join(', '));
  if ((config.number('num_channels') ?? 3) !== 3) throw config.wrong('num_channels', '3');
  return new Map<string, MetadataValue>([
    ['general.architecture', 'vit'],
    ['vit.image_size', config.size('image_size')],
    ['vit.patch_size', config.size('patch_size')],
    ['vit.embedding_length', config.size('hidden_size')],
    ['vit.block_count', config.size('num_hidden_layers')],
    ['vit.feed_forward_length', config.size('intermediate_size')],
    ['vit.attention.head_count', config.size('num_attention_heads')],
    ['vit.attention.layer_norm_epsilon', config.number('layer_norm_eps') ?? 1e-12],
    ['vit.hidden_act', known],
    ...labels(config),
    ...(await preprocessing(folder)),
  ]);
};

const labels = (config: JsonFields): [string, MetadataValue][] => {
  const names = config.object('id2label');
  const list: string[] = [];
  for (let i = 0; names?.any(String(i)) !== undefined; i++) list.push(String(names.any(String(i))));
  return list.length > 0 ? [['vit.classifier.output_labels', list]] : [];
};

/** Pillow's numbers of filters. */
const FILTERS = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];
const BILINEAR = 2;

/**
 * ViTImageProcessor: straight to `size`, then maybe the middle of it. DeiT's older files say one number, which its
 * processor also takes for both sides; `shortest_edge` keeps the picture's proportions.
 */
const preprocessing = async (folder: string): Promise<[string, MetadataValue][]> => {
  const path = join(folder, 'preprocessor_config.json');
  if (!existsSync(path)) return [];
  const p = new JsonFields(await readJsonObject(path), path);
  const isEdge = p.any('size') !== undefined && typeof p.any('size') !== 'number';
  const edge = isEdge ? p.object('size')?.number('shortest_edge') : undefined;
  const side = (key: string) => {
    if (typeof p.any(key) === 'number') return p.size(key);
    const size = p.object(key);
    if (!size) return undefined;
    if (size.any('height') !== size.any('width')) throw p.wrong(key, 'a square');
    return size.size('height');
  };
  const scaled = edge ?? side('size') ?? 224;
  const cut = (p.flag('do_center_crop') ?? false) ? (side('crop_size') ?? scaled) : scaled;
  const filter = FILTERS[p.number('resample') ?? BILINEAR];
  if (!filter || filter === 'nearest') throw p.wrong('resample', '1 to 5, a filter of Pillow');
  const isPlain = p.flag('do_normalize') === false;
  return [
    ['vit.preprocess.crop_mode', edge === undefined ? 'squash' : 'center'],
    ['vit.preprocess.crop_pct', Math.min(1, cut / scaled)],
    ['vit.preprocess.interpolation', filter],
    ['vit.image_mean', isPlain ? [0, 0, 0] : [...(p.numbers('image_mean') ?? [0.5, 0.5, 0.5])]],
    ['vit.image_std', isPlain ? [1, 1, 1] : [...(p.numbers('image_std') ?? [0.5, 0.5, 0.5])]],
  ];
};

const TOP: Readonly<Record<string, string>> = {
  'embeddings.cls_token': 'v.class_embd',
  'embeddings.distillation_token': 'v.dist_embd',
  'embeddings.position_embeddings': 'v.position_embd.weight',
  'embeddings.patch_embeddings.projection': 'v.patch_embd',
  layernorm: 'v.post_ln',
  classifier: 'v.head',
  cls_classifier: 'v.head',
  distillation_classifier: 'v.head_dist',
};

const BLOCK: Readonly<Record<string, string>> = {
  layernorm_before: 'ln1',
  layernorm_after: 'ln2',
  'attention.attention.query': 'attn_q',
  'attention.attention.key': 'attn_k',
  'attention.attention.value': 'attn_v',
  'attention.output.dense': 'attn_out',
  'intermediate.dense': 'ffn_up',
  'output.dense': 'ffn_down',
};

/** What pretraining leaves behind and no classifier reads. */
const UNUSED = /^((vit|deit)\.)?(pooler\.|embeddings\.mask_token$)/;

/** grafo's name of a tensor of transformers; undefined for one that classification has no use for. */
export const huggingFaceName = (name: string): string | undefined => {
  if (UNUSED.test(name)) return undefined;
  const [, path = name, kind = ''] = /^(?:vit\.|deit\.)?(.*?)(\.weight|\.bias)?$/.exec(name) ?? [];
  const [, il, part = ''] = /^encoder\.layer\.(\d+)\.(.+)$/.exec(path) ?? [];
  const known = il === undefined ? own(TOP, path) : own(BLOCK, part) && `v.blk.${il}.${own(BLOCK, part)}`;
  return known === undefined ? name : known + kind;
};
