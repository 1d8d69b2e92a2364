/** JSON files of unknown content, and values of an expected kind out of them. */
import { UserError } from '../errors.ts';
import { readText } from './plain-file.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value of JSON is an object. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The object in a file.
 * @throws UserError 'file' for a missing or unreadable file, 'model' for one that holds no JSON object
 */
export const readJsonObject = async (path: string): Promise<JsonObject> => {
  const value = parsedJson(await readText(path));
  if (!isObject(value)) throw new UserError('model', `'${path}' holds no JSON object`);
  return value;
};

/** The value that a text is in JSON; undefined where it is none. */
export const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Values by key, each of its kind or absent; another kind is refused by name. */
export class JsonFields {
  readonly #object: JsonObject;
  readonly #path: string;

  constructor(object: JsonObject, path: string) {
    this.#object = object;
    this.#path = path;
  }

  number(key: string): number | undefined {
    return this.#of(key, 'a number', (value) => (typeof value === 'number' ? value : undefined));
  }

  text(key: string): string | undefined {
    return this.#of(key, 'a text', (value) => (typeof value === 'string' ? value : undefined));
  }

  flag(key: string): boolean | undefined {
    return this.#of(key, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  numbers(key: string): readonly number[] | undefined {
    return this.#of(key, 'a list of numbers', (value) =>
      Array.isArray(value) && value.every((n) => typeof n === 'number') ? value : undefined,
    );
  }

  texts(key: string): readonly string[] | undefined {
    return this.#of(key, 'a list of texts', (value) =>
      Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : undefined,
    );
  }

  object(key: string): JsonFields | undefined {
    const value = this.#of(key, 'an object', (value) => (isObject(value) ? value : undefined));
    return value && new JsonFields(value, `${this.#path}: ${key}`);
  }

  /** What a key holds, whatever it is. */
  any(key: string): unknown {
    return this.#object[key];
  }

  /** A whole number above 0. */
  size(key: string): number {
    const value = this.number(key);
    if (value === undefined || !Number.isSafeInteger(value) || value < 1)
      throw this.wrong(key, 'a positive whole number');
    return value;
  }

  wrong(key: string, expected: string): UserError {
    const value = this.#object[key];
    const came = value === undefined ? 'is missing' : `is ${JSON.stringify(value).slice(0, 40)}`;
    return new UserError('model', `'${key}' of '${this.#path}' ${came}, expected ${expected}`);
  }

  #of<T>(key: string, expected: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = this.#object[key];
    if (value === undefined || value === null) return undefined;
    const found = read(value);
    if (found === undefined) throw this.wrong(key, expected);
    return found;
  }
}
