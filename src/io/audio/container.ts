/** What kind of audio file its first bytes show; names and extensions are not believed. */
import type { Codec } from './compressed.ts';

export type Container =
  | { readonly kind: 'wav' }
  | { readonly kind: 'compressed'; readonly codec: Codec }
  /** Only ffmpeg reads it; `what` names it. */
  | { readonly kind: 'foreign'; readonly what: string };

/** Bytes that are enough to tell. */
export const HEAD_BYTES = 512;

const FOREIGN: readonly (readonly [at: number, bytes: string, what: string])[] = [
  [4, 'ftyp', 'M4A and MP4'],
  [0, '\x1a\x45\xdf\xa3', 'WebM and Matroska'],
  [0, '\x30\x26\xb2\x75', 'WMA'],
  [0, 'FORM', 'AIFF'],
  [0, '#!AMR', 'AMR'],
  [0, 'caff', 'CAF'],
  [0, 'FLV', 'FLV'],
  [0, '.snd', 'AU'],
  [0, 'wvpk', 'WavPack'],
  [0, 'MAC ', "Monkey's Audio"],
];

/** The kind of a file that begins with `head`; undefined for what is no audio. */
export const containerOf = (head: Uint8Array): Container | undefined => {
  const text = Buffer.from(head).toString('latin1');
  if (/^(RIFF....WAVE|RF64|BW64|RIFX)/s.test(text)) return { kind: 'wav' };
  if (text.startsWith('fLaC')) return { kind: 'compressed', codec: 'flac' };
  if (text.startsWith('OggS')) return inOgg(text);
  if (text.startsWith('ID3')) return { kind: 'compressed', codec: 'mp3' };
  const foreign = FOREIGN.find(([at, bytes]) => text.startsWith(bytes, at));
  if (foreign) return { kind: 'foreign', what: foreign[2] };
  return framed(head);
};

/** The first packet of an Ogg stream says what is in it. */
const inOgg = (text: string): Container => {
  if (text.includes('OpusHead')) return { kind: 'compressed', codec: 'opus' };
  if (text.includes('\x01vorbis')) return { kind: 'compressed', codec: 'vorbis' };
  if (text.includes('\x7fFLAC')) return { kind: 'compressed', codec: 'flac' };
  return { kind: 'foreign', what: 'this kind of Ogg' };
};

/** MPEG audio without a header: eleven set bits, then version and layer; layer 0 is AAC. */
const framed = ([first = 0, second = 0, third = 0]: Uint8Array): Container | undefined => {
  if (first !== 0xff || (second & 0xe0) !== 0xe0) return undefined;
  const [version, layer] = [(second >> 3) & 3, (second >> 1) & 3];
  if (layer === 0) return { kind: 'foreign', what: 'AAC' };
  return version === 1 || third >> 4 === 15 ? undefined : { kind: 'compressed', codec: 'mp3' };
};
