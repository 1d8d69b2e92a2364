/** JPEG as vit.cpp's decoder, stb_image, reads it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import sharp, { type JpegOptions } from 'sharp';
import { describe, expect, it } from 'vitest';
import { type DecodeOptions, decodeImage } from '../src/io/image/decode.ts';
import { JpegError } from '../src/io/image/jpeg/error.ts';
import { decodeJpeg } from '../src/io/image/jpeg/jpeg.ts';
import type { Pixels } from '../src/io/image/pixels.ts';
import { difference, same } from './difference.ts';
import { fixture } from './fixtures.ts';
import { type JpegKind, jpegOf, numbers } from './jpeg-files.ts';
import { sharedData } from './shared-data.ts';

const asVitCpp: DecodeOptions = { upright: false, alpha: 'drop', jpeg: 'stb', side: 64 };
const decode = (input: string | Uint8Array, o: Partial<DecodeOptions> = {}): Promise<Pixels> =>
  decodeImage({ name: 'picture', input }, { ...asVitCpp, ...o });
const direct = (bytes: Uint8Array): Pixels | undefined => decodeJpeg(bytes, 1e6);
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

const even = [1, 1] as const;
const like = (h: number, v: number) => [[h, v], even, even] as const;

type Kind = Omit<JpegKind, 'width' | 'height'>;

/**
 * What stb_image 2.30 makes of these very files, in six sizes one behind the other: the start of a SHA-256. Whatever
 * changes only the way of coding changes nothing in it.
 */
const kinds: readonly (readonly [string, Kind, string])[] = [
  ['grey', { sampling: [even] }, '7521f20deb4b3aba'],
  ['grey in units of four blocks', { sampling: [[2, 2]] }, '0e21ec1ca5a09759'],
  ['4:4:4', { sampling: like(1, 1) }, '4a9400f846ee5a2f'],
  ['4:2:2', { sampling: like(2, 1) }, 'fcb6037999289ef8'],
  ['4:4:0', { sampling: like(1, 2) }, '619113d2284869da'],
  ['4:2:0', { sampling: like(2, 2) }, '287d55d8b423a48e'],
  ['4:1:1', { sampling: like(4, 1) }, '351392530adea8b0'],
  ['4:1:0', { sampling: like(4, 2) }, '6e366595c46e5d62'],
  ['colours of a quarter of the height', { sampling: like(1, 4) }, 'f175578277afacd7'],
  ['colours of a third both ways', { sampling: like(3, 3) }, '3220f1a219231e6d'],
  [
    'each colour in its own size',
    {
      sampling: [
        [2, 2],
        [2, 1],
        [1, 2],
      ],
    },
    '95676fba92303f51',
  ],
  ['brightness coarser than colours', { sampling: [even, [2, 2], [2, 2]] }, '0f1eac47180f3195'],
  ["RGB by Adobe's word", { sampling: like(1, 1), transform: 0 }, '03b131d8e10df589'],
  ['RGB by its names', { sampling: like(1, 1), ids: [...Buffer.from('RGB')] }, '03b131d8e10df589'],
  ["JFIF, which overrules Adobe's word", { sampling: like(1, 1), transform: 0, isJfif: true }, '4a9400f846ee5a2f'],
  ['CMYK', { sampling: [...like(1, 1), even], transform: 0 }, 'a43b2271fd8b865f'],
  ['YCCK', { sampling: [...like(2, 2), [2, 2]], transform: 2 }, 'f6972c61d4c97cc0'],
  ['a fourth colour without a word on it', { sampling: [...like(1, 1), even] }, '4a9400f846ee5a2f'],
  ['restarts after every unit', { sampling: like(2, 1), restartInterval: 1 }, 'fcb6037999289ef8'],
  ['a scan for each colour', { sampling: like(2, 2), isApart: true }, '287d55d8b423a48e'],
  [
    'restarts in a scan for each colour',
    { sampling: like(2, 2), isApart: true, restartInterval: 3 },
    '287d55d8b423a48e',
  ],
  ['quantisation of 16 bits', { sampling: like(2, 2), isWide: true }, '287d55d8b423a48e'],
];

describe("pixels are stb_image's, every one of them, for", () => {
  const sizes = [
    [37, 29],
    [16, 16],
    [1, 1],
    [1, 40],
    [33, 2],
    [17, 64],
  ] as const;

  it.each(kinds)('%s', (_, kind, expected) => {
    const all = createHash('sha256');
    for (const [width, height] of sizes) {
      const pixels = direct(jpegOf({ ...kind, width, height }));
      expect([pixels?.width, pixels?.height]).toEqual([width, height]);
      all.update(pixels!.data);
    }
    expect(all.digest('hex').slice(0, 16)).toBe(expected);
  });

  const photographs = sharedData('vit/vit-refs.json', 'photographs as stb_image decodes them');
  const refs = JSON.parse(readFileSync(photographs ?? fixture('vit/tiny-5x3.json'), 'utf8'));
  const names = Object.keys(refs.pixels ?? {}).filter((name) => /jpe?g$/.test(name));
  it.skipIf(!photographs).each(photographs ? names : ['photographs'])('%s', async (name) => {
    const { data } = await decode(photographs!.replace('vit-refs.json', name));
    expect(sha256(data)).toBe(refs.pixels[name].sha256_decoded_rgb_stb);
  });
});

describe('pixels are near those of libjpeg for', () => {
  /** Inks become colours in a way of their own, and libjpeg knows no colours of a third. */
  const others = /^(CMYK|YCCK|a fourth colour|colours of a third)/;

  it.each(kinds.filter(([name]) => !others.test(name)))('%s', async (_, kind) => {
    const bytes = jpegOf({ ...kind, width: 37, height: 29 });
    const [stb, libjpeg] = [await decode(bytes), await decode(bytes, { jpeg: 'libjpeg' })];
    const { most, mean } = difference(stb.data, libjpeg.data);
    expect(most).toBeLessThanOrEqual(3);
    expect(mean).toBeLessThan(0.15);
  });

  const drawing = Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="150" height="91"><defs><linearGradient id="g">
    <stop stop-color="#203080"/><stop offset="1" stop-color="#f0c040"/></linearGradient></defs>
    <rect width="150" height="91" fill="url(#g)"/><circle cx="60" cy="50" r="34" fill="#b03060"/>
    <path d="M5 80 L70 8 L140 75" stroke="#e8fff0" stroke-width="3" fill="none"/></svg>`,
  );
  const encoders: readonly (readonly [string, JpegOptions, 'srgb' | 'b-w'])[] = [
    ['4:2:0', { chromaSubsampling: '4:2:0' }, 'srgb'],
    ['4:4:4', { chromaSubsampling: '4:4:4', quality: 95 }, 'srgb'],
    ['grey', {}, 'b-w'],
    ['codes of its own', { optimiseCoding: true }, 'srgb'],
  ];

  it.each(encoders)("libvips's %s, whether it comes at once or by steps", async (_, options, space) => {
    const image = sharp(drawing).flatten({ background: '#fff' }).toColourspace(space);
    const file = (progressive: boolean) =>
      image
        .clone()
        .jpeg({ ...options, progressive })
        .toBuffer();
    const [atOnce, bySteps] = [await file(false), await file(true)];
    expect(bySteps.equals(atOnce)).toBe(false);
    const { data } = await decode(bySteps);
    expect(difference(data, (await decode(atOnce)).data)).toEqual(same);
    const { most, mean } = difference(data, (await decode(bySteps, { jpeg: 'libjpeg' })).data);
    expect(most).toBeLessThanOrEqual(4);
    expect(mean).toBeLessThan(0.15);
  });
});

describe('libjpeg decodes instead', () => {
  it('what is turned upright', async () => {
    const lying = await sharp(jpegOf({ sampling: like(2, 2), width: 37, height: 29 }))
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    const upright = await decode(lying, { upright: true });
    expect([upright.width, upright.height]).toEqual([29, 37]);
    expect(upright).toEqual(await decode(lying, { upright: true, jpeg: 'libjpeg' }));
  });

  it('what stb_image does not read', async () => {
    const twoColours = jpegOf({ sampling: [even, even], width: 16, height: 8 });
    expect(direct(twoColours)).toBeUndefined();
    expect(await decode(twoColours)).toEqual(await decode(twoColours, { jpeg: 'libjpeg' }));
  });

  it.each([
    [
      'colours of two thirds',
      (bytes: Buffer, frame: number) => bytes.writeUInt8(0x31, frame + 11) && bytes.writeUInt8(0x21, frame + 14),
    ],
    ['12 bits', (bytes: Buffer, frame: number) => bytes.writeUInt8(12, frame + 4)],
    ['arithmetic coding', (bytes: Buffer, frame: number) => bytes.writeUInt8(0xc9, frame + 1)],
    ['lossless coding', (bytes: Buffer, frame: number) => bytes.writeUInt8(0xc3, frame + 1)],
  ])('%s', (_, change) => {
    const bytes = jpegOf({ sampling: [[2, 1], even, even], width: 16, height: 8 });
    expect(direct(bytes)).toBeDefined();
    change(bytes, bytes.indexOf(Buffer.of(0xff, 0xc0)));
    expect(direct(bytes)).toBeUndefined();
  });
});

describe('a damaged file is refused with a sentence when', () => {
  const whole = jpegOf({ sampling: like(2, 2), width: 64, height: 48, restartInterval: 4 });
  const marker = (code: number): number => whole.indexOf(Buffer.of(0xff, code));
  const changed = (at: number, ...bytes: readonly number[]): Buffer => {
    const copy = Buffer.from(whole);
    Buffer.from(bytes).copy(copy, at);
    return copy;
  };

  it.each<readonly [string, Buffer, RegExp]>([
    ['it is cut short', whole.subarray(0, whole.length / 2), /they end too early/],
    ['its end is missing', whole.subarray(0, -2), /they end too early/],
    ['a restart marker is missing', changed(marker(0xd1), 0, 0), /a restart marker is missing/],
    ['the codes are missing', changed(marker(0xc4) + 1, 0xfe), /a Huffman table is missing/],
    ['the quantisation is missing', changed(marker(0xdb) + 1, 0xfe), /a quantisation table is missing/],
    ['codes are more than fit', changed(marker(0xc4) + 5, 3), /a Huffman table/],
    ['bits mean nothing', changed(marker(0xda) + 14, 0xf7, 0xf7, 0xf7, 0xf7, 0xf7), /no Huffman code/],
    ['a scan names a colour that is not there', changed(marker(0xda) + 5, 9), /a colour that its frame has not/],
  ])('%s', async (_, bytes, sentence) => {
    expect(() => direct(bytes)).toThrow(JpegError);
    await expect(decode(bytes)).rejects.toMatchObject({
      kind: 'file',
      message: expect.stringMatching(/^cannot read image 'picture': [^\n]+$/),
    });
    expect(() => direct(bytes)).toThrow(sentence);
  });

  it('a colour never comes', () => {
    const apart = jpegOf({ sampling: like(1, 1), width: 8, height: 8, isApart: true });
    const last = apart.lastIndexOf(Buffer.of(0xff, 0xda));
    const bytes = Buffer.concat([apart.subarray(0, last), Buffer.of(0xff, 0xd9)]);
    expect(() => direct(bytes)).toThrow('a colour without a scan');
  });

  it('it claims more pixels than its bytes can hold, before memory is taken', async () => {
    const bytes = changed(marker(0xc0) + 5, 5600 >> 8, 5600 & 255, 5600 >> 8, 5600 & 255);
    await expect(decode(bytes)).rejects.toThrow('they end too early');
    await expect(decode(changed(marker(0xc0) + 5, 0xf0, 0, 0xf0, 0))).rejects.toThrow('megapixels, allowed are');
  });

  it('it goes over its picture without end', () => {
    const scan = whole.subarray(marker(0xda), -2);
    const endless = Buffer.concat([whole.subarray(0, -2), ...Array<Buffer>(100).fill(scan), whole.subarray(-2)]);
    expect(() => direct(endless)).toThrow('more than 100 scans');
  });
});

describe('whatever bytes are changed', () => {
  const picture = sharp(jpegOf({ sampling: like(2, 2), width: 40, height: 24 }));
  const files: readonly (readonly [string, () => Promise<Buffer>])[] = [
    ['a sequential file', async () => jpegOf({ sampling: like(2, 1), width: 24, height: 16, restartInterval: 2 })],
    ['inks', async () => jpegOf({ sampling: [...like(2, 2), [2, 2]], width: 24, height: 16, transform: 2 })],
    ['a file of libvips', () => picture.clone().jpeg().toBuffer()],
    ['a progressive file', () => picture.clone().jpeg({ progressive: true }).toBuffer()],
  ];

  it.each(files)('of %s, it becomes a picture or is refused, soon', async (_, file) => {
    const whole = await file();
    const next = numbers(1);
    const begin = process.cpuUsage();
    const ends = { pictures: 0, refusals: 0 };
    for (let i = 0; i < 1000; i++) {
      const bytes = Buffer.from(whole.subarray(0, i % 5 === 0 ? next(whole.length) : whole.length));
      for (let n = next(3); n >= 0 && bytes.length > 0; n--) bytes[next(bytes.length)] = next(256);
      try {
        const pixels = direct(bytes);
        if (pixels) expect(pixels.data.length).toBe(pixels.width * pixels.height * 3);
        ends.pictures++;
      } catch (error) {
        if (!(error instanceof JpegError)) throw error;
        ends.refusals++;
      }
    }
    expect(Math.min(ends.pictures, ends.refusals)).toBeGreaterThan(100);
    expect(process.cpuUsage(begin).user).toBeLessThan(20e6);
  });
});
