/** A Vision Transformer as a GGUF file, with its preprocessing and its labels. */
import type { MetadataValue, StoredTensor, WeightSource } from '../../graph/weights.ts';
import type { TypedMetadata, TypedValue } from '../gguf/metadata.ts';
import { quantTypes } from '../gguf/quants/index.ts';
import { inType } from '../gguf/retyped.ts';
import { typeOfName } from '../gguf/types.ts';
import { writeGguf } from '../gguf/writer.ts';
import { own } from '../own.ts';

/** How each value is stored. */
const KEYS: Readonly<Record<string, (value: MetadataValue) => TypedValue>> = {
  'general.architecture': (value) => ({ type: 'string', value: String(value) }),
  'general.name': (value) => ({ type: 'string', value: String(value) }),
  'vit.image_size': u32,
  'vit.patch_size': u32,
  'vit.embedding_length': u32,
  'vit.block_count': u32,
  'vit.feed_forward_length': u32,
  'vit.class_count': u32,
  'vit.pooling_type': u32,
  'vit.attention.head_count': u32,
  'vit.attention.layer_norm_epsilon': (value) => ({ type: 'f32', value: Number(value) }),
  'vit.hidden_act': (value) => ({ type: 'string', value: String(value) }),
  'vit.image_mean': f32List,
  'vit.image_std': f32List,
  'vit.preprocess.interpolation': (value) => ({ type: 'string', value: String(value) }),
  'vit.preprocess.crop_mode': (value) => ({ type: 'string', value: String(value) }),
  // In float32 a part of 0.8 would be a little more, and 224 / 0.8 a pixel less.
  'vit.preprocess.crop_pct': (value) => ({ type: 'f64', value: Number(value) }),
  'vit.classifier.output_labels': (value) => ({ type: 'array', of: 'string', value: list(value).map(String) }),
};

function u32(value: MetadataValue): TypedValue {
  return { type: 'u32', value: Number(value) };
}

function f32List(value: MetadataValue): TypedValue {
  return { type: 'array', of: 'f32', value: list(value).map(Number) };
}

const list = (value: MetadataValue): readonly MetadataValue[] => (Array.isArray(value) ? value : [value]);

/** The types that matrices can be written in. */
export const convertTypes: readonly string[] = quantTypes.filter(({ encode }) => encode).map(({ name }) => name);

/**
 * Writes a model under grafo's keys and names. Matrices of layers and of the classifier get the type asked for, or
 * keep their own; where a row is no whole number of its blocks it is f16. Everything else is f32, except for the patch
 * embedding, which is f16 unless all is f32 or it was.
 * @throws UserError 'file' when the file cannot be written
 */
export const writeVit = async (path: string, source: WeightSource, typeName: string | undefined): Promise<void> => {
  const metadata: Record<string, TypedValue> = {};
  for (const [key, value] of source.metadata) {
    const store = own(KEYS, key);
    if (store) metadata[key] = store(value);
  }
  const tensors = [...source.tensors.values()].map((tensor) => inType(tensor, typeFor(tensor, typeName)));
  await writeGguf(path, { metadata: metadata satisfies TypedMetadata, tensors });
};

const MATRIX = /^v\.(blk\.\d+\.(attn|ffn)_\w+|head|head_dist)\.weight$/;

const typeFor = ({ name, type, shape }: StoredTensor, asked: string | undefined): string => {
  if (name === 'v.patch_embd.weight') return asked === 'f32' || (asked === undefined && type === 'f32') ? 'f32' : 'f16';
  if (!MATRIX.test(name)) return 'f32';
  const wanted = asked ?? type;
  const width = shape.at(-1) ?? 1;
  return width % (typeOfName(wanted)?.blockSize ?? 1) === 0 ? wanted : 'f16';
};
