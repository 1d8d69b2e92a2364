/** Each type against blocks worked out by hand from its definition in ggml-common.h. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BlockLayout, BlockQuantized } from '../src/graph/weights.ts';
import { createPackers } from '../src/io/gguf/packers.ts';
import { floatToHalf, halfToFloat } from '../src/io/gguf/quants/half.ts';
import { quantTypes } from '../src/io/gguf/quants/index.ts';
import { typeOfName } from '../src/io/gguf/types.ts';
import { fixture } from './fixtures.ts';
import { golden, manyValues, randomBlocks, range } from './golden-blocks.ts';

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

const blocksOf = (name: string, n: number): Uint8Array => randomBlocks(name, recordOf(name).blockBytes, n);

const sha256 = (array: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    .digest('hex');

/**
 * SHA-256 of what ggml's own `dequantize_row_*` and `quantize_row_*_ref` give (August 2026, compiled without fused
 * multiply-add) for `randomBlocks` and `manyValues`.
 */
const reference: Readonly<Record<string, { readonly decoded: string; readonly encoded?: string }>> = JSON.parse(
  readFileSync(fixture('quants.json'), 'utf8'),
);

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

  it.each(Object.keys(reference))('%s gives what ggml gives for random blocks', (name) => {
    expect(sha256(decoded(name, blocksOf(name, 100)))).toBe(reference[name]?.decoded);
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
  const writable = quantTypes.filter(({ encode }) => encode);
  const exact = golden.filter(({ type, values }) => recordOf(type).encode && values.length < 256);

  it('is there for the types that grafo quantize makes', () => {
    expect(writable.map(({ name }) => name)).toEqual([
      'f32',
      'f16',
      'bf16',
      'q4_0',
      'q4_1',
      'q5_0',
      'q5_1',
      'q8_0',
      'q4_k',
      'q5_k',
      'q6_k',
    ]);
  });

  it.each(writable.filter(({ blockSize }) => blockSize > 1))('$name gives what ggml gives', ({ name }) => {
    expect(sha256(encoded(name, manyValues()))).toBe(reference[name]?.encoded);
  });

  it.each(exact)('$type gives back values it can hold', ({ type, values }) => {
    expect([...decoded(type, encoded(type, Float32Array.from(values)))]).toEqual(values);
  });

  it.each(exact)('$type writes at an odd address', ({ type, values }) => {
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

describe('packing by threads', () => {
  it.each(['q4_0', 'q4_k', 'q6_k', 'q8_0'])(
    'of %s gives what packing here gives, for several at once',
    async (name) => {
      const type = typeOfName(name)!;
      const bytes = Uint8Array.from(
        { length: type.blockBytes * Math.ceil(2 ** 20 / type.blockBytes) },
        (_, i) => i * 31,
      );
      const packers = createPackers(2);
      const packed = await Promise.all([1, 2, 3].map(() => packers.pack(type, bytes.slice())));
      await packers.close();
      const bytesOf = ({ data, scales, offsets }: BlockQuantized): Buffer =>
        Buffer.concat(
          [data, scales, offsets ?? new Float32Array()].map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength)),
        );
      const expected = bytesOf(type.blocks!.pack(bytes));
      expect(packed.map((one) => bytesOf(one).equals(expected))).toEqual([true, true, true]);
    },
  );

  it('that are closed amid their work is an error, no wait for ever', async () => {
    const packers = createPackers(2);
    const packing = packers.pack(typeOfName('q4_k')!, new Uint8Array(144 * 30_000));
    await Promise.all([expect(packing).rejects.toThrow('the packing thread has stopped'), packers.close()]);
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
    const bytes = blocksOf(name, 100);
    expect(unpacked(blocks!, blocks!.pack(bytes))).toEqual(decoded(name, bytes));
    expect(unpacked(blocks!, blocks!.pack(atOddAddress(bytes)))).toEqual(decoded(name, bytes));
  });

  // An offset is a sum of two numbers that may be far apart: it is rounded once, to float32.
  it.each(moved!)('%s keeps every value to the rounding of its offset', (name) => {
    const { blocks } = recordOf(name);
    const bytes = blocksOf(name, 100);
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
