/** Grammars: what is read, what they match, and that a text chosen by noise under one is always of it. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { Constraint } from '../src/models/grammar/constraint.ts';
import { createConstraints } from '../src/models/grammar/constraint.ts';
import { parseGrammar } from '../src/models/grammar/gbnf.ts';
import { schemaGrammar } from '../src/models/grammar/json-schema.ts';
import { createRandom, type Random } from '../src/models/samplers/random.ts';
import { createSampler, defaultSampling } from '../src/models/sampling.ts';

const utf8 = new TextEncoder();

/** Every byte, some words that reach over the borders of rules, a control token and an end. */
const WORDS = [
  '{"',
  '":',
  '": ',
  '","',
  '"}',
  '"}]',
  '},{',
  ', ',
  ' "',
  'true',
  'ab',
  'abc',
  ' the',
  'é',
  '日本',
  '12',
  '.5',
];
const texts = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...WORDS.map((word) => utf8.encode(word)),
  new Uint8Array(),
  new Uint8Array(),
];
const END = texts.length - 1;
const tokens = { size: texts.length, bytes: (id: number) => texts[id] ?? new Uint8Array(), ends: new Set([END]) };

const constraintOf = (grammar: string): Constraint => createConstraints(parseGrammar(grammar), tokens)();

const matches = (grammar: string, text: string): boolean => {
  const constraint = constraintOf(grammar);
  for (const byte of utf8.encode(text)) {
    if (!constraint.allows(byte)) return false;
    constraint.accept(byte);
  }
  return constraint.allows(END);
};

describe('a grammar matches', () => {
  it.each<[grammar: string, yes: string[], no: string[]]>([
    ['root ::= "a" | "bc"', ['a', 'bc'], ['', 'b', 'abc']],
    ['root ::= [a-c]+', ['a', 'abcabc'], ['', 'd', 'ad']],
    ['root ::= [^a-c]', ['d', 'é', '😀', '\n'], ['a', '', 'dd']],
    ['root ::= .', ['x', '\n', '日', '😀'], ['', 'xx']],
    ['root ::= [ぁ-ゟ]{2}', ['あん'], ['あ', 'ああa', 'アア']],
    ['root ::= "\\x41\\u00e9\\U0001F600\\n\\t\\"\\\\"', ['Aé😀\n\t"\\'], ['A']],
    ['root ::= "x"{2,3}', ['xx', 'xxx'], ['x', 'xxxx']],
    ['root ::= "x"{2,}', ['xx', 'xxxxx'], ['x']],
    ['root ::= ("ab" | "c")* "d"?', ['', 'd', 'abcabd'], ['ad', 'dd']],
    ['root ::= item*\nitem ::= "(" root ")"', ['', '()', '(()())'], ['(', ')(']],
    ['root ::= "a" root "b" | "c"', ['c', 'acb', 'aaacbbb'], ['acbb', 'ac']],
    ['root ::= "x" root | "y"', ['y', 'xxxxy'], ['x', 'yy']],
    ['# first\nroot ::= a # why\n  | b\na ::= "a"\n\nb ::=\n  "b"', ['a', 'b'], ['ab']],
    ['root ::= (\n "1"\n | "2"\n)', ['1', '2'], ['3']],
    ['root ::= "a"? "b"* ("c" | "")', ['', 'abbc', 'c'], ['ca']],
    ['root ::= (("a"*)*)*', ['', 'aaa'], ['b']],
    ['root ::= [\\]\\-\\\\^]', [']', '-', '\\', '^'], ['a']],
  ])('%j', (grammar, yes, no) => {
    for (const text of yes) expect(matches(grammar, text), text).toBe(true);
    for (const text of no) expect(matches(grammar, text), text).toBe(false);
  });
});

describe('a grammar is refused where', () => {
  it.each([
    ['a ::= "b"', "no rule 'root'"],
    ['root ::= "a', 'line 1 of the grammar: expected "'],
    ['root ::= [a-', 'line 1 of the grammar: expected ]'],
    ['root ::= "a"\nb ::= ("c"', "line 2 of the grammar: expected ')'"],
    ['root ::= missing', "the grammar's rule 'root' names 'missing', which is not there"],
    ['root = "a"', "line 1 of the grammar: expected '::='"],
    ['root ::= "a"{3,2}', 'expected the smaller number first'],
    ['root ::= "a"{2001}', 'more than 2000 repetitions'],
    ['root ::= "\\q"', 'unknown escape'],
    ['root ::= <think>', 'tokens are not read in grammars'],
    ['root ::= "a"\nroot ::= "b"', "rule 'root' is there twice"],
    ['root ::= "a" )', 'expected the end of the rule'],
    ['root ::= list\nlist ::= list "," "a" | "a"', "rule 'list' begins with itself"],
    ['root ::= "x"? other\nother ::= root | "y"', 'begins with itself'],
  ])('%j', (grammar, message) => {
    expect(() => constraintOf(grammar)).toThrow(message);
  });
});

/** A text of a grammar, chosen by noise through the whole chain; undefined where it got too long. */
const written = (constraint: Constraint, random: Random, seed: number, isChecked: boolean): string | undefined => {
  const sampler = createSampler({ ...defaultSampling, temp: 2, topK: 0, seed }, texts.length);
  const out: number[] = [];
  for (let n = 0; n < 1500; n++) {
    if (isChecked && n < 40) {
      const bits = constraint.allowed();
      for (const id of texts.keys())
        expect(constraint.allows(id), `token ${id}`).toBe(((bits[id >> 5] ?? 0) & (1 << (id & 31))) !== 0);
    }
    // What closes something is likelier, or else texts would be endless.
    const logits = Float32Array.from(texts, () => 6 * random.next());
    for (const byte of utf8.encode('"}]')) logits[byte] = (logits[byte] ?? 0) + 5;
    logits[END] = 12;
    const id = sampler.sample(logits, constraint);
    if (id === END) return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(out));
    constraint.accept(id);
    out.push(...(texts[id] ?? []));
  }
  return undefined;
};

/** Random schemas of everything that is promised. */
const randomSchema = (random: Random, depth: number): unknown => {
  const below = (n: number): number => Math.floor(random.next() * n);
  const choose = <T>(...options: readonly T[]): T => options[below(options.length)] as T;
  const bounds = (): object => {
    const least = below(400) - 200;
    return choose(
      {},
      { minimum: least },
      { maximum: least + 0.5 },
      { minimum: least - 0.25, maximum: least + below(3000) },
      { exclusiveMinimum: least, exclusiveMaximum: least + 2 + below(100) },
    );
  };
  const size = (least: string, most: string): object => {
    const n = below(3);
    return choose({}, { [least]: n }, { [most]: n + 1 }, { [least]: n, [most]: n + below(3) });
  };
  const inner = () => randomSchema(random, depth - 1);
  const scalar = () =>
    choose<() => object>(
      () => ({ type: 'string', ...size('minLength', 'maxLength') }),
      () => ({ type: 'integer', ...bounds() }),
      () => ({ type: 'number', ...bounds() }),
      () => ({ type: choose<unknown>('boolean', 'null', ['string', 'null']) }),
      () => ({ enum: ['a"b', 'né\n', 7, null, { x: [1] }] }),
      () => ({ const: choose<unknown>('same', -3.5, [true, {}]) }),
      () => ({ type: 'string', pattern: choose('^[a-c]{2,4}$', '^\\d+(\\.\\d{1,2})?$', 'x|"y"', '^(?:a|[^\\w"])*z') }),
    )();
  if (depth === 0) return scalar();
  return choose<() => unknown>(
    scalar,
    () => ({ type: 'array', items: inner(), ...size('minItems', 'maxItems') }),
    () => ({
      type: 'array',
      prefixItems: [inner(), inner()],
      items: choose<unknown>(false, inner()),
      ...size('minItems', 'maxItems'),
    }),
    () => ({ anyOf: [inner(), inner()] }),
    () => ({
      allOf: [
        { type: 'object', properties: { a: inner() } },
        { properties: { b: inner() }, required: ['b'] },
      ],
    }),
    () => ({
      type: 'object',
      properties: Object.fromEntries(['a', 'ab', 'b"', 'é'].slice(0, 1 + below(4)).map((name) => [name, inner()])),
      required: choose<string[]>([], ['a'], ['a', 'other']),
      additionalProperties: choose<unknown>(true, { type: 'integer' }),
    }),
    () => ({
      type: 'object',
      properties: { a: inner(), b: inner(), c: inner() },
      required: choose([], ['b'], ['a', 'c']),
    }),
    () => ({ type: 'object', additionalProperties: inner() }),
    () => true,
  )();
};

describe('JSON of a schema', () => {
  const ajv = new Ajv2020({ strict: false });

  it('is always valid, whatever the schema and the choices', () => {
    const random = createRandom(20);
    let complete = 0;
    for (let seed = 1; seed <= 36; seed++) {
      const schema = randomSchema(random, 1 + (seed % 3));
      const text = written(constraintOf(schemaGrammar(schema)), random, seed, seed % 20 === 0);
      if (text === undefined) continue;
      complete++;
      const isValid = ajv.validate(schema as object, JSON.parse(text));
      expect(isValid, `${text} of ${JSON.stringify(schema)}: ${ajv.errorsText()}`).toBe(true);
    }
    expect(complete).toBeGreaterThan(30);
  });

  it('may hold itself, as trees do', () => {
    const schema = {
      $defs: { tree: { type: 'object', properties: { of: { type: 'array', items: { $ref: '#/$defs/tree' } } } } },
      anyOf: [{ $ref: '#/$defs/tree' }, { type: 'null' }],
    };
    const grammar = schemaGrammar(schema);
    expect(matches(grammar, '{"of":[{},{"of":[]}]}')).toBe(true);
    expect(matches(grammar, 'null')).toBe(true);
    expect(matches(grammar, '{"of":[null]}')).toBe(false);
  });

  it.each<[schema: object, yes: string[], no: string[]]>([
    [{ type: 'integer', minimum: 8, maximum: 123 }, ['8', '10', '99', '123'], ['7', '124', '08', '1000', '-9']],
    [{ type: 'integer', minimum: -15, exclusiveMaximum: 0 }, ['-15', '-1'], ['-16', '0', '-0', '-']],
    [{ type: 'integer', minimum: 250 }, ['250', '999', '1000', '123456'], ['249', '99', '0250']],
    [{ type: 'number', minimum: 0, maximum: 1 }, ['0', '1', '0.5', '0.999'], ['1.5', '-0.5', '2', '.5']],
    [{ type: 'number', minimum: -1.5, maximum: 2.5 }, ['-1', '-0.25', '1.75', '2'], ['-1.5', '2.25', '3']],
    [
      { type: 'string', format: 'date' },
      ['"2024-02-28"', '"1999-12-31"'],
      ['"2024-02-30"', '"2024-13-01"', '"2024-04-31"'],
    ],
    [{ type: 'string', maxLength: 2 }, ['""', '"é😀"', '"\\n\\u0041"'], ['"abc"', '"\\ud83d\\ude00"']],
    [
      { type: 'object', properties: { a: true, b: true } },
      ['{}', '{"a":1}', '{"b":{}}', '{"a":1, "b":2}'],
      ['{"b":1,"a":1}', '{"c":1}'],
    ],
    [
      { type: 'string', pattern: '^(foo|ba[rz])-\\d{2}$' },
      ['"foo-12"', '"baz-00"'],
      ['"foo-1"', '"bat-12"', '"foo-123"'],
    ],
    [{ type: 'string', pattern: 'b+' }, ['"b"', '"aabbcc"'], ['"ac"', '""']],
    [{}, ['1', '"a"', '[1,{"x":null}]', '{"a":{"b":[]}}'], ['', 'a', '{a:1}', '[1,]']],
  ])('of %j is what the grammar says', (schema, yes, no) => {
    const grammar = schemaGrammar(schema);
    for (const text of yes) expect(matches(grammar, text), text).toBe(true);
    for (const text of no) expect(matches(grammar, text), text).toBe(false);
  });

  it.each<[schema: unknown, message: string]>([
    [{ type: 'array', uniqueItems: true }, "the JSON schema at #: 'uniqueItems' cannot be promised"],
    [{ properties: { a: { not: {} } } }, "at #/properties/a: 'not' cannot be promised"],
    [{ type: 'string', format: 'email' }, 'the format "email" cannot be promised'],
    [{ type: 'text' }, '\'type\' is "text"'],
    [{ $ref: 'http://example.com/a' }, 'lies outside of the schema'],
    [{ $ref: '#/$defs/a' }, "'$ref' #/$defs/a is not there"],
    [{ $ref: '#/%' }, "the JSON schema at #: '$ref' #/% is not there"],
    [{ $ref: '#', type: 'object' }, 'leads back to itself'],
    [{ $ref: '#' }, 'begins with itself'],
    [{ allOf: [{ type: 'string' }, { type: 'number' }] }, "'type' is there more than once, and not the same"],
    [{ type: 'integer', minimum: 0.2, maximum: 0.8 }, 'no whole number lies between its bounds'],
    [{ enum: ['a'], type: 'number' }, "'enum' has no value of its type"],
    [{ type: 'string', maxLength: 5000 }, 'is no whole number up to 2000'],
    [{ type: 'string', pattern: '^(?=a)' }, "the pattern '^(?=a)': '(?=' cannot be promised"],
    [{ type: 'string', pattern: '\\bword' }, "'\\b' cannot be promised"],
    [false, 'no value is allowed'],
  ])('is refused for %j', (schema, message) => {
    expect(() => constraintOf(schemaGrammar(schema))).toThrow(message);
  });
});

describe('a constrained choice', () => {
  it('is the free one where that is allowed, and the likeliest allowed one otherwise', () => {
    const sampler = createSampler({ ...defaultSampling, temp: 0, seed: 1 }, texts.length);
    const logits = () => Float32Array.from(texts, (_, id) => (id === 98 ? 3 : id === 99 ? 2 : id === 100 ? 1 : 0));
    expect(sampler.sample(logits(), constraintOf('root ::= [b-d]'))).toBe(98);
    expect(sampler.sample(logits(), constraintOf('root ::= [c-d]'))).toBe(99);
  });

  it('ends a complete text even where end tokens are forbidden, and says where nothing goes on', () => {
    const options = { ...defaultSampling, seed: 1, logitBias: new Map([[END, Number.NEGATIVE_INFINITY]]) };
    const sampler = createSampler(options, texts.length);
    const constraint = constraintOf('root ::= "a"');
    constraint.accept(97);
    expect(sampler.sample(new Float32Array(texts.length), constraint)).toBe(END);
    const poor = createConstraints(parseGrammar('root ::= "é"'), { ...tokens, bytes: () => Uint8Array.of(97) })();
    expect(() => sampler.sample(new Float32Array(texts.length), poor)).toThrow('no token that may be chosen');
  });
});
