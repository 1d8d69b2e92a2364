/** Each type against blocks worked out by hand from its definition in ggml-common.h. */
import { describe, expect, it } from 'vitest';
import type { BlockLayout, BlockQuantized } from '../src/graph/weights.ts';
import { floatToHalf, halfToFloat } from '../src/io/gguf/quants/half.ts';
import { quantTypes } from '../src/io/gguf/quants/index.ts';
import { typeOfName } from '../src/io/gguf/types.ts';

interface Golden {
  readonly type: string;
  readonly bytes: readonly number[];
  readonly values: readonly number[];
}

const range = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));

const golden: readonly Golden[] = [
  // 1.5 = 0x3fc00000, -2 = 0xc0000000
  { type: 'f32', bytes: [0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0], values: [1.5, -2] },
  // 1.5 = 0x3e00, -2 = 0xc000, 2^-24 = 0x0001, 65504 = 0x7bff
  { type: 'f16', bytes: [0, 0x3e, 0, 0xc0, 1, 0, 0xff, 0x7b], values: [1.5, -2, 2 ** -24, 65504] },
  { type: 'bf16', bytes: [0xc0, 0x3f, 0, 0xc0, 0, 0x7f], values: [1.5, -2, 2 ** 127] },
  {
    // d = 0.5; byte j = j in the low nibble, 15 - j in the high one
    type: 'q4_0',
    bytes: [0, 0x38, ...range(16, (j) => j | ((15 - j) << 4))],
    values: [...range(16, (j) => 0.5 * (j - 8)), ...range(16, (j) => 0.5 * (15 - j - 8))],
  },
  {
    // d = 0.5, m = -3; nibbles as for q4_0
    type: 'q4_1',
    bytes: [0, 0x38, 0, 0xc2, ...range(16, (j) => j | ((15 - j) << 4))],
    values: [...range(16, (j) => 0.5 * j - 3), ...range(16, (j) => 0.5 * (15 - j) - 3)],
  },
  {
    // d = 0.5; fifth bits of the values 0, 9, 18, 27 alone
    type: 'q5_0',
    bytes: [0, 0x38, 1, 2, 4, 8, ...range(16, (j) => j | ((15 - j) << 4))],
    values: [
      ...range(16, (j) => 0.5 * (j + (j === 0 || j === 9 ? 16 : 0) - 16)),
      ...range(16, (j) => 0.5 * (15 - j + (j === 2 || j === 11 ? 16 : 0) - 16)),
    ],
  },
  {
    // d = 0.5, m = -3; fifth bits of the values 7, 14, 16, 28 alone
    type: 'q5_1',
    bytes: [0, 0x38, 0, 0xc2, 0x80, 0x40, 0x01, 0x10, ...range(16, (j) => j | ((15 - j) << 4))],
    values: [
      ...range(16, (j) => 0.5 * (j + (j === 7 || j === 14 ? 16 : 0)) - 3),
      ...range(16, (j) => 0.5 * (15 - j + (j === 0 || j === 12 ? 16 : 0)) - 3),
    ],
  },
  {
    // d = -0.25: a scale may be negative
    type: 'q8_0',
    bytes: [0, 0xb4, ...range(32, (j) => (8 * j - 127) & 0xff)],
    values: range(32, (j) => -0.25 * (8 * j - 127)),
  },
];

const recordOf = (name: string) => {
  const record = typeOfName(name);
  if (!record) throw new Error(`no type ${name}`);
  return record;
};

const decoded = (name: string, bytes: Uint8Array): Float32Array => {
  const type = recordOf(name);
  const out = new Float32Array((bytes.length / type.blockBytes) * type.blockSize);
  type.decode(bytes, out);
  return out;
};

const encoded = (name: string, values: Float32Array): Uint8Array => {
  const type = recordOf(name);
  const out = new Uint8Array((values.length / type.blockSize) * type.blockBytes);
  type.encode?.(values, out);
  return out;
};

/** Bytes at an odd address, as a tensor's rows may lie. */
const atOddAddress = (bytes: Uint8Array): Uint8Array => {
  const shifted = new Uint8Array(bytes.length + 1).subarray(1);
  shifted.set(bytes);
  return shifted;
};

const hasOffsets = (name: string) => recordOf(name).blocks?.hasOffsets;

/** Random bits with scales and minima that are finite halves. */
const randomBlocks = (name: string, n: number): Uint8Array => {
  const { blockBytes } = recordOf(name);
  let x = 12345;
  const bytes = Uint8Array.from({ length: n * blockBytes }, () => (x = Math.imul(x, 1103515245) + 12345) >>> 16);
  for (let i = 0; i < bytes.length; i += blockBytes) {
    bytes[i + 1] = bytes[i + 1]! & 0xbf;
    if (hasOffsets(name)) bytes[i + 3] = bytes[i + 3]! & 0xbf;
  }
  return bytes;
};

/** The definition of MatMulNBits: w = scale * (q - 2^(bits-1)), the first of two nibbles low; then the block's offset. */
const unpacked = ({ bits, blockSize }: BlockLayout, { data, scales, offsets }: BlockQuantized): Float32Array =>
  Float32Array.from({ length: scales.length * blockSize }, (_, i) => {
    const q = bits === 8 ? data[i]! : (data[i >> 1]! >> (4 * (i % 2))) & 15;
    const block = Math.floor(i / blockSize);
    return scales[block]! * (q - 2 ** (bits - 1)) + (offsets?.[block] ?? -0); // -0 keeps the sign of zero
  });

describe('decoding', () => {
  it.each(golden)('$type gives the values of a block worked out by hand', ({ type, bytes, values }) => {
    expect([...decoded(type, Uint8Array.from(bytes))]).toEqual(values);
  });

  it.each(golden)('$type reads bytes at an odd address', ({ type, bytes, values }) => {
    expect([...decoded(type, atOddAddress(Uint8Array.from(bytes)))]).toEqual(values);
  });

  it('every type that is read has a block worked out by hand', () => {
    expect(golden.map(({ type }) => type)).toEqual(quantTypes.map(({ name }) => name));
  });
});

describe('half precision', () => {
  it('every half but NaN comes back from float with the same bits', () => {
    const wrong = range(65536, (i) => i).filter(
      (i) => !Number.isNaN(halfToFloat(i)) && floatToHalf(halfToFloat(i)) !== i,
    );
    expect(wrong).toEqual([]);
  });

  it.each([
    ['a tie goes to the even neighbour below', 1 + 2 ** -11, 0x3c00],
    ['a tie goes to the even neighbour above', 1 + 3 * 2 ** -11, 0x3c02],
    ['just above a tie goes up', 1 + 2 ** -11 + 2 ** -20, 0x3c01],
    ['rounding may carry into the exponent', 2 - 2 ** -12, 0x4000],
    ['half of the smallest subnormal is a tie to zero', 2 ** -25, 0],
    ['more than half of it is not', 1.5 * 2 ** -25, 1],
    ['the largest subnormal rounds up to the smallest normal', 2 ** -14 - 2 ** -26, 0x0400],
    ['65519 is still finite', 65519, 0x7bff],
    ['65520 is not', 65520, 0x7c00],
    ['negative zero keeps its sign', -0, 0x8000],
    ['NaN stays NaN', NaN, 0x7e00],
  ])('%s', (_, value, bits) => {
    expect(floatToHalf(value)).toBe(bits);
  });
});

describe('encoding', () => {
  it.each(golden)('$type gives back values it can hold', ({ type, values }) => {
    expect([...decoded(type, encoded(type, Float32Array.from(values)))]).toEqual(values);
  });

  it.each(golden)('$type writes at an odd address', ({ type, values }) => {
    const expected = encoded(type, Float32Array.from(values));
    const out = atOddAddress(new Uint8Array(expected.length));
    recordOf(type).encode?.(Float32Array.from(values), out);
    expect([...out]).toEqual([...expected]);
  });

  it('q4_0 makes the value of largest magnitude, with its sign, exactly -8 d', () => {
    const block = encoded('q4_0', Float32Array.from([4, ...range(31, (j) => j / 16)]));
    expect(block[0]! | (block[1]! << 8)).toBe(floatToHalf(-0.5));
    expect(block[2]! & 15).toBe(0);
    expect(decoded('q4_0', block)[0]).toBe(4);
  });

  it('q8_0 rounds halves away from zero', () => {
    const block = encoded('q8_0', Float32Array.from([127, 2.5, -2.5, 0.49, ...range(28, () => 0)]));
    expect([...decoded('q8_0', block)].slice(0, 4)).toEqual([127, 3, -3, 0]);
  });

  it.each(['q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0'])('%s encodes a block of zeros as zeros', (type) => {
    const again = decoded(type, encoded(type, new Float32Array(32)));
    expect([...again].every((v) => v === 0)).toBe(true);
  });

  // Worked out from 4, 0 and 31 times 1 by `quantize_row_*_ref`: -16 d = 4, and (4 - 0) / 15 or / 31 above the minimum.
  it.each([
    ['q5_0', -0.25, undefined, 0, 16, 12],
    ['q4_1', 4 / 15, 0, 15, 0, 4],
    ['q5_1', 4 / 31, 0, 31, 0, 8],
  ])('%s takes its scale from the extremes of the block', (name, d, m, four, zero, one) => {
    const block = encoded(name, Float32Array.from([4, 0, ...range(30, () => 1)]));
    expect(block[0]! | (block[1]! << 8)).toBe(floatToHalf(d));
    if (m !== undefined) expect(block[2]! | (block[3]! << 8)).toBe(floatToHalf(m));
    const step = halfToFloat(floatToHalf(d));
    const zeroAt = name === 'q5_0' ? 16 : 0;
    expect([...decoded(name, block)]).toEqual(
      [four, zero, ...range(30, () => one)].map((n) => Math.fround(step * (n - zeroAt))),
    );
  });

  it('bf16 rounds ties to even and keeps NaN', () => {
    const words = new Uint16Array(encoded('bf16', Float32Array.from([1 + 2 ** -8, 1 + 3 * 2 ** -8, NaN])).buffer);
    expect([words[0], words[1]]).toEqual([0x3f80, 0x3f82]);
    expect(decoded('bf16', new Uint8Array(words.buffer))[2]).toBeNaN();
  });
});

describe('packing for MatMulNBits', () => {
  const packable = quantTypes.filter(({ blocks }) => blocks).map(({ name }) => name);

  const [exact, moved] = [false, true].map((offsets) => packable.filter((name) => hasOffsets(name) === offsets));

  it('is there for the block types', () => {
    expect(packable).toEqual(quantTypes.filter(({ blockSize }) => blockSize > 1).map(({ name }) => name));
  });

  it.each(exact!)('%s keeps every value exactly', (name) => {
    const { blocks } = recordOf(name);
    const bytes = randomBlocks(name, 500);
    expect(unpacked(blocks!, blocks!.pack(bytes))).toEqual(decoded(name, bytes));
    expect(unpacked(blocks!, blocks!.pack(atOddAddress(bytes)))).toEqual(decoded(name, bytes));
  });

  // An offset is a sum of two numbers that may be far apart: it is rounded once, to float32.
  it.each(moved!)('%s keeps every value to the rounding of its offset', (name) => {
    const { blocks } = recordOf(name);
    const bytes = randomBlocks(name, 500);
    const { blockSize } = blocks!;
    const values = decoded(name, bytes);
    const packed = blocks!.pack(bytes);
    const again = unpacked(blocks!, packed);
    const largest = (block: number) =>
      Math.max(
        Math.abs(packed.offsets![block]!),
        ...values.subarray(block * blockSize, (block + 1) * blockSize).map(Math.abs),
      );
    const wrong = range(values.length, (i) => i).filter(
      (i) => Math.abs(again[i]! - values[i]!) > 2 ** -23 * largest(Math.floor(i / blockSize)),
    );
    expect(wrong).toEqual([]);
    expect(unpacked(blocks!, blocks!.pack(atOddAddress(bytes)))).toEqual(again);
  });
});
