/** MP3, FLAC, Ogg Vorbis and Ogg Opus, by decoders in WebAssembly that are loaded when first needed. */
import { messageOf } from '../../errors.ts';
import type { Block, Bytes } from './sound.ts';
import { unreadable } from './sound.ts';

export type Codec = 'mp3' | 'flac' | 'vorbis' | 'opus';

/** What all these decoders share: bytes in as they come, samples out as they are complete. */
interface Decoder {
  decode(bytes: Uint8Array): Decoded | Promise<Decoded>;
  /** What was waiting for more bytes. */
  flush?(): Promise<Decoded>;
  free(): void;
}

interface Decoded {
  readonly channelData: readonly Float32Array[];
  readonly samplesDecoded: number;
  readonly sampleRate: number;
}

const ready = async <D extends Decoder & { readonly ready: Promise<void> }>(decoder: D): Promise<D> => {
  await decoder.ready;
  return decoder;
};

const decoders: Readonly<Record<Codec, () => Promise<Decoder>>> = {
  mp3: async () => ready(new (await import('mpg123-decoder')).MPEGDecoder()),
  flac: async () => ready(new (await import('@wasm-audio-decoders/flac')).FLACDecoder()),
  vorbis: async () => ready(new (await import('@wasm-audio-decoders/ogg-vorbis')).OggVorbisDecoder()),
  opus: async () => ready(new (await import('ogg-opus-decoder')).OggOpusDecoder()),
};

/**
 * The samples of a compressed recording. Damaged frames are left out.
 * @throws UserError 'file' where not one frame can be decoded
 */
export async function* readCompressed(name: string, bytes: Bytes, codec: Codec): AsyncGenerator<Block> {
  const decoder = await decoders[codec]();
  let heard = false;
  try {
    for await (const part of bytes) {
      const decoded = await survived(name, () => decoder.decode(part));
      heard ||= decoded.samplesDecoded > 0;
      yield* blockOf(decoded);
    }
    const last = await survived(name, () => decoder.flush?.());
    if (last) {
      heard ||= last.samplesDecoded > 0;
      yield* blockOf(last);
    }
  } finally {
    decoder.free();
  }
  if (!heard) throw unreadable(name, `nothing in it can be decoded as ${codec.toUpperCase()}`);
}

/** What a decoder makes of bytes; some damage makes it fail instead of leaving frames out. */
const survived = async <T>(name: string, decode: () => T | Promise<T>): Promise<T> => {
  try {
    return await decode();
  } catch (error) {
    throw unreadable(name, `it is damaged: ${messageOf(error)}`);
  }
};

/** Nothing, or a copy of what was decoded: the decoders write their next samples over the last. */
function* blockOf({ channelData, samplesDecoded, sampleRate }: Decoded): Generator<Block> {
  if (samplesDecoded === 0) return;
  yield { sampleRate, channels: channelData.map((channel) => channel.slice(0, samplesDecoded)) };
}
