/** A ViT as a folder of Hugging Face with ONNX files, after transformers' modeling_vit.py: what transformers.js loads. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layersOf, readAll, rowsOf } from './huggingface-layers.mjs';
import { modelBytes, newModel } from './onnx.mjs';

/** Writes `onnx/model.onnx` in float32 and `onnx/model_quantized.onnx`. @param source weights under grafo's names */
export const exportVit = async (source, folder) => {
  const int = (key) => Number(source.metadata.get(`vit.${key}`));
  const h = {
    nEmbd: int('embedding_length'),
    nHead: int('attention.head_count'),
    nLayer: int('block_count'),
    nClass: int('class_count'),
    patchSize: int('patch_size'),
    imageSize: int('image_size'),
    eps: Number(source.metadata.get('vit.attention.layer_norm_epsilon')),
  };
  const w = await readAll(source);
  await mkdir(join(folder, 'onnx'), { recursive: true });
  const config = {
    model_type: 'vit',
    architectures: ['ViTForImageClassification'],
    hidden_size: h.nEmbd,
    num_hidden_layers: h.nLayer,
    num_attention_heads: h.nHead,
    image_size: h.imageSize,
    patch_size: h.patchSize,
    id2label: Object.fromEntries(Array.from({ length: h.nClass }, (_, i) => [i, `class ${i}`])),
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'onnx', 'model.onnx'), classifier(h, w, 'f32'));
  await writeFile(join(folder, 'onnx', 'model_quantized.onnx'), classifier(h, w, 'u8'));
};

const classifier = (h, w, weights) => {
  const g = newModel();
  const { tensor, linear, convolution, norm, gelu, heads, attend, reshape, transpose } = layersOf(g, weights);
  const get = (name) => w.get(`v.${name}`);
  const linearOf = (x, name) => linear(x, name, get(`${name}.weight`), get(`${name}.bias`));
  const normOf = (x, name) => norm(x, name, get(`${name}.weight`), get(`${name}.bias`), h.eps);

  const strides = [h.patchSize, h.patchSize];
  const patch = [get('patch_embd.weight'), get('patch_embd.bias')];
  const patches = convolution('pixel_values', 'patch_embd', ...patch, { kernel_shape: strides, strides });
  const sequence = transpose(reshape(patches, [0, h.nEmbd, -1]), [0, 2, 1]);
  const batch = g.node('Slice', [g.node('Shape', ['pixel_values']), g.i64([0]), g.i64([1])]);
  const shape = g.node('Concat', [batch, g.i64([1]), g.i64([h.nEmbd])], { axis: 0 });
  const classToken = tensor('class_embd', { ...get('class_embd'), shape: [1, 1, h.nEmbd] });
  const tokens = g.node('Concat', [g.node('Expand', [classToken, shape]), sequence], { axis: 1 });
  let x = g.node('Add', [tokens, tensor('position_embd', get('position_embd.weight'))]);

  const headDim = h.nEmbd / h.nHead;
  for (let il = 0; il < h.nLayer; il++) {
    const at = `blk.${il}`;
    const a = normOf(x, `${at}.ln1`);
    // transformers has three matrices where timm has one.
    const [q, k, v] = ['query', 'key', 'value'].map((part, i) => {
      const rows = [i * h.nEmbd, (i + 1) * h.nEmbd];
      const [weight, bias] = ['weight', 'bias'].map((kind) => rowsOf(get(`${at}.attn_qkv.${kind}`), ...rows));
      return heads(linear(a, `${at}.${part}`, weight, bias), h.nHead, headDim);
    });
    const y = attend(g.node('Mul', [q, g.f32(headDim ** -0.5)]), k, v, h.nEmbd);
    x = g.node('Add', [linearOf(y, `${at}.attn_out`), x]);
    const up = gelu(linearOf(normOf(x, `${at}.ln2`), `${at}.ffn_up`));
    x = g.node('Add', [linearOf(up, `${at}.ffn_down`), x]);
  }
  const summary = g.node('Gather', [normOf(x, 'post_ln'), g.constant('first', 'i64', [], () => BigInt64Array.of(0n))], {
    axis: 1,
  });
  g.output(linearOf(summary, 'head'), 'logits');
  return modelBytes(g, {
    inputs: [{ name: 'pixel_values', type: 'f32', shape: ['batch_size', 3, h.imageSize, h.imageSize] }],
    outputs: [{ name: 'logits', type: 'f32', shape: ['batch_size', h.nClass] }],
  });
};
