/** Reading the reference models, and reading back what the writer wrote. */
import { mkdirSync, openSync, readdirSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openGguf } from '../src/io/gguf/reader.ts';
import { typeOfName } from '../src/io/gguf/types.ts';
import { type GgufContent, writeGguf } from '../src/io/gguf/writer.ts';
import { llamaShape, randomSource } from '../src/io/random.ts';
import { deepseek2Shape, v2LiteCut } from '../src/io/random-deepseek.ts';
import { fixture, nmse, readNda, scratch } from './fixtures.ts';
import { sharedData } from './shared-data.ts';
import { fileBytes, tensorOf, tinyContent } from './tiny-gguf.ts';

/** Opens, hands over, closes. */
const withGguf = async <T>(
  path: string,
  use: (file: Awaited<ReturnType<typeof openGguf>>) => Promise<T>,
): Promise<T> => {
  const file = await openGguf(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
};

const allValues = (path: string) =>
  withGguf(path, async ({ tensors }) => {
    const values = new Map<string, Float32Array>();
    for (const [name, tensor] of tensors) values.set(name, await tensor.decode());
    return values;
  });

describe('the reference models', () => {
  it.each([
    ['gqa-f32', 'llama', 21],
    ['gqa-f16', 'llama', 21],
    ['gqa-bf16', 'llama', 21],
    ['gqa-q4_0', 'llama', 21],
    ['gqa-q8_0', 'llama', 21],
    ['mha', 'llama', 20],
    ['tied', 'llama', 20],
    ['bias', 'llama', 28],
    ['qwen2', 'qwen2', 26],
    ['qwen3', 'qwen3', 24],
    ['rope-linear', 'llama', 20],
    ['rope-yarn', 'llama', 20],
    ['rope-freqs', 'llama', 21],
    ['moe', 'llama', 22],
  ])('%s opens as %s with %i tensors, shapes outermost first', async (name, arch, nTensor) => {
    await withGguf(fixture(`llama/${name}.gguf`), async ({ metadata, tensors, parts }) => {
      expect(metadata.get('general.architecture')).toBe(arch);
      expect(tensors.size).toBe(nTensor);
      expect(tensors.get('token_embd.weight')?.shape).toEqual([288, 64]);
      expect(parts).toHaveLength(1);
      const values = await tensors.get('output_norm.weight')!.decode();
      expect(values).toHaveLength(64);
      expect(values.every(Number.isFinite)).toBe(true);
    });
  });

  it('metadata are plain values: strings, numbers, booleans and arrays', async () => {
    await withGguf(fixture('llama/gqa-f16.gguf'), async ({ metadata }) => {
      expect(metadata.get('llama.block_count')).toBe(2);
      expect(metadata.get('llama.attention.layer_norm_rms_epsilon')).toBeCloseTo(1e-5, 9);
      expect(metadata.get('tokenizer.ggml.tokens')).toHaveLength(288);
      expect(metadata.has('kv_count')).toBe(false);
    });
  });

  it('an array of experts has three axes, and its rows run through all of them', async () => {
    await withGguf(fixture('llama/moe.gguf'), async ({ tensors }) => {
      const experts = tensors.get('blk.0.ffn_down_exps.weight')!;
      expect(experts.shape).toEqual([4, 64, 32]);
      expect(await experts.decode({ from: 64, to: 128 })).toEqual((await experts.decode()).slice(64 * 32, 128 * 32));
    });
  });

  it('logits of the references are arrays of one row per token', () => {
    const { dims, values } = readNda(fixture('llama/gqa-f32.exact.bin'));
    expect(dims).toEqual([24, 288]);
    expect(nmse(readNda(fixture('llama/gqa-f32.logits.bin')).values, values)).toBeLessThan(1e-12);
  });
});

describe('the stored types', () => {
  it.each(['f16', 'bf16', 'q4_0', 'q8_0'])(
    '%s: encoding the float32 model gives the bytes of the quantised one',
    async (name) => {
      const type = typeOfName(name)!;
      const exact = await allValues(fixture('llama/gqa-f32.gguf'));
      await withGguf(fixture(`llama/gqa-${name}.gguf`), async ({ tensors }) => {
        const quantised = [...tensors.values()].filter((tensor) => tensor.type === name);
        expect(quantised.length).toBeGreaterThan(10);
        for (const tensor of quantised) {
          const bytes = new Uint8Array(tensor.byteLength);
          type.encode?.(exact.get(tensor.name)!, bytes);
          expect(Buffer.compare(bytes, await tensor.read()), tensor.name).toBe(0);
        }
      });
    },
  );

  it.each([
    ['f16', 1e-7],
    ['bf16', 6e-6],
    ['q4_0', 1e-2],
    ['q8_0', 4e-5],
  ])('the values of %s differ from float32 by its rounding, NMSE %f', async (type, tolerance) => {
    const exact = await allValues(fixture('llama/gqa-f32.gguf'));
    for (const [name, values] of await allValues(fixture(`llama/gqa-${type}.gguf`))) {
      expect(nmse(values, exact.get(name)!), name).toBeLessThan(tolerance);
    }
  });

  it.each(['gqa-f32', 'gqa-f16', 'gqa-bf16', 'gqa-q4_0', 'gqa-q8_0'])(
    '%s: rows are slices of the whole',
    async (name) => {
      await withGguf(fixture(`llama/${name}.gguf`), async ({ tensors }) => {
        const tensor = tensors.get('blk.1.ffn_down.weight')!; // [64, 96]
        const rowBytes = tensor.byteLength / 64;
        const rows = { from: 5, to: 12 };
        expect(await tensor.read(rows)).toEqual((await tensor.read()).slice(5 * rowBytes, 12 * rowBytes));
        expect(await tensor.decode(rows)).toEqual((await tensor.decode()).slice(5 * 96, 12 * 96));
        expect(await tensor.decode({ from: 3, to: 3 })).toHaveLength(0);
        await expect(tensor.read({ from: 0, to: 65 })).rejects.toThrow(RangeError);
        if (!tensor.blocks) return;
        const { data, scales } = await tensor.blocks.pack(rows);
        const whole = await tensor.blocks.pack();
        const packedRow = (96 * tensor.blocks.bits) / 8;
        expect(data).toEqual(whole.data.slice(5 * packedRow, 12 * packedRow));
        expect(scales).toEqual(whole.scales.slice(5 * 3, 12 * 3));
      });
    },
  );

  it('float types have no packed form', async () => {
    await withGguf(fixture('llama/gqa-f16.gguf'), async ({ tensors }) => {
      expect(tensors.get('output.weight')?.blocks).toBeUndefined();
    });
  });
});

describe('a model in two parts', () => {
  const first = fixture('llama/split-00001-of-00002.gguf');
  const second = fixture('llama/split-00002-of-00002.gguf');

  it.each([first, second])('opens from %s as the whole model', async (path) => {
    const whole = await allValues(fixture('llama/gqa-q8_0.gguf'));
    expect(await allValues(path)).toEqual(whole);
    await withGguf(path, async ({ parts, metadata }) => {
      expect(parts).toEqual([first, second]);
      expect(metadata.get('general.architecture')).toBe('llama'); // only part 1 has it
    });
  });

  const copyParts = (folder: string, names: Readonly<Record<string, string>>): string => {
    const path = join(scratch, folder);
    mkdirSync(path);
    for (const [name, source] of Object.entries(names)) writeFileSync(join(path, name), readFileSync(source));
    return path;
  };

  it('without its second part is refused with the name of that part', async () => {
    const path = copyParts('one-part', { 'm-00001-of-00002.gguf': first });
    await expect(openGguf(join(path, 'm-00001-of-00002.gguf'))).rejects.toMatchObject({
      name: 'UserError',
      kind: 'file',
      message: expect.stringMatching(/cannot read '.*m-00002-of-00002\.gguf': no such file or directory/),
    });
  });

  it('whose second part is the first one again is refused', async () => {
    const path = copyParts('twice', { 'm-00001-of-00002.gguf': first, 'm-00002-of-00002.gguf': first });
    await expect(openGguf(join(path, 'm-00002-of-00002.gguf'))).rejects.toMatchObject({
      kind: 'model',
      message: expect.stringMatching(/is part 1 of 2 by its header, expected part 2 of 2/),
    });
  });

  it('under a name that does not number the parts is refused with the right names', async () => {
    const path = copyParts('renamed', { 'model.gguf': first });
    await expect(openGguf(join(path, 'model.gguf'))).rejects.toMatchObject({
      kind: 'model',
      hint: expect.stringContaining('-00001-of-00002.gguf'),
    });
  });

  it('whose parts hold fewer tensors than announced is refused', async () => {
    const part = (no: number) => ({
      'split.no': { type: 'u16', value: no } as const,
      'split.count': { type: 'u16', value: 2 } as const,
      'split.tensors.count': { type: 'i32', value: 3 } as const,
    });
    const tensor = (name: string) => tensorOf(name, 'f32', [2], (i) => i);
    await writeGguf(join(scratch, 'few-00001-of-00002.gguf'), { metadata: part(0), tensors: [tensor('a')] });
    await writeGguf(join(scratch, 'few-00002-of-00002.gguf'), { metadata: part(1), tensors: [tensor('b')] });
    await expect(openGguf(join(scratch, 'few-00001-of-00002.gguf'))).rejects.toMatchObject({
      kind: 'model',
      message: expect.stringContaining('announces 3 tensors, its parts hold 2'),
    });
  });

  it('with the same tensor in both parts is refused with its name', async () => {
    const part = (no: number) => ({
      'split.no': { type: 'u16', value: no } as const,
      'split.count': { type: 'u16', value: 2 } as const,
    });
    const tensors = [tensorOf('same', 'f32', [2], (i) => i)];
    await writeGguf(join(scratch, 'same-00001-of-00002.gguf'), { metadata: part(0), tensors });
    await writeGguf(join(scratch, 'same-00002-of-00002.gguf'), { metadata: part(1), tensors });
    await expect(openGguf(join(scratch, 'same-00001-of-00002.gguf'))).rejects.toMatchObject({
      kind: 'model',
      message: expect.stringContaining("tensor 'same'"),
    });
  });
});

describe('third-party files', () => {
  const stories = sharedData('llama/stories260K.gguf', 'reading a trained model');
  it.skipIf(!stories)('a trained model opens and has finite weights', async () => {
    const values = await allValues(stories!);
    expect(values.size).toBe(47);
    for (const tensor of values.values()) expect(tensor.every(Number.isFinite)).toBe(true);
  });

  const spm = sharedData('tokenizer/ggml-vocab-llama-spm.gguf.br', 'reading a real vocabulary');
  it.skipIf(!spm)('the vocabulary of llama keeps its token that is a byte order mark', async () => {
    const path = join(scratch, 'llama-spm.gguf');
    writeFileSync(path, brotliDecompressSync(readFileSync(spm!)));
    await withGguf(path, async ({ metadata }) => {
      const tokens = metadata.get('tokenizer.ggml.tokens');
      expect(tokens).toHaveLength(32000);
      expect(tokens).toContain('\ufeff');
      expect(tokens).not.toContain('');
    });
  });
});

describe('writing', () => {
  const roundTrip = async (content: GgufContent) => {
    const path = join(scratch, 'round-trip.gguf');
    await writeGguf(path, content);
    return openGguf(path);
  };

  it('what was written is read back: tensors byte for byte, in order', async () => {
    const file = await roundTrip(tinyContent);
    expect([...file.tensors.keys()]).toEqual(tinyContent.tensors.map(({ name }) => name));
    for (const written of tinyContent.tensors) {
      const read = file.tensors.get(written.name)!;
      expect([read.type, read.shape]).toEqual([written.type, written.shape]);
      expect(await read.read()).toEqual(await written.read());
    }
    await file.close();
  });

  it('metadata of every type are read back', async () => {
    const file = await roundTrip({
      metadata: {
        u8: { type: 'u8', value: 255 },
        i8: { type: 'i8', value: -128 },
        u16: { type: 'u16', value: 65535 },
        i16: { type: 'i16', value: -32768 },
        u32: { type: 'u32', value: 4294967295 },
        i32: { type: 'i32', value: -2147483648 },
        f32: { type: 'f32', value: 0.5 },
        f64: { type: 'f64', value: 0.1 },
        u64: { type: 'u64', value: 2n ** 64n - 1n },
        i64: { type: 'i64', value: -(2n ** 63n) },
        yes: { type: 'bool', value: true },
        no: { type: 'bool', value: false },
        text: { type: 'string', value: 'Grüße\n\u0000' },
        none: { type: 'array', of: 'string', value: [] },
        floats: { type: 'array', of: 'f32', value: [1, 2.5] },
        flags: { type: 'array', of: 'bool', value: [true, false] },
      },
      tensors: [],
    });
    expect(Object.fromEntries(file.metadata)).toEqual({
      u8: 255,
      i8: -128,
      u16: 65535,
      i16: -32768,
      u32: 4294967295,
      i32: -2147483648,
      f32: 0.5,
      f64: 0.1,
      u64: 2n ** 64n - 1n,
      i64: -(2n ** 63n),
      yes: true,
      no: false,
      text: 'Grüße\n\u0000',
      none: [],
      floats: [1, 2.5],
      flags: [true, false],
    });
    await file.close();
  });

  it('strings keep a byte order mark, and those across the pieces a header is read in are whole', async () => {
    const long = 'x'.repeat(1_200_000); // a piece is 2,000,000 bytes
    const marked = '\ufeffmarked';
    const file = await roundTrip({
      metadata: {
        marked: { type: 'string', value: marked },
        inside: { type: 'string', value: long },
        across: { type: 'string', value: long },
        inside2: { type: 'string', value: long },
        words: { type: 'array', of: 'string', value: ['plain', marked, long] },
        after: { type: 'u32', value: 7 },
      },
      tensors: [tensorOf('w', 'f32', [2], (i) => i)],
    });
    expect(file.metadata.get('marked')).toBe(marked);
    for (const key of ['inside', 'across', 'inside2']) expect(file.metadata.get(key) === long, key).toBe(true);
    expect((file.metadata.get('words') as readonly string[]).map((w) => w.length)).toEqual([5, 7, long.length]);
    expect(file.metadata.get('after')).toBe(7);
    expect([...(await file.tensors.get('w')!.decode())]).toEqual([0, 1]);
    await file.close();
  });

  it('tensor data begin at multiples of the alignment', async () => {
    const bytes = await fileBytes(tinyContent);
    const data = await tinyContent.tensors[1]!.read();
    expect(bytes.indexOf(data) % 64).toBe(0);
    expect(bytes.length % 64).toBe(0);
  });

  it('a large tensor is asked for in pieces', async () => {
    const asked: number[] = [];
    const read = async ({ from, to }: { from: number; to: number } = { from: 0, to: 40 }) => {
      asked.push(to - from);
      return new Uint8Array((to - from) * 2 ** 20).fill(from);
    };
    const file = await roundTrip({ metadata: {}, tensors: [{ name: 'big', type: 'f32', shape: [40, 2 ** 18], read }] });
    expect(asked).toEqual([16, 16, 8]);
    expect((await file.tensors.get('big')!.read({ from: 39, to: 40 }))[0]).toBe(32);
    await file.close();
  });

  it('a producer that fails leaves no file behind', async () => {
    const folder = join(scratch, 'failed');
    mkdirSync(folder);
    const read = () => Promise.reject(new Error('no weights today'));
    const writing = writeGguf(join(folder, 'x.gguf'), {
      metadata: {},
      tensors: [{ name: 'w', type: 'f32', shape: [4], read }],
    });
    await expect(writing).rejects.toThrow('no weights today');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('into a folder that does not exist is refused', async () => {
    await expect(writeGguf(join(scratch, 'nowhere/x.gguf'), tinyContent)).rejects.toMatchObject({
      kind: 'file',
      message: expect.stringMatching(/cannot write '.*x\.gguf': no such file or directory/),
    });
  });
});

describe('large files', () => {
  it('rows beyond 4 GiB are read, and only they', async () => {
    const [nRow, nIn] = [5 * 2 ** 10, 2 ** 18]; // 5 GiB of float32
    const bytes = await fileBytes({ metadata: {}, tensors: [tensorOf('w', 'f32', [1, 8], () => 0)] });
    const info = bytes.indexOf('w', 24) + 1;
    bytes.writeBigUInt64LE(BigInt(nIn), info + 4);
    bytes.writeBigUInt64LE(BigInt(nRow), info + 12);
    const dataStart = bytes.length - 32;
    const path = join(scratch, 'large.gguf');
    writeFileSync(path, bytes);
    truncateSync(path, dataStart + nRow * nIn * 4); // a hole: takes no space
    const file = openSync(path, 'r+');
    writeSync(file, new Float32Array([1, 2, 3]), 0, 12, dataStart + (nRow - 1) * nIn * 4);
    await withGguf(path, async ({ tensors }) => {
      const last = await tensors.get('w')!.decode({ from: nRow - 1, to: nRow });
      expect(last).toHaveLength(nIn);
      expect([...last.subarray(0, 4)]).toEqual([1, 2, 3, 0]);
    });
    truncateSync(path, 0);
  });

  it('a file that shrank after it was opened is refused when read', async () => {
    const path = join(scratch, 'shrinking.gguf');
    await writeGguf(path, tinyContent);
    await withGguf(path, async ({ tensors }) => {
      truncateSync(path, 300);
      await expect(tensors.get('d.weight')!.decode()).rejects.toMatchObject({ name: 'UserError', kind: 'file' });
    });
  });
});

describe('random weights', () => {
  const sizes = { nLayer: 1, nEmbd: 64, nHead: 4, nHeadKv: 2, nFf: 96, nVocab: 300, nCtx: 32 };

  it.each(['f32', 'f16', 'bf16', 'q4_0', 'q8_0'])(
    'of %s have mean 0 and standard deviation 0.02, norms are near 1',
    async (type) => {
      const { tensors } = randomSource(llamaShape({ ...sizes, type }));
      const values = await tensors.get('token_embd.weight')!.decode();
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      const std = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
      expect(Math.abs(mean)).toBeLessThan(1e-3);
      expect(std).toBeGreaterThan(0.018);
      expect(std).toBeLessThan(0.026);
      const norm = await tensors.get('output_norm.weight')!.decode();
      expect(norm.every((v) => v >= 1 && v <= 1.0625)).toBe(true);
    },
  );

  it.each(['f32', 'q4_0', 'q8_0'])(
    'of %s are the same each time, differ by tensor and row, and rows are slices',
    async (type) => {
      const one = randomSource(llamaShape({ ...sizes, type })).tensors;
      const two = randomSource(llamaShape({ ...sizes, type })).tensors;
      const q = await one.get('blk.0.attn_q.weight')!.decode();
      expect(await two.get('blk.0.attn_q.weight')!.decode()).toEqual(q);
      expect(await one.get('blk.0.attn_output.weight')!.decode()).not.toEqual(q);
      expect(q.slice(0, 64)).not.toEqual(q.slice(64, 128));
      expect(await one.get('blk.0.attn_q.weight')!.decode({ from: 3, to: 9 })).toEqual(q.slice(3 * 64, 9 * 64));
    },
  );

  it('written to a file they are the same model', async () => {
    const model = llamaShape({ ...sizes, type: 'q4_0' });
    const source = randomSource(model);
    const path = join(scratch, 'random.gguf');
    await writeGguf(path, { metadata: model.metadata, tensors: [...source.tensors.values()] });
    await withGguf(path, async ({ metadata, tensors }) => {
      expect(metadata).toEqual(
        new Map([...source.metadata, ['llama.attention.layer_norm_rms_epsilon', Math.fround(1e-5)]]),
      );
      expect([...tensors.keys()]).toEqual([...source.tensors.keys()]);
      const [a, b] = [tensors.get('blk.0.ffn_up.weight')!, source.tensors.get('blk.0.ffn_up.weight')!];
      expect(await a.read()).toEqual(await b.read());
      expect(await a.blocks!.pack()).toEqual(await b.blocks!.pack());
    });
  });

  it('the vocabulary has the special tokens, all bytes and filler', () => {
    const tokens = randomSource(llamaShape({ ...sizes, type: 'f16' })).metadata.get('tokenizer.ggml.tokens');
    expect(tokens).toHaveLength(300);
    expect(tokens).toEqual(
      expect.arrayContaining(['<unk>', '<s>', '</s>', '<0x00>', '<0x0A>', '<0xFF>', '▁', '▁w299']),
    );
    expect(new Set(tokens as readonly string[]).size).toBe(300);
  });

  it.each(['q4_k', 'q5_k', 'q6_k'])('of %s spread about 0 as trained ones do', async (type) => {
    const wide = { ...sizes, nEmbd: 256, nHead: 4, nHeadKv: 4, nFf: 512 };
    const q = await randomSource(llamaShape({ ...wide, type }))
      .tensors.get('blk.0.attn_q.weight')!
      .decode();
    const mean = q.reduce((sum, x) => sum + x, 0) / q.length;
    const std = Math.sqrt(q.reduce((sum, x) => sum + (x - mean) ** 2, 0) / q.length);
    expect(Math.abs(mean)).toBeLessThan(0.002);
    expect(std).toBeGreaterThan(0.017);
    expect(std).toBeLessThan(0.023);
  });

  it('of the types of a mixture each have their own', () => {
    const wide = { ...sizes, nEmbd: 256, nHead: 4, nHeadKv: 4, nFf: 512 };
    const { tensors } = randomSource(llamaShape({ ...wide, type: 'q4_k_m' }));
    expect([tensors.get('output.weight')?.type, tensors.get('blk.0.attn_q.weight')?.type]).toEqual(['q6_k', 'q4_k']);
  });

  it('of a mixture take types of smaller blocks where rows are short', () => {
    const { tensors } = randomSource(deepseek2Shape({ ...v2LiteCut, type: 'q4_k_m' }));
    const typeOf = (name: string) => tensors.get(`blk.${name}.weight`)?.type;
    expect([typeOf('1.ffn_gate_exps'), typeOf('1.ffn_down_exps'), typeOf('1.attn_k_b')]).toEqual([
      'q4_k',
      'q5_0',
      'q5_0',
    ]);
    expect([typeOf('2.ffn_down_exps'), typeOf('1.ffn_gate_inp')]).toEqual(['q8_0', 'f32']);
  });

  it('of a type that is not made up are refused', () => {
    expect(() => randomSource(llamaShape({ ...sizes, type: 'q2_k' }))).toThrow("no random weights of type 'q2_k'");
  });
});

it('the paths of a model are those that were given', async () => {
  const path = fixture('llama/mha.gguf');
  await withGguf(path, async (file) => {
    expect(file.path).toBe(path);
    expect(file.parts.map((part) => basename(part))).toEqual(['mha.gguf']);
  });
});
