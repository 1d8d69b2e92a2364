/** Which model a command runs, from what the user says. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelWish } from '../src/commands/model-source.ts';
import { detectorPath, modelPath } from '../src/commands/model-source.ts';
import { grafo } from './commands/run.ts';
import { fixture, scratch } from './fixtures.ts';
import { openHubServer } from './hub-server.ts';

const demos = join(scratch, 'demo');
mkdirSync(demos);
for (const name of ['llama.md', 'llama.gguf', 'whisper.bin', 'vit.png']) writeFileSync(join(demos, name), '');

/** The path that is chosen, and what is told of it. */
const chosen = async (wish: ModelWish, kind: 'llama' | 'vit' | 'whisper', folder = demos) => {
  const told: string[] = [];
  const path = await modelPath(wish, kind, (line) => told.push(line), folder);
  return { path, told };
};

describe('the model of a command', () => {
  it('is the file that is named, without a word about it', async () => {
    expect(await chosen({ model: 'some.gguf' }, 'llama')).toEqual({ path: 'some.gguf', told: [] });
  });

  it.each([
    ['llama', 'llama.gguf'],
    ['whisper', 'whisper.bin'],
  ] as const)(
    'is the demo of %s where none is named, in one line that says how to get a real one',
    async (kind, name) => {
      const { path, told } = await chosen({}, kind);
      expect(path).toBe(join(demos, name));
      expect(told).toEqual([expect.stringMatching(/grafo's small demo; a real one: -m \S+, or -(hf|m) .+$/)]);
    },
  );

  it.each([
    ['its kind has no demo', demos],
    ['there are no demos', join(scratch, 'nowhere')],
  ])('is asked for where %s', async (_, folder) => {
    await expect(chosen({}, 'vit', folder)).rejects.toMatchObject({
      kind: 'usage',
      message: 'no model file',
      hint: expect.stringContaining('give one with -m vit.gguf'),
    });
  });

  it.each<[ModelWish, 'llama' | 'whisper', string]>([
    [{ model: 'hf:no/model:Q8_0' }, 'llama', 'hf:no/model:Q8_0'],
    [{ 'hf-repo': 'no/model', 'hf-file': 'x.gguf' }, 'llama', 'hf:no/model/x.gguf'],
    [{ model: 'base.en-q5_1' }, 'whisper', 'hf:ggerganov/whisper.cpp/ggml-base.en-q5_1.bin'],
    [{ model: 'turbo' }, 'whisper', 'hf:ggerganov/whisper.cpp/ggml-large-v3-turbo.bin'],
  ])('that %j means for %s is one of the hub', async (wish, kind, name) => {
    await expect(chosen({ ...wish, offline: true }, kind)).rejects.toThrow(`${name} is not in the cache`);
  });

  it.each([
    ['bas', '-m base downloads it'],
    ['models/ggml-small.en.bin', '-m small.en downloads it'],
    ['something-else.bin', 'a name such as base, small.en, turbo is downloaded'],
  ])('of whisper that is not there, %s, is refused with the name that was meant', async (model, hint) => {
    await expect(modelPath({ model }, 'whisper', () => undefined)).rejects.toMatchObject({ kind: 'file', hint });
  });

  it('that is called like one of whisper.cpp is a file where there is one', async () => {
    expect((await chosen({ model: 'tiny' }, 'llama')).path).toBe('tiny');
    await expect(detectorPath('silero-v6.2.0', { offline: true }, () => undefined)).rejects.toThrow(
      'hf:ggml-org/whisper-vad/ggml-silero-v6.2.0.bin is not in the cache',
    );
    expect(await detectorPath('mine.bin', {}, () => undefined)).toBe('mine.bin');
  });

  it.each<[ModelWish, string]>([
    [{ model: 'a.gguf', 'hf-repo': 'a/b' }, '-m and -hf'],
    [{ 'hf-file': 'a.gguf' }, '-hff names a file of a repository'],
    [{ 'hf-repo': 'a/b', 'hf-file': '../c' }, 'is no path of a file'],
  ])('is not what %j says', async (wish, sentence) => {
    await expect(chosen(wish, 'llama')).rejects.toThrow(sentence);
  });
});

describe('a command with a model of the hub', async () => {
  const server = await openHubServer({
    files: { 'tiny-Q4_0.gguf': readFileSync(fixture('llama/gqa-q4_0.gguf')) },
  });
  afterAll(() => server.close());
  const env = { HF_ENDPOINT: server.endpoint, HF_HOME: join(scratch, 'hf'), HF_HUB_OFFLINE: '' };

  it('downloads it, runs it, and does not ask again when it is offline', async () => {
    const args = ['llama', '-hf', 'some/model:q4_0', '-p', 'Hi', '-n', '4', '--temp', '0', '--json'];
    const first = await grafo(args, { env });
    expect(first.stderr).toContain('downloading some/model, ');
    expect(JSON.parse(first.stdout).ids.length).toBeGreaterThan(0);
    const { length } = server.requests;
    const again = await grafo([...args, '--offline', '-q'], { env });
    expect(again.stderr).toBe('');
    expect(JSON.parse(again.stdout).text).toBe(JSON.parse(first.stdout).text);
    expect(server.requests.length).toBe(length);
  });

  it('whose graph is dumped is not downloaded: its header is read in few requests', async () => {
    const before = server.requests.length;
    const cache = { ...env, HF_HOME: join(scratch, 'none') };
    const { stdout, stderr } = await grafo(['graph-dump', '-m', 'hf:some/model', '--depth', 'block'], { env: cache });
    const here = await grafo(['graph-dump', '-m', fixture('llama/gqa-q4_0.gguf'), '--depth', 'block']);
    expect([stdout, stderr]).toEqual([here.stdout, '']);
    const ranges = server.requests
      .slice(before)
      .filter(({ where }) => where === 'store')
      .map(({ range }) => range);
    expect(ranges.length).toBeLessThan(4);
    expect(ranges).not.toContain(undefined);
    expect(existsSync(cache.HF_HOME)).toBe(false);
  });

  it('says in one sentence what is wrong with its name, and exits with 8', async () => {
    const { code, stderr } = await grafo(['quantize', '-q', 'hf:some/model:Q6_K', 'out.gguf', 'Q8_0'], { env });
    expect(stderr).toBe('grafo quantize: some/model has no Q6_K\n  it has tiny-Q4_0.gguf\n');
    expect(code).toBe(8);
  });
});
