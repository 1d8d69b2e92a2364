/** The spectrogram against one made in float64 by OpenAI's formulas. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { logMel, melBank, slaneyFilters } from '../src/io/audio/mel.ts';
import { fixture, nmse } from './fixtures.ts';

interface Section {
  readonly n_len: number;
  readonly sum_3000: number;
  readonly exact: { readonly offset: number };
}
interface Signal {
  readonly frames: readonly number[];
  readonly 80: Section;
  readonly 128: Section;
}
interface References {
  readonly signals: Readonly<Record<string, Signal>>;
  /** Of the bank of 128: row, first bin, values. */
  readonly filters128_nonzero: readonly (readonly [number, number, readonly number[]])[];
}

const references: References = JSON.parse(readFileSync(fixture('mel/mel-refs.json'), 'utf8'));
const values = readFileSync(fixture('mel/mel-refs.bin'));

/** The file's header is 78 bytes long. */
const jfk = (): Float32Array => {
  const bytes = readFileSync(fixture('audio/jfk.wav'));
  return Float32Array.from({ length: 176_000 }, (_, i) => bytes.readInt16LE(78 + 2 * i) / 32768);
};
const toSample = (x: number): number => Math.round(x * 32768) / 32768;
const signals: Readonly<Record<string, () => Float32Array>> = {
  jfk,
  chirp: () =>
    Float32Array.from({ length: 32_000 }, (_, i) => {
      const t = i / 16_000;
      return toSample(0.5 * Math.sin(2 * Math.PI * (100 * t + (7800 * t * t) / 4)));
    }),
  noise: () => {
    let x = 12345;
    return Float32Array.from({ length: 32_000 }, () => {
      x = (Math.imul(1664525, x) + 1013904223) >>> 0;
      return Math.floor((((x >>> 16) - 32768) * 3) / 10) / 32768;
    });
  },
  click: () => Float32Array.from({ length: 32_000 }, (_, i) => (i === 8000 ? 0.75 : i === 8001 ? -0.5 : 0)),
};

const expected = (signal: string, nMels: 80 | 128): Float32Array => {
  const { frames, [nMels]: section } = references.signals[signal]!;
  return Float32Array.from({ length: nMels * frames.length }, (_, i) =>
    values.readFloatLE(section.exact.offset + 4 * i),
  );
};

describe('the spectrogram', () => {
  for (const [name, samples] of Object.entries(signals)) {
    it.each([80, 128] as const)(`of ${name} in %i bands is the exact one within 1e-4 everywhere`, (nMels) => {
      const { frames, [nMels]: section } = references.signals[name]!;
      const mel = logMel(samples(), melBank(slaneyFilters(nMels), nMels));
      expect(mel.nFrame).toBe(section.n_len);
      const got = Float32Array.from(
        { length: nMels * frames.length },
        (_, i) => mel.data[Math.floor(i / frames.length) * mel.nFrame + frames[i % frames.length]!]!,
      );
      const exact = expected(name, nMels);
      expect(Math.max(...got.map((x, i) => Math.abs(x - exact[i]!)))).toBeLessThan(1e-6);
      expect(nmse(got, exact)).toBeLessThan(1e-12);
      let sum = 0;
      for (let m = 0; m < nMels; m++) for (let f = 0; f < 3000; f++) sum += mel.data[m * mel.nFrame + f]!;
      expect(Math.abs(sum / section.sum_3000 - 1)).toBeLessThan(1e-6);
    });
  }

  it('of digital silence is -1.5 everywhere', () => {
    const mel = logMel(new Float32Array(16_000), melBank(slaneyFilters(80), 80));
    expect(mel.nFrame).toBe(3100);
    expect(mel.data.every((x) => x === -1.5)).toBe(true);
  });

  it('of one sample, and of none, is a window of 30 s', () => {
    const bank = melBank(slaneyFilters(80), 80);
    expect(logMel(Float32Array.of(0.5), bank)).toMatchObject({ nMels: 80, nFrame: 3000 });
    expect(logMel(new Float32Array(0), bank).data.every((x) => x === -1.5)).toBe(true);
  });

  it('of 30 s takes a small part of a second', () => {
    const sound = Float32Array.from({ length: 480_000 }, (_, i) => Math.sin(i * 0.1) * Math.sin(i * 1e-4));
    const bank = melBank(slaneyFilters(80), 80);
    const times = Array.from({ length: 8 }, () => {
      const before = process.cpuUsage();
      logMel(sound, bank);
      return process.cpuUsage(before).user / 1000;
    });
    // 30 to 40 ms of one core; the bound leaves room for a machine that is busy with other tests.
    expect(Math.min(...times)).toBeLessThan(120);
  });
});

describe('the bank of bands', () => {
  it('of 128 is the one that OpenAI ships', () => {
    const filters = slaneyFilters(128);
    const shipped = new Float32Array(filters.length);
    for (const [row, first, weights] of references.filters128_nonzero) shipped.set(weights, row * 201 + first);
    expect(Math.max(...filters.map((w, i) => Math.abs(w - shipped[i]!)))).toBeLessThan(1e-7);
  });
});
