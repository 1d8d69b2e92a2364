/** Small GGUF files for the tests of the reader. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RowRange } from '../src/graph/weights.ts';
import { typeOfName } from '../src/io/gguf/types.ts';
import { type GgufContent, type TensorToWrite, writeGguf } from '../src/io/gguf/writer.ts';
import { scratch } from './fixtures.ts';

/** A tensor of these values, rounded to the type. */
export const tensorOf = (
  name: string,
  typeName: string,
  shape: readonly number[],
  valueAt: (i: number) => number,
): TensorToWrite => {
  const type = typeOfName(typeName);
  if (!type?.encode) throw new Error(`cannot make values of type ${typeName}`);
  const nValue = shape.reduce((product, n) => product * n, 1);
  const bytes = new Uint8Array((nValue / type.blockSize) * type.blockBytes);
  type.encode(
    Float32Array.from({ length: nValue }, (_, i) => valueAt(i)),
    bytes,
  );
  const nRow = shape.slice(0, -1).reduce((product, n) => product * n, 1);
  const rowBytes = bytes.length / nRow;
  const read = async ({ from, to }: RowRange = { from: 0, to: nRow }) => bytes.slice(from * rowBytes, to * rowBytes);
  return { name, type: typeName, shape, read };
};

/** A valid file with an array of each kind, four tensors of four types, and an alignment of its own. */
export const tinyContent: GgufContent = {
  metadata: {
    'general.architecture': { type: 'string', value: 'tiny' },
    'general.alignment': { type: 'u32', value: 64 },
    'tiny.numbers': { type: 'array', of: 'i32', value: [1, -2, 3] },
    'tiny.words': { type: 'array', of: 'string', value: ['a', '', 'ß'] },
  },
  tensors: [
    tensorOf('a.weight', 'f32', [2, 4], (i) => i / 4),
    tensorOf('b.weight', 'q4_0', [3, 32], (i) => (i % 16) - 8),
    tensorOf('c.weight', 'f16', [3], (i) => i - 1),
    tensorOf('d.weight', 'q8_0', [2, 1, 64], (i) => i - 64),
  ],
};

/** The bytes of a file with this content. */
export const fileBytes = async (content: GgufContent): Promise<Buffer> => {
  const path = join(scratch, 'content.gguf');
  await writeGguf(path, content);
  return readFileSync(path);
};
