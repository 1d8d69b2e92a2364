/** Writes a model as vit.cpp reads it, so that both run the same weights. */
import { open } from 'node:fs/promises';

const TYPE_IDS = { f32: 0, f16: 1 };
const TOP = {
  'v.class_embd': 'cls_token',
  'v.position_embd.weight': 'pos_embed',
  'v.patch_embd.weight': 'patch_embed.proj.weight',
  'v.patch_embd.bias': 'patch_embed.proj.bias',
  'v.post_ln.weight': 'norm.weight',
  'v.post_ln.bias': 'norm.bias',
  'v.head.weight': 'head.weight',
  'v.head.bias': 'head.bias',
};
const PART = {
  ln1: 'norm1',
  ln2: 'norm2',
  attn_qkv: 'attn.qkv',
  attn_out: 'attn.proj',
  ffn_up: 'mlp.fc1',
  ffn_down: 'mlp.fc2',
};

const nameOf = (name) =>
  TOP[name] ?? name.replace(/^v\.blk\.(\d+)\.(\w+)\./, (_, il, part) => `blocks.${il}.${PART[part]}.`);

/** Innermost first, with the axes of 1 that vit.cpp expects. */
const shapeOf = (name, shape) => {
  const ne = shape.toReversed();
  if (name === 'patch_embed.proj.bias') return [1, 1, ...ne, 1];
  if (name === 'cls_token') return [...ne, 1, 1];
  return name === 'pos_embed' ? [...ne, 1] : ne;
};

const i32 = (...values) => Buffer.from(Int32Array.from(values).buffer);

/** @param source weights under grafo's names, matrices and the patch embedding as f16 */
export const writeVitCpp = async (path, source) => {
  const int = (key) => Number(source.metadata.get(`vit.${key}`));
  const file = await open(path, 'w');
  const header = ['embedding_length', 'block_count', 'attention.head_count', 'class_count', 'patch_size', 'image_size'];
  await file.writeFile(Buffer.concat([Buffer.from('lmgg'), i32(...header.map(int), 1, int('class_count'))]));
  for (let id = 0; id < int('class_count'); id++) {
    const label = Buffer.from(`class ${id}`);
    await file.writeFile(Buffer.concat([i32(id, label.length), label]));
  }
  for (const tensor of source.tensors.values()) {
    const name = nameOf(tensor.name);
    const ne = shapeOf(name, tensor.shape);
    await file.writeFile(
      Buffer.concat([
        i32(ne.length, name.length, TYPE_IDS[tensor.type], ...ne),
        Buffer.from(name),
        await tensor.read(),
      ]),
    );
  }
  await file.close();
};
