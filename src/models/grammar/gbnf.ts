/** GBNF, llama.cpp's notation of grammars (its grammars/README.md), read into plain data. */
import { UserError } from '../../errors.ts';

/** Code points `from` to `to`, both included. */
export interface CodeRange {
  readonly from: number;
  readonly to: number;
}

/** What a rule stands for. */
export type Expression =
  | { readonly kind: 'text'; readonly text: string }
  /** One character of these ranges. */
  | { readonly kind: 'chars'; readonly ranges: readonly CodeRange[] }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'sequence'; readonly items: readonly Expression[] }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  /** `most` may be Infinity. */
  | { readonly kind: 'repeat'; readonly item: Expression; readonly least: number; readonly most: number };

/** Rules by name; `root` is what a whole text must be. */
export type Grammar = ReadonlyMap<string, Expression>;

/** The last code point of Unicode. */
export const LAST_CODE_POINT = 0x10ffff;

/** More copies of one thing would make a grammar as large as a model. */
export const MAX_REPETITIONS = 2000;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** Digits after these letters. */
const HEX_ESCAPES: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/**
 * Reads a grammar.
 * @throws UserError 'usage' naming the line of what is wrong, a rule that is not there, or that `root` is missing
 */
export const parseGrammar = (text: string): Grammar => {
  const reader = new Reader(text);
  const rules = new Map<string, Expression>();
  for (reader.space('lines'); !reader.isAtEnd; reader.space('lines')) {
    const name = reader.name();
    reader.space('line');
    reader.expect('::=');
    reader.space('lines');
    if (rules.has(name)) throw reader.wrong(`rule '${name}' is there twice`);
    rules.set(name, reader.choice('line'));
    if (!reader.isAtEnd && !reader.isAtNewline) throw reader.wrong('expected the end of the rule');
  }
  if (!rules.has('root')) throw new UserError('usage', "the grammar has no rule 'root'");
  for (const [name, rule] of rules) {
    const missing = namesIn(rule).find((other) => !rules.has(other));
    if (missing !== undefined)
      throw new UserError('usage', `the grammar's rule '${name}' names '${missing}', which is not there`);
  }
  return rules;
};

/** The rules that an expression names. */
export const namesIn = (e: Expression): readonly string[] => {
  switch (e.kind) {
    case 'rule':
      return [e.name];
    case 'sequence':
      return e.items.flatMap(namesIn);
    case 'choice':
      return e.options.flatMap(namesIn);
    case 'repeat':
      return namesIn(e.item);
    default:
      return [];
  }
};

/** Whether blanks go on over the ends of lines: within parentheses and after `|` and `::=` they do. */
type Blanks = 'line' | 'lines';

/** A position in the text of a grammar. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  get isAtNewline(): boolean {
    return this.#is('\n') || this.#is('\r');
  }

  space(blanks: Blanks): void {
    const found = this.#match(blanks === 'lines' ? /(?:\s|#[^\n\r]*)*/y : /[ \t]*(?:#[^\n\r]*)?/y);
    this.#at += found?.length ?? 0;
  }

  name(): string {
    const found = this.#match(/[\w-]+/y);
    if (found === undefined) throw this.wrong('expected the name of a rule');
    this.#at += found.length;
    return found;
  }

  expect(word: string): void {
    if (!this.#is(word)) throw this.wrong(`expected '${word}'`);
    this.#at += word.length;
  }

  choice(blanks: Blanks): Expression {
    const options = [this.#sequence(blanks)];
    // A line that begins with | goes on with the rule before it.
    while (this.#match(/(?:\s|#[^\n\r]*)*\|/y) !== undefined) {
      this.space('lines');
      this.expect('|');
      this.space('lines');
      options.push(this.#sequence(blanks));
    }
    return options.length === 1 && options[0] ? options[0] : { kind: 'choice', options };
  }

  wrong(what: string): UserError {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const rest = /^[^\n\r]{0,20}/.exec(this.#text.slice(this.#at))?.[0] ?? '';
    const where = rest === '' ? 'at the end of the line' : `before '${rest}'`;
    return new UserError('usage', `line ${line} of the grammar: ${what} ${where}`);
  }

  #sequence(blanks: Blanks): Expression {
    const items: Expression[] = [];
    for (;;) {
      const item = this.#symbol();
      if (!item) break;
      this.space(blanks);
      items.push(this.#repeated(item, blanks));
    }
    return items.length === 1 && items[0] ? items[0] : { kind: 'sequence', items };
  }

  /** A thing that may be repeated; undefined where none begins. */
  #symbol(): Expression | undefined {
    if (this.#is('"')) return this.#literal();
    if (this.#is('[')) return this.#class();
    if (this.#is('.')) {
      this.#at++;
      return { kind: 'chars', ranges: [{ from: 0, to: LAST_CODE_POINT }] };
    }
    if (this.#is('(')) {
      this.#at++;
      this.space('lines');
      const inner = this.choice('lines');
      this.space('lines');
      this.expect(')');
      return inner;
    }
    if (this.#is('<') || this.#is('!')) throw this.wrong('tokens are not read in grammars, only text is');
    return this.#match(/[\w-]+/y) === undefined ? undefined : { kind: 'rule', name: this.name() };
  }

  #repeated(item: Expression, blanks: Blanks): Expression {
    let repeated = item;
    for (;;) {
      const found = this.#match(/[*+?]|\{\s*\d*\s*,?\s*\d*\s*\}/y);
      if (found === undefined) return repeated;
      const { least, most } = this.#count(found);
      this.#at += found.length;
      this.space(blanks);
      repeated = { kind: 'repeat', item: repeated, least, most };
    }
  }

  #count(written: string): { least: number; most: number } {
    switch (written) {
      case '*':
        return { least: 0, most: Number.POSITIVE_INFINITY };
      case '+':
        return { least: 1, most: Number.POSITIVE_INFINITY };
      case '?':
        return { least: 0, most: 1 };
    }
    const [, first = '', comma, second = ''] = /(\d*)\s*(,?)\s*(\d*)/.exec(written.slice(1)) ?? [];
    if (first === '' && second === '') throw this.wrong('expected a number of repetitions');
    const least = Number(first);
    const most = comma ? (second === '' ? Number.POSITIVE_INFINITY : Number(second)) : least;
    if (most < least) throw this.wrong('expected the smaller number first');
    if (Math.max(least, Number.isFinite(most) ? most : 0) > MAX_REPETITIONS)
      throw this.wrong(`more than ${MAX_REPETITIONS} repetitions`);
    return { least, most };
  }

  #literal(): Expression {
    this.#at++;
    let text = '';
    while (!this.#is('"')) text += this.#character('"');
    this.#at++;
    return { kind: 'text', text };
  }

  #class(): Expression {
    this.#at++;
    const isNegated = this.#is('^');
    if (isNegated) this.#at++;
    const ranges: CodeRange[] = [];
    while (!this.#is(']')) {
      const from = codeOf(this.#character(']'));
      const isRange = this.#is('-') && this.#text[this.#at + 1] !== ']';
      if (isRange) this.#at++;
      const to = isRange ? codeOf(this.#character(']')) : from;
      if (to < from) throw this.wrong('expected the smaller character first');
      ranges.push({ from, to });
    }
    this.#at++;
    return { kind: 'chars', ranges: isNegated ? complement(ranges) : ranges };
  }

  /** One character, escaped or not. */
  #character(end: '"' | ']'): string {
    const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    if (this.isAtEnd || (this.isAtNewline && end === '"')) throw this.wrong(`expected ${end}`);
    this.#at += character.length;
    if (character !== '\\') return character;
    const letter = this.#text[this.#at] ?? '';
    const nDigit = HEX_ESCAPES[letter];
    if (nDigit !== undefined) {
      const digits = this.#text.slice(this.#at + 1, this.#at + 1 + nDigit);
      const code = Number.parseInt(digits, 16);
      if (digits.length !== nDigit || !/^[\da-f]+$/i.test(digits) || code > LAST_CODE_POINT)
        throw this.wrong(`expected ${nDigit} hexadecimal digits`);
      this.#at += 1 + nDigit;
      return String.fromCodePoint(code);
    }
    const meant = ESCAPES[letter] ?? (/^[\\"[\]^-]$/.test(letter) ? letter : undefined);
    if (meant === undefined) throw this.wrong('unknown escape');
    this.#at++;
    return meant;
  }

  #is(word: string): boolean {
    return this.#text.startsWith(word, this.#at);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }
}

const codeOf = (character: string): number => character.codePointAt(0) ?? 0;

/** Every character that is in none of the ranges. */
export const complement = (ranges: readonly CodeRange[]): CodeRange[] => {
  const gaps: CodeRange[] = [];
  let next = 0;
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    if (from > next) gaps.push({ from: next, to: from - 1 });
    next = Math.max(next, to + 1);
  }
  return next <= LAST_CODE_POINT ? [...gaps, { from: next, to: LAST_CODE_POINT }] : gaps;
};
