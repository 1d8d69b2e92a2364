/**
 * Weights nobody trained: any tensor list as a source of random weights, the same for the same names on every machine.
 * Benchmarks and memory tests need shapes, not sense, and no download.
 */
import type { StoredTensor, WeightSource } from '../graph/weights.ts';
import { plainValues, type TypedMetadata } from './gguf/metadata.ts';
import { findMixture, typesOf } from './gguf/mixture.ts';
import { floatToHalf } from './gguf/quants/half.ts';
import { q4_0 } from './gguf/quants/q4_0.ts';
import { q4_k } from './gguf/quants/q4_k.ts';
import { q5_0 } from './gguf/quants/q5_0.ts';
import { q5_k } from './gguf/quants/q5_k.ts';
import { q6_k } from './gguf/quants/q6_k.ts';
import { q8_0 } from './gguf/quants/q8_0.ts';
import type { QuantType } from './gguf/quants/quant.ts';
import { storedTensor } from './gguf/stored.ts';
import { typeOfName } from './gguf/types.ts';

/** A tensor to make up; the shape is outermost axis first. */
export interface RandomTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** 'f32', 'f16', 'bf16', 'q4_0', 'q5_0', 'q8_0', 'q4_k', 'q5_k' or 'q6_k'. */
  readonly type: string;
}

export interface RandomModel {
  readonly metadata: TypedMetadata;
  readonly tensors: readonly RandomTensor[];
}

/** About what training leaves behind in a matrix of a few thousand columns. */
const STD = 0.02;

/**
 * A source of random weights: mean 0 and standard deviation about 0.02 (0.024 in the float types), except for vectors
 * of f32 that are no biases: those are norms and lie between 1 and 1.06. Every row is seeded by its tensor's name and its number.
 */
export const randomSource = ({ metadata, tensors }: RandomModel): WeightSource => ({
  metadata: plainValues(metadata),
  tensors: new Map(tensors.map((tensor) => [tensor.name, randomTensor(tensor)])),
});

/** One tensor of such a source. */
export const randomTensor = ({ name, shape, type: typeName }: RandomTensor): StoredTensor => {
  const type = typeOfName(typeName);
  const isNorm = shape.length === 1 && typeName === 'f32' && !name.endsWith('.bias');
  const toWeights = isNorm ? normBits : weightBits[typeName];
  if (!type || !toWeights) throw new TypeError(`tensor '${name}': there are no random weights of type '${typeName}'`);
  const seed = hash(name);
  return storedTensor({ name, type, shape }, async ({ from, to }, rowBytes) => {
    const bytes = new Uint8Array((to - from) * rowBytes);
    const words = new Uint32Array(Math.ceil(rowBytes / 4));
    const row = new Uint8Array(words.buffer, 0, rowBytes);
    for (let i = from; i < to; i++) {
      fillRandom(words, seed + i);
      toWeights(words, row);
      bytes.set(row, (i - from) * rowBytes);
    }
    return bytes;
  });
};

/** FNV-1a over UTF-16 units. */
const hash = (name: string): number => {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h;
};

/** Marsaglia's xorshift32; the seed goes through the finaliser of MurmurHash3 so that neighbours have nothing in common. */
const fillRandom = (words: Uint32Array, seed: number): void => {
  let x = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  x = x ^ (x >>> 16) || 1; // zero would stay zero
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
};

/** Turns a row of random bits into a row of a type, in place: both arguments are the same memory. */
type ToWeights = (words: Uint32Array, bytes: Uint8Array) => void;

/** Keeps `keep` of every word and sets `set`: random signs and fractions under a fixed exponent need no arithmetic. */
const masked =
  (keep: number, set: number): ToWeights =>
  (words) => {
    for (let i = 0; i < words.length; i++) words[i] = (words[i]! & keep) | set;
  };

/**
 * Random integers are the blocks' own bits; only the scale is set, to ±d, since the integers of ggml lean to below 0.
 * @param at where in a block the scale is
 */
const scaled = ({ blockBytes }: QuantType, d: number, at = 0): ToWeights => {
  const half = floatToHalf(d);
  return (_, bytes) => {
    for (let i = at; i < bytes.length; i += blockBytes) {
      bytes[i] = half;
      bytes[i + 1] = (half >> 8) | (bytes[i + 1]! & 0x80);
    }
  };
};

/** The same with minima, of half the steps there are: then values lie evenly about 0. */
const scaledAbove = ({ blockBytes }: QuantType, d: number, mostInteger: number): ToWeights => {
  const [scale, minimum] = [floatToHalf(d), floatToHalf((d * mostInteger) / 2)];
  return (_, bytes) => {
    for (let i = 0; i < bytes.length; i += blockBytes) {
      bytes[i] = scale;
      bytes[i + 1] = scale >> 8;
      bytes[i + 2] = minimum;
      bytes[i + 3] = minimum >> 8;
    }
  };
};

/** From 1 to 1.0625. */
const normBits = masked(0x0007ffff, 0x3f800000);

// Exponent -6: magnitudes between 1/64 and 1/32. Nibbles of -8 to 7 have a root mean square of 4.64, five bits of 9.24, bytes
// of 73.9, six bits about 0 of 18.5; scale times nibble less minimum of Q4_K has one of 260, of Q5_K of 540.
const weightBits: Readonly<Record<string, ToWeights>> = {
  f32: masked(0x807fffff, 0x3c800000),
  f16: masked(0x83ff83ff, 0x24002400),
  bf16: masked(0x807f807f, 0x3c803c80),
  q4_0: scaled(q4_0, STD / 4.64),
  q5_0: scaled(q5_0, STD / 9.24),
  q8_0: scaled(q8_0, STD / 73.9),
  q4_k: scaledAbove(q4_k, STD / 260, 15),
  q5_k: scaledAbove(q5_k, STD / 540, 31),
  q6_k: scaled(q6_k, STD / (73.9 * 18.5), 208),
};

/** The types there are random weights of. */
export const randomTypes: ReadonlySet<string> = new Set(Object.keys(weightBits));

/** The sizes of a model of architecture `llama`. */
export interface LlamaShape {
  readonly nLayer: number;
  readonly nEmbd: number;
  readonly nHead: number;
  readonly nHeadKv: number;
  readonly nFf: number;
  readonly nVocab: number;
  readonly nCtx: number;
  /** Of the matrices, or the mixture of their types: 'q4_0', 'q4_k_m'; norms are f32. */
  readonly type: string;
}

/** TinyLlama 1.1B without its type: the smallest llama whose speed says something about larger ones. */
export const tinyLlama: Omit<LlamaShape, 'type'> = {
  nLayer: 22,
  nEmbd: 2048,
  nHead: 32,
  nHeadKv: 4,
  nFf: 5632,
  nVocab: 32000,
  nCtx: 2048,
};

/**
 * Metadata and tensors of a llama model of these sizes, complete enough for llama.cpp to load: keys and names as its
 * converter writes them, and a vocabulary of bytes and filler.
 */
export const llamaShape = (s: LlamaShape): RandomModel => {
  const matrix = (name: string, nIn: number, nOut: number): RandomTensor => ({
    name,
    shape: [nOut, nIn],
    type: s.type,
  });
  const norm = (name: string): RandomTensor => ({ name, shape: [s.nEmbd], type: 'f32' });
  const nKv = (s.nEmbd / s.nHead) * s.nHeadKv;
  const layer = (il: number) => [
    norm(`blk.${il}.attn_norm.weight`),
    matrix(`blk.${il}.attn_q.weight`, s.nEmbd, s.nEmbd),
    matrix(`blk.${il}.attn_k.weight`, s.nEmbd, nKv),
    matrix(`blk.${il}.attn_v.weight`, s.nEmbd, nKv),
    matrix(`blk.${il}.attn_output.weight`, s.nEmbd, s.nEmbd),
    norm(`blk.${il}.ffn_norm.weight`),
    matrix(`blk.${il}.ffn_gate.weight`, s.nEmbd, s.nFf),
    matrix(`blk.${il}.ffn_up.weight`, s.nEmbd, s.nFf),
    matrix(`blk.${il}.ffn_down.weight`, s.nFf, s.nEmbd),
  ];
  return {
    metadata: {
      'general.architecture': { type: 'string', value: 'llama' },
      'general.name': { type: 'string', value: 'random' },
      'general.quantization_version': { type: 'u32', value: 2 },
      'llama.context_length': { type: 'u32', value: s.nCtx },
      'llama.embedding_length': { type: 'u32', value: s.nEmbd },
      'llama.block_count': { type: 'u32', value: s.nLayer },
      'llama.feed_forward_length': { type: 'u32', value: s.nFf },
      'llama.attention.head_count': { type: 'u32', value: s.nHead },
      'llama.attention.head_count_kv': { type: 'u32', value: s.nHeadKv },
      'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
      'llama.rope.dimension_count': { type: 'u32', value: s.nEmbd / s.nHead },
      'llama.vocab_size': { type: 'u32', value: s.nVocab },
      ...fillerVocabulary(s.nVocab),
    },
    tensors: mixed(s.type, [
      matrix('token_embd.weight', s.nEmbd, s.nVocab),
      ...Array.from({ length: s.nLayer }, (_, il) => layer(il)).flat(),
      norm('output_norm.weight'),
      matrix('output.weight', s.nEmbd, s.nVocab),
    ]),
  };
};

/** The tensors with the types of a mixture; as they are where `type` names none of several types. */
export const mixed = (type: string, tensors: readonly RandomTensor[], nExpert = 0): readonly RandomTensor[] => {
  const mixture = /_[ms]$/.test(type) ? findMixture(type) : undefined;
  if (!mixture) return tensors;
  const types = typesOf(tensors, mixture, { isPure: false, nExpert });
  return tensors.map((tensor) => ({ ...tensor, type: types.get(tensor.name) ?? tensor.type }));
};

/** The sizes of a model of architecture `vit`, whose head size is 64 and whose images are of 224 pixels. */
export interface VitShape {
  readonly nLayer: number;
  readonly nEmbd: number;
  readonly nClass: number;
  /** Of the matrices; all else is f32. */
  readonly type: string;
}

/** The shapes that papers call ViT-Ti, ViT-S and ViT-B with patches of 16 pixels, without their type. */
export const vitSizes: Readonly<Record<'tiny' | 'small' | 'base', Omit<VitShape, 'type'>>> = {
  tiny: { nLayer: 12, nEmbd: 192, nClass: 1000 },
  small: { nLayer: 12, nEmbd: 384, nClass: 1000 },
  base: { nLayer: 12, nEmbd: 768, nClass: 1000 },
};

const VIT_IMAGE = 224;
const VIT_PATCH = 16;

/** Metadata and tensors of a Vision Transformer of these sizes. */
export const vitShape = ({ nLayer, nEmbd, nClass, type }: VitShape): RandomModel => {
  const nFf = 4 * nEmbd;
  const u32 = (value: number) => ({ type: 'u32', value }) as const;
  const tensor = (name: string, shape: readonly number[], type = 'f32'): RandomTensor => ({ name, shape, type });
  const linear = (name: string, nIn: number, nOut: number) => [
    tensor(`${name}.weight`, [nOut, nIn], type),
    tensor(`${name}.bias`, [nOut]),
  ];
  const norm = (name: string) => [tensor(`${name}.weight`, [nEmbd]), tensor(`${name}.bias`, [nEmbd])];
  const layer = (il: number) => [
    ...norm(`v.blk.${il}.ln1`),
    ...linear(`v.blk.${il}.attn_qkv`, nEmbd, 3 * nEmbd),
    ...linear(`v.blk.${il}.attn_out`, nEmbd, nEmbd),
    ...norm(`v.blk.${il}.ln2`),
    ...linear(`v.blk.${il}.ffn_up`, nEmbd, nFf),
    ...linear(`v.blk.${il}.ffn_down`, nFf, nEmbd),
  ];
  return {
    metadata: {
      'general.architecture': { type: 'string', value: 'vit' },
      'vit.image_size': u32(VIT_IMAGE),
      'vit.patch_size': u32(VIT_PATCH),
      'vit.embedding_length': u32(nEmbd),
      'vit.block_count': u32(nLayer),
      'vit.feed_forward_length': u32(nFf),
      'vit.class_count': u32(nClass),
      'vit.attention.head_count': u32(nEmbd / 64),
      'vit.attention.layer_norm_epsilon': { type: 'f32', value: 1e-6 },
    },
    tensors: [
      tensor('v.patch_embd.weight', [nEmbd, 3, VIT_PATCH, VIT_PATCH], 'f16'),
      tensor('v.patch_embd.bias', [nEmbd]),
      tensor('v.class_embd', [nEmbd]),
      tensor('v.position_embd.weight', [1 + (VIT_IMAGE / VIT_PATCH) ** 2, nEmbd]),
      ...Array.from({ length: nLayer }, (_, il) => layer(il)).flat(),
      ...norm('v.post_ln'),
      ...linear('v.head', nEmbd, nClass),
    ].flat(),
  };
};

/** Token types of llama.cpp (`llama_token_type`). */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;

/** A vocabulary for the SentencePiece tokenizer: `<unk> <s> </s>`, the 256 bytes, the space, then words `▁w260` and so on. */
export const fillerVocabulary = (nVocab: number): TypedMetadata => {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const fixed = ['<unk>', '<s>', '</s>', ...bytes, '▁'];
  const types = [UNKNOWN, CONTROL, CONTROL, ...bytes.map(() => BYTE)];
  if (nVocab < fixed.length) throw new RangeError(`a vocabulary has at least ${fixed.length} tokens, not ${nVocab}`);
  const each = <T>(make: (id: number) => T) => Array.from({ length: nVocab }, (_, id) => make(id));
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'llama' },
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: each((id) => fixed[id] ?? `▁w${id}`) },
    'tokenizer.ggml.scores': { type: 'array', of: 'f32', value: each((id) => Math.min(0, fixed.length - id)) },
    'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: each((id) => types[id] ?? NORMAL) },
    'tokenizer.ggml.unknown_token_id': { type: 'u32', value: 0 },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: 1 },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: 2 },
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: true },
    'tokenizer.ggml.add_eos_token': { type: 'bool', value: false },
  };
};
