/** Many files shared by several processes: who does what, and what is there when one of them is killed. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { findFiles } from '../../src/commands/named-files.ts';
import type { ShareFlags, Task } from '../../src/commands/share.ts';
import { parseShard, tasksToDo } from '../../src/commands/share.ts';
import { vitCommand } from '../../src/commands/vit.ts';
import { whisperCommand } from '../../src/commands/whisper.ts';
import { writeWhole } from '../../src/io/whole-file.ts';
import { fixture, scratch } from '../fixtures.ts';
import { emptyFolder } from './recordings.ts';
import { grafo, grafoFile, run } from './run.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Names of all files below a folder, with slashes. */
const below = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();

const all: ShareFlags = { shard: undefined, 'skip-existing': false };

describe('a share of many files', () => {
  const folder = emptyFolder('tasks');
  const task = (path: string): Task => ({ path, outputs: [join(folder, `${basename(path)}.txt`)] });
  const shareOf = async (paths: readonly string[], shard: string, flags: Partial<ShareFlags> = {}) =>
    (await tasksToDo(paths.map(task), { ...all, shard: parseShard(shard), ...flags }, 'files', () => undefined)).map(
      ({ path }) => path,
    );

  it('is every N-th file by name, each once, in whatever order and however often they are named', async () => {
    const named = ['e', 'b', 'd', './b', 'a', 'c'];
    for (const paths of [named, [...named].reverse()]) {
      const shares = await Promise.all(['0/3', '1/3', '2/3'].map((shard) => shareOf(paths, shard)));
      expect(shares.map((share) => share.map((path) => basename(path)))).toEqual([['a', 'd'], ['b', 'e'], ['c']]);
    }
  });

  it('is the same when it begins anew, but for what is done', async () => {
    writeFileSync(join(folder, 'a.txt'), '');
    const paths = ['a', 'b', 'c', 'd', 'e'];
    const skips = { 'skip-existing': true };
    expect(await Promise.all(['0/2', '1/2'].map((shard) => shareOf(paths, shard, skips)))).toEqual([
      ['c', 'e'],
      ['b', 'd'],
    ]);
  });

  it('may be nothing', async () => {
    expect(await shareOf(['a'], '4/5')).toEqual([]);
  });

  it.each([
    ['2/2', /there is no such share/],
    ['0/0', /no share I\/N/],
    ['-1/2', /no share I\/N/],
    ['1', /no share I\/N/],
    ['a/b', /no share I\/N/],
  ])('%s is refused', (text, sentence) => {
    expect(() => parseShard(text)).toThrow(sentence);
  });

  it('is refused where two files would become one', async () => {
    const tasks = [task('x/talk.wav'), task('y/talk.wav')];
    await expect(tasksToDo(tasks, all, 'files', () => undefined)).rejects.toMatchObject({
      kind: 'usage',
      message: `'x/talk.wav' and 'y/talk.wav' would both be written to '${join(folder, 'talk.wav.txt')}'`,
    });
  });

  it('is refused before any work where its folder cannot be written to', async () => {
    const tasks = [{ path: import.meta.filename, outputs: [join(folder, 'a.txt', 'deeper', 'a.json')] }];
    await expect(tasksToDo(tasks, all, 'files', () => undefined)).rejects.toMatchObject({ kind: 'file' });
  });

  it('makes no folder for a file that is missing', async () => {
    const tasks = [{ path: 'nowhere/none.wav', outputs: [join(folder, 'nowhere', 'none.wav.txt')] }];
    expect(await tasksToDo(tasks, all, 'files', () => undefined)).toEqual(tasks);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });

  it('clears its folders of what killed runs left, and of nothing that is being written', async () => {
    const [old, fresh, others] = ['a.txt.0badcafe.part', 'b.txt.0badcafe.part', 'movie.part'].map((name) => {
      const path = join(folder, name);
      writeFileSync(path, 'half');
      return path;
    }) as [string, string, string];
    const yesterday = new Date(Date.now() - 24 * 3600 * 1000);
    for (const path of [old, others]) utimesSync(path, yesterday, yesterday);
    const recording = join(folder, 'b');
    writeFileSync(recording, '');
    await shareOf([recording], '0/1', { 'skip-existing': true });
    expect([old, fresh, others].map((path) => existsSync(path))).toEqual([false, true, true]);
  });
});

describe('files on a command line', () => {
  const folder = emptyFolder('named');
  for (const path of ['one.wav', 'deep/two.WAV', 'deep/er/three.wav', 'notes.txt']) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
  const sought = { what: 'recordings', extensions: /\.wav$/i };
  const places = async (word: string) => (await findFiles([word], sought)).map(({ place }) => place);

  it.each([
    ['a folder', folder, ['deep/er/three.wav', 'deep/two.WAV', 'one.wav']],
    ['a pattern', `${folder}/**/*.wav`, ['deep/er/three.wav', 'one.wav']],
    ['a pattern below a folder', `${folder}/deep/*/*.wav`, ['er/three.wav']],
    ['a file', `${folder}/deep/two.WAV`, ['two.WAV']],
    ['a file that is not there', 'nowhere/none.wav', ['none.wav']],
  ])('lie below what was named by %s', async (_, word, expected) => {
    expect(await places(word.replaceAll('\\', '/'))).toEqual(expected);
  });

  it('are missed in a sentence', async () => {
    await expect(places(emptyFolder('empty'))).rejects.toThrow(/has no recordings$/);
    await expect(places(`${folder}/*.mp3`)).rejects.toThrow(/no file is like/);
  });
});

describe('a whole file', () => {
  it('is there as one of its writers wrote it, and nothing else', async () => {
    const path = join(emptyFolder('whole'), 'file');
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(50_000 + i));
    await Promise.all(texts.map((text) => writeWhole(path, (file) => file.writeFile(text))));
    expect(texts).toContain(readFileSync(path, 'utf8'));
    expect(readdirSync(dirname(path))).toEqual(['file']);
  });

  it('stays as it was where the next one fails', async () => {
    const path = join(emptyFolder('failing'), 'file');
    await writeWhole(path, (file) => file.writeFile('first'));
    const second = writeWhole(path, async (file) => {
      await file.writeFile('sec');
      throw new Error('no space');
    });
    await expect(second).rejects.toThrow('no space');
    expect([readFileSync(path, 'utf8'), readdirSync(dirname(path))]).toEqual(['first', ['file']]);
  });
});

const model = fixture('vit/vit-micro-f16.bin');
const demo = fileURLToPath(new URL('../../demo/', import.meta.url));

describe('three processes over one folder of images', () => {
  const folder = emptyFolder('images');
  const [images, results, maps] = ['in', 'out', 'maps'].map((name) => join(folder, name)) as [string, string, string];
  const names = Array.from({ length: 24 }, (_, i) => `${i % 2 ? 'odd' : 'even'}/${i}.png`).sort();
  const second = names.filter((_, i) => i % 3 === 1);
  const share = (i: number, ...flags: string[]) => {
    const outputs = ['--output-dir', results, '--attention-map', join(maps, 'map.png')];
    return ['vit', '-m', model, images, ...outputs, '--shard', `${i}/3`, '-k', '1', '-t', '1', ...flags];
  };
  const named = (stdout: string) =>
    [...stdout.matchAll(/^(.*) > .* : /gm)].map(([, path]) => relative(images, path!).replaceAll('\\', '/'));

  it('do every image once; the one that is killed goes on where it was', async () => {
    mkdirSync(maps);
    for (const [i, name] of names.entries()) {
      mkdirSync(dirname(join(images, name)), { recursive: true });
      const background = { r: 7 * i, g: 0, b: 99 };
      await sharp({ create: { width: 8, height: 8, channels: 3, background } })
        .png()
        .toFile(join(images, name));
    }
    // The second dies as soon as its first answer is out.
    const runs = [0, 1, 2].map((i) =>
      run(process.execPath, [grafoFile, ...share(i)], {
        onStdout: (_, child) => {
          if (i === 1) child.kill('SIGKILL');
        },
      }),
    );
    const [first, killed, third] = await Promise.all(runs);
    expect([first?.code, killed?.code, third?.code]).toEqual([0, 137, 0]);
    expect(first?.stderr).toContain('share 0/3: 8 of 24 images\n');

    const done = below(results).filter((name) => name.endsWith('.json'));
    const isMissing = (name: string) => !done.includes(`${name}.json`);
    expect(names.filter(isMissing)).toEqual(second.filter(isMissing));
    expect(second.some(isMissing)).toBe(true);
    const read = (name: string) => JSON.parse(readFileSync(join(results, name), 'utf8'));
    for (const name of done) expect(read(name).predictions).toHaveLength(1);

    const again = await grafo(share(1, '--skip-existing'));
    expect(again.code).toBe(0);
    expect(named(again.stdout)).toEqual(second.filter(isMissing));
    expect([...named(first!.stdout), ...named(third!.stdout), ...second].sort()).toEqual(names);
    expect(below(results).filter((name) => name.endsWith('.json'))).toEqual(names.map((name) => `${name}.json`));
    expect(read(`${names[0]}.json`)).toMatchObject({
      file: join(images, names[0]!),
      predictions: [{ score: expect.any(Number) }],
    });
    for (const i of names.keys()) {
      const map = await sharp(join(maps, i === 0 ? 'map.png' : `map-${i + 1}.png`)).stats();
      expect(map.channels).toHaveLength(3);
    }
    const idle = await grafo(share(1, '--skip-existing'));
    expect(idle).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'share 1/3: 8 of 24 images\n8 of 8 are done already\n',
    });
  });
});

describe('a command line is refused in a sentence when', () => {
  it.each<[string, readonly string[], RegExp]>([
    ['stdin is to be shared', ['-', '--shard', '0/2'], /'-' and --shard: stdin cannot be shared/],
    ['one summary is to be shared', ['--eval', scratch, '--shard', '0/2'], /--eval is one summary of all images/],
    ['nothing shows what is done', ['x.png', '--skip-existing'], /--skip-existing needs --output-dir/],
  ])('%s', async (_, flags, message) => {
    await expect(vitCommand.run(['-m', model, ...flags])).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(message),
    });
  });

  it('recordings of one name would become one', async () => {
    const apart = ['monday', 'sunday'].map((day) => join(scratch, day, 'talk.wav'));
    for (const path of apart) {
      mkdirSync(dirname(path));
      writeFileSync(path, '');
    }
    const shared = whisperCommand.run([...apart, '--output-dir', scratch, '--output-txt']);
    await expect(shared).rejects.toThrow(/would both be written to '.*talk\.wav\.txt'$/);
    await expect(whisperCommand.run(['-f', '-', '--shard', '0/2'])).rejects.toThrow(/stdin cannot be shared/);
  });
});

describe('a share of a folder of recordings', () => {
  it('is transcribed into the same folders below another', async () => {
    const folder = emptyFolder('recordings');
    const sample = join(demo, 'samples', 'turn-on-the-office-fan.wav');
    for (const name of ['monday', 'sunday']) {
      mkdirSync(join(folder, 'in', name), { recursive: true });
      copyFileSync(sample, join(folder, 'in', name, 'talk.wav'));
    }
    const [input, output] = [join(folder, 'in'), resolve(folder, 'out')];
    const flags = ['-m', join(demo, 'whisper.bin'), input, '--output-dir', output, '-otxt', '-osrt'];
    const { code, stderr } = await grafo(['whisper', ...flags, '--shard', '1/2']);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('share 1/2: 1 of 2 recordings');
    expect(below(output)).toEqual(['sunday/talk.wav.srt', 'sunday/talk.wav.txt']);
    expect(readFileSync(join(output, 'sunday', 'talk.wav.txt'), 'utf8')).toBe('Turn on the office fan.\n');
  });
});
