/** `grafo demo`: what a newcomer sees first. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { demoCommand } from '../../src/commands/demo.ts';
import { stops } from '../../src/commands/demo-stops.ts';
import { imageCells } from '../../src/io/image/cells.ts';
import { scratch } from '../fixtures.ts';
import { openPty } from './pty.ts';
import { grafo, grafoAlone } from './run.ts';

vi.setConfig({ testTimeout: 60_000 });

const root = fileURLToPath(new URL('../../', import.meta.url));
const stopNamed = (name: string) => stops.find((stop) => stop.name === name)!;

describe('grafo demo', () => {
  it('has a stop for each of the four models, and its samples are there', () => {
    expect(stops.map(({ name }) => name)).toEqual(['llama', 'deepseek', 'vit', 'whisper', 'graph-dump', 'bench']);
    const samples = stops.flatMap(({ words }) => words.filter((word) => word.startsWith('demo/')));
    expect(samples.length).toBeGreaterThanOrEqual(2);
    for (const path of samples) expect(existsSync(join(root, path)), path).toBe(true);
  });

  it('shows in a pipe the command lines and what they really print, without colours', async () => {
    const stop = stopNamed('graph-dump');
    const tour = await grafoAlone(['demo', 'graph-dump'], { cwd: root });
    const alone = await grafo(stop.words, { cwd: root });
    expect([tour.code, tour.stderr, alone.code]).toEqual([0, '', 0]);
    expect(tour.stdout).toContain(`$ grafo ${stop.words.join(' ')}\n${alone.stdout}`);
    expect(tour.stdout).not.toContain('\x1b');
  });

  it('shows the picture at a terminal, and what is drawn and said there fits', async () => {
    const pty = openPty(['demo', 'vit'], { rows: 40 });
    expect(await pty.ended).toBe(0);
    const screen = pty.screen();
    expect(screen).toMatch(/\(1 of 1\)\n\$ grafo vit .*\n(▀{24}\n){12} > red fish : /);
    expect(screen).toContain(stopNamed('vit').title);
    expect(screen).toContain(stopNamed('vit').further);
  });

  it.each(stops.map(({ name, title, further, words }) => [name, title, further, words] as const))(
    'the words around %s fit eighty columns',
    (_, title, further, words) => {
      expect(`${title} (1 of 6)`.length).toBeLessThanOrEqual(80);
      expect(`10.0 s. ${further}`.length).toBeLessThanOrEqual(80);
      expect(`$ grafo ${words.join(' ')}""`.length).toBeLessThanOrEqual(80);
    },
  );

  it('ends with the exit code of a stop that did not end well', async () => {
    const { code, stdout } = await grafoAlone(['demo', 'llama', 'vit'], {
      onStdout: (text, child) => text.includes('$ grafo llama') && child.kill('SIGTERM'),
    });
    expect(code).toBe(143);
    expect(stdout).not.toContain('grafo vit');
  });

  it('names the nearest stop to one that is not there', async () => {
    await expect(demoCommand.run(['visper'])).rejects.toMatchObject({ kind: 'usage', message: "no stop 'visper'" });
    await expect(demoCommand.run(['whispe'])).rejects.toMatchObject({ hint: 'did you mean whisper?' });
  });
});

describe('a picture in a terminal', () => {
  it.each([
    ['rgb', '\x1b[38;2;255;0;0;48;2;0;90;255m▀\x1b[0m'],
    ['cube', '\x1b[38;5;196;48;5;27m▀\x1b[0m'],
  ] as const)('has two pixels in a cell, in colours of %s', async (colours, cell) => {
    const path = join(scratch, `${colours}.png`);
    const pixels = Uint8Array.of(255, 0, 0, 0, 90, 255);
    await sharp(pixels, { raw: { width: 1, height: 2, channels: 3 } }).toFile(path);
    expect(await imageCells(path, 1, colours)).toBe(cell);
  });
});
