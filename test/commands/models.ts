/** Variants of a fixture, made by writing it again with other metadata or tensors. */
import { join } from 'node:path';
import type { MetadataValue } from '../../src/graph/weights.ts';
import type { TypedMetadata, TypedValue } from '../../src/io/gguf/metadata.ts';
import { openGguf } from '../../src/io/gguf/reader.ts';
import { type TensorToWrite, writeGguf } from '../../src/io/gguf/writer.ts';
import { fixture, scratch } from '../fixtures.ts';

export interface Changes {
  /** Keys to set; undefined takes a key away. */
  readonly metadata?: Readonly<Record<string, TypedValue | undefined>>;
  /** What becomes of the tensors. */
  readonly tensors?: (all: readonly TensorToWrite[]) => readonly TensorToWrite[];
}

/** Writes a changed copy of the fixture `BASE.gguf` into the scratch folder; gives its path. */
export const changedModel = async (name: string, changes: Changes, base = 'llama/gqa-f32'): Promise<string> => {
  const file = await openGguf(fixture(`${base}.gguf`));
  try {
    const metadata: Record<string, TypedValue> = { ...typedMetadata(file.metadata) };
    for (const [key, value] of Object.entries(changes.metadata ?? {})) {
      if (value) metadata[key] = value;
      else delete metadata[key];
    }
    const tensors = [...file.tensors.values()];
    const path = join(scratch, `${name}.gguf`);
    await writeGguf(path, {
      metadata,
      tensors: changes.tensors?.(tensors) ?? tensors,
    });
    return path;
  } finally {
    await file.close();
  }
};

/** A file's metadata to be written again. */
export const typedMetadata = (metadata: ReadonlyMap<string, MetadataValue>): TypedMetadata =>
  Object.fromEntries([...metadata].map(([key, value]) => [key, typed(key, value)]));

/** The type a value has in a llama file; the reader gives values without it. */
const typed = (key: string, value: MetadataValue): TypedValue => {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'bigint') return { type: 'u64', value };
  if (typeof value === 'number')
    return { type: Number.isInteger(value) && value >= 0 && !isReal(key) ? 'u32' : 'f32', value };
  if (typeof value[0] === 'string') return { type: 'array', of: 'string', value: value.map(String) };
  return { type: 'array', of: key.endsWith('scores') ? 'f32' : 'i32', value: value.map(Number) };
};

const isReal = (key: string): boolean => /epsilon|freq_base|factor|multiplier|weights_scale/.test(key);
