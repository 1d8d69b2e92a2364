/** JSON schemas as they come, and what two of them allow together. */
import { UserError } from '../../errors.ts';

export type Schema = Readonly<Record<string, unknown>>;

/** Keywords that say nothing about which values are allowed. */
export const ANNOTATIONS = new Set([
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
]);

/** A schema that is no puzzle looks up less. */
const MAX_LOOKUPS = 1000;

/** A whole schema, within which its parts name each other. */
export class WholeSchema {
  readonly #root: unknown;
  /** How often something was looked up by its place. */
  #lookups = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  /** What a `$ref` names. */
  find(pointer: string, at: string): unknown {
    if (++this.#lookups > MAX_LOOKUPS) throw refusal(at, `'$ref' ${pointer} leads back to itself`);
    if (!pointer.startsWith('#')) throw refusal(at, `'$ref' ${pointer} lies outside of the schema`);
    let found: unknown = this.#root;
    for (const step of pointer.split('/').slice(1).map(decoded))
      found = isSchema(found) || Array.isArray(found) ? Reflect.get(found, step) : undefined;
    if (found === undefined) throw refusal(at, `'$ref' ${pointer} is not there`);
    return found;
  }

  /** A schema of what both allow. */
  both(a: Schema, b: unknown, at: string): Schema {
    if (b === true) return a;
    if (!isSchema(b)) throw refusal(at, 'a part of it allows no value');
    if (typeof b.$ref === 'string') {
      const { $ref, ...rest } = b;
      return this.both(this.both(a, this.find($ref, at), at), rest, at);
    }
    const sum: Record<string, unknown> = { ...a };
    for (const [key, value] of Object.entries(b)) {
      const own = sum[key];
      if (own === undefined || ANNOTATIONS.has(key) || JSON.stringify(own) === JSON.stringify(value)) sum[key] = value;
      else if (key === 'required') sum[key] = [...new Set([...listOf(own, at), ...listOf(value, at)])];
      else if (key === 'properties' && isSchema(own) && isSchema(value)) sum[key] = this.#properties(own, value, at);
      else throw refusal(at, `'${key}' is there more than once, and not the same`);
    }
    return sum;
  }

  #properties(a: Schema, b: Schema, at: string): Schema {
    const sum: Record<string, unknown> = { ...a };
    for (const [name, schema] of Object.entries(b)) {
      const own = sum[name];
      sum[name] = isSchema(own) ? this.both(own, schema, `${at}/properties/${name}`) : schema;
    }
    return sum;
  }
}

/** A step of a JSON pointer within an address (RFC 6901, section 6); as it stands where its percent signs mean nothing. */
const decoded = (step: string): string => {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return step;
  }
};

/** Whether a value is a schema with keywords. */
export const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A list of a schema; only `required` may be empty. */
export const listOf = (value: unknown, at: string): readonly unknown[] => {
  if (Array.isArray(value) && value.length > 0) return value;
  if (Array.isArray(value) && at.endsWith('/required')) return value;
  throw refusal(at, 'is no list with something in it');
};

/** Whether a schema has keywords that allow or forbid something. */
export const says = (schema: Schema): boolean => Object.keys(schema).some((key) => !ANNOTATIONS.has(key));

/** What is said of a schema that cannot be followed; `at` is where in it. */
export const refusal = (at: string, what: string): UserError =>
  new UserError('usage', `the JSON schema at ${at}: ${what}`);
