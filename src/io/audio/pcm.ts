/** Samples as they are stored, without a header: what `--input-format` names and what WAV files hold. */
import wavefile from 'wavefile';
import { UserError } from '../../errors.ts';
import { ByteReader } from './byte-reader.ts';
import type { Block, Bytes } from './sound.ts';
import { checkFormat, deinterleave } from './sound.ts';

/** One kind of stored sample: its tag in a WAV header, its bits, and what makes a sample of full scale 1. */
interface Coding {
  readonly tag: number;
  readonly bits: 8 | 16 | 24 | 32 | 64;
  readonly scale: number;
}

const PCM = 1;
const FLOAT = 3;
const A_LAW = 6;
const MU_LAW = 7;

/** By ffmpeg's names, little-endian; `u8` is centred on 128. */
const codings = {
  u8: { tag: PCM, bits: 8, scale: 2 ** -7 },
  s16le: { tag: PCM, bits: 16, scale: 2 ** -15 },
  s24le: { tag: PCM, bits: 24, scale: 2 ** -23 },
  s32le: { tag: PCM, bits: 32, scale: 2 ** -31 },
  f32le: { tag: FLOAT, bits: 32, scale: 1 },
  f64le: { tag: FLOAT, bits: 64, scale: 1 },
  alaw: { tag: A_LAW, bits: 8, scale: 2 ** -15 },
  mulaw: { tag: MU_LAW, bits: 8, scale: 2 ** -15 },
} as const satisfies Readonly<Record<string, Coding>>;

export type SampleFormat = keyof typeof codings;

/** The formats of samples without a header, by the names that ffmpeg has for them. */
export const sampleFormats = Object.keys(codings) as readonly SampleFormat[];

/** The format of a WAV header's tag and bits per stored sample, if it is one of ours. */
export const sampleFormatOf = (tag: number, bits: number): SampleFormat | undefined =>
  sampleFormats.find((name) => codings[name].tag === tag && codings[name].bits === bits);

/** What a headerless stream cannot say itself. */
export interface PcmFormat {
  readonly format: SampleFormat;
  readonly sampleRate: number;
  readonly nChannel: number;
}

/** Bytes decoded at a time: about a second of a studio recording. */
const PORTION = 2 ** 18;

/** Samples up to the stream's end; an incomplete last one is dropped. */
export async function* readPcm(name: string, bytes: Bytes, pcm: PcmFormat): AsyncGenerator<Block> {
  checkFormat(name, pcm.sampleRate, pcm.nChannel);
  const frameBytes = (codings[pcm.format].bits / 8) * pcm.nChannel;
  const portion = Math.ceil(PORTION / frameBytes) * frameBytes;
  const reader = new ByteReader(bytes);
  try {
    while (true) {
      const part = await reader.take(portion);
      const whole = part.subarray(0, part.length - (part.length % frameBytes));
      if (whole.length === 0) return;
      yield { sampleRate: pcm.sampleRate, channels: deinterleave(decode(whole, pcm), pcm.nChannel) };
    }
  } finally {
    await reader.close();
  }
}

/** Lets the library decode a portion as the WAV file that it would be. */
const decode = (samples: Uint8Array, pcm: PcmFormat): Float32Array => {
  const { tag, scale } = codings[pcm.format];
  const wav = new wavefile.WaveFile(withHeader(samples, pcm));
  if (tag === MU_LAW) wav.fromMuLaw();
  if (tag === A_LAW) wav.fromALaw();
  const values = Float32Array.from(wav.getSamples(true));
  const zero = pcm.format === 'u8' ? 128 : 0;
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - zero) * scale;
  return values;
};

/** The smallest header that says what the samples are. */
const withHeader = (samples: Uint8Array, { format, sampleRate, nChannel }: PcmFormat): Uint8Array => {
  const { tag, bits } = codings[format];
  const blockAlign = (bits / 8) * nChannel;
  const file = Buffer.alloc(44 + samples.length);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(36 + samples.length, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(tag, 20);
  file.writeUInt16LE(nChannel, 22);
  file.writeUInt32LE(sampleRate, 24);
  file.writeUInt32LE(Math.min(sampleRate * blockAlign, 0xffffffff), 28);
  file.writeUInt16LE(blockAlign, 32);
  file.writeUInt16LE(bits, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(samples.length, 40);
  file.set(samples, 44);
  return file;
};

/** The format of this name. @throws UserError 'usage' that lists the names */
export const parseSampleFormat = (name: string): SampleFormat => {
  const known = sampleFormats.find((format) => format === name);
  if (!known) throw new UserError('usage', `--input-format '${name}' is none of ${sampleFormats.join(', ')}`);
  return known;
};
