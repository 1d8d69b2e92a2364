/** One model as a file of whisper.cpp, as GGUF and as a folder of Hugging Face: the same words, sizes and weights. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MetadataValue } from '../src/graph/weights.ts';
import { readWhisperWords } from '../src/io/text/whisper-words.ts';
import { writeWhisper } from '../src/io/whisper/convert.ts';
import { openAiName } from '../src/io/whisper/huggingface.ts';
import { openWhisper } from '../src/io/whisper/open.ts';
import { readModel } from '../src/models/definition.ts';
import { whisper } from '../src/models/whisper.ts';
import { fixture, nmse, scratch } from './fixtures.ts';

const nano = fixture('whisper/whisper-nano-q4_0.bin');

/** Every tensor as float32, by name. */
const decoded = async (path: string): Promise<ReadonlyMap<string, Float32Array>> => {
  const file = await openWhisper(path);
  try {
    readModel(whisper, file);
    const values = new Map<string, Float32Array>();
    for (const [name, tensor] of file.tensors) values.set(name, await tensor.decode());
    return values;
  } finally {
    await file.close();
  }
};

const words = (texts: readonly string[], merges?: readonly string[]) =>
  readWhisperWords(
    new Map<string, MetadataValue>([
      ['tokenizer.ggml.tokens', texts],
      ...(merges ? [['tokenizer.ggml.merges', merges] as const] : []),
    ]),
  );

describe('a model of whisper.cpp', () => {
  it.each([undefined, 'q4_0', 'f32'])('as GGUF (type: %s) has the same weights', async (type) => {
    const file = await openWhisper(nano);
    const out = join(scratch, `nano-${type}.gguf`);
    await writeWhisper(out, file, type);
    await file.close();
    const [ours, theirs] = [await decoded(out), await decoded(nano)];
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [name, values] of theirs) expect(ours.get(name), name).toEqual(values);
  });

  it('as GGUF of another type is as near as that type allows', async () => {
    const file = await openWhisper(nano);
    const out = join(scratch, 'nano-q8_0.gguf');
    await writeWhisper(out, file, 'q8_0');
    await file.close();
    const name = 'decoder.token_embedding.weight';
    const [ours, theirs] = [(await decoded(out)).get(name)!, (await decoded(nano)).get(name)!];
    expect(nmse(ours, theirs)).toBeGreaterThan(0);
    expect(nmse(ours, theirs)).toBeLessThan(1e-4);
  });

  it('as GGUF has the same words, sizes and filters', async () => {
    const out = join(scratch, 'nano-metadata.gguf');
    const file = await openWhisper(nano);
    await writeWhisper(out, file, undefined);
    const gguf = await openWhisper(out);
    for (const [key, value] of file.metadata) expect(gguf.metadata.get(key), key).toEqual(value);
    await Promise.all([file.close(), gguf.close()]);
  });
});

describe('a folder of Hugging Face', () => {
  it.each([
    ['model.encoder.conv1.weight', 'encoder.conv1.weight'],
    ['model.encoder.embed_positions.weight', 'encoder.positional_embedding'],
    ['model.encoder.layers.3.self_attn.k_proj.weight', 'encoder.blocks.3.attn.key.weight'],
    ['model.encoder.layers.0.self_attn_layer_norm.bias', 'encoder.blocks.0.attn_ln.bias'],
    ['model.encoder.layer_norm.weight', 'encoder.ln_post.weight'],
    ['model.decoder.layers.1.encoder_attn.out_proj.bias', 'decoder.blocks.1.cross_attn.out.bias'],
    ['model.decoder.layers.1.encoder_attn_layer_norm.weight', 'decoder.blocks.1.cross_attn_ln.weight'],
    ['model.decoder.layers.1.fc2.weight', 'decoder.blocks.1.mlp.2.weight'],
    ['model.decoder.layers.1.final_layer_norm.bias', 'decoder.blocks.1.mlp_ln.bias'],
    ['model.decoder.embed_tokens.weight', 'decoder.token_embedding.weight'],
    ['model.decoder.layer_norm.weight', 'decoder.ln.weight'],
    ['proj_out.weight', undefined],
  ])('calls %s what OpenAI calls %s', (theirs, ours) => {
    expect(openAiName(theirs)).toBe(ours);
  });

  /** The nano model as transformers would save it. */
  const saved = async (): Promise<string> => {
    const folder = join(scratch, 'whisper-nano-hf');
    mkdirSync(folder, { recursive: true });
    const file = await openWhisper(nano);
    const header: Record<string, unknown> = {};
    const parts: Buffer[] = [];
    let end = 0;
    for (const [name, tensor] of file.tensors) {
      const values = await tensor.decode();
      header[transformersName(name)] = {
        dtype: 'F32',
        shape: tensor.shape,
        data_offsets: [end, end + values.byteLength],
      };
      parts.push(Buffer.from(values.buffer));
      end += values.byteLength;
    }
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, text, ...parts]));
    const size = (key: string) => Number(file.metadata.get(`whisper.${key}`));
    const config = {
      model_type: 'whisper',
      vocab_size: size('vocab_size'),
      num_mel_bins: size('encoder.mels_count'),
      d_model: size('encoder.embedding_length'),
      encoder_layers: size('encoder.block_count'),
      encoder_attention_heads: size('encoder.attention.head_count'),
      decoder_layers: size('decoder.block_count'),
      decoder_attention_heads: size('decoder.attention.head_count'),
      max_source_positions: size('encoder.context_length'),
      max_target_positions: size('decoder.context_length'),
    };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    const tokens = file.metadata.get('tokenizer.ggml.tokens') as readonly string[];
    const model = { vocab: Object.fromEntries(tokens.map((word, id) => [word, id])), merges: ['a b', ['c', 'd']] };
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ model }));
    await file.close();
    return folder;
  };

  const transformersName = (name: string): string => {
    const layer = name
      .replace(/blocks\.(\d+)\./, 'layers.$1.')
      .replace('cross_attn_ln', 'encoder_attn_layer_norm')
      .replace('attn_ln', 'self_attn_layer_norm')
      .replace('mlp_ln', 'final_layer_norm')
      .replace(/\.cross_attn\./, '.encoder_attn.')
      .replace(/\.attn\./, '.self_attn.')
      .replace(/\.(query|key|value)\./, (_, part: string) => `.${part[0]}_proj.`)
      .replace('.out.', '.out_proj.')
      .replace('mlp.0', 'fc1')
      .replace('mlp.2', 'fc2')
      .replace('positional_embedding', 'embed_positions.weight')
      .replace('token_embedding', 'embed_tokens')
      .replace('ln_post', 'layer_norm')
      .replace('decoder.ln.', 'decoder.layer_norm.');
    return `model.${layer}`;
  };

  it('has the same weights and words as the file it was made of', async () => {
    const folder = await saved();
    const [ours, theirs] = [await decoded(folder), await decoded(nano)];
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [name, values] of theirs) expect(ours.get(name), name).toEqual(values);
    const [hf, cpp] = [await openWhisper(folder), await openWhisper(nano)];
    const tokens = 'tokenizer.ggml.tokens';
    // The file has bytes that are no characters as one and the same word; a vocabulary by words can have only one.
    const unique = (list: readonly string[]) => list.filter((word, id) => list.lastIndexOf(word) === id);
    const [ourWords, theirWords] = [hf, cpp].map(({ metadata }) => metadata.get(tokens) as readonly string[]);
    expect(ourWords!.filter((word) => word !== '')).toEqual(unique(theirWords!));
    expect(hf.metadata.get('tokenizer.ggml.merges')).toEqual(['a b', 'c d']);
    await Promise.all([hf.close(), cpp.close()]);
  });

  it('of another model is refused by name', async () => {
    const folder = await saved();
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: 'bert' }));
    await expect(openWhisper(folder)).rejects.toThrow("is of a 'bert' model");
  });
});

describe("Whisper's words", () => {
  const texts = ['a', 'b', 'Ġ', 'ab', 'Ġab', 'ä½', 'ł'];

  it('are taken longest first where there are no merges', () => {
    expect(words(texts).encode('ab aba')).toEqual([3, 4, 0]);
  });

  it('are merged by rank where there are merges', () => {
    expect(words(texts, ['Ġ a']).encode('ab')).toEqual([0, 1]);
    expect(words(texts, ['a b']).encode('ab')).toEqual([3]);
  });

  it('may be parts of characters', () => {
    const { bytes } = words(texts);
    expect(Buffer.concat([bytes(5), bytes(6)]).toString()).toBe('你');
    expect(bytes(99)).toHaveLength(0);
  });

  it('are found by their form', () => {
    expect(words(texts).matching(/^ ?ab$/u)).toEqual([3, 4]);
  });
});
