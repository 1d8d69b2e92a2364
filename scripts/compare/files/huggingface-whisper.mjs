/** A Whisper as a folder of Hugging Face with ONNX files, after transformers' modeling_whisper.py and optimum's merge. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layersOf, readAll } from './huggingface-layers.mjs';
import { modelBytes, newModel } from './onnx.mjs';

/** PyTorch's layer norm. */
const EPS = 1e-5;

/**
 * Writes encoder and merged decoder in float32 and quantised: unsigned in the encoder, which has convolutions.
 * @param source weights under grafo's names
 */
export const exportWhisper = async (source, folder) => {
  const int = (key) => Number(source.metadata.get(`whisper.${key}`));
  const h = {
    nVocab: int('vocab_size'),
    nMels: int('encoder.mels_count'),
    nAudio: int('encoder.context_length'),
    nEmbd: int('encoder.embedding_length'),
    nHead: int('encoder.attention.head_count'),
    nEncoder: int('encoder.block_count'),
    nDecoder: int('decoder.block_count'),
  };
  const w = await readAll(source);
  const onnx = join(folder, 'onnx');
  await mkdir(onnx, { recursive: true });
  const config = {
    model_type: 'whisper',
    architectures: ['WhisperForConditionalGeneration'],
    is_encoder_decoder: true,
    vocab_size: h.nVocab,
    num_mel_bins: h.nMels,
    d_model: h.nEmbd,
    max_source_positions: h.nAudio,
    encoder_layers: h.nEncoder,
    encoder_attention_heads: h.nHead,
    decoder_layers: h.nDecoder,
    decoder_attention_heads: h.nHead,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'generation_config.json'), '{}');
  await writeFile(join(onnx, 'encoder_model.onnx'), encoder(h, w, 'f32'));
  await writeFile(join(onnx, 'encoder_model_quantized.onnx'), encoder(h, w, 'u8'));
  await writeFile(join(onnx, 'decoder_model_merged.onnx'), decoder(h, w, 'f32'));
  await writeFile(join(onnx, 'decoder_model_merged_quantized.onnx'), decoder(h, w, 'i8'));
};

/** The layers of a graph with weights found by their names. */
const namedLayers = (g, w, h, weights) => {
  const layers = layersOf(g, weights);
  const headDim = h.nEmbd / h.nHead;
  const linear = (x, name) => layers.linear(x, name, w.get(`${name}.weight`), w.get(`${name}.bias`));
  const norm = (x, name) => layers.norm(x, name, w.get(`${name}.weight`), w.get(`${name}.bias`), EPS);
  const heads = (x) => layers.heads(x, h.nHead, headDim);
  return {
    ...layers,
    norm,
    /** Keys and values of what is looked at. */
    keyValue: (x, at) => ({ k: heads(linear(x, `${at}.key`)), v: heads(linear(x, `${at}.value`)) }),
    attention(x, at, { k, v }, mask) {
      const q = g.node('Mul', [linear(x, `${at}.query`), g.f32(headDim ** -0.5)]);
      return linear(layers.attend(heads(q), k, v, h.nEmbd, mask), `${at}.out`);
    },
    ffn: (x, at) => linear(layers.gelu(linear(x, `${at}.0`)), `${at}.2`),
  };
};

const encoder = (h, w, weights) => {
  const g = newModel();
  const { tensor, convolution, gelu, transpose, norm, keyValue, attention, ffn } = namedLayers(g, w, h, weights);
  const conv = (x, name, stride) => {
    const bias = { ...w.get(`${name}.bias`), shape: [h.nEmbd] };
    return gelu(
      convolution(x, name, w.get(`${name}.weight`), bias, { kernel_shape: [3], strides: [stride], pads: [1, 1] }),
    );
  };
  const sound = conv(conv('input_features', 'encoder.conv1', 1), 'encoder.conv2', 2);
  const positions = tensor('encoder.positional_embedding', w.get('encoder.positional_embedding'));
  let x = g.node('Add', [transpose(sound, [0, 2, 1]), positions]);
  for (let il = 0; il < h.nEncoder; il++) {
    const at = `encoder.blocks.${il}`;
    const a = norm(x, `${at}.attn_ln`);
    x = g.node('Add', [x, attention(a, `${at}.attn`, keyValue(a, `${at}.attn`))]);
    x = g.node('Add', [x, ffn(norm(x, `${at}.mlp_ln`), `${at}.mlp`)]);
  }
  g.output(norm(x, 'encoder.ln_post'), 'last_hidden_state');
  return modelBytes(g, {
    inputs: [{ name: 'input_features', type: 'f32', shape: ['batch_size', h.nMels, 2 * h.nAudio] }],
    outputs: [{ name: 'last_hidden_state', type: 'f32', shape: ['batch_size', h.nAudio, h.nEmbd] }],
  });
};

/** One graph with two branches, which share their weights: the first step, and one more token after earlier ones. */
const decoder = (h, w, weights) => {
  const g = newModel();
  const states = Array.from({ length: h.nDecoder }, (_, il) =>
    ['decoder', 'encoder'].flatMap((side) => ['key', 'value'].map((kind) => ({ side, name: `${il}.${side}.${kind}` }))),
  ).flat();
  const headDim = h.nEmbd / h.nHead;
  const stateType = (prefix, { side, name }, length) => ({
    name: `${prefix}.${name}`,
    type: 'f32',
    shape: ['batch_size', h.nHead, side === 'encoder' ? 'encoder_sequence_length' : length, headDim],
  });
  const outputs = [
    { name: 'logits', type: 'f32', shape: ['batch_size', 'decoder_sequence_length', h.nVocab] },
    ...states.map((state) => stateType('present', state, 'present_sequence_length')),
  ];
  const branch = (suffix, build) => {
    const nodes = g.branch();
    const given = build(nodes);
    for (const [name, value] of Object.entries(given)) nodes.output(value, `${name}${suffix}`);
    return { nodes: nodes.nodes, outputs: outputs.map((o) => ({ ...o, name: `${o.name}${suffix}` })) };
  };
  const then = branch(' with past', (b) => decoderStep(b, h, namedLayers(b, w, h, weights), w, 'with past'));
  const otherwise = branch(' without', (b) => decoderStep(b, h, namedLayers(b, w, h, weights), w, 'without'));
  const values = g.node('If', ['use_cache_branch'], { then_branch: then, else_branch: otherwise }, outputs.length);
  for (const [i, { name }] of outputs.entries()) g.output(values[i], name);
  return modelBytes(g, {
    inputs: [
      { name: 'input_ids', type: 'i64', shape: ['batch_size', 'decoder_sequence_length'] },
      { name: 'encoder_hidden_states', type: 'f32', shape: ['batch_size', 'encoder_sequence_length', h.nEmbd] },
      ...states.map((state) => stateType('past_key_values', state, 'past_decoder_sequence_length')),
      { name: 'use_cache_branch', type: 'bool', shape: [1] },
    ],
    outputs,
  });
};

/** Logits and all states by the names that they have outside. */
const decoderStep = (g, h, layers, w, kind) => {
  const { tensor, rows, norm, keyValue, attention, ffn } = layers;
  const dimension = (value, i) => g.node('Slice', [g.node('Shape', [value]), g.i64([i]), g.i64([i + 1])]);
  const nToken = dimension('input_ids', 1);
  const from = kind === 'with past' ? dimension('past_key_values.0.decoder.key', 2) : g.i64([0]);
  const table = tensor('decoder.positional_embedding', w.get('decoder.positional_embedding'));
  const positions = g.node('Slice', [table, from, g.node('Add', [from, nToken]), g.i64([0])]);
  const embedding = w.get('decoder.token_embedding.weight');
  let x = g.node('Add', [rows(embedding, 'decoder.token_embedding', 'input_ids'), positions]);
  // The export was traced with one token after earlier ones, and so has no mask there.
  const mask = kind === 'without' ? causalMask(g, nToken) : undefined;

  const present = {};
  const keep = (il, side, { k, v }) => {
    present[`present.${il}.${side}.key`] = k;
    present[`present.${il}.${side}.value`] = v;
    return { k, v };
  };
  const past = (il, side) => ({
    k: `past_key_values.${il}.${side}.key`,
    v: `past_key_values.${il}.${side}.value`,
  });
  // What was heard stays as it is: the merged graph gives nothing in its place, and transformers.js keeps what it had.
  const nothing = g.constant('nothing', 'f32', [0, h.nHead, 1, h.nEmbd / h.nHead], () => new Float32Array());
  const append = (il, { k, v }) => {
    const before = past(il, 'decoder');
    return { k: g.node('Concat', [before.k, k], { axis: 2 }), v: g.node('Concat', [before.v, v], { axis: 2 }) };
  };
  for (let il = 0; il < h.nDecoder; il++) {
    const at = `decoder.blocks.${il}`;
    const a = norm(x, `${at}.attn_ln`);
    const now = keyValue(a, `${at}.attn`);
    const said = keep(il, 'decoder', kind === 'with past' ? append(il, now) : now);
    x = g.node('Add', [x, attention(a, `${at}.attn`, said, mask)]);

    const c = norm(x, `${at}.cross_attn_ln`);
    const isFirst = kind === 'without';
    const heard = isFirst ? keyValue('encoder_hidden_states', `${at}.cross_attn`) : past(il, 'encoder');
    keep(il, 'encoder', isFirst ? heard : { k: nothing, v: nothing });
    x = g.node('Add', [x, attention(c, `${at}.cross_attn`, heard)]);
    x = g.node('Add', [x, ffn(norm(x, `${at}.mlp_ln`), `${at}.mlp`)]);
  }
  const logits = layers.linear(norm(x, 'decoder.ln'), 'proj_out', embedding);
  return { logits, ...present };
};

/** `[T, T]`: 0 where a token may look, the least float32 where it may not. */
const causalMask = (g, nToken) => {
  const scalar = (value) => g.constant(`i64 scalar ${value}`, 'i64', [], () => BigInt64Array.of(BigInt(value)));
  const n = g.node('Squeeze', [nToken, g.i64([0])]);
  const ids = g.node('Range', [scalar(0), n, scalar(1)]);
  const isLater = g.node('Less', [g.node('Unsqueeze', [ids, g.i64([1])]), ids]);
  return g.node('Where', [isLater, g.f32(-3.4028234663852886e38), g.f32(0)]);
};
