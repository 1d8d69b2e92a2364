/**
 * JSON schemas as GBNF. Texts of the grammar are JSON that the schema allows: what could not be promised is refused by
 * name. Among what the schema allows, the grammar is strict: properties come in the schema's order, none that are not
 * named unless `additionalProperties` says so, and blanks are few (as in llama.cpp).
 */
import { MAX_REPETITIONS } from './gbnf.ts';
import { integerBetween, numberBetween } from './number-range.ts';
import { PatternError, patternGrammar } from './pattern.ts';
import type { Schema } from './schema.ts';
import { ANNOTATIONS, isSchema, listOf, refusal, says, WholeSchema } from './schema.ts';

const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;
type Type = (typeof TYPES)[number];

/** The keywords that each type of value reads. */
const KEYWORDS: Readonly<Record<Type, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'format', 'pattern'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  boolean: [],
  null: [],
};

/** Keywords that are read; those of another type say nothing. */
const KNOWN = new Set(TYPES.flatMap((type) => KEYWORDS[type]));

/** Rules that others name. An escaped character is one character, so surrogates, which come in pairs, are left out. */
const BASICS: Readonly<Record<string, string>> = {
  ws: '| " " | "\\n" [ \\t]{0,20}',
  'plain-char': '[^"\\\\\\x00-\\x1F\\x7F]',
  char: 'plain-char | "\\\\" (["\\\\bfnrt] | "u" ([0-9a-cA-CeEfF] hex{3} | [dD] [0-7] hex{2}))',
  hex: '[0-9a-fA-F]',
  string: '"\\"" char* "\\""',
  integer: '"-"? ("0" | [1-9] [0-9]{0,14})',
  number: '"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9] [0-9]?)?',
  boolean: '"true" | "false"',
  null: '"null"',
  value: 'object | array | string | number | boolean | null',
  object: '"{" ws (member ("," ws member)*)? "}"',
  member: 'string ws ":" ws value ws',
  array: '"[" ws (value ws ("," ws value ws)*)? "]"',
  date: '[0-9]{3} [1-9] "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))',
  time: '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
  'date-time': 'date "T" time',
  uuid: 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
};

const FORMATS: readonly string[] = ['date', 'time', 'date-time', 'uuid'];

/**
 * The grammar, as text, of what a schema allows. Of `oneOf` it promises one at least, as of `anyOf`.
 * @throws UserError 'usage' that names the keyword and the place of what cannot be promised
 */
export const schemaGrammar = (schema: unknown): string => {
  const converter = new Converter(schema);
  const root = converter.visit(schema, '#');
  return [`root ::= ${root}`, ...converter.rules()].join('\n');
};

class Converter {
  readonly #whole: WholeSchema;
  readonly #rules = new Map<string, string>();
  /** Rules of what `$ref` names, by its pointer. */
  readonly #references = new Map<string, string>();

  constructor(root: unknown) {
    this.#whole = new WholeSchema(root);
  }

  rules(): string[] {
    return [...this.#rules, ...Object.entries(BASICS)].map(([name, body]) => `${name} ::= ${body}`);
  }

  /**
   * An expression for a schema.
   * @param at where it stands, for errors
   */
  visit(schema: unknown, at: string): string {
    if (schema === true) return 'value';
    if (!isSchema(schema)) throw refusal(at, `is ${JSON.stringify(schema)}: no value is allowed by that`);
    if (typeof schema.$ref === 'string') return this.#reference(schema, schema.$ref, at);
    for (const key of ['anyOf', 'oneOf'] as const) {
      if (schema[key] === undefined) continue;
      const { [key]: options, ...rest } = schema;
      return oneOf(
        listOf(options, `${at}/${key}`).map((s, i) =>
          this.visit(says(rest) ? this.#whole.both(rest, s, at) : s, `${at}/${key}/${i}`),
        ),
      );
    }
    if (schema.allOf !== undefined) {
      const { allOf, ...rest } = schema;
      return this.visit(
        listOf(allOf, `${at}/allOf`).reduce((sum: Schema, s) => this.#whole.both(sum, s, at), rest),
        at,
      );
    }
    if ('const' in schema) return this.#oneValue([schema.const], schema, 'const', at);
    if (schema.enum !== undefined) return this.#oneValue(listOf(schema.enum, `${at}/enum`), schema, 'enum', at);
    const types = typesOf(schema, at);
    const unread = Object.keys(schema).find((key) => key !== 'type' && !KNOWN.has(key) && !ANNOTATIONS.has(key));
    if (unread !== undefined) throw refusal(at, `'${unread}' cannot be promised`);
    if (types.length === TYPES.length) return 'value';
    return oneOf(types.map((type) => this.#typed(type, schema, at)));
  }

  #typed(type: Type, schema: Schema, at: string): string {
    switch (type) {
      case 'object':
        return this.#object(schema, at);
      case 'array':
        return this.#array(schema, at);
      case 'string':
        return this.#string(schema, at);
      case 'number':
      case 'integer':
        return numeric(type, schema, at);
      default:
        return type;
    }
  }

  /** A value by its place in the schema; it becomes a rule, so that it may hold itself. */
  #reference(schema: Schema, pointer: string, at: string): string {
    const { $ref: _, ...rest } = schema;
    if (says(rest)) return this.visit(this.#whole.both(rest, this.#whole.find(pointer, at), at), at);
    const known = this.#references.get(pointer);
    if (known !== undefined) return known;
    const name = `ref-${this.#references.size + 1}`;
    this.#references.set(pointer, name);
    this.#rules.set(name, this.visit(this.#whole.find(pointer, at), pointer));
    return name;
  }

  #oneValue(values: readonly unknown[], schema: Schema, by: string, at: string): string {
    const beside = Object.keys(schema).find((key) => key !== by && key !== 'type' && !ANNOTATIONS.has(key));
    if (beside !== undefined) throw refusal(at, `'${beside}' beside '${by}' cannot be promised`);
    const types = typesOf(schema, at);
    const fitting = values.filter((value) => types.some((type) => isOfType(value, type)));
    if (fitting.length === 0) throw refusal(at, `'${by}' has no value of its type`);
    return oneOf(fitting.map((value) => literal(JSON.stringify(value))));
  }

  /**
   * Members in the schema's order. Two rules for each of them, from the last on: what may come from there on where
   * something was written before, and where nothing was.
   */
  #object(schema: Schema, at: string): string {
    const properties = isSchema(schema.properties) ? schema.properties : {};
    const required = new Set(schema.required === undefined ? [] : listOf(schema.required, `${at}/required`));
    const extra = schema.additionalProperties ?? (schema.properties === undefined && required.size === 0);
    const missing = [...required].filter((name) => !Object.hasOwn(properties, String(name)));
    if (missing.length > 0 && extra === false) throw refusal(at, `'required' names '${missing[0]}', which it has not`);
    const named: [string, unknown][] = [
      ...Object.entries(properties),
      ...missing.map((name): [string, unknown] => [String(name), extra]),
    ];
    const members = named.map(([name, property]) => ({
      isRequired: required.has(name),
      rule: this.#rule(
        `${literal(JSON.stringify(name))} ws ":" ws ${this.visit(property, `${at}/properties/${name}`)} ws`,
      ),
    }));
    let [later, first] = ['""', '""'];
    if (extra !== false) {
      const keys = this.#rule(`"\\"" ${this.#keyExcept(named.map(([name]) => name))} "\\""`);
      const member = this.#rule(`${keys} ws ":" ws ${this.visit(extra, `${at}/additionalProperties`)} ws`);
      later = this.#rule(`("," ws ${member})*`);
      first = this.#rule(`(${member} ${later})?`);
    }
    for (const { isRequired, rule } of members.toReversed()) {
      const [following, alone] = [later, first];
      later = this.#rule(isRequired ? `"," ws ${rule} ${following}` : `("," ws ${rule})? ${following}`);
      first = this.#rule(isRequired ? `${rule} ${following}` : `${rule} ${following} | ${alone}`);
    }
    return this.#rule(`"{" ws ${first} "}"`);
  }

  /** What a key between quotes may be, if it is none of these. It has no escapes: they could spell one of them. */
  #keyExcept(all: readonly string[]): string {
    const names = all.filter((name) => JSON.stringify(name) === `"${name}"`); // no others can be spelled so
    const next = new Map<string, string[]>();
    for (const name of names) {
      const [character] = name;
      if (character !== undefined) next.set(character, [...(next.get(character) ?? []), name.slice(character.length)]);
    }
    const others = [...next.keys()].map(classCharacter).join('');
    const options = [
      `[^"\\\\\\x00-\\x1F\\x7F${others}] plain-char*`,
      ...[...next].map(([character, rests]) => `${literal(character)} ${this.#keyExcept(rests)}`),
      ...(names.includes('') ? [] : ['""']),
    ];
    return this.#rule(options.join(' | '));
  }

  #array(schema: Schema, at: string): string {
    const before = schema.prefixItems === undefined ? [] : listOf(schema.prefixItems, `${at}/prefixItems`);
    const least = countOf(schema.minItems, 0, `${at}/minItems`);
    const most = countOf(schema.maxItems, Number.POSITIVE_INFINITY, `${at}/maxItems`);
    if (least > most) throw refusal(at, "'minItems' is more than 'maxItems'");
    const first = before.slice(0, most).map((s, i) => this.#rule(`${this.visit(s, `${at}/prefixItems/${i}`)} ws`));
    const items = schema.items ?? before.length === 0;
    if (items === false && least > first.length) throw refusal(at, "'minItems' is more than there may be");
    let rest = '""';
    let [restLeast, restMost] = [Math.max(0, least - first.length), most - first.length];
    if (items === false) restMost = 0;
    if (restMost > 0) {
      const item = this.#rule(`${this.visit(items, `${at}/items`)} ws`);
      if (first.length === 0) {
        const more = `("," ws ${item})${repetitions(Math.max(0, restLeast - 1), restMost - 1)}`;
        return this.#rule(`"[" ws ${restLeast > 0 ? `${item} ${more}` : `(${item} ${more})?`} "]"`);
      }
      rest = `("," ws ${item})${repetitions(restLeast, restMost)}`;
    }
    // From the last of the first items on: those beyond the least may be missing.
    for (const [i, item] of [...first.entries()].toReversed()) {
      const separated = `${i > 0 ? '"," ws ' : ''}${item} ${rest}`;
      rest = this.#rule(i < least ? separated : `(${separated})?`);
    }
    return this.#rule(`"[" ws ${rest} "]"`);
  }

  #string(schema: Schema, at: string): string {
    const least = countOf(schema.minLength, 0, `${at}/minLength`);
    const most = countOf(schema.maxLength, Number.POSITIVE_INFINITY, `${at}/maxLength`);
    if (least > most) throw refusal(at, "'minLength' is more than 'maxLength'");
    if (schema.pattern !== undefined) return pattern(schema, at);
    if (schema.format === undefined)
      return least === 0 && most === Number.POSITIVE_INFINITY
        ? 'string'
        : `"\\"" char${repetitions(least, most)} "\\""`;
    const format = FORMATS.find((name) => name === schema.format);
    if (format === undefined)
      throw refusal(at, `the format ${JSON.stringify(schema.format)} cannot be promised (only ${FORMATS.join(', ')})`);
    if (schema.minLength !== undefined || schema.maxLength !== undefined)
      throw refusal(at, "a length beside 'format' cannot be promised");
    return `"\\"" ${format} "\\""`;
  }

  #rule(body: string): string {
    const name = `part-${this.#rules.size + 1}`;
    this.#rules.set(name, body);
    return name;
  }
}

const pattern = ({ pattern, format, minLength, maxLength }: Schema, at: string): string => {
  if (typeof pattern !== 'string') throw refusal(at, "'pattern' is no text");
  if (format !== undefined || minLength !== undefined || maxLength !== undefined)
    throw refusal(at, "a length or a format beside 'pattern' cannot be promised");
  try {
    return `"\\"" ${patternGrammar(pattern)} "\\""`;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw refusal(at, `the pattern '${pattern}': ${error.message}`);
  }
};

const numeric = (type: 'number' | 'integer', schema: Schema, at: string): string => {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if ([minimum, maximum, exclusiveMinimum, exclusiveMaximum].every((bound) => bound === undefined)) return type;
  const bound = (value: unknown, otherwise: number): number => {
    if (value === undefined) return otherwise;
    if (typeof value === 'number') return value;
    throw refusal(at, `a bound is ${JSON.stringify(value)}, expected a number`);
  };
  const least = Math.max(
    Math.ceil(bound(minimum, Number.NEGATIVE_INFINITY)),
    Math.floor(bound(exclusiveMinimum, Number.NEGATIVE_INFINITY)) + 1,
  );
  const most = Math.min(
    Math.floor(bound(maximum, Number.POSITIVE_INFINITY)),
    Math.ceil(bound(exclusiveMaximum, Number.POSITIVE_INFINITY)) - 1,
  );
  const found = (type === 'integer' ? integerBetween : numberBetween)({ least, most });
  if (found === undefined) throw refusal(at, `no whole number lies between its bounds`);
  return found;
};

const countOf = (value: unknown, otherwise: number, at: string): number => {
  if (value === undefined) return otherwise;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_REPETITIONS) return value;
  throw refusal(at, `is no whole number up to ${MAX_REPETITIONS}`);
};

/** The types that a schema names, or those whose keywords it has; all where it says nothing. */
const typesOf = (schema: Schema, at: string): readonly Type[] => {
  if (schema.type !== undefined) {
    const names = Array.isArray(schema.type) ? schema.type : [schema.type];
    return names.map((name: unknown) => {
      const type = TYPES.find((known) => known === name);
      if (type === undefined) throw refusal(at, `'type' is ${JSON.stringify(name)}`);
      return type;
    });
  }
  const told = TYPES.filter((type) => type !== 'integer' && KEYWORDS[type].some((key) => schema[key] !== undefined));
  return told.length > 0 ? told : TYPES;
};

const isOfType = (value: unknown, type: Type): boolean => {
  switch (type) {
    case 'object':
      return isSchema(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    default:
      return typeof value === type;
  }
};

const oneOf = (options: readonly string[]): string =>
  options.length === 1 && options[0] !== undefined ? options[0] : `(${options.join(' | ')})`;

const repetitions = (least: number, most: number): string => {
  if (most !== Number.POSITIVE_INFINITY) return `{${least},${most}}`;
  return least === 0 ? '*' : `{${least},}`;
};

/** A text between quotes, as GBNF writes it. */
const literal = (text: string): string =>
  `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`;

/** A character within a class. */
const classCharacter = (character: string): string => (/[\]\\^-]/.test(character) ? `\\${character}` : character);
