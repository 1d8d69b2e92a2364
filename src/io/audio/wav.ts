/** WAV files: RIFF and RF64, also as a program writes them to a pipe, before it knows their length. */
import { ByteReader } from './byte-reader.ts';
import { readPcm, sampleFormatOf } from './pcm.ts';
import type { Block, Bytes } from './sound.ts';
import { checkFormat, unreadable } from './sound.ts';

/** What the 'fmt ' chunk says. */
interface Format {
  readonly tag: number;
  readonly nChannel: number;
  readonly sampleRate: number;
  /** Of a stored sample, also where fewer are used. */
  readonly bits: number;
}

/** The tag that says: the true one is at the start of a GUID further down. */
const EXTENSIBLE = 0xfffe;
/** A length not known when the header was written. */
const UNKNOWN = 0xffffffff;

/** Codecs that only ffmpeg reads. */
const FOREIGN: Readonly<Record<number, string>> = {
  2: 'Microsoft ADPCM',
  17: 'IMA ADPCM',
  49: 'GSM 6.10',
  80: 'MPEG',
  85: 'MP3',
  255: 'AAC',
};

/**
 * The samples of a WAV file from its first byte on. A file that ends early gives what it has.
 * @param elsewhere reads the file again, for a codec that this does not read and that it is told the name of
 * @throws UserError 'file' for what is no WAV file, or of a codec that is not read
 */
export async function* readWav(
  name: string,
  bytes: Bytes,
  elsewhere?: (what: string) => AsyncGenerator<Block>,
): AsyncGenerator<Block> {
  const reader = new ByteReader(bytes);
  try {
    const { format, length } = await findData(name, reader);
    checkFormat(name, format.sampleRate, format.nChannel);
    const coded = sampleFormatOf(format.tag, format.bits);
    const foreign = FOREIGN[format.tag];
    if (!coded && foreign && elsewhere) return yield* elsewhere(`WAV files with ${foreign}`);
    if (!coded) throw unreadable(name, describe(format), 'convert it first: ffmpeg -i IN OUT.wav');
    yield* readPcm(name, firstBytes(reader, length), { ...format, format: coded });
  } finally {
    await reader.close();
  }
}

const describe = ({ tag, bits }: Format): string => {
  if (tag === 1 || tag === 3) return `its samples have ${bits} bits`;
  const code = `0x${tag.toString(16).padStart(4, '0')}`;
  return `its codec is ${FOREIGN[tag] ? `${FOREIGN[tag]} (${code})` : code}, which grafo does not read`;
};

/** Walks the chunks to the samples: the format may come after anything else but must come before them. */
const findData = async (name: string, reader: ByteReader): Promise<{ format: Format; length: number }> => {
  const head = Buffer.from(await reader.take(12));
  const magic = head.toString('latin1', 0, 4);
  if (magic === 'RIFX') throw unreadable(name, 'it is a big-endian WAV file', 'convert it first: ffmpeg -i IN OUT.wav');
  if (head.length < 12 || !['RIFF', 'RF64', 'BW64'].includes(magic) || head.toString('latin1', 8) !== 'WAVE')
    throw unreadable(name, 'it is not a WAV file');

  let format: Format | undefined;
  let longLength: number | undefined;
  while (true) {
    const chunk = Buffer.from(await reader.take(8));
    if (chunk.length < 8) throw unreadable(name, format ? 'it has no samples' : 'it has no format');
    const id = chunk.toString('latin1', 0, 4);
    const length = chunk.readUInt32LE(4);
    if (id === 'data') {
      if (!format) throw unreadable(name, 'it has no format before its samples');
      // Some programs write 0 where they mean to come back and never do; the samples then go on to the end.
      return { format, length: length === UNKNOWN || length === 0 ? (longLength ?? Number.POSITIVE_INFINITY) : length };
    }
    if (id === 'fmt ') format = readFormat(name, Buffer.from(await reader.take(length)));
    else if (id === 'ds64') longLength = Number(Buffer.from(await reader.take(length)).readBigUInt64LE(8));
    else await reader.skip(length);
    await reader.skip(length % 2); // chunks begin at even places
  }
};

const readFormat = (name: string, chunk: Buffer): Format => {
  if (chunk.length < 16) throw unreadable(name, `its format takes ${chunk.length} bytes, expected at least 16`);
  const tag = chunk.readUInt16LE(0);
  const nChannel = chunk.readUInt16LE(2);
  const blockAlign = chunk.readUInt16LE(12);
  const isExtensible = tag === EXTENSIBLE && chunk.length >= 26;
  // 12 bits lie in 2 bytes: what a sample takes follows from the bytes of all channels together.
  const bits = nChannel > 0 ? (blockAlign / nChannel) * 8 : 0;
  return {
    tag: isExtensible ? chunk.readUInt16LE(24) : tag,
    nChannel,
    sampleRate: chunk.readUInt32LE(4),
    bits,
  };
};

async function* firstBytes(reader: ByteReader, n: number): AsyncGenerator<Uint8Array> {
  let left = n;
  for await (const part of reader.remaining()) {
    yield part.subarray(0, left);
    left -= part.length;
    if (left <= 0) return;
  }
}
