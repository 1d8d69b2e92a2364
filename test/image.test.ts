/** Images as Pillow and vit.cpp prepare them, and the forms in which files come. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type DecodeOptions, decodeImage } from '../src/io/image/decode.ts';
import type { Pixels } from '../src/io/image/pixels.ts';
import { normalise, type Preprocessing, toSquare } from '../src/io/image/preprocess.ts';
import { resample } from '../src/io/image/resample.ts';
import { difference, same } from './difference.ts';
import { fixture, scratch } from './fixtures.ts';
import { sharedData } from './shared-data.ts';

const asPillow: DecodeOptions = { upright: false, alpha: 'drop', jpeg: 'libjpeg', side: 64 };
const timm: Preprocessing = {
  resizer: 'pillow',
  interpolation: 'bicubic',
  cropPct: 0.9,
  cropMode: 'center',
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const vitCpp: Preprocessing = { ...timm, resizer: 'vit.cpp' };

const decode = (input: string | Uint8Array, o: Partial<DecodeOptions> = {}): Promise<Pixels> =>
  decodeImage({ name: 'picture', input }, { ...asPillow, ...o });

describe('a picture of noise, enlarged,', () => {
  const stored = readFileSync(fixture('vit/tiny-5x3.pixels.bin'));
  const png = fixture('vit/tiny-5x3.png');

  it('is what vit.cpp makes of it', async () => {
    const { data } = toSquare(await decode(png), 64, vitCpp);
    expect(difference(data, stored.subarray(0, 12288))).toEqual(same);
  });

  it('is what timm makes of it, to the last grey level', async () => {
    const { data } = toSquare(await decode(png), 64, timm);
    expect(difference(data, stored.subarray(12288))).toEqual(same);
  });
});

const references = sharedData('vit/vit-refs.json', 'preprocessing of photographs');
describe.skipIf(!references)('photographs', () => {
  const refs = JSON.parse(readFileSync(references ?? fixture('vit/tiny-5x3.json'), 'utf8'));
  const arrays = references ? readFileSync(references.replace(/json$/, 'bin')) : Buffer.alloc(0);
  const names: readonly string[] = Object.keys(refs.pixels ?? {});
  const path = (name: string): string => references!.replace('vit-refs.json', name);
  const stored = (name: string): Uint8Array => {
    const { offset } = refs.sections.find((s: { name: string }) => s.name === name);
    return arrays.subarray(offset, offset + 64 * 64 * 3);
  };
  const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
  /** Pillow 9 clips 16-bit grey to white; the sensible result is beside it. */
  const timmName = (name: string) => (name === 'giraffe-grey16.png' ? `${name}.highbyte` : name);

  it.each(names.filter((name) => name !== 'giraffe-grey16.png'))(
    '%s decodes to the bytes that Pillow gives',
    async (name) => {
      expect(sha256((await decode(path(name))).data)).toBe(refs.pixels[name].sha256_decoded_rgb_pil);
    },
  );

  it.each(names)("%s becomes timm's pixels, every one of them", async (name) => {
    const { data } = toSquare(await decode(path(name)), 64, timm);
    expect(difference(data, stored(`timm.u8.${timmName(name)}`))).toEqual(same);
  });

  it.each(names)("%s becomes vit.cpp's pixels, every one of them", async (name) => {
    const { data } = toSquare(await decode(path(name), { jpeg: 'stb' }), 64, vitCpp);
    expect(difference(data, stored(`vitcpp.u8.${name}`))).toEqual(same);
  });

  it.each(['tench.jpg', 'kiwi-grey.jpg'])('%s is the same at 224 and at 384 pixels', async (name) => {
    const image = await decode(path(name));
    const sums = refs.pixels[name];
    expect(sha256(toSquare(image, 224, timm).data)).toBe(sums['sha256_timm_u8_224_crop0.9']);
    expect(sha256(toSquare(image, 384, { ...timm, cropPct: 1 }).data)).toBe(sums.sha256_timm_u8_384_crop1);
  });

  it('a picture that was stored on its side is turned upright', async () => {
    const lying = await decode(path('magpie-exif6.jpg'));
    const upright = await decode(path('magpie-exif6.jpg'), { upright: true });
    expect([lying.width, lying.height]).toEqual([395, 420]);
    expect([upright.width, upright.height]).toEqual([420, 395]);
    // Orientation 6: the upright picture's top row is the stored one's left column, from its foot to its head.
    const at = (p: Pixels, x: number, y: number) => [
      ...p.data.subarray((y * p.width + x) * 3, (y * p.width + x) * 3 + 3),
    ];
    expect(at(upright, 10, 0)).toEqual(at(lying, 0, 420 - 1 - 10));
  });
});

describe('a file may be', () => {
  const colours = { width: 4, height: 2, channels: 3 as const };
  const raw = Buffer.from([...Array(24).keys()].map((i) => i * 10));
  const made = sharp(raw, { raw: colours });

  it.each<[string, () => Promise<Buffer>]>([
    ['PNG', () => made.clone().png().toBuffer()],
    ['lossless WebP', () => made.clone().webp({ lossless: true }).toBuffer()],
    ['TIFF', () => made.clone().tiff({ compression: 'lzw' }).toBuffer()],
    ['lossless AVIF', () => made.clone().avif({ lossless: true, chromaSubsampling: '4:4:4' }).toBuffer()],
  ])('%s', async (format, file) => {
    const { width, height, data } = await decode(await file());
    expect([width, height]).toEqual([4, 2]);
    expect(difference(data, raw).most).toBeLessThanOrEqual(format.includes('AVIF') ? 2 : 0);
  });

  it('an animation, of which the first frame counts', async () => {
    const frames = Buffer.concat([Buffer.alloc(48, 200), Buffer.alloc(48, 10)]);
    const gif = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
      .gif({ delay: [50, 50] })
      .toBuffer();
    const { width, height, data } = await decode(gif);
    expect([width, height]).toEqual([4, 4]);
    expect([...data].every((v) => Math.abs(v - 200) < 4)).toBe(true);
  });

  it('an SVG drawing', async () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="6"><rect width="8" height="6" fill="#f00"/></svg>';
    const { width, height, data } = await decode(Buffer.from(svg));
    expect([width, height, ...data.subarray(0, 3)]).toEqual([8, 6, 255, 0, 0]);
  });

  it('CMYK, whose colours come near to those it was made from', async () => {
    const grey = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#808080' } })
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer();
    const { data } = await decode(grey);
    expect(difference(data, new Uint8Array(8 * 8 * 3).fill(128)).most).toBeLessThan(40);
  });

  it('transparent: white shows through, or the colours beneath it are kept', async () => {
    const clear = await sharp(Buffer.from([10, 20, 30, 0, 10, 20, 30, 255]), {
      raw: { width: 2, height: 1, channels: 4 },
    })
      .png()
      .toBuffer();
    expect([...(await decode(clear, { alpha: 'white' })).data]).toEqual([255, 255, 255, 10, 20, 30]);
    expect([...(await decode(clear, { alpha: 'drop' })).data]).toEqual([10, 20, 30, 10, 20, 30]);
  });

  it('grey, with and without transparency', async () => {
    const png = (channels: 1 | 2, bytes: readonly number[]) =>
      sharp(Buffer.from(bytes), { raw: { width: 2, height: 1, channels } })
        .toColourspace('b-w')
        .png()
        .toBuffer();
    expect([...(await decode(await png(1, [7, 200]))).data]).toEqual([7, 7, 7, 200, 200, 200]);
    expect([...(await decode(await png(2, [7, 0, 200, 255]), { alpha: 'white' })).data]).toEqual([
      255, 255, 255, 200, 200, 200,
    ]);
  });
});

describe('a file is refused when', () => {
  const expectRefusal = (input: string | Uint8Array, sentence: RegExp) =>
    expect(decode(input)).rejects.toMatchObject({ kind: 'file', message: expect.stringMatching(sentence) });

  it('there is none', () =>
    expectRefusal(join(scratch, 'none.jpg'), /cannot read '.*none\.jpg': no such file or directory/));

  it('it is no image', () =>
    expectRefusal(Buffer.from('once upon a time'), /'picture': it contains unsupported image/));

  it('it is cut short', async () => {
    const png = await sharp({
      create: {
        width: 300,
        height: 300,
        channels: 3,
        background: '#000',
        noise: { type: 'gaussian', mean: 128, sigma: 30 },
      },
    })
      .png()
      .toBuffer();
    await expectRefusal(png.subarray(0, png.length / 2), /cannot read image 'picture': /);
  });

  it('a few bytes claim to be more pixels than memory holds', async () => {
    const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    png.writeUInt32BE(60_000, 16);
    png.writeUInt32BE(60_000, 20);
    const { crc32 } = await import('node:zlib');
    if (crc32) png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    await expectRefusal(png, /is 60000 by 60000: 3,600 megapixels, allowed are 268/);
  });
});

describe('a very large picture', () => {
  it('is decoded at a reduced size, and looks the same', async () => {
    const [width, height] = [7200, 4800];
    const gradient = (width: number, height: number) =>
      Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs><linearGradient id="g">
        <stop stop-color="#204080"/><stop offset="1" stop-color="#e0c040"/></linearGradient></defs>
        <rect width="${width}" height="${height}" fill="url(#g)"/></svg>`,
      );
    const jpeg = await sharp(gradient(width, height)).jpeg({ quality: 95 }).toBuffer();
    const small = await decode(jpeg, { side: 224 });
    expect(small.width * small.height).toBeLessThan((width * height) / 15);
    expect(Math.min(small.width, small.height)).toBeGreaterThanOrEqual(224 * 4);
    const drawnSmall = await decode(gradient(720, 480));
    const [reduced, drawn] = [small, drawnSmall].map((image) => toSquare(image, 224, timm).data);
    expect(difference(reduced!, drawn!).most).toBeLessThanOrEqual(2);
  });
});

describe('the way to a square', () => {
  /** Columns of rising grey: the position can be read off the colour. */
  const ramp = (width: number, height: number): Pixels => ({
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.floor(i / 3) % width),
  });
  const row = (p: Pixels, y: number) =>
    [...p.data.subarray(y * p.width * 3, (y + 1) * p.width * 3)].filter((_, i) => i % 3 === 0);

  it.each<[Preprocessing['cropMode'], readonly number[]]>([
    ['center', [2, 3, 4, 5]], // columns 2 to 5 of 8
    ['squash', [1, 3, 5, 7]], // every two columns become one; 0.5 rounds up
  ])('%s', (cropMode, expected) => {
    const p: Preprocessing = { ...timm, interpolation: 'box', cropPct: 1, cropMode };
    expect(row(toSquare(ramp(8, 4), 4, p), 0)).toEqual(expected);
  });

  it('border puts the whole picture between bands of the mean', () => {
    const p: Preprocessing = { ...timm, interpolation: 'box', cropPct: 1, cropMode: 'border' };
    const square = toSquare(ramp(8, 4), 4, p);
    expect([0, 1, 2, 3].map((y) => row(square, y))).toEqual([
      [128, 128, 128, 128],
      [1, 3, 5, 7],
      [1, 3, 5, 7],
      [128, 128, 128, 128],
    ]);
  });

  it('a part of a resized picture is the same as that part cut out afterwards', () => {
    const image = ramp(50, 40);
    const whole = resample(image, { width: 23, height: 31 }, 'lanczos');
    const part = resample(image, { width: 23, height: 31 }, 'lanczos', { left: 5, top: 7, width: 9, height: 11 });
    const cut = Array.from({ length: 11 }, (_, y) => row(whole, y + 7).slice(5, 14));
    expect(Array.from({ length: 11 }, (_, y) => row(part, y))).toEqual(cut);
  });

  it('colours become (c / 255 - mean) / std, plane by plane', () => {
    const out = new Float32Array(8).fill(9);
    normalise(
      { width: 1, height: 2, data: Uint8Array.of(255, 0, 51, 0, 255, 102) },
      { mean: [0.5, 0, 0], std: [0.5, 1, 2] },
      out,
      1,
    );
    expect([...out]).toEqual([9, 1, -1, 0, 1, ...[0.1, 0.2].map(Math.fround), 9]);
  });
});
