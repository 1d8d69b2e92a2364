/** Where there is speech, against whisper.cpp: probabilities, spans by its rules, and the way back to the recording's times. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../src/graph/builder.ts';
import { Engine } from '../src/graph/device/engine.ts';
import { writeProgram } from '../src/graph/device/files.ts';
import { Hparams } from '../src/graph/hparams.ts';
import { lower } from '../src/graph/lower/lower.ts';
import { Weights } from '../src/graph/weights.ts';
import { openRecording } from '../src/io/audio/recording.ts';
import { openSilero } from '../src/io/ggml/silero.ts';
import { silero } from '../src/models/silero.ts';
import { speechProbabilities } from '../src/models/vad/detector.ts';
import type { SpeechOptions } from '../src/models/vad/speech.ts';
import { defaultSpeech, speechSpans } from '../src/models/vad/speech.ts';
import { joinedSpeech, joinSpeech, originalSpan, originalTime } from '../src/models/vad/timeline.ts';
import { plain } from './cpu.ts';
import { fixture, scratch } from './fixtures.ts';
import { sharedData } from './shared-data.ts';

interface Reference {
  readonly n_samples: number;
  readonly n_probs: number;
  readonly probs_whispercpp: readonly number[];
  /** Of the first input alone. */
  readonly probs_float64?: readonly number[];
  /** By the name of the settings, in hundredths of a second. */
  readonly segments_cs: Readonly<Record<string, readonly (readonly [number, number])[]>>;
}

const references: Readonly<Record<string, Reference>> = JSON.parse(
  readFileSync(fixture('whisper/vad.json'), 'utf8'),
).inputs;

const variants: Readonly<Record<string, Partial<SpeechOptions>>> = {
  default: {},
  'threshold_0.8': { threshold: 0.8 },
  min_silence_600: { minSilenceMs: 600 },
  max_speech_2s: { maxSpeechS: 2 },
  pad_400: { speechPadMs: 400 },
  min_speech_1500: { minSpeechMs: 1500 },
};

const centiseconds = (spans: readonly { readonly from: number; readonly to: number }[]) =>
  spans.map(({ from, to }) => [from / 160, to / 160]);

const jfk = async (): Promise<Float32Array> => {
  const all: Float32Array[] = [];
  for await (const part of (await openRecording(fixture('audio/jfk.wav'))).mono()) all.push(part);
  return joined(all);
};

const joined = (parts: readonly Float32Array[]): Float32Array => {
  const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

async function* inPieces(sound: Float32Array, piece: number): AsyncGenerator<Float32Array> {
  for (let i = 0; i < sound.length; i += piece) yield sound.subarray(i, i + piece);
}

const sounds: Readonly<Record<string, () => Promise<Float32Array>>> = {
  jfk,
  'jfk+5s_silence+jfk': async () => joined([await jfk(), new Float32Array(80_000), await jfk()]),
};

const model = sharedData('whisper/for-tests-silero-v6.2.0-ggml.bin', 'the probability of speech');

describe.skipIf(!model)('the detector of speech', () => {
  const probabilitiesOf = async (sound: AsyncIterable<Float32Array>): Promise<Float32Array> => {
    const file = await openSilero(model!);
    const h = silero.hparams(new Hparams(file.metadata, silero.arch));
    const weights = new Weights(file);
    const g = new GraphBuilder('detector');
    silero.graphs.detector(g, { h, w: silero.weights(weights, h) });
    expect(weights.unclaimed()).toEqual([]);
    const program = lower(g.build(), plain, {});
    const files = await writeProgram(program, join(scratch, 'cache'));
    const engine = await Engine.open({ model: files.model, program, provider: 'cpu', index: 0, threads: 1 });
    const parts: Float32Array[] = [];
    for await (const part of speechProbabilities(engine, h.nEmbd, sound)) parts.push(part);
    await engine.close();
    await files.remove();
    await file.close();
    return joined(parts);
  };

  it.each(Object.entries(sounds))('hears in %s what whisper.cpp hears', async (name, sound) => {
    const { n_probs, probs_whispercpp, probs_float64, segments_cs } = references[name]!;
    const heard = await probabilitiesOf(inPieces(await sound(), 10_000));
    expect(heard.length).toBe(n_probs);
    const worst = (reference: readonly number[]) =>
      heard.reduce((most, p, i) => Math.max(most, Math.abs(p - reference[i]!)), 0);
    if (probs_float64) expect(worst(probs_float64)).toBeLessThan(1e-5);
    expect(worst(probs_whispercpp)).toBeLessThan(0.005);
    for (const [variant, options] of Object.entries(variants))
      expect(centiseconds(speechSpans(heard, { ...defaultSpeech, ...options }))).toEqual(segments_cs[variant]);
  });

  it('hears the same however the sound comes', async () => {
    const sound = await jfk();
    const whole = await probabilitiesOf(inPieces(sound, sound.length));
    expect(await probabilitiesOf(inPieces(sound, 777))).toEqual(whole);
  });

  it('hears nothing in silence, and gives one probability for one sample and none for none', async () => {
    const silence = await probabilitiesOf(inPieces(new Float32Array(32_000), 32_000));
    expect(silence.reduce((most, p) => Math.max(most, p), 0)).toBeLessThan(0.1);
    expect(await probabilitiesOf(inPieces(Float32Array.of(0.5), 1))).toHaveLength(1);
    expect(await probabilitiesOf(inPieces(new Float32Array(0), 1))).toHaveLength(0);
  });
});

describe('spans of speech', () => {
  const named = Object.keys(references).flatMap((input) => Object.keys(variants).map((v) => [input, v] as const));
  it.each(named)('of %s by the settings %s are those of whisper.cpp', (input, variant) => {
    const { probs_whispercpp, segments_cs } = references[input]!;
    const spans = speechSpans(probs_whispercpp, { ...defaultSpeech, ...variants[variant] });
    expect(centiseconds(spans)).toEqual(segments_cs[variant]);
  });

  /** n chunks of each probability. */
  const chunks = (...runs: readonly (readonly [n: number, p: number])[]) =>
    runs.flatMap(([n, p]) => new Array<number>(n).fill(p));
  const spansOf = (probabilities: readonly number[], options: Partial<SpeechOptions> = {}) =>
    centiseconds(speechSpans(probabilities, { ...defaultSpeech, speechPadMs: 0, ...options }));

  it.each<readonly [title: string, probabilities: readonly number[], options: Partial<SpeechOptions>, number[][]]>([
    ['of nothing are none', [], {}, []],
    ['of silence are none', chunks([100, 0.1]), {}, []],
    ['shorter than the least speech are dropped', chunks([7, 0.9], [20, 0]), {}, []],
    ['go on to the end of a sound that ends in speech', chunks([10, 0], [20, 0.9]), {}, [[32, 96]]],
    ['go on while it is only a little less than speech', chunks([20, 0.9], [20, 0.4], [20, 0.9]), {}, [[0, 192]]],
    ['are one where less than 200 ms are between them', chunks([20, 0.9], [6, 0], [20, 0.9]), {}, [[0, 147]]],
    // 7 chunks are 224 ms.
    [
      'are two where more is between them',
      chunks([20, 0.9], [7, 0], [20, 0.9]),
      {},
      [
        [0, 64],
        [86, 150],
      ],
    ],
    ['never begin before the sound or end after it', chunks([20, 0.9]), { speechPadMs: 400 }, [[0, 64]]],
    [
      'share what is between them where padding needs more',
      chunks([20, 0.9], [10, 0], [20, 0.9], [10, 0]),
      { speechPadMs: 400 },
      [
        [0, 80],
        [80, 192],
      ],
    ],
    [
      'that are too long are cut at the last silence',
      chunks([40, 0.9], [5, 0], [40, 0.9]),
      { maxSpeechS: 2, minSilenceMs: 1000 },
      [[0, 272]],
    ],
  ])('%s', (_, probabilities, options, spans) => {
    expect(spansOf(probabilities, options)).toEqual(spans);
  });
});

describe('joined speech', () => {
  const s = 16_000;
  const spans = [
    { from: 0.32 * s, to: 2.27 * s },
    { from: 3.27 * s, to: 4.41 * s },
    { from: 5.38 * s, to: 7.68 * s },
    { from: 8.16 * s, to: 10.62 * s },
  ];
  // What whisper.cpp prints for jfk: 135,200 samples, parts of 2.05, 1.24, 2.4 and 2.46 s.
  const timeline = joinSpeech(spans, 176_000, 0.1 * s);

  it('is as long as that of whisper.cpp', () => {
    const lengths = timeline.parts.map(({ from, to }) => (to - from) / s);
    expect(lengths).toEqual([2.05, 1.24, 2.4, 2.46]);
    expect(timeline.nSample).toBe(135_200);
    expect(timeline.points).toHaveLength(4 * 2 + 3);
  });

  it.each([
    // [in the joined speech, in the recording]: ends of spans, the silence between, before and after all.
    [0, 320],
    [1000, 1320],
    [1950, 2270],
    [2050, 2270],
    [2100, 2770],
    [2150, 3270],
    [3290, 4410],
    [3490, 5380],
    [5990, 8160],
    [8450, 10620],
    [30_000, 10620],
  ])('at %i ms was at %i ms', (joinedMs, ms) => {
    expect(originalTime(timeline, joinedMs)).toBe(ms);
  });

  it('never goes back in time', () => {
    for (let ms = 10; ms <= 9000; ms += 10)
      expect(originalTime(timeline, ms)).toBeGreaterThanOrEqual(originalTime(timeline, ms - 10));
  });

  it('gives every span some time, and times as they are where nothing was joined', () => {
    expect(originalSpan(timeline, { from: 1960, to: 2040 })).toEqual({ from: 2270, to: 2370 });
    expect(originalSpan(joinSpeech([], 1000, 0), { from: 1960, to: 1961 })).toEqual({ from: 1960, to: 1961 });
  });

  it('gives the segments that whisper-cli wrote back their times', () => {
    // The crafted model says these whatever it hears.
    const said = [0, 3300, 8000, 11_000];
    const spans = references['jfk+5s_silence+jfk']!.segments_cs.default!.map(([from, to]) => ({
      from: from * 160,
      to: to * 160,
    }));
    const timeline = joinSpeech(spans, 432_000, 1600);
    const written: { readonly transcription: readonly { readonly offsets: { from: number; to: number } }[] } =
      JSON.parse(JSON.parse(readFileSync(fixture('whisper/cli-outputs.json'), 'utf8'))['vad.json']);
    const mapped = [0, 1, 2].map((i) => originalSpan(timeline, { from: said[i]!, to: said[i + 1]! }));
    expect(mapped).toEqual(written.transcription.map(({ offsets }) => offsets));
  });

  it('holds the parts with 0.1 s of silence between, whatever pieces the recording comes in', async () => {
    const sound = Float32Array.from({ length: 176_000 }, (_, i) => i);
    for (const piece of [1000, 4999, 176_000]) {
      const parts: Float32Array[] = [];
      for await (const part of joinedSpeech(inPieces(sound, piece), timeline)) parts.push(part);
      const heard = joined(parts);
      expect(heard.length).toBe(135_200);
      expect([heard[0], heard[32_799], heard[32_800], heard[34_399], heard[34_400]]).toEqual([
        5120, 37_919, 0, 0, 52_320,
      ]);
      expect(heard.at(-1)).toBe(10.62 * s - 1);
    }
  });

  it('of a sound without speech is nothing', async () => {
    const none = joinSpeech([], 1000, 1600);
    expect(none).toEqual({ parts: [], points: [], nSample: 0 });
    for await (const part of joinedSpeech(inPieces(new Float32Array(1000), 100), none)) expect(part).toBeUndefined();
  });
});
