/** Whisper as a GGUF file, with its words and its mel filters. */
import type { MetadataValue, StoredTensor, WeightSource } from '../../graph/weights.ts';
import type { TypedValue } from '../gguf/metadata.ts';
import { quantTypes } from '../gguf/quants/index.ts';
import { inType } from '../gguf/retyped.ts';
import { typeOfName } from '../gguf/types.ts';
import { writeGguf } from '../gguf/writer.ts';

/** The types that matrices can be written in. */
export const speechTypes: readonly string[] = quantTypes.filter(({ encode }) => encode).map(({ name }) => name);

/**
 * Writes a model under grafo's keys. Matrices get the type asked for, or keep their own; where a row is no whole number
 * of its blocks they are f16. Convolutions are f16 unless all is f32, everything else is f32.
 * @throws UserError 'file' when the file cannot be written
 */
export const writeWhisper = async (path: string, source: WeightSource, asked: string | undefined): Promise<void> => {
  const metadata = Object.fromEntries([...source.metadata].map(([key, value]) => [key, typed(value)]));
  const tensors = [...source.tensors.values()].map((tensor) => inType(tensor, typeFor(tensor, asked)));
  await writeGguf(path, { metadata, tensors });
};

/** Whisper's metadata are texts, whole numbers, lists of words and the filters. */
const typed = (value: MetadataValue): TypedValue => {
  if (typeof value === 'string') return { type: 'string', value };
  if (!Array.isArray(value)) return { type: 'u32', value: Number(value) };
  const list: readonly MetadataValue[] = value;
  return typeof list[0] === 'number'
    ? { type: 'array', of: 'f32', value: list.map(Number) }
    : { type: 'array', of: 'string', value: list.map(String) };
};

const typeFor = ({ name, type, shape }: StoredTensor, asked: string | undefined): string => {
  const wanted = asked ?? type;
  if (/conv\d\.weight$/.test(name)) return wanted === 'f32' ? 'f32' : 'f16';
  if (shape.length !== 2 || name.endsWith('positional_embedding')) return 'f32';
  return (shape.at(-1) ?? 1) % (typeOfName(wanted)?.blockSize ?? 1) === 0 ? wanted : 'f16';
};
