/** Vision Transformers from Hugging Face folders and timm's safetensors: the same model as from vit.cpp's file. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { lower } from '../src/graph/lower/lower.ts';
import type { WeightSource } from '../src/graph/weights.ts';
import { openVitCpp } from '../src/io/ggml/vit.ts';
import { writeVit } from '../src/io/vit/convert.ts';
import { openVit } from '../src/io/vit/open.ts';
import { readModel } from '../src/models/definition.ts';
import { vit } from '../src/models/vit.ts';
import { distance, graphOf, noise, plain, runAll } from './cpu.ts';
import { fixture, scratch } from './fixtures.ts';

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

type Header = Record<string, { dtype?: string; shape?: readonly number[]; data_offsets?: readonly number[] }>;

/** A safetensors file; `change` may damage its header. */
const writeSafetensors = (
  path: string,
  entries: ReadonlyMap<string, Entry>,
  change: (header: Header) => unknown = (header) => header,
): string => {
  let at = 0;
  const header: Header = {};
  for (const [name, { dtype, shape, bytes }] of entries) {
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] };
  }
  const json = Buffer.from(JSON.stringify(change(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.concat([length, json, ...[...entries.values()].map(({ bytes }) => bytes)]));
  return path;
};

const top: Readonly<Record<string, readonly [timm: string, hf: string]>> = {
  'v.class_embd': ['cls_token', 'vit.embeddings.cls_token'],
  'v.position_embd.weight': ['pos_embed', 'vit.embeddings.position_embeddings'],
  'v.patch_embd': ['patch_embed.proj', 'vit.embeddings.patch_embeddings.projection'],
  'v.post_ln': ['norm', 'vit.layernorm'],
  'v.head': ['head', 'classifier'],
};
const parts: Readonly<Record<string, readonly [timm: string, hf: string]>> = {
  ln1: ['norm1', 'layernorm_before'],
  ln2: ['norm2', 'layernorm_after'],
  attn_out: ['attn.proj', 'attention.output.dense'],
  ffn_up: ['mlp.fc1', 'intermediate.dense'],
  ffn_down: ['mlp.fc2', 'output.dense'],
};

/** The fixture's tensors as timm and as transformers name and shape them. */
const named = async (source: WeightSource, kind: 'timm' | 'hf'): Promise<Map<string, Entry>> => {
  const which = kind === 'timm' ? 0 : 1;
  const entries = new Map<string, Entry>();
  for (const { name, type, shape, read } of source.tensors.values()) {
    const bytes = await read();
    const add = (name: string, from = 0, to = 1) =>
      entries.set(name, {
        dtype: type.toUpperCase(),
        shape:
          shape.length < 3 && /token|pos/.test(name)
            ? [1, ...(shape.length === 1 ? [1] : []), ...shape]
            : [shape[0]! * (to - from), ...shape.slice(1)],
        bytes: bytes.subarray(from * bytes.length, to * bytes.length),
      });
    const [, path = name, suffix = ''] = top[name] ? [] : (/^(.*?)(\.weight|\.bias)?$/.exec(name) ?? []);
    const [, il, part = ''] = /^v\.blk\.(\d+)\.(\w+)$/.exec(path) ?? [];
    if (il === undefined) add(top[path]![which] + suffix);
    else if (part !== 'attn_qkv')
      add(`${kind === 'timm' ? 'blocks' : 'vit.encoder.layer'}.${il}.${parts[part]![which]}${suffix}`);
    else if (kind === 'timm') add(`blocks.${il}.attn.qkv${suffix}`);
    else
      ['query', 'key', 'value'].forEach((word, i) => {
        add(`vit.encoder.layer.${il}.attention.attention.${word}${suffix}`, i / 3, (i + 1) / 3);
      });
  }
  return entries;
};

const config = {
  model_type: 'vit',
  image_size: 64,
  patch_size: 8,
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 256,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-6,
  id2label: Object.fromEntries(Array.from({ length: 12 }, (_, i) => [i, `class ${i}`])),
};

const json = (path: string, value: unknown): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(value));
};

let original: Awaited<ReturnType<typeof openVitCpp>>;
let timm: Map<string, Entry>;
let hf: Map<string, Entry>;
beforeAll(async () => {
  original = await openVitCpp(fixture('vit/vit-micro-f16.bin'));
  [timm, hf] = [await named(original, 'timm'), await named(original, 'hf')];
});

const image = noise([1, 3, 64, 64], 5);
const logits = async (source: WeightSource) => {
  const model = readModel(vit, source);
  const [outputs] = await runAll(
    lower(
      graphOf((g) => vit.graphs.classify(g, model)),
      plain,
      {},
    ),
    [{ image }],
  );
  return outputs!.logits!;
};

const expectSame = async (path: string) => {
  const file = await openVit(path);
  expect(distance(await logits(file), await logits(original))).toBeLessThan(1e-6);
  const { metadata } = file;
  await file.close();
  return metadata;
};

describe('the same answers as from the file of vit.cpp come from', () => {
  it("a folder of Hugging Face's, with its labels and its preprocessing", async () => {
    const folder = join(scratch, 'hf');
    writeSafetensors(join(folder, 'model.safetensors'), hf);
    json(join(folder, 'config.json'), config);
    json(join(folder, 'preprocessor_config.json'), {
      size: { height: 64, width: 64 },
      resample: 2,
      image_mean: [0.5, 0.4, 0.3],
    });
    const metadata = await expectSame(folder);
    expect(metadata.get('vit.classifier.output_labels')).toEqual(Object.values(config.id2label));
    expect(metadata.get('vit.preprocess.interpolation')).toBe('bilinear');
    expect(metadata.get('vit.preprocess.crop_mode')).toBe('squash');
    expect(metadata.get('vit.preprocess.crop_pct')).toBe(1);
    expect(metadata.get('vit.image_mean')).toEqual([0.5, 0.4, 0.3]);
  });

  it('a folder whose weights are in two files', async () => {
    const folder = join(scratch, 'hf-split');
    const all = [...hf];
    const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    writeSafetensors(join(folder, files[0]!), new Map(all.slice(0, 9)));
    writeSafetensors(join(folder, files[1]!), new Map(all.slice(9)));
    json(join(folder, 'config.json'), config);
    const weight_map = Object.fromEntries(all.map(([name], i) => [name, files[i < 9 ? 0 : 1]]));
    json(join(folder, 'model.safetensors.index.json'), { weight_map });
    await expectSame(folder);
  });

  it("timm's weights alone, whose sizes are those of their shapes", async () => {
    // Heads of 64 dimensions are timm's rule; this model has two of 32, so the page is asked with its own number.
    const file = await openVit(writeSafetensors(join(scratch, 'timm-alone', 'vit.safetensors'), timm));
    expect(Object.fromEntries(file.metadata)).toMatchObject({
      'vit.image_size': 64,
      'vit.patch_size': 8,
      'vit.embedding_length': 64,
      'vit.block_count': 2,
      'vit.feed_forward_length': 256,
      'vit.attention.head_count': 1,
      'vit.class_count': 12,
      'vit.pooling_type': 2,
    });
    const asTwo = { tensors: file.tensors, metadata: new Map(file.metadata).set('vit.attention.head_count', 2) };
    expect(distance(await logits(asTwo), await logits(original))).toBeLessThan(1e-6);
    await file.close();
  });

  it("timm's weights with the config.json of its hub", async () => {
    const folder = join(scratch, 'timm');
    writeSafetensors(join(folder, 'model.safetensors'), timm);
    json(join(folder, 'config.json'), {
      architecture: 'vit_micro',
      global_pool: 'token',
      pretrained_cfg: {
        mean: [0.1, 0.2, 0.3],
        std: [1, 1, 1],
        crop_pct: 0.95,
        interpolation: 'bicubic',
        crop_mode: 'center',
        label_names: ['a', 'b'],
      },
    });
    const file = await openVit(folder);
    expect(file.metadata.get('vit.preprocess.crop_pct')).toBe(0.95);
    expect(file.metadata.get('vit.image_mean')).toEqual([0.1, 0.2, 0.3]);
    expect(file.metadata.get('vit.classifier.output_labels')).toEqual(['a', 'b']);
    await file.close();
  });
});

describe('DeiT', () => {
  it('with both its heads has the mean of what they say', async () => {
    const folder = join(scratch, 'deit');
    const entries = new Map(
      [...hf].map(([name, entry]) => [name.replace(/^vit\./, 'deit.').replace(/^classifier/, 'cls_classifier'), entry]),
    );
    const zeros = (shape: readonly number[]): Entry => ({
      dtype: 'F32',
      shape,
      bytes: new Uint8Array(4 * shape.reduce((a, b) => a * b)),
    });
    entries.set('deit.embeddings.distillation_token', zeros([1, 1, 64]));
    entries.set('deit.embeddings.position_embeddings', zeros([1, 66, 64]));
    entries.set('distillation_classifier.weight', zeros([12, 64]));
    entries.set('distillation_classifier.bias', zeros([12]));
    writeSafetensors(join(folder, 'model.safetensors'), entries);
    json(join(folder, 'config.json'), { ...config, model_type: 'deit' });
    json(join(folder, 'preprocessor_config.json'), { size: 256, crop_size: 224, do_center_crop: true, resample: 3 });
    const file = await openVit(folder);
    const { w } = readModel(vit, file);
    expect([w.nToken, w.headDist === undefined]).toEqual([2, false]);
    expect(file.metadata.get('vit.preprocess.crop_pct')).toBe(224 / 256);
    expect(file.metadata.get('vit.preprocess.interpolation')).toBe('bicubic');
    await file.close();
  });
});

describe('a converted model', () => {
  it('has the keys that grafo reads, and no others, whatever they are called', async () => {
    const path = join(scratch, 'keys.gguf');
    const metadata = new Map([
      ['general.architecture', 'vit'],
      ['constructor', 'anybody'],
    ]);
    await writeVit(path, { metadata, tensors: new Map() }, undefined);
    const file = await openVit(path);
    await file.close();
    expect([...file.metadata]).toEqual([['general.architecture', 'vit']]);
  });
});

describe('a model is refused in one sentence when', () => {
  const refuse = (path: string, sentence: RegExp) =>
    expect(openVit(path)).rejects.toMatchObject({ kind: 'model', message: expect.stringMatching(sentence) });
  const folderWith = (name: string, changes: Readonly<Record<string, unknown>>): string => {
    const folder = join(scratch, name);
    writeSafetensors(join(folder, 'model.safetensors'), hf);
    json(join(folder, 'config.json'), { ...config, ...changes });
    return folder;
  };
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(scratch, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  };
  const header = (name: string, change: (header: Header) => unknown): string =>
    writeSafetensors(join(scratch, `${name}.safetensors`), timm, change);

  it.each<[string, () => string, RegExp]>([
    ['its folder has no weights', () => dirname(file('bare/readme.txt', '')), /has no model\.safetensors/],
    ['it is of another kind', () => folderWith('swin', { model_type: 'swin' }), /is of a 'swin' model/],
    [
      'its activation is unknown',
      () => folderWith('act', { hidden_act: 'relu6' }),
      /'hidden_act' of .* is "relu6", expected gelu/,
    ],
    [
      'its activation is a word that every table of JavaScript knows',
      () => folderWith('table', { hidden_act: 'constructor' }),
      /'hidden_act' of .* is "constructor", expected gelu/,
    ],
    [
      'a size is missing',
      () => folderWith('size', { hidden_size: undefined }),
      /'hidden_size' of .* is missing, expected a positive whole number/,
    ],
    [
      'a size is a text',
      () => folderWith('text', { patch_size: 'eight' }),
      /'patch_size' of .* is "eight", expected a number/,
    ],
    ['a file is too short', () => file('short.safetensors', 'abc'), /is no safetensors file/],
    [
      'its header is longer than the file',
      () => file('long.safetensors', Buffer.alloc(8, 9)),
      /is no safetensors file, or is cut in its header/,
    ],
    ['its header is a list', () => header('list', () => [1, 2]), /its header is no JSON object/],
    [
      'a tensor has no shape',
      () => header('shapeless', (h) => ({ ...h, cls_token: { dtype: 'F32' } })),
      /tensor 'cls_token' has no dtype, shape or data_offsets/,
    ],
    [
      'a type is not read',
      () => header('double', (h) => ({ ...h, cls_token: { ...h.cls_token, dtype: 'F64' } })),
      /tensor 'cls_token' has type F64, read are F32, F16, BF16/,
    ],
    [
      'bytes do not fit a shape',
      () => header('fit', (h) => ({ ...h, cls_token: { ...h.cls_token, shape: [1, 1, 63] } })),
      /tensor 'cls_token' has 256 bytes, its shape needs 252/,
    ],
    [
      'tensors overlap',
      () => header('overlap', (h) => ({ ...h, cls_token: { ...h.cls_token, data_offsets: [4, 260] } })),
      /begins at \d+, expected \d+/,
    ],
    [
      'a shape has no end',
      () => header('endless', (h) => ({ ...h, cls_token: { ...h.cls_token, shape: [2 ** 40, 2 ** 40] } })),
      /the whole file has \d+/,
    ],
    [
      'a name would steer the terminal',
      () => header('steer', (h) => ({ ...h, '\u001b[2J': h.cls_token })),
      /a tensor is called "\\u001b/,
    ],
  ])('%s', (_, path, sentence) => refuse(path(), sentence));
});
