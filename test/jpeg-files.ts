/**
 * JPEG files of every kind that sharp does not write, of coefficients that come from a simple formula: the bytes are the
 * same on every machine, so that what another decoder makes of them can be written down.
 */

export interface JpegKind {
  readonly width: number;
  readonly height: number;
  /** `[h, v]` of each colour. */
  readonly sampling: readonly (readonly [number, number])[];
  readonly ids?: readonly number[];
  /** Units between restart markers. */
  readonly restartInterval?: number;
  /** Adobe's word on colours. */
  readonly transform?: number;
  readonly isJfif?: boolean;
  /** Whether each colour has a scan of its own. */
  readonly isApart?: boolean;
  /** Whether quantisation tables have 16 bits, which makes the frame an extended one. */
  readonly isWide?: boolean;
}

/** The bytes of a file of that kind. */
export const jpegOf = (kind: JpegKind): Buffer => {
  const { width, height, sampling, restartInterval = 0 } = kind;
  const ids = kind.ids ?? sampling.map((_, i) => i + 1);
  const hMax = Math.max(...sampling.map(([h]) => h));
  const vMax = Math.max(...sampling.map(([, v]) => v));
  const units = { across: Math.ceil(width / (8 * hMax)), down: Math.ceil(height / (8 * vMax)) };
  const next = numbers(width * 65_537 + height);
  const planes = sampling.map(([h, v], i) => {
    const across = units.across * h;
    const blocks = Array.from({ length: across * units.down * v }, () => randomBlock(next, i));
    const own = { across: Math.ceil((width * h) / hMax / 8), down: Math.ceil((height * v) / vMax / 8) };
    return { nth: i, h, v, across, own, blocks };
  });
  const scan = (parts: readonly (typeof planes)[number][]): Buffer => {
    const [alone] = parts.length === 1 ? parts : [];
    const { across, down } = alone?.own ?? units;
    const means = parts.map(() => 0);
    const pieces: Buffer[] = [];
    let bits = '';
    for (let n = 0; n < across * down; n++) {
      if (restartInterval > 0 && n > 0 && n % restartInterval === 0) {
        pieces.push(coded(bits), Buffer.of(0xff, 0xd0 + ((n / restartInterval - 1) % 8)));
        bits = '';
        means.fill(0);
      }
      const [x, y] = [n % across, Math.floor(n / across)];
      parts.forEach((part, p) => {
        const [nAcross, nDown] = alone ? [1, 1] : [part.h, part.v];
        for (let k = 0; k < nAcross * nDown; k++) {
          const row = y * nDown + Math.floor(k / nAcross);
          const block = part.blocks[row * part.across + x * nAcross + (k % nAcross)]!;
          bits += blockBits(block, means[p]!);
          means[p] = block[0]!;
        }
      });
    }
    const header = [parts.length, ...parts.flatMap(({ nth }) => [ids[nth]!, 0]), 0, 63, 0];
    return Buffer.concat([segment(0xda, header), ...pieces, coded(bits)]);
  };
  const steps = Array.from({ length: 64 }, (_, k) => 3 + (k >> 3));
  const parts = sampling.map(([h, v], i) => [ids[i]!, (h << 4) | v, 0]);
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    ...(kind.isJfif ? [segment(0xe0, [...Buffer.from('JFIF\0'), 1, 1, 0, 0, 1, 0, 1, 0, 0])] : []),
    ...(kind.transform === undefined
      ? []
      : [segment(0xee, [...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, kind.transform])]),
    segment(0xdb, kind.isWide ? [0x10, ...steps.flatMap((step) => [0, step])] : [0, ...steps]),
    segment(kind.isWide ? 0xc1 : 0xc0, [
      8,
      height >> 8,
      height & 255,
      width >> 8,
      width & 255,
      sampling.length,
      ...parts.flat(),
    ]),
    segment(0xc4, [
      0,
      ...counts(4, DC_SYMBOLS.length),
      ...DC_SYMBOLS,
      0x10,
      ...counts(8, AC_SYMBOLS.length),
      ...AC_SYMBOLS,
    ]),
    ...(restartInterval > 0 ? [segment(0xdd, [restartInterval >> 8, restartInterval & 255])] : []),
    ...(kind.isApart ? planes.map((part) => scan([part])) : [scan(planes)]),
    Buffer.of(0xff, 0xd9),
  ]);
};

/** All codes of a table have one length. */
const DC_SYMBOLS = [...Array(12).keys()];
const AC_SYMBOLS = [0x00, 0xf0, ...[...Array(160).keys()].map((i) => ((i % 16) << 4) | (1 + Math.floor(i / 16)))];
const counts = (length: number, n: number): number[] =>
  Array.from({ length: 16 }, (_, i) => (i === length - 1 ? n : 0));
const binary = (value: number, length: number): string => value.toString(2).padStart(length, '0');

const segment = (marker: number, body: readonly number[]): Buffer => {
  const length = body.length + 2;
  return Buffer.from([0xff, marker, length >> 8, length & 255, ...body]);
};

/** Whole numbers below the `n` that is asked for, the same ones for a seed. */
export const numbers = (seed: number): ((n: number) => number) => {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
};

/** Coefficients in the order of the file: a mean, and a few waves, less of them in the colours after the first. */
const randomBlock = (next: (n: number) => number, colour: number): readonly number[] => {
  const block = Array<number>(64).fill(0);
  block[0] = next(201) - 100;
  const waves = next(colour === 0 ? 9 : 4);
  for (let i = 0; i < waves; i++) block[1 + next(colour === 0 ? 63 : 8)] = next(21) - 10;
  return block;
};

const blockBits = (block: readonly number[], mean: number): string => {
  const difference = block[0]! - mean;
  let bits = binary(sizeOf(difference), 4) + valueBits(difference);
  const symbol = (zeros: number, size: number) => binary(AC_SYMBOLS.indexOf((zeros << 4) | size), 8);
  let zeros = 0;
  for (const value of block.slice(1)) {
    if (value === 0) zeros++;
    else {
      for (; zeros > 15; zeros -= 16) bits += symbol(15, 0);
      bits += symbol(zeros, sizeOf(value)) + valueBits(value);
      zeros = 0;
    }
  }
  return zeros > 0 ? bits + symbol(0, 0) : bits;
};

const sizeOf = (value: number): number => (value === 0 ? 0 : 1 + Math.floor(Math.log2(Math.abs(value))));
const valueBits = (value: number): string => {
  const size = sizeOf(value);
  return size === 0 ? '' : binary(value > 0 ? value : value + 2 ** size - 1, size);
};

/** Bits as bytes, filled up with ones; a 0 behind each 255. */
const coded = (bits: string): Buffer => {
  const bytes = bits.match(/.{1,8}/g) ?? [];
  return Buffer.from(
    bytes.flatMap((byte) => {
      const value = Number.parseInt(byte.padEnd(8, '1'), 2);
      return value === 255 ? [255, 0] : [value];
    }),
  );
};
