/** Writes a model with random weights as whisper.cpp reads it, so that both programs run the same file. */
import { open } from 'node:fs/promises';
import { slaneyFilters } from '../../../dist/io/audio/mel.js';
import { floatToHalf } from '../../../dist/io/gguf/quants/half.js';

const N_VOCAB = 51_864;
const N_MELS = 80;
const F32 = 0;
const F16 = 1;

const i32 = (...values) => Buffer.from(Int32Array.from(values).buffer);

/** xorshift32; between -1 and 1. */
const randomOf = (seed) => {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x | 0) / 2 ** 31;
  };
};

/** Names, shapes outermost first, and types of all tensors. */
const tensorsOf = (n, nLayer) => {
  const tensors = [];
  const add = (name, shape, type = F32) => tensors.push({ name, shape, type });
  const linear = (name, nOut, nIn, hasBias = true) => {
    add(`${name}.weight`, [nOut, nIn], F16);
    if (hasBias) add(`${name}.bias`, [nOut]);
  };
  const norm = (name) => {
    add(`${name}.weight`, [n]);
    add(`${name}.bias`, [n]);
  };
  const attention = (name) => {
    for (const part of ['query', 'key', 'value', 'out']) linear(`${name}.${part}`, n, n, part !== 'key');
  };
  add('encoder.positional_embedding', [1500, n]);
  add('encoder.conv1.weight', [n, N_MELS, 3], F16);
  add('encoder.conv1.bias', [n, 1]);
  add('encoder.conv2.weight', [n, n, 3], F16);
  add('encoder.conv2.bias', [n, 1]);
  norm('encoder.ln_post');
  add('decoder.positional_embedding', [448, n]);
  add('decoder.token_embedding.weight', [N_VOCAB, n], F16);
  norm('decoder.ln');
  for (const side of ['encoder', 'decoder']) {
    for (let il = 0; il < nLayer; il++) {
      const at = `${side}.blocks.${il}`;
      norm(`${at}.attn_ln`);
      attention(`${at}.attn`);
      if (side === 'decoder') {
        norm(`${at}.cross_attn_ln`);
        attention(`${at}.cross_attn`);
      }
      norm(`${at}.mlp_ln`);
      linear(`${at}.mlp.0`, 4 * n, n);
      linear(`${at}.mlp.2`, n, 4 * n);
    }
  }
  return tensors;
};

/** @param shape width, heads and layers of encoder and decoder alike */
export const writeWhisper = async (path, { nEmbd, nHead, nLayer }) => {
  const file = await open(path, 'w');
  await file.writeFile(
    Buffer.concat([
      Buffer.from('lmgg'),
      i32(N_VOCAB, 1500, nEmbd, nHead, nLayer, 448, nEmbd, nHead, nLayer, N_MELS, F16, N_MELS, 201),
      Buffer.from(slaneyFilters(N_MELS).buffer),
      i32(50_257),
      ...Array.from({ length: 50_257 }, (_, id) => {
        // The blank must be a word; all others only need to be different.
        const word = Buffer.from(id === 220 ? ' ' : ` w${id}`);
        return Buffer.concat([i32(word.length), word]);
      }),
    ]),
  );
  for (const [i, { name, shape, type }] of tensorsOf(nEmbd, nLayer).entries()) {
    const random = randomOf(7919 * (i + 1));
    const isGain = /(ln|ln_post)\.weight$/.test(name);
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size }, () => (isGain ? 1 : 0.04 * random()));
    const bytes = type === F32 ? Buffer.from(values.buffer) : Buffer.from(Uint16Array.from(values, floatToHalf).buffer);
    await file.writeFile(
      Buffer.concat([i32(shape.length, name.length, type, ...shape.toReversed()), Buffer.from(name), bytes]),
    );
  }
  await file.close();
};
