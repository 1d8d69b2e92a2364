/** Models split over several files, `PREFIX-00002-of-00003.gguf` (gguf-split of llama.cpp). */
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';

/** A file's name: what all parts have in common, the number of this one, how many there are. */
export const PART_NAME = /^(?<prefix>.*)-(?<part>\d{5})-of-(?<count>\d{5})\.gguf$/s;

/** The paths of all `count` parts beside `path`, one of them; in order. */
export const partPaths = (path: string, count: number): string[] => {
  const prefix = PART_NAME.exec(path)?.groups?.prefix;
  const five = (n: number) => String(n).padStart(5, '0');
  if (prefix === undefined || !path.endsWith(`-of-${five(count)}.gguf`)) {
    throw new UserError(
      'model',
      `'${path}' is one of ${count} parts of a model, but its name does not say so`,
      `name the parts NAME-00001-of-${five(count)}.gguf and so on`,
    );
  }
  return Array.from({ length: count }, (_, i) => `${prefix}-${five(i + 1)}-of-${five(count)}.gguf`);
};

type Metadata = ReadonlyMap<string, MetadataValue>;

/** How many files the model of this header is split over; 1 where it is not. */
export const partCount = (metadata: Metadata): number => integer(metadata, 'split.count') ?? 1;

/** Checks that a header is that of part `index` (from 0) of `count`. */
export const checkPart = (metadata: Metadata, path: string, index: number, count: number): void => {
  const part = integer(metadata, 'split.no');
  const parts = partCount(metadata);
  if (part === index && parts === count) return;
  const says = part === undefined ? 'no part of a model' : `part ${part + 1} of ${parts}`;
  throw new UserError('model', `'${path}' is ${says} by its header, expected part ${index + 1} of ${count}`);
};

/** Checks that the parts hold together as many tensors as the first one says. */
export const checkTensorCount = (metadata: Metadata, path: string, found: number): void => {
  const announced = integer(metadata, 'split.tensors.count');
  if (announced === undefined || announced === found) return;
  throw new UserError('model', `'${path}' announces ${announced} tensors, its parts hold ${found}`);
};

const integer = (metadata: Metadata, key: string): number | undefined => {
  const value = metadata.get(key);
  return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
};
