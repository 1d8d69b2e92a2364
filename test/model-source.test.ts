/** Which model a command runs, from what the user says. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelPath } from '../src/commands/model-source.ts';
import { scratch } from './fixtures.ts';

const demos = join(scratch, 'demo');
mkdirSync(demos);
for (const name of ['llama.md', 'llama.gguf', 'whisper.bin', 'vit.png']) writeFileSync(join(demos, name), '');

/** The path that is chosen, and what is told of it. */
const chosen = async (model: string | undefined, kind: 'llama' | 'vit' | 'whisper', folder = demos) => {
  const told: string[] = [];
  const path = await modelPath({ model }, kind, (line) => told.push(line), folder);
  return { path, told };
};

describe('the model of a command', () => {
  it('is the file that is named, without a word about it', async () => {
    expect(await chosen('some.gguf', 'llama')).toEqual({ path: 'some.gguf', told: [] });
  });

  it.each([
    ['llama', 'llama.gguf'],
    ['whisper', 'whisper.bin'],
  ] as const)(
    'is the demo of %s where none is named, in one line that says how to get a real one',
    async (kind, name) => {
      const { path, told } = await chosen(undefined, kind);
      expect(path).toBe(join(demos, name));
      expect(told).toHaveLength(1);
      expect(told[0]).toMatch(/grafo's small demo; a real one: -m \S+$/);
    },
  );

  it.each([
    ['its kind has no demo', demos],
    ['there are no demos', join(scratch, 'nowhere')],
  ])('is asked for where %s', async (_, folder) => {
    await expect(chosen(undefined, 'vit', folder)).rejects.toMatchObject({
      kind: 'usage',
      message: 'no model file',
      hint: 'give one with -m vit.gguf',
    });
  });
});
