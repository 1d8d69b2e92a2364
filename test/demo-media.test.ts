/** The demo models that see and hear, on the samples beside them: real weights, present on every clone. */
import { readdirSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { grafo } from './commands/run.ts';

vi.setConfig({ testTimeout: 60_000 });

const demo = fileURLToPath(new URL('../demo/', import.meta.url));

const samples = readdirSync(`${demo}samples`).map((name) => `${demo}samples/${name}`);
const pictures = samples.filter((path) => extname(path) === '.png');
const recordings = samples.filter((path) => extname(path) === '.wav');

/** Bytes before the samples. */
const WAV_HEADER = 44;

/** What a command line of grafo writes to stdout. */
const stdoutOf = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await grafo(args);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
};

/** What a sample is named after: its words, in small letters. */
const nameOf = (path: string): string => basename(path, extname(path)).replaceAll('-', ' ');

const plain = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, ' ')
    .trim();

describe('the demo models', () => {
  it.each([
    ['vit.bin', 2],
    ['whisper.bin', 5],
  ])('%s takes up at most %i MB', (name, megabytes) => {
    expect(statSync(demo + name).size).toBeLessThanOrEqual(megabytes * 1e6);
  });

  it('the pictures beside them get their names', async () => {
    expect(pictures.length).toBeGreaterThanOrEqual(4);
    const lines = (await stdoutOf('vit', '-m', `${demo}vit.bin`, ...pictures, '-k', '1', '--jsonl', '-q', '--no-cache'))
      .trim()
      .split('\n')
      .map((line): { file: string; predictions: { label: string }[] } => JSON.parse(line));
    expect(lines.map(({ file, predictions }) => [file, predictions[0]?.label])).toEqual(
      pictures.map((path) => [path, nameOf(path)]),
    );
  });

  it('the recordings beside them are heard to say their names, and when', async () => {
    expect(recordings.length).toBeGreaterThanOrEqual(2);
    const heard = (await stdoutOf('whisper', '-m', `${demo}whisper.bin`, ...recordings, '--json', '-np', '--no-cache'))
      .trim()
      .split('\n')
      .map((line): { text: string; segments: { start: number; end: number }[] } => JSON.parse(line));
    expect(heard.map(({ text }) => plain(text))).toEqual(recordings.map(nameOf));
    heard.forEach(({ segments }, i) => {
      const seconds = (statSync(recordings[i]!).size - WAV_HEADER) / (2 * 16_000);
      expect(segments.map(({ start }) => Math.round(start))).toEqual([0]);
      expect(Math.abs(segments[0]!.end - seconds)).toBeLessThan(0.5);
    });
  });
});
