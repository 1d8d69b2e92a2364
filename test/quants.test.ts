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

/** Random bits with scales that are finite halves. */
const randomBlocks = (name: string, n: number): Uint8Array => {
  const { blockBytes } = recordOf(name);
  let x = 12345;
  const bytes = Uint8Array.from({ length: n * blockBytes }, () => (x = Math.imul(x, 1103515245) + 12345) >>> 16);
  for (let i = 1; i < bytes.length; i += blockBytes) bytes[i] = bytes[i]! & 0xbf;
  return bytes;
};

/** The definition of MatMulNBits: w = scale * (q - 2^(bits-1)), the first of two nibbles low. */
const unpacked = ({ bits, blockSize }: BlockLayout, { data, scales }: BlockQuantized): Float32Array =>
  Float32Array.from({ length: scales.length * blockSize }, (_, i) => {
    const q = bits === 8 ? data[i]! : (data[i >> 1]! >> (4 * (i % 2))) & 15;
    return scales[Math.floor(i / blockSize)]! * (q - 2 ** (bits - 1));
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

  it.each(['q4_0', 'q8_0'])('%s encodes a block of zeros as zeros', (type) => {
    const again = decoded(type, encoded(type, new Float32Array(32)));
    expect([...again].every((v) => v === 0)).toBe(true);
  });

  it('bf16 rounds ties to even and keeps NaN', () => {
    const words = new Uint16Array(encoded('bf16', Float32Array.from([1 + 2 ** -8, 1 + 3 * 2 ** -8, NaN])).buffer);
    expect([words[0], words[1]]).toEqual([0x3f80, 0x3f82]);
    expect(decoded('bf16', new Uint8Array(words.buffer))[2]).toBeNaN();
  });
});

describe('packing for MatMulNBits', () => {
  const packable = quantTypes.filter(({ blocks }) => blocks).map(({ name }) => name);

  it('is there for the block types', () => {
    expect(packable).toEqual(['q4_0', 'q8_0']);
  });

  it.each(packable)('%s keeps every value exactly', (name) => {
    const { blocks } = recordOf(name);
    const bytes = randomBlocks(name, 50);
    expect(unpacked(blocks!, blocks!.pack(bytes))).toEqual(decoded(name, bytes));
    expect(unpacked(blocks!, blocks!.pack(atOddAddress(bytes)))).toEqual(decoded(name, bytes));
  });
});
