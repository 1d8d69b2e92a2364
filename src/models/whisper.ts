/** Whisper (Radford et al. 2022): an encoder of sound and a decoder of text, in four graphs that meet by name. */
import { attention, keyValue, queries, sharedAttention } from '../graph/blocks/attention.ts';
import { cached } from '../graph/blocks/cache.ts';
import { encoderLayer } from '../graph/blocks/encoder.ts';
import { ffn } from '../graph/blocks/ffn.ts';
import { norm } from '../graph/blocks/norm.ts';
import { causal, positionTable, unmasked } from '../graph/blocks/position.ts';
import { residual } from '../graph/blocks/residual.ts';
import { askedRows, textInputs } from '../graph/blocks/text.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import { add, gelu } from '../graph/ops/arithmetic.ts';
import { attendWeights } from '../graph/ops/attend.ts';
import { conv, sequence } from '../graph/ops/conv.ts';
import { linear } from '../graph/ops/matmul.ts';
import { rows } from '../graph/ops/select.ts';
import { concat, slice } from '../graph/ops/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { define } from './definition.ts';
import { expectHparam } from './expect-hparam.ts';
import { headsFor } from './transcribe/alignment-heads.ts';

const hparams = (m: Hparams) => {
  const h = {
    nVocab: m.int('vocab_size'),
    nMels: m.int('encoder.mels_count'),
    audio: stack(m, 'encoder'),
    text: stack(m, 'decoder'),
  };
  const { audio, text, nVocab } = h;
  expectHparam(audio.nEmbd === text.nEmbd, 'decoder.embedding_length', text.nEmbd, `the encoder's ${audio.nEmbd}`);
  return { ...h, alignmentHeads: headsFor({ ...text, nVocab }) };
};

const stack = (m: Hparams, side: 'encoder' | 'decoder') => {
  const nEmbd = m.int(`${side}.embedding_length`);
  const nHead = m.int(`${side}.attention.head_count`);
  expectHparam(nEmbd % nHead === 0, `${side}.attention.head_count`, nHead, `a divisor of embedding_length ${nEmbd}`);
  const nLayer = m.int(`${side}.block_count`);
  expectHparam(nLayer <= MAX_LAYERS, `${side}.block_count`, nLayer, `${MAX_LAYERS} at most`);
  return { nCtx: m.int(`${side}.context_length`), nEmbd, nHead, nLayer };
};

/** Far beyond any model. */
const MAX_LAYERS = 1000;

/** PyTorch's layer norm. */
const EPS = 1e-5;

export type WhisperHparams = ReturnType<typeof hparams>;

const weights = (w: Weights, h: WhisperHparams) => {
  const [encoder, decoder] = [w.at('encoder'), w.at('decoder')];
  const attn = (w: Weights, n: number) => ({
    q: w.linear('query', n, n),
    k: w.linear('key', n, n),
    v: w.linear('value', n, n),
    o: w.linear('out', n, n),
  });
  const layer = (w: Weights, n: number) => ({
    attnNorm: w.layerNorm('attn_ln', n, EPS),
    attn: attn(w.at('attn'), n),
    ffnNorm: w.layerNorm('mlp_ln', n, EPS),
    ffn: { up: w.linear('mlp.0', n, 4 * n), down: w.linear('mlp.2', 4 * n, n) },
  });
  const kernels = (name: string, nIn: number) => ({
    weight: encoder.tensor(`${name}.weight`, [h.audio.nEmbd, nIn, 3]),
    bias: encoder.tensor(`${name}.bias`, [h.audio.nEmbd]),
  });
  return {
    conv1: kernels('conv1', h.nMels),
    conv2: kernels('conv2', h.audio.nEmbd),
    audioPos: encoder.tensor('positional_embedding', [h.audio.nCtx, h.audio.nEmbd]),
    encoder: encoder.each('blocks', h.audio.nLayer, (w) => layer(w, h.audio.nEmbd)),
    audioNorm: encoder.layerNorm('ln_post', h.audio.nEmbd, EPS),
    tokEmbd: decoder.tensor('token_embedding.weight', [h.nVocab, h.text.nEmbd]),
    textPos: decoder.tensor('positional_embedding', [h.text.nCtx, h.text.nEmbd]),
    decoder: decoder.each('blocks', h.text.nLayer, (w) => ({
      ...layer(w, h.text.nEmbd),
      crossNorm: w.layerNorm('cross_attn_ln', h.text.nEmbd, EPS),
      cross: attn(w.at('cross_attn'), h.text.nEmbd),
    })),
    textNorm: decoder.layerNorm('ln', h.text.nEmbd, EPS),
  };
};

export type WhisperWeights = ReturnType<typeof weights>;

interface Whisper {
  readonly h: WhisperHparams;
  readonly w: WhisperWeights;
}

const convolution = (g: GraphBuilder, { h, w }: Whisper) => {
  const mel = g.input('mel', 'f32', ['W', h.nMels, 2 * h.audio.nCtx]);
  const x = gelu(g, conv(g, mel, w.conv1, { stride: 1, pad: 1 }));
  const y = gelu(g, conv(g, x, w.conv2, { stride: 2, pad: 1 })); // [W, nEmbd, nCtx]
  g.output('embd_conv', sequence(g, y));
};

const encoder = (g: GraphBuilder, { h: { audio }, w }: Whisper) => {
  const heard = g.input('embd_conv', 'f32', ['W', audio.nCtx, audio.nEmbd]);
  let x = add(g, heard, slice(g, g.weight(w.audioPos), 0, 0, audio.nCtx));
  w.encoder.forEach((b, il) => {
    x = g.scope(`encoder.${il}`, () => encoderLayer(g, x, b, audio.nHead));
  });
  g.output('embd_enc', norm(g, x, w.audioNorm));
};

const cross = (g: GraphBuilder, { h: { audio, text }, w }: Whisper) => {
  const heard = g.input('embd_enc', 'f32', ['W', audio.nCtx, audio.nEmbd]);
  w.decoder.forEach((b, il) => {
    const { k, v } = g.scope(`decoder.${il}`, () => keyValue(g, heard, { ...b.cross, nHead: text.nHead }));
    g.output(`cross_k.${il}`, k);
    g.output(`cross_v.${il}`, v);
  });
};

/** Keys and values of what was heard, as `cross` gives them: for W windows, which B sequences share evenly. */
const crossKeyValue = (g: GraphBuilder, { audio, text }: WhisperHparams, il: number) => {
  const heard = (name: string) => g.input(name, 'f32', ['W', text.nHead, audio.nCtx, text.nEmbd / text.nHead]);
  return { k: heard(`cross_k.${il}`), v: heard(`cross_v.${il}`) };
};

const decoder = (g: GraphBuilder, { h, w }: Whisper) => {
  const nHead = h.text.nHead;
  const { tokens, pos } = textInputs(g);
  let x = positionTable(g, rows(g, w.tokEmbd, tokens), w.textPos, pos); // [B, T, nEmbd]
  w.decoder.forEach((b, il) => {
    const heard = crossKeyValue(g, h, il);
    g.scope(`decoder.${il}`, () => {
      const a = norm(g, x, b.attnNorm);
      const said = cached(g, il, keyValue(g, a, { ...b.attn, nHead }), pos);
      x = residual(g, x, attention(g, a, { ...b.attn, kv: said, nHead, mask: causal(pos) }));
      const c = norm(g, x, b.crossNorm);
      x = residual(g, x, sharedAttention(g, c, { ...b.cross, kv: heard, nHead, mask: unmasked }));
      x = residual(g, x, ffn(g, norm(g, x, b.ffnNorm), { ...b.ffn, act: 'gelu' }));
    });
  });
  g.output('logits', linear(g, norm(g, askedRows(g, x), w.textNorm), { weight: w.tokEmbd }));
};

/** The decoder once more, over a whole text at once: how much each token looks at each moment, by the heads that tell. */
const alignment = (g: GraphBuilder, { h, w }: Whisper) => {
  const nHead = h.text.nHead;
  const { tokens, pos } = textInputs(g, 'W');
  let x: Tensor = positionTable(g, rows(g, w.tokEmbd, tokens), w.textPos, pos);
  const nLayer = 1 + Math.max(...h.alignmentHeads.map(({ layer }) => layer));
  w.decoder.slice(0, nLayer).forEach((b, il) => {
    const heard = crossKeyValue(g, h, il);
    g.scope(`decoder.${il}`, () => {
      const a = norm(g, x, b.attnNorm);
      const said = keyValue(g, a, { ...b.attn, nHead });
      x = residual(g, x, attention(g, a, { ...b.attn, kv: said, nHead, mask: causal(pos) }));
      const c = norm(g, x, b.crossNorm);
      const telling = h.alignmentHeads.filter(({ layer }) => layer === il);
      if (telling.length > 0) {
        const chosen = (heads: Tensor) =>
          concat(
            g,
            telling.map(({ head }) => slice(g, heads, 1, head, 1)),
            1,
          );
        const q = chosen(queries(g, c, { ...b.cross, nHead }));
        g.output(`looks.${il}`, attendWeights(g, q, chosen(heard.k))); // [W, telling heads, T, nCtx]
      }
      x = residual(g, x, attention(g, c, { ...b.cross, kv: heard, nHead, mask: unmasked }));
      x = residual(g, x, ffn(g, norm(g, x, b.ffnNorm), { ...b.ffn, act: 'gelu' }));
    });
  });
};

/** Sound to text, and when each word was said. */
export const whisper = define({
  arch: 'whisper',
  hparams,
  weights,
  graphs: { conv: convolution, encoder, cross, decoder, alignment },
});

/** The same model listening to shorter windows of `nCtx` positions of 20 ms (whisper.cpp's `exp_n_audio_ctx`). */
export const withAudioContext = (h: WhisperHparams, nCtx: number): WhisperHparams => ({
  ...h,
  audio: { ...h.audio, nCtx },
});
