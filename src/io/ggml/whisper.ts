/** Models of whisper.cpp: hyperparameters, a filterbank, the vocabulary as raw bytes, then tensors. */
import type { MetadataValue } from '../../graph/weights.ts';
import { type Open, openFile } from '../gguf/file.ts';
import type { TensorPlace } from '../gguf/place.ts';
import { alphabetText } from '../text/bpe.ts';
import { GgmlCursor } from './cursor.ts';
import { type GgmlFile, type GgmlHeader, openGgml } from './reader.ts';

/**
 * Opens a model of whisper.cpp with grafo's keys; its tensors have OpenAI's names.
 * @throws UserError 'file' or 'model'
 */
export const openWhisperCpp = (path: string, open?: Open): Promise<GgmlFile> => openGgml(path, readHeader, open);

/**
 * Whether a file of the old ggml format is one of whisper.cpp: neither kind says so, but both stacks of a Whisper are
 * of one width, a multiple of its heads. In a file of vit.cpp the same places have its heads, classes and type.
 */
export const isWhisperCpp = async (path: string, open: Open = openFile): Promise<boolean> => {
  const file = await open(path);
  try {
    if (file.size < 48) return false;
    const cursor = new GgmlCursor(file);
    await cursor.bytes(4, 'the magic');
    const [, , width = 0, nHead = 1, , , textWidth] = await cursor.i32s(8, 'the hyperparameters');
    return width === textWidth && width > nHead && width % nHead === 0;
  } finally {
    await file.close();
  }
};

const MAX_SIZE = 1 << 20;
const MAX_WORD = 1 << 12;

const readHeader = async (c: GgmlCursor): Promise<GgmlHeader> => {
  const size = (what: string) => c.count(what, 1, MAX_SIZE);
  const nVocab = await size('n_vocab');
  const audio = await readStack(size, 'encoder', 'audio');
  const text = await readStack(size, 'decoder', 'text');
  const nMels = await size('n_mels');
  const ftype = await c.i32('ftype');
  const rows = await c.count('the number of mel filters', 1, MAX_SIZE);
  const columns = await c.count('the width of a mel filter', 1, MAX_SIZE);
  const filters = await c.f32s(rows * columns, 'the mel filters');
  const metadata = new Map<string, MetadataValue>([
    ['general.architecture', 'whisper'],
    ['general.file_type', ftype],
    ['whisper.vocab_size', nVocab],
    ['whisper.encoder.mels_count', nMels],
    ['whisper.encoder.mel_filters', [...filters]],
    ...audio,
    ...text,
    ['tokenizer.ggml.tokens', await readWords(c, nVocab)],
  ]);
  return { metadata, rename: flatBias };
};

const readStack = async (
  size: (what: string) => Promise<number>,
  side: 'encoder' | 'decoder',
  theirs: 'audio' | 'text',
): Promise<[string, number][]> => [
  [`whisper.${side}.context_length`, await size(`n_${theirs}_ctx`)],
  [`whisper.${side}.embedding_length`, await size(`n_${theirs}_state`)],
  [`whisper.${side}.attention.head_count`, await size(`n_${theirs}_head`)],
  [`whisper.${side}.block_count`, await size(`n_${theirs}_layer`)],
];

/** Words are bytes here, not always whole characters; as in GGUF they become texts in GPT-2's alphabet. */
const readWords = async (c: GgmlCursor, nVocab: number): Promise<string[]> => {
  const n = await c.count('the number of words', 0, nVocab);
  const words: string[] = [];
  for (let i = 0; i < n; i++) {
    const length = await c.count(`the length of word ${i}`, 0, MAX_WORD);
    words.push(alphabetText(await c.bytes(length, `word ${i}`)));
  }
  return words;
};

/** The biases of the convolutions have an axis of extent 1 behind them. */
const flatBias = (place: TensorPlace): TensorPlace =>
  /conv\d\.bias$/.test(place.name) ? { ...place, shape: place.shape.filter((n) => n !== 1) } : place;
