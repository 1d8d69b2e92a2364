/**
 * Names of Vision Transformers' tensors. grafo's are those llama.cpp gives to its vision encoders (`v.*`), and in the
 * same manner `v.dist_embd`, `v.reg_embd`, `v.head`, `v.head_dist` and `v.head_norm` for what only classifiers have.
 */
import type { TensorLayout } from '../gguf/stored.ts';
import { own } from '../own.ts';

const TIMM_TOP: Readonly<Record<string, string>> = {
  cls_token: 'v.class_embd',
  dist_token: 'v.dist_embd',
  reg_token: 'v.reg_embd',
  pos_embed: 'v.position_embd.weight',
  'patch_embed.proj': 'v.patch_embd',
  norm_pre: 'v.pre_ln',
  norm: 'v.post_ln',
  fc_norm: 'v.head_norm',
  head: 'v.head',
  head_dist: 'v.head_dist',
};

const TIMM_BLOCK: Readonly<Record<string, string>> = {
  norm1: 'ln1',
  norm2: 'ln2',
  'attn.qkv': 'attn_qkv',
  'attn.proj': 'attn_out',
  'mlp.fc1': 'ffn_up',
  'mlp.fc2': 'ffn_down',
};

/** grafo's name of a tensor of timm's (and of vit.cpp's, which are the same); a name of no ViT's stays as it is. */
export const timmName = (name: string): string => {
  const [, path = name, kind = ''] = /^(.*?)(\.weight|\.bias)?$/.exec(name) ?? [];
  const [, il, part = ''] = /^blocks\.(\d+)\.(.+)$/.exec(path) ?? [];
  const known =
    il === undefined ? own(TIMM_TOP, path) : own(TIMM_BLOCK, part) && `v.blk.${il}.${own(TIMM_BLOCK, part)}`;
  return known === undefined ? name : known + kind;
};

/** Tensors that files keep with axes of extent 1 around what they are: a vector, or one row for each position. */
const VECTORS: ReadonlySet<string> = new Set(['v.class_embd', 'v.dist_embd', 'v.patch_embd.bias']);
const TABLES: ReadonlySet<string> = new Set(['v.reg_embd', 'v.position_embd.weight']);

/** The tensor under this name, without those axes; the bytes are the same. */
export const renamed = <T extends TensorLayout>(tensor: T, name: string): T => ({
  ...tensor,
  name,
  shape: plainShape(name, tensor.shape),
});

const plainShape = (name: string, shape: readonly number[]): readonly number[] => {
  const n = shape.reduce((product, extent) => product * extent, 1);
  const width = shape.at(-1) ?? 1;
  if (VECTORS.has(name)) return [n];
  return TABLES.has(name) ? [n / width, width] : shape;
};
