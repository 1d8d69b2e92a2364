/** `grafo vit` as a user meets it: what it prints where, what it refuses, and how it ends. Build first: npm run build. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createStopwatch } from '../../src/commands/vit/timings.ts';
import { openGguf } from '../../src/io/gguf/reader.ts';
import { fixture, scratch } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';
import { grafo, grafoFile, run } from './run.ts';

const model = fixture('vit/vit-micro-f16.bin');
const noise = fixture('vit/tiny-5x3.png');
const probs: readonly number[] = JSON.parse(readFileSync(fixture('vit/tiny-5x3.json'), 'utf8')).runs.f16
  .exact_probs_timm_pixels;

const photos = join(scratch, 'photos');
const red = join(photos, 'deep', 'red.png');
const blue = join(photos, 'blue.webp');

const plainImage = (background: string) => sharp({ create: { width: 80, height: 60, channels: 3, background } });

beforeAll(async () => {
  mkdirSync(join(photos, 'deep'), { recursive: true });
  await plainImage('#c02020').png().toFile(red);
  await plainImage('#2020c0').webp().toFile(blue);
  writeFileSync(join(photos, 'notes.txt'), 'no image');
});

const vit = (...args: readonly string[]) => grafo(['vit', '-m', model, ...args]);

describe('one image', () => {
  it('gives lines in the shape of vit.cpp, and nothing else on stdout', async () => {
    const { code, stdout, stderr } = await vit(noise);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(line).toMatch(/^ > .+ : [01]\.\d\d$/);
    const best = [...probs].sort((a, b) => b - a)[0]!;
    expect(lines[0]).toBe(` > Granny Smith : ${best.toFixed(2)}`);
    expect(stderr).toMatch(/^cpu \(.*\): .*; compute f32, images of 64 pixels\n/);
    expect(stderr).toMatch(/\[ load \d+ ms \| per image: preprocess [\d.]+ ms, inference [\d.]+ ms \| 1 image in /);
  });

  it('tells with --perf where the time went, as a table', async () => {
    const { stderr } = await vit(noise, noise, '-b', '2', '--perf');
    const rows = [...stderr.matchAll(/^ *(\w+) time = +([\d.]+) ms(?: \/ +(\d+) images)?/gm)].map((row) =>
      row.slice(1),
    );
    expect(rows.map(([name, , n]) => [name, n])).toEqual([
      ['load', undefined],
      ['preprocess', '2'],
      ['inference', '2'],
      ['total', '2'],
    ]);
    const [load, , inference, total] = rows.map(([, ms]) => Number(ms));
    expect(total).toBeGreaterThanOrEqual(load! + inference!);
  });

  it.each([
    ['-k', '3', 3],
    ['--topk', '0', 12],
    ['--threshold', '0.05', probs.filter((p) => p >= 0.05).slice(0, 5).length],
  ])('%s %s names %i classes', async (flag, value, n) => {
    const { stdout } = await vit(noise, flag, value, '-q');
    expect(stdout.trimEnd().split('\n')).toHaveLength(n);
  });

  it('has the probabilities of float64 and timm in --json, to the last digits', async () => {
    const { stdout, stderr } = await vit(noise, '-k', '0', '--json', '-q');
    expect(stderr).toBe('');
    const { images, failed, device, compute } = JSON.parse(stdout);
    expect([failed, device, compute]).toEqual([[], 'cpu', 'f32']);
    expect(images[0].file).toBe(noise);
    const found: { index: number; score: number }[] = images[0].predictions;
    expect(found.map(({ index }) => index)).toEqual([...probs.keys()].sort((a, b) => probs[b]! - probs[a]!));
    for (const { index, score } of found) expect(Math.abs(score - probs[index]!)).toBeLessThan(1e-6);
  });

  it('may come from a pipe, or as vit.cpp names it', async () => {
    const piped = await run('sh', ['-c', `"${process.execPath}" "${grafoFile}" vit -q -m "${model}" - < "${noise}"`]);
    const named = await vit('-q', '-i', noise);
    expect(piped.code).toBe(0);
    expect(piped.stdout).toBe(named.stdout);
    expect(piped.stdout).toMatch(/^ > Granny Smith/);
  });

  it('gives scores before the softmax with --logits', async () => {
    const { stdout } = await vit(noise, '--logits', '--jsonl', '-k', '0', '-q');
    const { predictions } = JSON.parse(stdout) as { predictions: { index: number; score: number }[] };
    const [first, last] = [predictions[0]!, predictions.at(-1)!];
    const ratio = Math.log(probs[first.index]! / probs[last.index]!);
    expect(first.score - last.score).toBeCloseTo(ratio, 4);
  });

  it('gives what the classifier sees with --embeddings', async () => {
    const { stdout } = await vit(noise, '--embeddings', '--json', '-q');
    expect(JSON.parse(stdout).images[0].embedding).toHaveLength(64);
    const text = await vit(noise, '--embeddings', '-q');
    expect(text.stdout.trim().split(' ')).toHaveLength(65);
  });

  it('bears the names of a file of the user, by line or as JSON', async () => {
    const lines = join(scratch, 'names.txt');
    writeFileSync(lines, Array.from({ length: 12 }, (_, i) => `name ${i}`).join('\n'));
    expect((await vit(noise, '--labels', lines, '-k', '1', '-q')).stdout).toMatch(/^ > name 4 : /);
    const json = join(scratch, 'names.json');
    writeFileSync(
      json,
      JSON.stringify({ id2label: Object.fromEntries([...Array(12).keys()].map((i) => [i, `j${i}`])) }),
    );
    expect((await vit(noise, '--labels', json, '-k', '1', '-q')).stdout).toMatch(/^ > j4 : /);
  });

  it('shows where the model looked', async () => {
    const map = join(scratch, 'map.png');
    const { code } = await vit(noise, '--attention-map', map, '-q');
    expect(code).toBe(0);
    const { data, info } = await sharp(map).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([448, 448, 3]);
    const warm = data.filter((_, i) => i % 3 === 0);
    expect(warm.reduce((a, b) => Math.max(a, b)) - warm.reduce((a, b) => Math.min(a, b))).toBeGreaterThan(60);
  });

  it('may be of another size than the model was trained on', async () => {
    const { code, stdout, stderr } = await vit(noise, '--img-size', '96', '-k', '1');
    expect([code, stderr]).toEqual([0, expect.stringContaining('images of 96 pixels')]);
    expect(stdout).toMatch(/^ > /);
  });

  it('differs little with 8-bit arithmetic', async () => {
    const { stdout } = await vit(noise, '--compute', 'int8', '--json', '-k', '0', '-q');
    const { images, compute } = JSON.parse(stdout);
    expect(compute).toBe('int8');
    for (const { index, score } of images[0].predictions) expect(Math.abs(score - probs[index]!)).toBeLessThan(0.03);
  });
});

describe('several images', () => {
  it('are found in folders, patterns and files, and named on every line', async () => {
    const { code, stdout } = await vit(photos, join(photos, '*.webp'), noise, '-k', '1', '-b', '2', '-q');
    expect(code).toBe(0);
    const names = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' > ')[0]);
    expect(names).toEqual([blue, red, blue, noise]);
  });

  it('are the same alone and in a batch', async () => {
    const alone = await vit(photos, noise, '--csv', '-q');
    const batch = await vit(photos, noise, '--csv', '-q', '-b', '8');
    const scores = (csv: string) =>
      csv
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => Number(line.split(',').at(-1)));
    const [a, b] = [scores(alone.stdout), scores(batch.stdout)];
    expect(a).toHaveLength(15);
    a.forEach((score, i) => {
      expect(score).toBeCloseTo(b[i]!, 6);
    });
  });

  it('of which some cannot be read: those are named on stderr, the others are done, and the code is 7', async () => {
    const broken = join(scratch, 'broken.jpg');
    writeFileSync(broken, 'no JPEG');
    const { code, stdout, stderr } = await vit(noise, broken, 'nowhere.png', red, '-k', '1', '-q');
    expect(code).toBe(7);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(
        /^grafo vit: cannot read image '.*broken\.jpg': it contains unsupported|^grafo vit: cannot read image '.*broken\.jpg'/,
      ),
      "grafo vit: cannot read 'nowhere.png': no such file or directory",
    ]);
  });

  it('are timed by those that the model has seen', async () => {
    const watch = createStopwatch(1);
    watch.prepared([{ ms: 4 }, { ms: 2 }]);
    expect(await watch.inference(1, async () => 'seen')).toBe('seen');
    expect([watch.nImage, watch.nSeen]).toEqual([2, 1]);
    expect(watch.line()).toMatch(/^\[ load 1 ms \| per image: preprocess 3\.0 ms, .* \| 1 image in /);
    expect(watch.table()).toMatch(/preprocess time = .* 2 images .*\n.*inference time = .* 1 images /);
  });

  it('as CSV: a heading, and quotes where a label has commas', async () => {
    const { stdout } = await vit(red, noise, '--csv', '-k', '0', '-q');
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('filename,index,label,score');
    expect(lines).toHaveLength(1 + 24);
    expect(lines.filter((line) => line.includes(',"tench, Tinca tinca",'))).toHaveLength(2);
    expect(lines.filter((line) => line.includes(',"label with ""quotes""",'))).toHaveLength(2);
  });

  it('as JSON lines, one for each', async () => {
    const { stdout } = await vit(red, noise, '--jsonl', '-k', '2', '-q');
    const objects = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(objects.map(({ file, predictions }) => [file, predictions.length])).toEqual([
      [red, 2],
      [noise, 2],
    ]);
  });

  it('have a map each', async () => {
    await vit(red, noise, '--attention-map', join(scratch, 'maps.png'), '-q');
    expect(['maps.png', 'maps-2.png'].map((name) => existsSync(join(scratch, name)))).toEqual([true, true]);
  });
});

describe('accuracy on a folder', () => {
  const dir = join(scratch, 'val');
  /** Noise is called a Granny Smith, a kiwi and a magpie; how many of these are among its five likeliest classes. */
  const amongFive = [4, 3, 1].filter((truth) => probs.filter((p) => p > probs[truth]!).length < 5).length / 3;
  beforeAll(async () => {
    for (const name of ['Granny Smith', 'kiwi', '1']) mkdirSync(join(dir, name), { recursive: true });
    await copyFile(noise, join(dir, 'Granny Smith', 'a.png'));
    await copyFile(noise, join(dir, 'kiwi', 'b.png'));
    await copyFile(noise, join(dir, '1', 'c.png'));
  });

  it('is told by class, with what is taken for what', async () => {
    const { code, stdout } = await vit('--eval', dir, '-q', '-b', '2');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^top-1 {2}33\\.33 % {2}top-5 +${(100 * amongFive).toFixed(2)} % {2}of 3 images\n`),
    );
    expect(stdout).toMatch(/\nGranny Smith 100\.00 % {2}of 1\n/);
    expect(stdout).toMatch(/ 1 x magpie -> Granny Smith\n {4}1 x kiwi -> Granny Smith\n$/);
  });

  it('is an object with --json', async () => {
    const { stdout } = await vit('--eval', dir, '-q', '--json');
    const summary = JSON.parse(stdout);
    expect([summary.images, summary.top1, summary.top5]).toEqual([3, 1 / 3, amongFive]);
    expect(summary.confusions).toHaveLength(2);
  });

  it('needs folders that are classes', async () => {
    const { code, stderr } = await vit('--eval', scratch, '-q');
    expect(code).toBe(2);
    expect(stderr).toMatch(/folder '.*' is no class of this model/);
  });
});

describe('--convert', () => {
  it('writes a GGUF file that answers alike, and knows its preprocessing and its labels', async () => {
    const out = join(scratch, 'converted.gguf');
    expect((await vit('--convert', out, '-q')).code).toBe(0);
    const [before, after] = [await vit(noise, '--csv', '-q'), await grafo(['vit', '-m', out, noise, '--csv', '-q'])];
    expect(after.stdout).toBe(before.stdout);
    const file = await openGguf(out);
    expect(file.metadata.get('vit.preprocess.crop_pct')).toBe(0.9);
    expect(file.metadata.get('vit.image_mean')).toEqual([0.5, 0.5, 0.5]);
    expect(file.tensors.get('v.blk.0.attn_qkv.weight')?.type).toBe('f16');
    await file.close();
  });

  it('rounds matrices to the type asked for, as vit.cpp rounds them', async () => {
    const out = join(scratch, 'rounded.gguf');
    await vit('--convert', out, '--type', 'q8_0', '-q');
    const [ours, theirs] = await Promise.all(
      [out, fixture('vit/vit-micro-q8_0.bin')].map((path) =>
        grafo(['vit', '-m', path, noise, '--csv', '-q', '-k', '0']),
      ),
    );
    expect(ours!.stdout).toBe(theirs!.stdout);
  });
});

describe('a command line is refused in a sentence when', () => {
  it.each<[string, readonly string[], number, RegExp]>([
    ['there is no image', ['vit', '-m', model], 2, /no image/],
    ['a folder is empty', ['vit', '-m', model, join(scratch, 'photos', 'none', '*.png')], 2, /no file is like/],
    ['the one image is missing', ['vit', '-m', model, 'nowhere.png'], 3, /cannot read 'nowhere\.png': no such file/],
    ['the model is an image', ['vit', '-m', noise, noise], 4, /is not a GGUF file/],
    ['the model is a text model', ['vit', '-m', fixture('llama/gqa-f16.gguf'), noise], 4, /is a 'llama' model/],
    ['two forms are asked for', ['vit', '-m', model, noise, '--json', '--csv'], 2, /two forms of one output/],
    ['a mean has two numbers', ['vit', '-m', model, noise, '--mean', '1,2'], 2, /is not one number or three/],
    ['a deviation is zero', ['vit', '-m', model, noise, '--std', '0'], 2, /a deviation is larger than 0/],
    ['labels are too few', ['vit', '-m', model, noise, '--labels', noise], 2, /names \d+ classes, the model has 12/],
    ['patches do not fill the images', ['vit', '-m', model, noise, '--img-size', '65'], 4, /input_size is 65/],
    ['a type is for nothing', ['vit', '-m', model, noise, '--type', 'q8_0'], 2, /--type is the type of what --convert/],
  ])('%s', async (_, args, code, sentence) => {
    const result = await grafo([...args]);
    expect(result.stderr).toMatch(sentence);
    expect(result.stderr).not.toMatch(/internal error|\n\s+at /);
    expect(result.code).toBe(code);
  });
});

const photographs = sharedData('vit/tench.jpg', 'the command on photographs');
describe.skipIf(!photographs)('photographs', () => {
  const refs = JSON.parse(
    readFileSync(photographs?.replace('tench.jpg', 'vit-refs.json') ?? fixture('vit/tiny-5x3.json'), 'utf8'),
  );
  const all = Object.keys(refs.runs);
  /** Pillow 9 made 16-bit grey white. */
  const names = all.filter((name) => name !== 'giraffe-grey16.png');
  const topFive = (list: readonly number[]) => [...list.keys()].sort((a, b) => list[b]! - list[a]!).slice(0, 5);
  const classes = async (names: readonly string[], ...flags: readonly string[]) => {
    const paths = names.map((name) => photographs!.replace('tench.jpg', name));
    const { stdout } = await grafo([
      'vit',
      '-m',
      photographs!.replace('tench.jpg', 'vit-micro-f16.bin'),
      ...paths,
      ...flags,
      '--json',
      '-q',
      '-b',
      '4',
    ]);
    return JSON.parse(stdout).images.map(
      ({ predictions }: { predictions: { index: number; score: number }[] }) => predictions,
    );
  };

  it("have vit.cpp's five likeliest classes in its order with --preprocess vit.cpp, as likely as its pixels make them", async () => {
    const found = await classes(all, '--preprocess', 'vit.cpp', '-k', '0');
    all.forEach((name, i) => {
      const { vitcpp_probs: theirs, exact_probs_vitcpp_pixels: exact } = refs.runs[name].f16;
      const ours: readonly { readonly index: number; readonly score: number }[] = found[i];
      expect(
        ours.slice(0, 5).map(({ index }) => index),
        name,
      ).toEqual(topFive(theirs));
      for (const { index, score } of ours) expect(Math.abs(score - exact[index]), name).toBeLessThan(1e-6);
    });
  });

  it("have the probabilities of float64 on timm's own pixels", async () => {
    const found = await classes(names, '-k', '0', '--no-exif', '--alpha', 'drop');
    names.forEach((name, i) => {
      for (const { index, score } of found[i])
        expect(Math.abs(score - refs.runs[name].f16.exact_probs_timm_pixels[index]), name).toBeLessThan(1e-6);
    });
  });
});
