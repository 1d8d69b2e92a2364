/** What a damaged or malicious file can do to the reader: nothing but a sentence. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '../src/errors.ts';
import { openGguf } from '../src/io/gguf/reader.ts';
import { scratch } from './fixtures.ts';
import { fileBytes, tensorOf, tinyContent } from './tiny-gguf.ts';

// The shortest file whose every part the table below can reach by name.
const valid = await fileBytes({
  metadata: {
    'general.alignment': { type: 'u32', value: 32 },
    text: { type: 'string', value: 'hello' },
    list: { type: 'array', of: 'string', value: ['one', 'two'] },
    numbers: { type: 'array', of: 'i32', value: [1, 2, 3] },
  },
  tensors: [
    tensorOf('first', 'q4_0', [3, 32], (i) => i),
    tensorOf('second', 'f32', [2, 8], (i) => i),
    tensorOf('third', 'f16', [16], (i) => i),
  ],
});

/** Offset of what follows this name in the header. */
const after = (name: string): number => valid.indexOf(name) + name.length;

/** Offsets inside a tensor's info, given its number of dimensions. */
const info = (name: string, nDims: number) => {
  const at = after(name);
  return {
    length: at - name.length - 8,
    nDims: at,
    ne0: at + 4,
    ne1: at + 12,
    type: at + 4 + 8 * nDims,
    offset: at + 8 + 8 * nDims,
  };
};
const first = info('first', 2);
const second = info('second', 2);
const third = info('third', 1);

/** The valid file with some bytes changed in place. */
const changed = (change: (bytes: Buffer) => unknown): Buffer => {
  const bytes = Buffer.from(valid);
  change(bytes);
  return bytes;
};
const u32 = (at: number, value: number) => changed((b) => b.writeUInt32LE(value, at));
const u64 = (at: number, value: bigint) => changed((b) => b.writeBigUInt64LE(value, at));

/** Milliseconds of work since then: on a busy machine the clock says more of others than of the reader. */
const workMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

const path = join(scratch, 'hostile.gguf');

/** What opening these bytes and decoding all their tensors throws. */
const errorOf = async (bytes: Uint8Array): Promise<unknown> => {
  writeFileSync(path, bytes);
  return openAndDecode(path);
};

const openAndDecode = async (path: string): Promise<unknown> => {
  try {
    const file = await openGguf(path);
    try {
      for (const tensor of file.tensors.values()) {
        await tensor.decode();
        await tensor.blocks?.pack();
      }
    } finally {
      await file.close();
    }
    return undefined;
  } catch (error) {
    return error;
  }
};

/** One sentence: one line, no period at its end, not a stack or a JavaScript error's text. */
const expectRefusal = (error: unknown, kind: string, message: RegExp) => {
  expect(error).toBeInstanceOf(UserError);
  if (!(error instanceof UserError)) return;
  expect(error.message).toMatch(message);
  expect(error.kind).toBe(kind);
  expect(error.message).toMatch(/^\P{Cc}{1,400}[^.]$/u);
};

it('the file the hostile ones are made from is valid', async () => {
  expect(await errorOf(valid)).toBeUndefined();
});

describe('a file is refused in one sentence, at once and in little memory, when', () => {
  it.each<[string, Buffer, RegExp]>([
    // what it is
    ['it is empty', Buffer.alloc(0), /'.*hostile\.gguf' is empty/],
    ['it is text', Buffer.from('<!DOCTYPE html>'), /is not a GGUF file \(it starts with "<!DO"\)/],
    ['it is too short for a magic', Buffer.from('GG'), /is not a GGUF file \(it starts with "GG"\)/],
    ['it starts with control characters', Buffer.from([27, 91, 0, 10, 1]), /it starts with "\\u001b\[\\u0000\\n"/],
    ['it is legacy ggml', changed((b) => b.write('lmgg', 'latin1')), /is a file of the old ggml format, not GGUF/],
    ['it is of version 1', u32(4, 1), /is of GGUF version 1; grafo reads versions 2 and 3/],
    ['it is of version 4', u32(4, 4), /is of GGUF version 4/],
    ['it is of version 0', u32(4, 0), /is of GGUF version 0/],
    ['it is big-endian', changed((b) => b.writeUInt32BE(3, 4)), /is a big-endian GGUF file/],
    // counts and lengths
    ['it announces 2^60 tensors', u64(8, 2n ** 60n), /announces 1152921504606\d{6} tensors in \d+ bytes/],
    ['it announces one tensor too many', u64(8, 4n), /tensor 'third': ends at byte 512, but '.*' has 480/],
    ['it announces 2^60 keys', u64(16, 2n ** 60n), /announces 1152921504606\d{6} keys in/],
    ['it announces as many keys as can be written', u64(16, 2n ** 64n - 1n), /announces 1844674407370\d{7} keys in/],
    ['the name of a key is 2^40 bytes long', u64(24, 2n ** 40n), /the name of key 0 is 1099511627776 bytes long/],
    ['the name of a key ends beyond the file', u64(24, 60_000n), /the name of key 0 \(60000 bytes at 32\) goes beyond/],
    ['a string is 2^40 bytes long', u64(after('text') + 4, 2n ** 40n), /the value of key 'text' \(1099511627776 bytes/],
    ['a string in an array is', u64(after('list') + 16, 2n ** 40n), /the value of key 'list' \(1099511627776 bytes/],
    ['an array has 2^60 strings', u64(after('list') + 8, 2n ** 60n), /is damaged/],
    [
      'an array has 2^60 numbers',
      u64(after('numbers') + 8, 2n ** 60n),
      /the value of key 'numbers' \(461168601842738\d{4} bytes/,
    ],
    ['a value has an unknown type', u32(after('text'), 13), /the key 'text' has value type 13, known are 0 to 12/],
    ['the elements of an array have', u32(after('numbers') + 4, 99), /the key 'numbers' has value type 99/],
    ['an array holds arrays', u32(after('numbers') + 4, 9), /the key 'numbers' holds an array of arrays/],
    ['a key appears twice', changed((b) => b.write('list', valid.indexOf('text'))), /the key 'list' appears twice/],
    [
      'a key has a control character',
      changed((b) => b.write('te\u001bt', valid.indexOf('text'))),
      /name of key 1 is "te\\u001bt"/,
    ],
    // alignment
    [
      'the alignment is 0',
      u32(after('general.alignment') + 4, 0),
      /general\.alignment is 0, which is not a power of two/,
    ],
    ['the alignment is 48', u32(after('general.alignment') + 4, 48), /general\.alignment is 48/],
    [
      'the alignment is a float',
      u32(after('general.alignment'), 6),
      /general\.alignment has value type 6, expected u32/,
    ],
    [
      'the alignment moves the data',
      u32(after('general.alignment') + 4, 128),
      /tensor 'second': offset 64, not a multiple of the alignment 128, expected 128/,
    ],
    ['the alignment is 2^31', u32(after('general.alignment') + 4, 2 ** 31), /tensor 'first': ends at byte 2147483702/],
    // tensors
    ['a tensor has 9 dimensions', u32(first.nDims, 9), /tensor 'first' has 9 dimensions, allowed are 4/],
    ['a tensor has 2^32 - 1 dimensions', u32(first.nDims, 2 ** 32 - 1), /tensor 'first' has 4294967295 dimensions/],
    [
      'the name of a tensor has 64 bytes',
      u64(first.length, 64n),
      /the name of tensor 0 is 64 bytes long, allowed are 63/,
    ],
    [
      'a tensor appears twice',
      changed((b) => b.write('first', valid.indexOf('third'))),
      /tensor 'first': appears twice/,
    ],
    [
      'a shape overflows',
      changed((b) => {
        b.writeBigUInt64LE(2n ** 31n, second.ne0);
        b.writeBigUInt64LE(2n ** 32n, second.ne1);
      }),
      /tensor 'second': shape \[4294967296, 2147483648\] takes 36893488147419103232 bytes/,
    ],
    ['an axis is 2^63', u64(second.ne1, 2n ** 63n), /9223372036854775808/],
    ['an axis is empty', u64(second.ne1, 0n), /tensor 'second': shape \[0, 8\] has an empty axis/],
    [
      'a row is not a whole number of blocks',
      u64(first.ne0, 33n),
      /tensor 'first': shape \[3, 33\] of type Q4_0 needs rows of a multiple of 32/,
    ],
    [
      'a tensor is larger than the file',
      u64(first.ne1, 3000n),
      /tensor 'first': shape \[3000, 32\] takes 54000 bytes, the whole file has/,
    ],
    ['the last tensor ends outside', u64(third.ne0, 128n), /tensor 'third': ends at byte \d+, but '.*' has \d+/],
    ['a tensor grows into the next', u64(first.ne1, 4n), /tensor 'second': offset 64, expected 96/],
    [
      'an offset is outside the file',
      u64(third.offset, 2n ** 63n),
      /tensor 'third': offset 9223372036854775808, expected 128/,
    ],
    [
      'an offset is not aligned',
      u64(second.offset, 65n),
      /tensor 'second': offset 65, not a multiple of the alignment 32, expected 64/,
    ],
    ['two tensors overlap', u64(second.offset, 0n), /tensor 'second': offset 0, expected 64/],
    ['there is a gap between tensors', u64(second.offset, 96n), /tensor 'second': offset 96, expected 64/],
    // types
    [
      'a type is not read here',
      u32(first.type, 26),
      /^tensor 'first' has type I32, which is not supported yet; read are F32, F16, BF16, Q4_0, [A-Z0-9_, ]+$/,
    ],
    [
      'a type belongs to ik_llama.cpp',
      u32(first.type, 139),
      /^tensor 'first': type 139 IQ4_K exists only in ik_llama\.cpp$/,
    ],
    [
      'a type is one of those without a name in files',
      u32(first.type, 150),
      /^tensor 'first': type 150 exists only in ik_llama\.cpp$/,
    ],
    ['a type was removed', u32(first.type, 31), /^tensor 'first': type 31 Q4_0_4_4 was removed from ggml$/],
    ['a type is unknown', u32(first.type, 90), /^tensor 'first' has type 90, which ggml does not know/],
    ['a type is absurd', u32(first.type, 2 ** 31), /^tensor 'first' has type 2147483648, which ggml does not know/],
  ])('%s', async (_, bytes, message) => {
    const memory = process.resourceUsage().maxRSS; // the peak, in KiB
    const start = process.cpuUsage();
    expectRefusal(await errorOf(bytes), 'model', message);
    expect(workMs(start)).toBeLessThan(1000);
    expect(process.resourceUsage().maxRSS - memory).toBeLessThan(100 * 1024);
  });

  it('it is cut anywhere', async () => {
    for (let length = 0; length < valid.length; length++) {
      expectRefusal(
        await errorOf(valid.subarray(0, length)),
        'model',
        /is damaged|not a GGUF|is empty|ends at byte|takes/,
      );
    }
  });

  it('a key takes the name of the prototype of objects', async () => {
    const bytes = await fileBytes({ metadata: { prototyp_: { type: 'array', of: 'i32', value: [1] } }, tensors: [] });
    bytes.write('__proto__', bytes.indexOf('prototyp_'));
    expectRefusal(await errorOf(bytes), 'model', /has a key '__proto__', which is not allowed/);
  });

  it('its header goes on for longer than any real one', async () => {
    const bytes = changed((b) => b.writeBigUInt64LE(2n ** 40n, after('numbers') + 8));
    writeFileSync(path, bytes);
    truncateSync(path, 2 ** 43); // a hole: takes no space
    const start = process.cpuUsage();
    expectRefusal(await openAndDecode(path), 'model', /the header of '.*' is longer than 48 MB/);
    expect(workMs(start)).toBeLessThan(1000);
    rmSync(path);
  });
});

describe('a path is refused in one sentence when', () => {
  it('there is nothing', async () => {
    expectRefusal(
      await openAndDecode(join(scratch, 'nothing.gguf')),
      'file',
      /cannot read '.*nothing\.gguf': no such file or directory/,
    );
  });

  it('it is a directory', async () => {
    mkdirSync(join(scratch, 'folder.gguf'));
    expectRefusal(await openAndDecode(join(scratch, 'folder.gguf')), 'file', /folder\.gguf': it is a directory/);
  });

  it('it leads through a file', async () => {
    writeFileSync(path, valid);
    expectRefusal(await openAndDecode(join(path, 'x.gguf')), 'file', /a part of the path is not a directory/);
  });

  it.skipIf(!existsSync('/dev/zero'))('it is a device', async () => {
    expectRefusal(await openAndDecode('/dev/zero'), 'file', /'\/dev\/zero': it is not a regular file/);
  });

  const isRoot = process.getuid?.() === 0;
  if (isRoot) console.warn('skipped: an unreadable file cannot be made as root, who reads everything');
  it.skipIf(isRoot)('it may not be read', async () => {
    const secret = join(scratch, 'secret.gguf');
    writeFileSync(secret, valid);
    chmodSync(secret, 0);
    expectRefusal(await openAndDecode(secret), 'file', /secret\.gguf': no permission/);
  });
});

describe('ten thousand mutants of a small file', () => {
  // One file rewritten in memory, where there is such a place: the disk is not what is tested.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : scratch, 'grafo-fuzz-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('open and decode, or are refused with a UserError; nothing else happens, and each is quick', async () => {
    const seed = 20250224;
    const random = mulberry32(seed);
    const originals = [valid, await fileBytes(tinyContent)];
    const path = join(folder, 'mutant.gguf');
    const outcomes = { opened: 0, refused: 0 };
    for (let i = 0; i < 10_000; i++) {
      writeFileSync(path, mutant(originals[i % 2]!, random));
      const start = process.cpuUsage();
      const error = await openAndDecode(path);
      const took = workMs(start);
      if (error !== undefined && !(error instanceof UserError))
        throw new Error(`mutant ${i} of seed ${seed}`, { cause: error });
      if (took > 1000) throw new Error(`mutant ${i} of seed ${seed} took ${took} ms`);
      outcomes[error ? 'refused' : 'opened']++;
    }
    // Both must happen often, or the mutants were too tame or too wild to test anything.
    expect(outcomes.opened).toBeGreaterThan(1000);
    expect(outcomes.refused).toBeGreaterThan(1000);
  });
});

/** A small generator of numbers in [0, 1), the same on every machine (Tommy Ettinger's mulberry32). */
const mulberry32 = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

const EXTREMES = [
  0n,
  1n,
  2n,
  9n,
  31n,
  0x7fffffffn,
  0xffffffffn,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** The file after one to three accidents: flipped bits, an extreme number, a cut, a piece moved over another. */
const mutant = (original: Buffer, random: () => number): Buffer => {
  const below = (n: number) => Math.floor(random() * n);
  let bytes = Buffer.from(original);
  for (let n = 1 + below(3); n > 0 && bytes.length > 8; n--) {
    const at = below(bytes.length);
    const kind = below(8);
    if (kind < 3) bytes[at]! ^= 1 << below(8);
    else if (kind < 6) {
      const value = EXTREMES[below(EXTREMES.length)]!;
      const place = Math.min(at, bytes.length - 8);
      if (random() < 0.5) bytes.writeBigUInt64LE(value, place);
      else bytes.writeUInt32LE(Number(value & 0xffffffffn), place);
    } else if (kind === 6) bytes = bytes.subarray(0, at);
    else {
      const from = below(bytes.length);
      const piece = bytes.subarray(from, from + below(64));
      bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(random() < 0.5 ? at : at + piece.length)]);
    }
  }
  return bytes;
};
