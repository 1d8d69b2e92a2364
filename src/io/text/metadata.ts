/** Typed reading of a file's metadata. A file is not trusted: what it says is checked here, and refused by name. */
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';

export type Metadata = ReadonlyMap<string, MetadataValue>;

/** What a value is, in the words of an error message. */
const kindOf = (value: MetadataValue): string => {
  if (!Array.isArray(value)) return typeof value === 'string' ? 'a string' : `the ${typeof value} ${value}`;
  return value.length === 0 ? 'an empty array' : `an array with ${kindOf(value[0])}`;
};

/** The error for a key whose value is not what it should be. */
const badValue = (key: string, expected: string, value: MetadataValue): UserError =>
  new UserError('model', `metadata '${key}': expected ${expected}, got ${kindOf(value)}`);

/** A text; undefined where there is none. Throws a UserError 'model' for anything else, as the readers below do. */
export const readString = (metadata: Metadata, key: string): string | undefined => {
  const value = metadata.get(key);
  if (value === undefined || typeof value === 'string') return value;
  throw badValue(key, 'a string', value);
};

/** A flag; undefined where there is none. */
export const readBoolean = (metadata: Metadata, key: string): boolean | undefined => {
  const value = metadata.get(key);
  if (value === undefined || typeof value === 'boolean') return value;
  throw badValue(key, 'true or false', value);
};

/** An integer; 64-bit values arrive as bigint and are narrowed (ids are small). */
export const readInteger = (metadata: Metadata, key: string): number | undefined => {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
  throw badValue(key, 'an integer', value);
};

/** A number; undefined where there is none. */
export const readNumber = (metadata: Metadata, key: string): number | undefined => {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw badValue(key, 'a number', value);
};

/** A list of texts; undefined where there is none. */
export const readStrings = (metadata: Metadata, key: string): readonly string[] | undefined => {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw badValue(key, 'an array of strings', value);
  return value.map((element: MetadataValue, i) => {
    if (typeof element === 'string') return element;
    throw badValue(`${key}[${i}]`, 'a string', element);
  });
};

/** A list of numbers; undefined where there is none. */
export const readNumbers = (metadata: Metadata, key: string): readonly number[] | undefined => {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw badValue(key, 'an array of numbers', value);
  return value.map((element: MetadataValue, i) => {
    const number = typeof element === 'bigint' ? Number(element) : element;
    if (typeof number === 'number' && !Number.isNaN(number)) return number;
    throw badValue(`${key}[${i}]`, 'a number', element);
  });
};
