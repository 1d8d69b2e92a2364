/**
 * One block of each type with its values, worked out from the definitions in ggml-common.h value by value: where the
 * bits of value i lie, not how a loop walks over them.
 */

export interface Golden {
  readonly type: string;
  readonly bytes: readonly number[];
  readonly values: readonly number[];
}

export const range = <T = number>(n: number, f: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => f(i));

/** Halves by their bytes. */
const QUARTER = [0, 0x34];
const HALF = [0, 0x38];
const ONE = [0, 0x3c];

/** Bytes without a pattern that a wrong shift would keep. */
const noise = (i: number): number => (i * 73 + 29) & 255;
const bit = (byte: number, k: number): number => (byte >> k) & 1;
const low = (byte: number): number => byte & 15;
const nibble = (byte: number, isHigh: boolean): number => (isHigh ? byte >> 4 : byte & 15);

/** Byte j of 16 is j in the low nibble and 15 - j in the high one: value i of 32 has this nibble. */
const countingNibbles = range(16, (j) => j | ((15 - j) << 4));
const counted = (i: number): number => (i < 16 ? i : 31 - i);

/** Eight scales 9 k and minima 63 - 9 k in 12 bytes. */
const pairs = (() => {
  const scale = (k: number) => 9 * k;
  const minimum = (k: number) => 63 - 9 * k;
  return [
    ...range(4, (k) => scale(k) | ((scale(k + 4) >> 4) << 6)),
    ...range(4, (k) => minimum(k) | ((minimum(k + 4) >> 4) << 6)),
    ...range(4, (k) => low(scale(k + 4)) | (low(minimum(k + 4)) << 4)),
  ];
})();

const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];

const times = (factor: number, coordinates: readonly number[]): number[] => coordinates.map((x) => factor * x);
const zeros = (n: number): number[] => range(n, () => 0);
const same = (n: number, value: number): number[] => range(n, () => value);

/** Digits to base 3, the first the highest, as a fraction of 256 that is rounded up. */
const ternary = (digits: readonly number[]): number => {
  const number = [...digits, 0].slice(0, 5).reduce((n, digit) => 3 * n + digit, 0);
  return Math.ceil((number * 256) / 243);
};
const trit = (i: number): number => (5 * i + (i >> 3)) % 3;

export const golden: readonly Golden[] = [
  // 1.5 = 0x3fc00000, -2 = 0xc0000000
  { type: 'f32', bytes: [0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0], values: [1.5, -2] },
  // 1.5 = 0x3e00, -2 = 0xc000, 2^-24 = 0x0001, 65504 = 0x7bff
  { type: 'f16', bytes: [0, 0x3e, 0, 0xc0, 1, 0, 0xff, 0x7b], values: [1.5, -2, 2 ** -24, 65504] },
  { type: 'bf16', bytes: [0xc0, 0x3f, 0, 0xc0, 0, 0x7f], values: [1.5, -2, 2 ** 127] },
  {
    type: 'q4_0',
    bytes: [...HALF, ...countingNibbles],
    values: range(32, (i) => 0.5 * (counted(i) - 8)),
  },
  {
    // m = -3
    type: 'q4_1',
    bytes: [...HALF, 0, 0xc2, ...countingNibbles],
    values: range(32, (i) => 0.5 * counted(i) - 3),
  },
  {
    // fifth bits of the values 0, 9, 18, 27 alone
    type: 'q5_0',
    bytes: [...HALF, 1, 2, 4, 8, ...countingNibbles],
    values: range(32, (i) => 0.5 * (counted(i) + (i % 9 === 0 ? 16 : 0) - 16)),
  },
  {
    // fifth bits of the values 7, 14, 16, 28 alone; m = -3
    type: 'q5_1',
    bytes: [...HALF, 0, 0xc2, 0x80, 0x40, 0x01, 0x10, ...countingNibbles],
    values: range(32, (i) => 0.5 * (counted(i) + ([7, 14, 16, 28].includes(i) ? 16 : 0)) - 3),
  },
  {
    // d = -0.25: a scale may be negative
    type: 'q8_0',
    bytes: [0, 0xb4, ...range(32, (j) => (8 * j - 127) & 0xff)],
    values: range(32, (j) => -0.25 * (8 * j - 127)),
  },
  {
    // scale k, minimum 15 - k
    type: 'q2_k',
    bytes: [...range(16, (k) => k | ((15 - k) << 4)), ...range(64, noise), ...HALF, ...QUARTER],
    values: range(256, (i) => {
      const n = (noise((i >> 7) * 32 + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
      return 0.5 * (i >> 4) * n - 0.25 * (15 - (i >> 4));
    }),
  },
  {
    // scale 4 k of 6 bits: a nibble and two bits apart
    type: 'q3_k',
    bytes: [
      ...range(32, (l) => noise(l + 64)),
      ...range(64, noise),
      ...range(8, (k) => low(4 * k) | (low(4 * (k + 8)) << 4)),
      ...range(4, (k) => range(4, (g) => ((4 * (4 * g + k)) >> 4) << (2 * g)).reduce((a, b) => a | b)),
      ...HALF,
    ],
    values: range(256, (i) => {
      const n = (noise((i >> 7) * 32 + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
      const third = bit(noise((i & 31) + 64), i >> 5);
      return 0.5 * (4 * (i >> 4) - 32) * (n + 4 * third - 4);
    }),
  },
  {
    type: 'q4_k',
    bytes: [...HALF, ...QUARTER, ...pairs, ...range(128, noise)],
    values: range(256, (i) => {
      const n = nibble(noise((i >> 6) * 32 + (i & 31)), (i & 32) !== 0);
      return 0.5 * 9 * (i >> 5) * n - 0.25 * (63 - 9 * (i >> 5));
    }),
  },
  {
    type: 'q5_k',
    bytes: [...HALF, ...QUARTER, ...pairs, ...range(32, (l) => noise(l + 128)), ...range(128, noise)],
    values: range(256, (i) => {
      const n = nibble(noise((i >> 6) * 32 + (i & 31)), (i & 32) !== 0) + 16 * bit(noise((i & 31) + 128), i >> 5);
      return 0.5 * 9 * (i >> 5) * n - 0.25 * (63 - 9 * (i >> 5));
    }),
  },
  {
    // scales from -128 to 112
    type: 'q6_k',
    bytes: [
      ...range(128, noise),
      ...range(64, (l) => noise(l + 128)),
      ...range(16, (k) => (16 * k - 128) & 255),
      ...QUARTER,
    ],
    values: range(256, (i) => {
      const [half, quarter, l] = [i >> 7, (i >> 5) & 3, i & 31];
      const n = nibble(noise(64 * half + 32 * (quarter & 1) + l), quarter > 1);
      const high = (noise(128 + 32 * half + l) >> (2 * quarter)) & 3;
      return 0.25 * (16 * (i >> 4) - 128) * (n + 16 * high - 32);
    }),
  },
  {
    // points 1, 1500, 2047 and 0 under scale 2, moved down; elsewhere point 0 under scale 0, moved up
    type: 'iq1_s',
    bytes: [...ONE, 1, 0xdc, 0xff, 0, ...zeros(28), 0xe8, 0xa1, ...zeros(14)],
    values: [
      ...[1, -1, -1, -1, -1, -1, -1, -1, 0, -1, -1, 0, -1, 0, -1, 1, ...same(8, 1), ...same(8, -1)].map(
        (x) => 5 * (x - 0.125),
      ),
      ...same(224, -0.875),
    ],
  },
  {
    // the same points, moved down, up, down and up, two under scale 2 and two under scale 1; d = 0x3c00 in pieces
    type: 'iq1_m',
    bytes: [1, 0xdc, 0xff, 0, ...zeros(28), 0x58, 0x0f, ...zeros(14), 10, 0, 0, 0, 0, 0xc0, 0, 0x30],
    values: [
      ...[1, -1, -1, -1, -1, -1, -1, -1].map((x) => 5 * (x - 0.125)),
      ...[0, -1, -1, 0, -1, 0, -1, 1].map((x) => 5 * (x + 0.125)),
      ...same(8, 3 * 0.875),
      ...same(8, 3 * -0.875),
      ...same(224, -0.875),
    ],
  },
  {
    // points 1, 2, 255, 0; minus at 0 and, to make it even, 7 of the first, at 0 and 1 of the second; scale 5
    type: 'iq2_xxs',
    bytes: [...ONE, 1, 2, 255, 0, 0x81, 0x01, 0, 0x50, ...zeros(56)],
    values: [
      ...times(1.375, [
        -43,
        8,
        8,
        8,
        8,
        8,
        8,
        -8,
        -25,
        -25,
        8,
        8,
        8,
        8,
        8,
        8,
        8,
        25,
        8,
        8,
        25,
        43,
        43,
        43,
        ...same(8, 8),
      ]),
      ...same(224, 1),
    ],
  },
  {
    // points 300, 511, 1 and 0, signs as above; scales 5 and 2
    type: 'iq2_xs',
    bytes: [...ONE, 0x2c, 0x03, 0xff, 0x07, 1, 0, ...zeros(58), 0x25, ...zeros(7)],
    values: [
      ...times(1.375, [-8, 25, 25, 8, 8, 25, 8, -25, -43, -43, 43, 43, 43, 43, 43, 43]),
      ...times(0.625, [43, ...same(15, 8)]),
      ...same(224, 1),
    ],
  },
  {
    // points 700, 1023, 1 and 0, signs as above; scales 5 and 2
    type: 'iq2_s',
    bytes: [...ONE, 0xbc, 0xff, 1, ...zeros(29), 0x81, 0x03, ...zeros(30), 14, ...zeros(7), 0x25, ...zeros(7)],
    values: [
      ...times(1.375, [-8, 8, 8, 43, 43, 8, 25, -25, -43, -43, 43, 43, 43, 43, 43, 43]),
      ...times(0.625, [43, ...same(15, 8)]),
      ...same(224, 1),
    ],
  },
  {
    // points 1, 100, 255 and 0; minus at 0 of the first two, at 0 and, to make it even, 7 of the next two; scale 3
    type: 'iq3_xxs',
    bytes: [...ONE, 1, 100, 255, ...zeros(61), 0x91, 0, 0, 0x30, ...zeros(28)],
    values: [
      ...times(1.75, [-20, 4, 4, 4, -28, 12, 4, 20, -4, 28, 52, 62, 4, 4, 4, -4, ...same(16, 4)]),
      ...same(224, 1),
    ],
  },
  {
    // points 300, 511, 1 and 0; minus at 0 of the first and 1 of the second; scales 3 and 1, then 0
    type: 'iq3_s',
    bytes: [...ONE, 0x2c, 0xff, 1, ...zeros(61), 3, ...zeros(7), 0x21, ...zeros(31), 0x13, 0, 0, 0],
    values: [
      ...times(7, [-3, 5, 3, 7, 1, -1, 15, 15, 3, 1, 1, 1, ...same(20, 1)]),
      ...times(3, same(32, 1)),
      ...same(192, 1),
    ],
  },
  {
    type: 'iq4_nl',
    bytes: [...HALF, ...countingNibbles],
    values: range(32, (i) => 0.5 * IQ4[counted(i)]!),
  },
  {
    // scale 9 k of 6 bits: a nibble and two bits apart
    type: 'iq4_xs',
    bytes: [
      ...HALF,
      ...range(2, (b) => range(4, (k) => ((9 * (4 * b + k)) >> 4) << (2 * k)).reduce((x, y) => x | y)),
      ...range(4, (b) => low(9 * 2 * b) | (low(9 * (2 * b + 1)) << 4)),
      ...range(128, noise),
    ],
    values: range(256, (i) => {
      const n = nibble(noise((i >> 5) * 16 + (i & 15)), (i & 16) !== 0);
      return 0.5 * (9 * (i >> 5) - 32) * IQ4[n]!;
    }),
  },
  {
    // 2^(130 - 127)
    type: 'mxfp4',
    bytes: [130, ...countingNibbles],
    values: range(32, (i) => 8 * FP4[counted(i)]!),
  },
  {
    type: 'tq1_0',
    bytes: [
      ...range(32, (m) => ternary(range(5, (k) => trit(32 * k + m)))),
      ...range(16, (m) => ternary(range(5, (k) => trit(160 + 16 * k + m)))),
      ...range(4, (m) => ternary(range(4, (k) => trit(240 + 4 * k + m)))),
      ...HALF,
    ],
    values: range(256, (i) => 0.5 * (trit(i) - 1)),
  },
  {
    type: 'tq2_0',
    bytes: [
      ...range(64, (m) => range(4, (k) => trit((m >> 5) * 128 + 32 * k + (m & 31)) << (2 * k)).reduce((x, y) => x | y)),
      ...HALF,
    ],
    values: range(256, (i) => 0.5 * (trit(i) - 1)),
  },
];

/** Where the high bytes of a block's halves are, or its exponent; in the other types a half comes first. */
const highBytes: Readonly<Record<string, readonly number[]>> = {
  ...{ q4_1: [1, 3], q5_1: [1, 3], q4_k: [1, 3], q5_k: [1, 3], q2_k: [81, 83], q3_k: [109], q6_k: [209] },
  ...{ f32: [3], iq1_m: [55], mxfp4: [0], tq1_0: [53], tq2_0: [65] },
};

/** A linear congruential generator's upper bits: the same numbers everywhere. */
const generator = (seed: number) => {
  let x = seed;
  return () => (x = Math.imul(x, 1103515245) + 12345) >>> 16;
};

/** Random bits under scales and minima that are finite. */
export const randomBlocks = (type: string, blockBytes: number, n: number): Uint8Array => {
  const bytes = Uint8Array.from({ length: n * blockBytes }, generator(12345));
  for (let i = 0; i < bytes.length; i += blockBytes) {
    for (const at of highBytes[type] ?? [1]) bytes[i + at] = bytes[i + at]! & 0xbf;
  }
  return bytes;
};

/** Random bits under scales of ±1/64 to ±1/32, as weights have them. */
export const likelyBlocks = (type: string, blockBytes: number, n: number): Uint8Array => {
  const bytes = randomBlocks(type, blockBytes, n);
  for (let i = 0; i < bytes.length; i += blockBytes) {
    if (type === 'mxfp4') bytes[i] = 0x78 | (bytes[i]! & 3);
    else for (const at of highBytes[type] ?? [1]) bytes[i + at] = (bytes[i + at]! & 0x83) | 0x24;
  }
  return bytes;
};

/** 64 superblocks of values: zeros, a constant, then in turn spread evenly, with outliers, above zero, mostly zero. */
export const manyValues = (): Float32Array => {
  const next = generator(54321);
  const kinds = [(x: number) => x, (x: number) => x ** 5, (x: number) => x + 1.5, (x: number) => (x > 0.9 ? x : 0)];
  return Float32Array.from({ length: 64 * 256 }, (_, i) => {
    const block = i >> 8;
    const x = next() / 32768 - 1;
    return block === 0 ? 0 : block === 1 ? 0.7 : kinds[block % 4]!(x);
  });
};
