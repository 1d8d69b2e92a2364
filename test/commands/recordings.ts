/** Recordings, made or at hand, for the tests of `grafo whisper`. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import wavefile from 'wavefile';
import { scratch } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';

/** An empty folder of this name. */
export const emptyFolder = (name: string): string => {
  const path = join(scratch, name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
};

/** A WAV file of 16-bit samples. */
export const saveWav = (path: string, channels: readonly Int16Array[], rate = 16_000): string => {
  const wav = new wavefile.WaveFile();
  wav.fromScratch(channels.length, rate, '16', channels.length === 1 ? channels[0]! : [...channels]);
  writeFileSync(path, wav.toBuffer());
  return path;
};

export const samplesOf = (path: string): Int16Array =>
  Int16Array.from(new wavefile.WaveFile(readFileSync(path)).getSamples(true, Int16Array) as ArrayLike<number>);

export const joined = (...parts: readonly Int16Array[]): Int16Array => {
  const out = new Int16Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

export const silence = (seconds: number): Int16Array => new Int16Array(Math.round(16_000 * seconds));

/** The recordings, and the files beside them, of a small model that was really trained; undefined where they are not there. */
export const words = sharedData('whisper-words', 'a model that really transcribes');

/** The path of one of its files. */
export const wordsModel = (name: string): string => {
  const path = join(scratch, name);
  if (!existsSync(path)) writeFileSync(path, brotliDecompressSync(readFileSync(join(words!, `${name}.br`))));
  return path;
};
