/** Silero's voice activity models as whisper.cpp stores them: sizes of layers, then tensors under PyTorch's names. */
import type { MetadataValue } from '../../graph/weights.ts';
import type { TensorPlace } from '../gguf/place.ts';
import type { GgmlCursor } from './cursor.ts';
import { type GgmlFile, type GgmlHeader, openGgml } from './reader.ts';

/**
 * Opens a model of voice activity with grafo's keys.
 * @throws UserError 'file' or 'model'
 */
export const openSilero = (path: string): Promise<GgmlFile> => openGgml(path, readHeader);

const MAX_SIZE = 1 << 16;
const MAX_LAYERS = 64;
const MAX_NAME = 64;

const readHeader = async (c: GgmlCursor): Promise<GgmlHeader> => {
  const size = (what: string) => c.count(what, 1, MAX_SIZE);
  const name = new TextDecoder().decode(
    await c.bytes(await c.count('the length of the name', 1, MAX_NAME), 'the name'),
  );
  if (!name.startsWith('silero')) throw c.damaged(`it names itself ${JSON.stringify(name)}, expected 'silero-16k'`);
  const version = await c.i32s(3, 'the version');
  const nWindow = await size('the length of a window');
  await c.i32('the length of the context'); // read by whisper.cpp and not used either
  const nConv = await c.count('the number of convolutions', 1, MAX_LAYERS);
  const nIn: number[] = [];
  const nOut: number[] = [];
  for (let i = 0; i < nConv; i++) {
    nIn.push(await size(`what convolution ${i} takes`));
    nOut.push(await size(`what convolution ${i} gives`));
    await size(`the kernel of convolution ${i}`);
  }
  const [, nHidden = 0] = [await size('what the LSTM takes'), await size('what the LSTM gives')];
  await c.i32s(2, 'the sizes of the last layer');
  const metadata = new Map<string, MetadataValue>([
    ['general.architecture', 'silero-vad'],
    ['general.name', name],
    ['general.version', version.join('.')],
    ['silero-vad.window_length', nWindow],
    ['silero-vad.convolution.input_lengths', nIn],
    ['silero-vad.convolution.output_lengths', nOut],
    ['silero-vad.embedding_length', nHidden],
  ]);
  return { metadata, rename };
};

/** Names without PyTorch's modules; the last layer as a matrix with a bias, which the file has as a list and a number. */
const rename = (place: TensorPlace): TensorPlace => {
  const name = place.name
    .replace(/^_model\./, '')
    .replace('stft.forward_basis_buffer', 'stft.weight')
    .replace('reparam_conv.', '')
    .replace(/^decoder\.rnn\./, 'lstm.')
    .replace(/^decoder\.decoder\.2\./, 'output.');
  const { shape } = place;
  if (name === 'output.weight') return { ...place, name, shape: [1, ...shape] };
  return { ...place, name, shape: shape.length === 0 ? [1] : shape };
};
