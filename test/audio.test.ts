/** Every recording against what whisper.cpp's decoder makes of it, and against the speech it was cut from. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { bothSides } from '../src/commands/whisper/sound.ts';
import { logMel, melBank, slaneyFilters, WINDOW_FRAMES } from '../src/io/audio/mel.ts';
import { MelWindows, measure } from '../src/io/audio/mel-windows.ts';
import type { PcmFormat, SampleFormat } from '../src/io/audio/pcm.ts';
import { parseSampleFormat, readPcm, sampleFormats } from '../src/io/audio/pcm.ts';
import { monoAt16k } from '../src/io/audio/rate.ts';
import type { RecordingOptions } from '../src/io/audio/recording.ts';
import { openRecording } from '../src/io/audio/recording.ts';
import { createResampler } from '../src/io/audio/resample.ts';
import type { Block } from '../src/io/audio/sound.ts';
import { fixture, scratch } from './fixtures.ts';

const joined = (parts: readonly Float32Array[]): Float32Array => {
  const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const collected = async <T>(parts: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const part of parts) all.push(part);
  return all;
};

const monoOf = async (path: string, options: RecordingOptions = {}): Promise<Float32Array> => {
  const recording = await openRecording(path, options);
  const samples = joined(await collected(recording.mono()));
  await recording.close();
  return samples;
};

const jfk = await monoOf(fixture('audio/jfk.wav'));

/** What whisper.cpp's decoder makes of a file: exactly, or as a number of samples where rates or codecs differ. */
interface Reference {
  readonly seconds: number;
  readonly whispercpp: 'fails' | { readonly n: number; readonly sha256_f32: string };
}
const references: Readonly<Record<string, Reference>> = JSON.parse(
  readFileSync(fixture('audio/audio-refs.json'), 'utf8').replaceAll('Infinity', '1e999'),
).good;

/** The best gain on the speech from sample 5120 on, and the error that remains, as a part of what was heard. */
const againstSpeech = (heard: Float32Array): { gain: number; error: number } => {
  let [cross, power, own] = [0, 0, 0];
  for (let i = 0; i < heard.length; i++) {
    const speech = jfk[5120 + i]!;
    cross += heard[i]! * speech;
    power += speech ** 2;
    own += heard[i]! ** 2;
  }
  return { gain: cross / power, error: 1 - cross ** 2 / power / own };
};

const sha256 = (samples: Float32Array): string =>
  createHash('sha256').update(new Uint8Array(samples.buffer)).digest('hex');

describe('a recording at 16 kHz', () => {
  it.each([
    's16-ext-16k-stereo.wav',
    'f32-ext-16k-mono.wav',
    's24in32-ext-16k-mono.wav',
    'f64-16k-mono.wav',
    's16-16k-chunks.wav',
    's16-16k-streamed.wav',
    's16-16k-6ch.wav',
    'rf64-16k-mono.wav',
  ])('%s is heard bit for bit as whisper.cpp hears it', async (file) => {
    const { whispercpp } = references[file]!;
    const heard = await monoOf(fixture(`audio/${file}`));
    expect({ n: heard.length, sha256_f32: sha256(heard) }).toMatchObject(
      whispercpp === 'fails' ? {} : { n: whispercpp.n, sha256_f32: whispercpp.sha256_f32 },
    );
  });
});

describe('a recording', () => {
  // The errors of MP3, Vorbis and Opus are those of the codecs at the few bits they were given.
  it.each([
    { file: 's24-44k1-stereo.wav', gain: 0.75, error: 1e-5 },
    { file: 'f32-48k-mono.wav', gain: 1, error: 1e-5 },
    { file: 's32-22k05-mono.wav', gain: 1, error: 1e-5 },
    { file: 'u8-16k-mono.wav', gain: 1, error: 1e-4 },
    { file: 's16-8k-mono.wav', gain: 1, error: 1e-3 },
    { file: 'mulaw-8k-mono.wav', gain: 1, error: 1e-3 },
    { file: 'jfk1s.flac', gain: 1, error: 1e-12 },
    { file: 'jfk3s.mp3', gain: 0.946, error: 5e-3 },
    { file: 'jfk3s-44k1-stereo.mp3', gain: 0.666, error: 1.4e-2 },
    { file: 'jfk3s.ogg', gain: 1, error: 1.5e-2 },
    { file: 'jfk3s.opus', gain: 0.957, error: 7e-2 },
  ])('$file is heard as the speech it was cut from', async ({ file, gain, error }) => {
    const heard = await monoOf(fixture(`audio/${file}`));
    const against = againstSpeech(heard);
    expect(heard.length).toBe(references[file]!.seconds * 16_000);
    expect(Math.abs(against.gain - gain)).toBeLessThan(2e-3);
    expect(against.error).toBeLessThan(error);
  });

  it('gives its two sides apart, and one side twice where there is one', async () => {
    const sides = async (file: string) => {
      const pairs = await collected((await openRecording(fixture(`audio/${file}`))).stereo());
      return [joined(pairs.map(([left]) => left)), joined(pairs.map(([, right]) => right))] as const;
    };
    const [left, right] = await sides('s16-ext-16k-stereo.wav');
    expect(left).toEqual(jfk.slice(5120, 5120 + 9600));
    expect(againstSpeech(right).gain).toBeCloseTo(0.5, 6);
    const [one, same] = await sides('rf64-16k-mono.wav');
    expect(one).toEqual(same);
    expect(one).toEqual(jfk.slice(5120, 5120 + 4000));
    // With --diarize the two are heard together, at their sum.
    const both = bothSides(await openRecording(fixture('audio/s16-ext-16k-stereo.wav')));
    expect(againstSpeech(joined(await collected(both))).gain).toBeCloseTo(1.5, 6);
  });

  it('is heard from the beginning every time', async () => {
    const recording = await openRecording(fixture('audio/jfk1s.flac'));
    const [once, again] = [await collected(recording.mono()), await collected(recording.mono())];
    expect(joined(again)).toEqual(joined(once));
  });

  it.each([
    { file: 'truncated.wav', nSample: 2000, largest: 0.647003173828125 },
    { file: 'mono-claimed-stereo.wav', nSample: 4000, largest: 0.762786865234375 },
    { file: 'bits-12.wav', nSample: 1600, largest: 0.633544921875 },
    // NaN, infinities and 1e30 among the samples are silence.
    { file: 'nan-inf.wav', nSample: 1604, largest: 0.426025390625 },
  ])('$file is odd but heard', async ({ file, nSample, largest }) => {
    const heard = await monoOf(fixture(`audio/broken/${file}`));
    expect(heard.length).toBe(nSample);
    expect(heard.reduce((most, x) => Math.max(most, x), 0)).toBe(largest);
    expect(heard.every(Number.isFinite)).toBe(true);
  });

  it.each([
    { file: 'zero-length.wav', why: 'it is empty' },
    { file: 'header-only.wav', why: 'there is no sound in it' },
    { file: 'bad-magic.wav', why: 'it is a big-endian WAV file' },
    { file: 'not-wave.wav', why: 'it is no audio file' },
    { file: 'no-fmt.wav', why: 'it has no format before its samples' },
    { file: 'no-data.wav', why: 'it has no samples' },
    { file: 'channels-0.wav', why: 'it has 0 channels, expected 1 to 64' },
    { file: 'rate-0.wav', why: 'its sample rate is 0, expected 1 to 768000' },
    { file: 'unknown-codec.wav', why: 'its codec is 0x1234, which grafo does not read' },
    { file: 'fmt-short.wav', why: 'its format takes 8 bytes, expected at least 16' },
    { file: 'text.wav', why: 'it is no audio file' },
    { file: 'garbage.mp3', why: 'it is no audio file' },
  ])('$file is refused: $why', async ({ file, why }) => {
    const path = fixture(`audio/broken/${file}`);
    await expect(monoOf(path)).rejects.toMatchObject({ kind: 'file', message: `cannot read '${path}': ${why}` });
  });

  it('that is called MP3 and holds nothing of the kind is refused', async () => {
    const path = join(scratch, 'noise.mp3');
    writeFileSync(path, Buffer.concat([Buffer.from('ID3'), Buffer.alloc(3000, 0x2b)]));
    await expect(monoOf(path)).rejects.toThrow('nothing in it can be decoded as MP3');
  });

  it.each([
    { file: 'jfk3s.opus', keep: 60 },
    { file: 'jfk3s.ogg', keep: 4000 },
    { file: 'jfk1s.flac', keep: 100 },
    { file: 'jfk3s.mp3', keep: 300 },
  ])('$file cut after $keep bytes is refused in a sentence, or heard so far', async ({ file, keep }) => {
    const path = join(scratch, `cut-${file}`);
    writeFileSync(path, readFileSync(fixture(`audio/${file}`)).subarray(0, keep));
    const heard = await monoOf(path).catch((error: unknown) => error);
    if (heard instanceof Float32Array) expect(heard.length).toBeLessThan(48_000);
    else expect(heard).toMatchObject({ kind: 'file', name: 'UserError' });
  });

  it('that is missing, or a folder, is refused', async () => {
    await expect(monoOf(join(scratch, 'nothere.wav'))).rejects.toThrow('no such file or directory');
    await expect(monoOf(scratch)).rejects.toThrow('it is a directory');
  });
});

describe('stdin', () => {
  const piped = (bytes: Uint8Array) => Readable.from([bytes.subarray(0, 100), bytes.subarray(100)]);

  it('is heard as a file, whatever its container', async () => {
    for (const file of ['jfk1s.flac', 's24-44k1-stereo.wav', 'jfk3s.opus']) {
      const path = fixture(`audio/${file}`);
      expect(await monoOf('-', { stdin: piped(readFileSync(path)) })).toEqual(await monoOf(path));
    }
  });

  it('that holds nothing is refused by its name', async () => {
    await expect(monoOf('-', { stdin: Readable.from([]) })).rejects.toThrow("cannot read 'stdin': it is empty");
  });

  it('leaves nothing behind', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('grafo-stdin-'));
    await monoOf('-', { stdin: piped(readFileSync(fixture('audio/rf64-16k-mono.wav'))) });
    await expect(monoOf('-', { stdin: piped(Buffer.from('plain text')) })).rejects.toThrow('it is no audio file');
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('grafo-stdin-'))).toEqual(before);
  });
});

describe('samples without a header', () => {
  const values = [0, 0.5, -0.5, -1, 0.25, -0.25];
  const written: Readonly<Record<SampleFormat, (b: DataView, i: number, x: number) => void>> = {
    u8: (b, i, x) => b.setUint8(i, 128 + x * 128),
    s16le: (b, i, x) => b.setInt16(2 * i, x * 2 ** 15, true),
    s24le: (b, i, x) => {
      b.setUint8(3 * i, 0);
      b.setInt16(3 * i + 1, x * 2 ** 15, true);
    },
    s32le: (b, i, x) => b.setInt32(4 * i, x * 2 ** 31, true),
    f32le: (b, i, x) => b.setFloat32(4 * i, x, true),
    f64le: (b, i, x) => b.setFloat64(8 * i, x, true),
    // ITU-T G.711: sign, exponent and mantissa, inverted; nearest to the values above.
    mulaw: (b, i) => b.setUint8(i, [0xff, 0x90, 0x10, 0x00, 0xa0, 0x20][i]!),
    alaw: (b, i) => b.setUint8(i, [0xd5, 0xa5 ^ 0x00, 0x25, 0x2a, 0xb5, 0x35][i]!),
  };
  const width: Readonly<Record<SampleFormat, number>> = {
    u8: 1,
    s16le: 2,
    s24le: 3,
    s32le: 4,
    f32le: 4,
    f64le: 8,
    mulaw: 1,
    alaw: 1,
  };

  it.each(sampleFormats)('are read as %s', async (format) => {
    const view = new DataView(new ArrayBuffer(values.length * width[format]));
    for (const [i, x] of values.entries()) written[format](view, i, x);
    // Cut in odd places, and one byte too long.
    const bytes = Buffer.concat([new Uint8Array(view.buffer), Buffer.alloc(1)]);
    const stream = Readable.from([bytes.subarray(0, 1), bytes.subarray(1, 4), bytes.subarray(4)]);
    const [block] = await collected(readPcm('raw', stream, { format, sampleRate: 16_000, nChannel: 2 }));
    const [left, right] = block!.channels;
    const tolerance = format.endsWith('law') ? 0.03 : 0;
    [left!, right!].forEach((channel, c) => {
      for (let i = 0; i < 3; i++) expect(Math.abs(channel[i]! - values[2 * i + c]!)).toBeLessThanOrEqual(tolerance);
    });
  });

  it('come from stdin by the format that was named', async () => {
    const wav = readFileSync(fixture('audio/jfk.wav')).subarray(78);
    const pcm: PcmFormat = { format: parseSampleFormat('s16le'), sampleRate: 16_000, nChannel: 1 };
    expect(await monoOf('-', { pcm, stdin: Readable.from([wav]) })).toEqual(jfk);
    expect(() => parseSampleFormat('s12le')).toThrow("--input-format 's12le' is none of u8, s16le");
  });
});

describe('what only ffmpeg reads', () => {
  const withPath = async <R>(path: string, body: () => Promise<R>): Promise<R> => {
    const before = process.env.PATH;
    process.env.PATH = path;
    try {
      return await body();
    } finally {
      process.env.PATH = before;
    }
  };
  /** A program called ffmpeg that notes how it was called. */
  const fakeFfmpeg = (name: string, script: string): string => {
    const folder = join(scratch, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'ffmpeg'), `#!${process.execPath}\n${script}`, { mode: 0o755 });
    return folder;
  };
  const m4a = fixture('audio/jfk3s.m4a');

  it('is refused with one sentence where there is none', async () => {
    const refused = withPath(join(scratch, 'empty'), () => monoOf(m4a));
    await expect(refused).rejects.toMatchObject({
      kind: 'file',
      message: `cannot read '${m4a}': grafo reads M4A and MP4 only through ffmpeg, which is not installed here`,
      hint: 'install ffmpeg, or convert the file to WAV, MP3, FLAC or OGG',
    });
  });

  it.skipIf(process.platform === 'win32')('is heard through it where there is one', async () => {
    const wav = JSON.stringify(fixture('audio/s16-16k-streamed.wav'));
    const input = JSON.stringify(`file:${m4a}`);
    const folder = fakeFfmpeg(
      'works',
      `if (!process.argv.includes(${input})) process.exit(9);
       process.stdout.write(require('node:fs').readFileSync(${wav}));`,
    );
    expect(await withPath(folder, () => monoOf(m4a))).toEqual(jfk.slice(5120, 5120 + 8000));
  });

  it('may be the codec of a WAV file', async () => {
    const path = join(scratch, 'adpcm.wav');
    const bytes = readFileSync(fixture('audio/jfk.wav')).subarray(0, 4000);
    bytes.writeUInt16LE(0x11, 20);
    writeFileSync(path, bytes);
    await expect(withPath(join(scratch, 'empty'), () => monoOf(path))).rejects.toThrow(
      `cannot read '${path}': grafo reads WAV files with IMA ADPCM only through ffmpeg, which is not installed here`,
    );
  });

  it.skipIf(process.platform === 'win32')('is refused with what it says where it fails', async () => {
    const folder = fakeFfmpeg('fails', "console.error('moov atom not found\\nmore'); process.exitCode = 1;");
    await expect(withPath(folder, () => monoOf(m4a))).rejects.toThrow(
      `cannot read '${m4a}': ffmpeg says: moov atom not found`,
    );
  });
});

describe('another rate', () => {
  const tone = (hz: number, rate: number, n: number): Float32Array =>
    Float32Array.from({ length: n }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
  const converted = (samples: Float32Array, from: number, to: number, piece = samples.length): Float32Array => {
    const resampler = createResampler(from, to);
    const parts: Float32Array[] = [];
    for (let i = 0; i < samples.length; i += piece) parts.push(resampler.push(samples.subarray(i, i + piece)));
    return joined([...parts, resampler.end()]);
  };
  const power = (samples: Float32Array): number => {
    const middle = samples.subarray(1000, -1000);
    return middle.reduce((sum, x) => sum + x * x, 0) / middle.length;
  };

  it.each([8000, 11_025, 22_050, 44_100, 44_099, 48_000, 96_000, 192_000])(
    'of %i Hz keeps a tone of the band as it was',
    (rate) => {
      const seconds = 0.5;
      const got = converted(tone(3000, rate, rate * seconds), rate, 16_000);
      expect(got.length).toBe(Math.ceil((rate * seconds * 16_000) / rate));
      const ideal = tone(3000, 16_000, got.length);
      const error = power(got.map((x, i) => x - ideal[i]!)) / 0.5;
      expect(10 * Math.log10(error)).toBeLessThan(-75);
    },
  );

  it.each([
    { rate: 44_100, hz: 9000 },
    { rate: 48_000, hz: 12_000 },
    { rate: 48_000, hz: 20_000 },
    { rate: 192_000, hz: 50_000 },
  ])('of $rate Hz loses a tone of $hz Hz instead of folding it into the band', ({ rate, hz }) => {
    expect(10 * Math.log10(power(converted(tone(hz, rate, rate / 2), rate, 16_000)))).toBeLessThan(-75);
  });

  it('is the same in one piece and in many', () => {
    const sound = tone(440, 44_100, 10_000);
    const whole = converted(sound, 44_100, 16_000);
    for (const piece of [1, 7, 441, 9999]) expect(converted(sound, 44_100, 16_000, piece)).toEqual(whole);
  });

  it('of a constant is the constant, and of one sample is one sample', () => {
    const constant = converted(new Float32Array(5000).fill(0.5), 44_100, 16_000).subarray(100, -100);
    expect(Math.max(...constant.map((x) => Math.abs(x - 0.5)))).toBeLessThan(1e-7);
    expect(converted(Float32Array.of(1), 48_000, 16_000).length).toBe(1);
    expect(converted(new Float32Array(0), 48_000, 16_000).length).toBe(0);
  });
});

describe('a sound of any length', () => {
  const bank = melBank(slaneyFilters(80), 80);
  const inPieces = (sound: Float32Array, piece: number) =>
    async function* () {
      for (let i = 0; i < sound.length; i += piece) yield sound.subarray(i, i + piece);
    };

  it('gives the windows of the whole sound, whatever pieces it comes in', async () => {
    const sound = joined([jfk, new Float32Array(16_000), jfk, jfk]);
    const whole = logMel(sound, bank);
    for (const piece of [160, 4999, sound.length]) {
      const listen = inPieces(sound, piece);
      const loudness = await measure(listen, bank);
      expect(loudness.nSample).toBe(sound.length);
      const windows = new MelWindows(listen, bank, loudness);
      expect(windows.nFrame).toBe(1 + Math.floor((sound.length - 200) / 160));
      for (const at of [0, 0, 1234, 2999, 3300]) {
        const window = await windows.at(at, WINDOW_FRAMES);
        const expected = new Float32Array(80 * 3000);
        for (let m = 0; m < 80; m++)
          expected.set(whole.data.subarray(m * whole.nFrame + at, m * whole.nFrame + at + 3000), m * 3000);
        const worst = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - window.data[i]!)), 0);
        expect(worst).toBeLessThan(1e-6);
      }
    }
  });

  it('cannot go back to what it has forgotten', async () => {
    const listen = inPieces(jfk, 160);
    const windows = new MelWindows(listen, bank, await measure(listen, bank));
    await windows.at(500, WINDOW_FRAMES);
    await expect(windows.at(400, WINDOW_FRAMES)).rejects.toThrow('was forgotten');
  });

  it('of one sample, and of none, has a window', async () => {
    for (const sound of [Float32Array.of(0.5), new Float32Array(0)]) {
      const listen = inPieces(sound, 1);
      const loudness = await measure(listen, bank);
      expect(loudness.nSample).toBe(sound.length);
      const { data } = await new MelWindows(listen, bank, loudness).at(0, WINDOW_FRAMES);
      const whole = logMel(sound, bank).data;
      expect(data.every((x, i) => Math.abs(x - whole[i]!) < 1e-6)).toBe(true);
    }
  });

  it('may last six hours and takes no more memory than a minute', async () => {
    const second = jfk.slice(16_000, 32_000);
    let heard = 0;
    const sixHours = async function* (): AsyncGenerator<Block> {
      for (let i = 0; i < 6 * 3600; i++) yield { sampleRate: 16_000, channels: [second, second.slice()] };
    };
    const windows = new MelWindows(() => monoAt16k('six hours', sixHours()), bank, {
      nSample: 6 * 3600 * 16_000,
      most: 1.5,
    });
    const before = process.memoryUsage();
    let most = 0;
    // Every half an hour a window is looked at; what lies between is heard and forgotten.
    for (let frame = 0; frame < windows.nFrame; frame += 180_000) {
      const window = await windows.at(frame, WINDOW_FRAMES);
      heard += window.data[100]! > -1 ? 1 : 0;
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      most = Math.max(most, arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed);
    }
    expect(heard).toBe(12);
    expect(most).toBeLessThan(400e6);
  });
});
