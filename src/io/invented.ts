/** Models without files: an architecture's metadata from a published shape, and every tensor that it asks for. */
import { UserError } from '../errors.ts';
import type { MetadataValue, StoredTensor, WeightSource } from '../graph/weights.ts';
import { storedTensor } from './gguf/stored.ts';
import { typeOfName } from './gguf/types.ts';
import { own } from './own.ts';

type Values = Readonly<Record<string, number | string | boolean>>;

interface Shape {
  readonly arch: string;
  /** Below the architecture's prefix. */
  readonly values: Values;
  /** Tensors beyond those that every model of the architecture has. */
  readonly optional?: RegExp;
}

const llama: Values = {
  'attention.layer_norm_rms_epsilon': 1e-5,
  context_length: 4096,
};

const untied = /^output\.weight$/;

const whisper = (nEmbd: number, nHead: number, nEncoder: number, nDecoder = nEncoder, nMels = 80): Shape => ({
  arch: 'whisper',
  optional: /\.(query|value|out|mlp\.[02])\.bias$/,
  values: {
    vocab_size: nMels === 80 ? 51865 : 51866,
    'encoder.mels_count': nMels,
    'encoder.context_length': 1500,
    'encoder.embedding_length': nEmbd,
    'encoder.attention.head_count': nHead,
    'encoder.block_count': nEncoder,
    'decoder.context_length': 448,
    'decoder.embedding_length': nEmbd,
    'decoder.attention.head_count': nHead,
    'decoder.block_count': nDecoder,
  },
});

const vit = (nEmbd: number, nHead: number, nLayer: number, patchSize = 16): Shape => ({
  arch: 'vit',
  optional: /class_embd$|\.bias$|^v\.post_ln\.weight$|attn_qkv\.weight$/,
  values: {
    image_size: 224,
    patch_size: patchSize,
    embedding_length: nEmbd,
    'attention.head_count': nHead,
    block_count: nLayer,
    feed_forward_length: 4 * nEmbd,
    'attention.layer_norm_epsilon': 1e-6,
    class_count: 1000,
  },
});

const deepseek2: Values = {
  'attention.layer_norm_rms_epsilon': 1e-6,
  'attention.kv_lora_rank': 512,
  'attention.key_length': 192,
  'attention.value_length': 128,
  'rope.dimension_count': 64,
  'rope.scaling.type': 'yarn',
  'rope.scaling.factor': 40,
  'rope.scaling.original_context_length': 4096,
  context_length: 163_840,
};

/** As published, each with the architecture that it is a shape of; the first of an architecture is its default. */
const shapes: Readonly<Record<string, Shape>> = {
  'llama-2-7b': {
    arch: 'llama',
    optional: untied,
    values: {
      ...llama,
      vocab_size: 32_000,
      embedding_length: 4096,
      block_count: 32,
      feed_forward_length: 11_008,
      'attention.head_count': 32,
    },
  },
  'llama-3-8b': {
    arch: 'llama',
    optional: untied,
    values: {
      ...llama,
      vocab_size: 128_256,
      embedding_length: 4096,
      block_count: 32,
      feed_forward_length: 14_336,
      'attention.head_count': 32,
      'attention.head_count_kv': 8,
      'rope.freq_base': 500_000,
      context_length: 8192,
    },
  },
  'tinyllama-1.1b': {
    arch: 'llama',
    optional: untied,
    values: {
      ...llama,
      vocab_size: 32_000,
      embedding_length: 2048,
      block_count: 22,
      feed_forward_length: 5632,
      'attention.head_count': 32,
      'attention.head_count_kv': 4,
      context_length: 2048,
    },
  },
  'mixtral-8x7b': {
    arch: 'llama',
    optional: untied,
    values: {
      ...llama,
      vocab_size: 32_000,
      embedding_length: 4096,
      block_count: 32,
      feed_forward_length: 14_336,
      'attention.head_count': 32,
      'attention.head_count_kv': 8,
      expert_count: 8,
      expert_used_count: 2,
      'rope.freq_base': 1_000_000,
      context_length: 32_768,
    },
  },
  'qwen2-0.5b': {
    arch: 'qwen2',
    optional: /attn_[qkv]\.bias$/,
    values: {
      ...llama,
      'attention.layer_norm_rms_epsilon': 1e-6,
      vocab_size: 151_936,
      embedding_length: 896,
      block_count: 24,
      feed_forward_length: 4864,
      'attention.head_count': 14,
      'attention.head_count_kv': 2,
      'rope.freq_base': 1_000_000,
      context_length: 32_768,
    },
  },
  'qwen3-0.6b': {
    arch: 'qwen3',
    values: {
      ...llama,
      'attention.layer_norm_rms_epsilon': 1e-6,
      vocab_size: 151_936,
      embedding_length: 1024,
      block_count: 28,
      feed_forward_length: 3072,
      'attention.head_count': 16,
      'attention.head_count_kv': 8,
      'attention.key_length': 128,
      'rope.freq_base': 1_000_000,
      context_length: 40_960,
    },
  },
  'deepseek-v3': {
    arch: 'deepseek2',
    optional: /^output\.weight$|attn_q_a\.weight$|exp_probs_b\.bias$/,
    values: {
      ...deepseek2,
      vocab_size: 129_280,
      embedding_length: 7168,
      block_count: 61,
      leading_dense_block_count: 3,
      feed_forward_length: 18_432,
      expert_feed_forward_length: 2048,
      expert_count: 256,
      expert_used_count: 8,
      expert_shared_count: 1,
      expert_group_count: 8,
      expert_group_used_count: 4,
      expert_gating_func: 2,
      expert_weights_norm: true,
      expert_weights_scale: 2.5,
      'attention.head_count': 128,
      'attention.q_lora_rank': 1536,
      'rope.scaling.yarn_log_multiplier': 0.1,
    },
  },
  'deepseek-v2-lite': {
    arch: 'deepseek2',
    optional: untied,
    values: {
      ...deepseek2,
      vocab_size: 102_400,
      embedding_length: 2048,
      block_count: 27,
      leading_dense_block_count: 1,
      feed_forward_length: 10_944,
      expert_feed_forward_length: 1408,
      expert_count: 64,
      expert_used_count: 6,
      expert_shared_count: 2,
      expert_gating_func: 1,
      'attention.head_count': 16,
      'rope.scaling.yarn_log_multiplier': 0.0707,
    },
  },
  'deepseek-moe-16b': {
    arch: 'deepseek',
    optional: untied,
    values: {
      ...llama,
      'attention.layer_norm_rms_epsilon': 1e-6,
      vocab_size: 102_400,
      embedding_length: 2048,
      block_count: 28,
      leading_dense_block_count: 1,
      feed_forward_length: 10_944,
      expert_feed_forward_length: 1408,
      expert_count: 64,
      expert_used_count: 6,
      expert_shared_count: 2,
      'attention.head_count': 16,
    },
  },
  'vit-base': vit(768, 12, 12),
  'vit-tiny': vit(192, 3, 12),
  'vit-small': vit(384, 6, 12),
  'vit-large': vit(1024, 16, 24),
  'whisper-tiny': whisper(384, 6, 4),
  'whisper-base': whisper(512, 8, 6),
  'whisper-small': whisper(768, 12, 12),
  'whisper-medium': whisper(1024, 16, 24),
  'whisper-large-v3': whisper(1280, 20, 32, 32, 128),
  'whisper-large-v3-turbo': whisper(1280, 20, 32, 4, 128),
};

/**
 * A model without a file.
 * @param arch an architecture, or the name of a shape; families' names stand for their best-known member
 * @param shape a shape's name, or changes to the default one: `block_count=2,expert_count=256`
 * @param type in which matrices would be stored
 * @throws UserError 'usage' for an unknown architecture, shape or type
 */
export const inventModel = (arch: string, shape: string | undefined, type: string): WeightSource => {
  const words = (shape ?? '').split(',').filter((word) => word !== '');
  const names = words.filter((word) => !word.includes('='));
  const chosen = shapeNamed(names.at(-1) ?? own(FAMILIES, arch) ?? arch);
  const values = { ...chosen.values, ...Object.fromEntries(words.filter((w) => w.includes('=')).map(setting)) };
  const prefixed = Object.entries(values).map(([key, value]) => [`${chosen.arch}.${key}`, value] as const);
  const metadata = new Map<string, MetadataValue>([['general.architecture', chosen.arch], ...prefixed]);
  const make = (name: string, dims: readonly number[]) => tensorOf(name, dims, type);
  const invented = { has: (name: string) => chosen.optional?.test(name) === true, make };
  return { metadata, tensors: new Map(placesOf(chosen.arch, values, make)), invented };
};

const FAMILIES: Readonly<Record<string, string>> = {
  llama: 'llama-2-7b',
  deepseek: 'deepseek-v3',
  vit: 'vit-base',
  whisper: 'whisper-base',
};

/** Whether a name stands for an architecture or a shape. */
export const isInvented = (name: string): boolean =>
  own(FAMILIES, name) !== undefined ||
  own(shapes, name) !== undefined ||
  Object.values(shapes).some(({ arch }) => arch === name);

const shapeNamed = (name: string): Shape => {
  const shape = own(shapes, name) ?? Object.values(shapes).find(({ arch }) => arch === name);
  if (shape) return shape;
  const known = Object.keys(shapes).join(', ');
  throw new UserError('usage', `there is no architecture or shape '${name}'`, `shapes are ${known}`);
};

const setting = (word: string): readonly [string, number | string | boolean] => {
  const [, key = '', text = ''] = /^([^=]*)=(.*)$/.exec(word) ?? [];
  if (text === 'true' || text === 'false') return [key, text === 'true'];
  const number = Number(text);
  return [key, text !== '' && Number.isFinite(number) ? number : text];
};

/** Positions of images: how many there are says whether the class token has one, so it is asked for before it is made. */
const placesOf = (
  arch: string,
  values: Values,
  make: (name: string, dims: readonly number[]) => StoredTensor,
): readonly (readonly [string, StoredTensor])[] => {
  if (arch !== 'vit') return [];
  const nPatch = (Number(values.image_size) / Number(values.patch_size)) ** 2;
  const name = 'v.position_embd.weight';
  return [[name, make(name, [1 + nPatch, Number(values.embedding_length)])]];
};

/** Vectors, and rows that are no whole number of blocks, are stored as numbers. */
const tensorOf = (name: string, shape: readonly number[], typeName: string): StoredTensor => {
  const [wanted, f32] = [typeOfName(typeName), typeOfName('f32')];
  if (!wanted || !f32)
    throw new UserError('usage', `there is no type '${typeName}'`, 'types are f32, f16, q8_0, q4_0, ...');
  const isMatrix = shape.length > 1 && (shape.at(-1) ?? 0) % wanted.blockSize === 0;
  return storedTensor({ name, type: isMatrix ? wanted : f32, shape }, () =>
    Promise.reject(
      new UserError('usage', `'${name}' has no values`, 'a model without a file cannot run; give one with -m'),
    ),
  );
};
