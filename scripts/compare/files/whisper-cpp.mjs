/** Writes a model with random weights as whisper.cpp reads it, so that both programs run the same file. */
import { open } from 'node:fs/promises';
import { slaneyFilters } from '../../../dist/io/audio/mel.js';
import { randomTensor } from '../../../dist/io/random.js';

const N_VOCAB = 51_864;
const N_MELS = 80;
const TYPE_IDS = { f32: 0, f16: 1 };

const i32 = (...values) => Buffer.from(Int32Array.from(values).buffer);

/** Names, shapes outermost first, and types of all tensors. */
const tensorsOf = (n, nLayer) => {
  const tensors = [];
  const add = (name, shape, type = 'f32') => tensors.push({ name, shape, type });
  const linear = (name, nOut, nIn, hasBias = true) => {
    add(`${name}.weight`, [nOut, nIn], 'f16');
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
  add('encoder.conv1.weight', [n, N_MELS, 3], 'f16');
  add('encoder.conv1.bias', [n, 1]);
  add('encoder.conv2.weight', [n, n, 3], 'f16');
  add('encoder.conv2.bias', [n, 1]);
  norm('encoder.ln_post');
  add('decoder.positional_embedding', [448, n]);
  add('decoder.token_embedding.weight', [N_VOCAB, n], 'f16');
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
      i32(N_VOCAB, 1500, nEmbd, nHead, nLayer, 448, nEmbd, nHead, nLayer, N_MELS, TYPE_IDS.f16, N_MELS, 201),
      Buffer.from(slaneyFilters(N_MELS).buffer),
      i32(50_257),
      ...Array.from({ length: 50_257 }, (_, id) => {
        // The blank must be a word; all others only need to be different.
        const word = Buffer.from(id === 220 ? ' ' : ` w${id}`);
        return Buffer.concat([i32(word.length), word]);
      }),
    ]),
  );
  for (const tensor of tensorsOf(nEmbd, nLayer)) {
    const { name, shape, type } = tensor;
    await file.writeFile(
      Buffer.concat([
        i32(shape.length, name.length, TYPE_IDS[type], ...shape.toReversed()),
        Buffer.from(name),
        await randomTensor(tensor).read(),
      ]),
    );
  }
  await file.close();
};
