/** Files of the old ggml format: what is read, and in which sentence damaged ones are refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openVitCpp } from '../src/io/ggml/vit.ts';
import { fixture, scratch } from './fixtures.ts';

const original = readFileSync(fixture('vit/vit-micro-f16.bin'));
/** Magic and seven numbers, then the labels. */
const LABELS = 4 + 7 * 4;

/** Where a tensor's header begins: three numbers, its dimensions, its name. */
const headerOf = (name: string, nDim: number): number => original.indexOf(name) - 4 * nDim - 12;

const changed = (change: (bytes: Buffer) => Buffer | undefined): string => {
  const bytes = Buffer.from(original);
  const path = join(scratch, 'changed.bin');
  writeFileSync(path, change(bytes) ?? bytes);
  return path;
};

describe('a model of vit.cpp', () => {
  it('gives its header under the keys of a GGUF file', async () => {
    const file = await openVitCpp(fixture('vit/vit-micro-f16.bin'));
    const { id2label } = JSON.parse(readFileSync(fixture('vit/tiny-5x3.json'), 'utf8'));
    expect(Object.fromEntries(file.metadata)).toEqual({
      'general.architecture': 'vit',
      'vit.image_size': 64,
      'vit.patch_size': 8,
      'vit.embedding_length': 64,
      'vit.block_count': 2,
      'vit.feed_forward_length': 256,
      'vit.attention.head_count': 2,
      'vit.attention.layer_norm_epsilon': 1e-6,
      'vit.class_count': 12,
      'vit.classifier.output_labels': Object.values(id2label),
    });
    await file.close();
  });

  it('gives its tensors under the names of vision encoders in GGUF files, without axes of one', async () => {
    const file = await openVitCpp(fixture('vit/vit-micro-f16.bin'));
    const shapes = Object.fromEntries([...file.tensors.values()].map((t) => [t.name, [t.type, ...t.shape]]));
    expect(Object.keys(shapes)).toHaveLength(8 + 12 * 2);
    expect(shapes).toMatchObject({
      'v.class_embd': ['f32', 64],
      'v.position_embd.weight': ['f32', 65, 64],
      'v.patch_embd.weight': ['f16', 64, 3, 8, 8],
      'v.patch_embd.bias': ['f32', 64],
      'v.blk.1.attn_qkv.weight': ['f16', 192, 64],
      'v.blk.1.attn_qkv.bias': ['f32', 192],
      'v.blk.1.ffn_down.weight': ['f16', 64, 256],
      'v.post_ln.weight': ['f32', 64],
      'v.head.weight': ['f16', 12, 64],
    });
    await file.close();
  });

  it('gives the bytes of a tensor wherever it lies, rows at a time', async () => {
    const file = await openVitCpp(fixture('vit/vit-micro-f16.bin'));
    const tensor = file.tensors.get('v.blk.0.attn_qkv.weight')!;
    const start = original.indexOf('blocks.0.attn.qkv.weight') + 'blocks.0.attn.qkv.weight'.length;
    expect(start % 2).toBe(0);
    expect(Buffer.from(await tensor.read({ from: 3, to: 5 }))).toEqual(original.subarray(start + 384, start + 640));
    await file.close();
  });

  it('may lack labels: a class without one is called by its number', async () => {
    const nine = (bytes: Buffer) => {
      // The label of class 1 becomes a second one of class 0.
      const at = bytes.indexOf('magpie') - 8;
      bytes.writeInt32LE(0, at);
      return undefined;
    };
    const file = await openVitCpp(changed(nine));
    const labels = file.metadata.get('vit.classifier.output_labels') as readonly string[];
    expect(labels.slice(0, 3)).toEqual(['magpie', 'LABEL_1', 'cheetah, chetah, Acinonyx jubatus']);
    await file.close();
  });
});

describe('a file of the old ggml format is refused in one sentence when', () => {
  const qkv = headerOf('blocks.0.attn.qkv.weight', 2);
  it.each<[string, (bytes: Buffer) => Buffer | undefined, RegExp]>([
    ['it is empty', () => Buffer.alloc(0), /is not a file of the old ggml format/],
    ['it has another magic', (b) => void b.write('GGUF'), /is not a file of the old ggml format/],
    ['it was cut in its header', (b) => b.subarray(0, 17), /num_classes \(4 bytes at 16\) goes beyond the end/],
    ['a size is zero', (b) => void b.writeInt32LE(0, 4), /hidden_size is 0, expected 1 to/],
    ['a size is negative', (b) => void b.writeInt32LE(-64, 8), /num_hidden_layers is -64, expected 1 to/],
    [
      'there are more labels than bytes',
      (b) => void b.writeInt32LE(1 << 20, LABELS),
      /class of label \d+ is|beyond the end/,
    ],
    ['a label is of no class', (b) => void b.writeInt32LE(12, LABELS + 4), /class of label 0 is 12, expected 0 to 11/],
    ['a label is too long', (b) => void b.writeInt32LE(-1, LABELS + 8), /length of label 0 is -1, expected 0 to/],
    ['it was cut in a tensor', (b) => b.subarray(0, -100), /tensor '[^']+' \(\d+ bytes at \d+\) goes beyond the end/],
    [
      "it was cut in a tensor's header",
      (b) => b.subarray(0, qkv + 6),
      /length of the name of the tensor after '[^']+'/,
    ],
    ['a tensor has five dimensions', (b) => void b.writeInt32LE(5, qkv), /number of dimensions of the tensor after/],
    ['a name is endless', (b) => void b.writeInt32LE(1e9, qkv + 4), /length of the name of .* is 1000000000/],
    ['a type is unknown', (b) => void b.writeInt32LE(99, qkv + 8), /'blocks\.0\.attn\.qkv\.weight': type 99/],
    ['a type was removed', (b) => void b.writeInt32LE(4, qkv + 8), /type 4 Q4_2 was removed from ggml/],
    ['an axis is negative', (b) => void b.writeInt32LE(-64, qkv + 12), /shape \[192, -64\] has an empty axis/],
    ['a tensor is larger than the file', (b) => void b.writeInt32LE(1 << 30, qkv + 16), /the whole file has \d+/],
    [
      'a tensor comes twice',
      (b) => Buffer.concat([b, b.subarray(qkv)]),
      /'blocks\.0\.attn\.qkv\.weight': appears twice/,
    ],
    ['a name would steer the terminal', (b) => void b.write('\x1b', qkv + 20), /the name of .* is "\\u001b/],
    [
      'bytes follow the last tensor',
      (b) => Buffer.concat([b, Buffer.alloc(3)]),
      /number of dimensions of the tensor after/,
    ],
  ])('%s', async (_, change, sentence) => {
    const refused = openVitCpp(changed(change));
    await expect(refused).rejects.toMatchObject({ kind: 'model', message: expect.stringMatching(sentence) });
  });
});
