/** Folders of Hugging Face: `config.json`, `tokenizer.json` and weights of Whisper by transformers' names. */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import { isObject, JsonFields, readJsonObject } from '../json.ts';
import { own } from '../own.ts';

/** grafo's metadata from the JSON files of a folder. */
export const huggingFaceMetadata = async (folder: string): Promise<ReadonlyMap<string, MetadataValue>> => {
  const path = join(folder, 'config.json');
  const config = new JsonFields(await readJsonObject(path), path);
  const kind = config.text('model_type') ?? '';
  if (kind !== 'whisper')
    throw new UserError('model', `'${path}' is of a '${kind}' model`, 'grafo whisper runs whisper');
  const width = config.size('d_model');
  const stack = (side: 'encoder' | 'decoder', nCtx: string): [string, MetadataValue][] => [
    [`whisper.${side}.context_length`, config.size(nCtx)],
    [`whisper.${side}.embedding_length`, width],
    [`whisper.${side}.attention.head_count`, config.size(`${side}_attention_heads`)],
    [`whisper.${side}.block_count`, config.size(`${side}_layers`)],
  ];
  return new Map<string, MetadataValue>([
    ['general.architecture', 'whisper'],
    ['whisper.vocab_size', config.size('vocab_size')],
    ['whisper.encoder.mels_count', config.size('num_mel_bins')],
    ...stack('encoder', 'max_source_positions'),
    ...stack('decoder', 'max_target_positions'),
    ...(await vocabulary(folder)),
  ]);
};

/** Words and merges; what is added to them are the special tokens, whose ids are known. */
const vocabulary = async (folder: string): Promise<[string, MetadataValue][]> => {
  const path = join(folder, 'tokenizer.json');
  const { model } = await readJsonObject(path);
  if (!isObject(model) || !isObject(model.vocab) || !Array.isArray(model.merges))
    throw new UserError('model', `'${path}' has no vocabulary of words and merges`);
  const words: string[] = [];
  for (const [word, id] of Object.entries(model.vocab)) {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MAX_WORDS) words[id] = word;
  }
  const merges = model.merges.map((merge: unknown) => (Array.isArray(merge) ? merge.join(' ') : String(merge)));
  return [
    ['tokenizer.ggml.tokens', Array.from(words, (word) => word ?? '')],
    ['tokenizer.ggml.merges', merges],
  ];
};

/** Far beyond any vocabulary of Whisper. */
const MAX_WORDS = 1_000_000;

const TOP: Readonly<Record<string, string>> = {
  'encoder.embed_positions.weight': 'encoder.positional_embedding',
  'encoder.layer_norm': 'encoder.ln_post',
  'decoder.embed_positions.weight': 'decoder.positional_embedding',
  'decoder.embed_tokens': 'decoder.token_embedding',
  'decoder.layer_norm': 'decoder.ln',
};

const LAYER: Readonly<Record<string, string>> = {
  self_attn_layer_norm: 'attn_ln',
  encoder_attn_layer_norm: 'cross_attn_ln',
  final_layer_norm: 'mlp_ln',
  fc1: 'mlp.0',
  fc2: 'mlp.2',
  ...attention('self_attn', 'attn'),
  ...attention('encoder_attn', 'cross_attn'),
};

function attention(theirs: string, ours: string): Readonly<Record<string, string>> {
  const parts = { q_proj: 'query', k_proj: 'key', v_proj: 'value', out_proj: 'out' };
  return Object.fromEntries(Object.entries(parts).map(([from, to]) => [`${theirs}.${from}`, `${ours}.${to}`]));
}

/** OpenAI's name of a tensor of transformers; undefined for the output's matrix, which is the words' own. */
export const openAiName = (name: string): string | undefined => {
  const full = name.replace(/^model\./, '');
  if (full === 'proj_out.weight') return undefined;
  const known = own(TOP, full);
  if (known !== undefined) return known;
  const [, path = full, kind = ''] = /^(.*?)(\.weight|\.bias)?$/.exec(full) ?? [];
  const [, side, il, part = ''] = /^(encoder|decoder)\.layers\.(\d+)\.(.+)$/.exec(path) ?? [];
  const renamed = side === undefined ? own(TOP, path) : own(LAYER, part) && `${side}.blocks.${il}.${own(LAYER, part)}`;
  return renamed === undefined ? full : renamed + kind;
};
