/** Regular expressions (JavaScript's, as JSON schemas have them) as GBNF of the JSON text of the strings they match. */
import type { CodeRange } from './gbnf.ts';
import { complement, LAST_CODE_POINT, MAX_REPETITIONS } from './gbnf.ts';

/** What a pattern asks that no grammar can promise. */
export class PatternError extends Error {
  constructor(what: string) {
    super(`${what} cannot be promised`);
    this.name = 'PatternError';
  }
}

const range = (from: string, to: string): CodeRange => ({ from: codeOf(from), to: codeOf(to) });
const codeOf = (character: string): number => character.codePointAt(0) ?? 0;

const DIGIT = [range('0', '9')];
const WORD = [range('0', '9'), range('A', 'Z'), range('a', 'z'), range('_', '_')];
const SPACE = [range('\t', '\r'), range(' ', ' '), range('\u00a0', '\u00a0')];
const CLASSES: Readonly<Record<string, readonly CodeRange[]>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  // What \s matches besides is left out of both: what is promised is promised either way.
  S: complement([
    ...SPACE,
    range('\u1680', '\u1680'),
    range('\u2000', '\u200a'),
    range('\u2028', '\u2029'),
    range('\u202f', '\u202f'),
    range('\u205f', '\u205f'),
    range('\u3000', '\u3000'),
    range('\ufeff', '\ufeff'),
  ]),
};
const DOT = complement([range('\n', '\n'), range('\r', '\r'), range('\u2028', '\u2029')]);
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', '0': '\0' };

/** Between quotes these are written with a backslash. */
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '\b': 'b',
  '\f': 'f',
  '\n': 'n',
  '\r': 'r',
  '\t': 't',
};

/**
 * The grammar of what stands between the quotes of a string that a pattern matches.
 * @throws PatternError for what reaches beyond a regular language: looking around, going back, borders of words
 */
export const patternGrammar = (pattern: string): string => new PatternReader(pattern).whole();

class PatternReader {
  readonly #characters: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    this.#characters = [...pattern];
  }

  /** Every option has its own ends: without ^ or $ anything may come before it or after it. */
  whole(): string {
    const options = [this.#anchored()];
    while (this.#take('|')) options.push(this.#anchored());
    if (this.#at < this.#characters.length) throw new PatternError(`'${this.#next}'`);
    return `(${options.join(' | ')})`;
  }

  #anchored(): string {
    const before = this.#take('^') ? '' : 'char* ';
    const body = this.#sequence();
    return `${before}${body}${this.#take('$') ? '' : ' char*'}`;
  }

  get #next(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at++;
    return true;
  }

  #sequence(): string {
    const items: string[] = [];
    while (this.#next !== undefined && this.#next !== '|' && this.#next !== ')' && this.#next !== '$')
      items.push(`${this.#atom()}${this.#repetition()}`);
    return items.length === 0 ? '""' : items.join(' ');
  }

  #atom(): string {
    if (this.#take('(')) return this.#group();
    if (this.#take('[')) return jsonClass(this.#class());
    if (this.#take('.')) return jsonClass(DOT);
    if (this.#next === '^') throw new PatternError("'^' in the middle");
    if (/^[*+?{]$/.test(this.#next ?? '')) throw new PatternError(`'${this.#next}' after nothing`);
    return jsonClass(this.#character());
  }

  #group(): string {
    if (this.#take('?') && !this.#take(':')) throw new PatternError(`'(?${this.#next ?? ''}'`);
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    if (!this.#take(')')) throw new PatternError("a '(' that is not closed");
    return `(${options.join(' | ')})`;
  }

  /** Lazy repetitions match the same strings. */
  #repetition(): string {
    const rest = this.#characters.slice(this.#at).join('');
    const [found, counts] = /^(?:[*+?]|\{(\d+(?:,\d*)?)\})\??/.exec(rest) ?? [];
    if (found === undefined) return '';
    const tooMany = counts?.split(',').find((count) => Number(count) > MAX_REPETITIONS);
    if (tooMany !== undefined) throw new PatternError(`a repetition of ${tooMany}`);
    this.#at += found.length;
    return found.length > 1 ? found.replace(/\?$/, '') : found;
  }

  #class(): readonly CodeRange[] {
    const isNegated = this.#take('^');
    const ranges: CodeRange[] = [];
    while (!this.#take(']')) {
      const first = this.#character();
      const [low] = first;
      const isRange = first.length === 1 && this.#next === '-' && this.#characters[this.#at + 1] !== ']';
      if (!isRange || !low) {
        ranges.push(...first);
        continue;
      }
      this.#at++;
      const [high, more] = this.#character();
      if (!high || more || high.from < low.from) throw new PatternError('a range of a class');
      ranges.push({ from: low.from, to: high.from });
    }
    return isNegated ? complement(ranges) : ranges;
  }

  /** One character, or the class that an escape stands for. */
  #character(): readonly CodeRange[] {
    const character = this.#next;
    if (character === undefined) throw new PatternError("a '[' that is not closed");
    this.#at++;
    if (character !== '\\') return [range(character, character)];
    const letter = this.#next ?? '';
    this.#at++;
    const known = CLASSES[letter];
    if (known) return known;
    const hex = { x: 2, u: 4 }[letter];
    if (hex !== undefined) {
      const digits = this.#characters.slice(this.#at, this.#at + hex).join('');
      if (!/^[\da-f]+$/i.test(digits) || digits.length !== hex) throw new PatternError(`'\\${letter}${digits}'`);
      this.#at += hex;
      const code = Number.parseInt(digits, 16);
      return [{ from: code, to: code }];
    }
    const meant = CONTROLS[letter] ?? (/^[\w]$|^$/.test(letter) ? undefined : letter);
    if (meant === undefined) throw new PatternError(`'\\${letter}'`);
    return [range(meant, meant)];
  }
}

/** A character of these ranges as JSON writes it within a string. */
const jsonClass = (ranges: readonly CodeRange[]): string => {
  const plain = without(ranges, [range('\0', '\x1f'), range('"', '"'), range('\\', '\\')]);
  const has = (code: number): boolean => ranges.some(({ from, to }) => code >= from && code <= to);
  const escapes = Object.entries(ESCAPED).filter(([character]) => has(codeOf(character)));
  const controls = Array.from({ length: 0x20 }, (_, code) => code).filter(
    (code) => has(code) && ESCAPED[String.fromCharCode(code)] === undefined,
  );
  const options = [
    ...(plain.length > 0 ? [`[${plain.map(classRange).join('')}]`] : []),
    ...(escapes.length > 0 ? [`"\\\\" [${escapes.map(([, letter]) => classCode(codeOf(letter))).join('')}]`] : []),
    ...controls.map((code) => `"\\\\u00${code.toString(16).padStart(2, '0')}"`),
  ];
  if (options.length === 0) throw new PatternError('a class without characters');
  return options.length === 1 && plain.length > 0 ? options.join('') : `(${options.join(' | ')})`;
};

const without = (ranges: readonly CodeRange[], others: readonly CodeRange[]): readonly CodeRange[] =>
  complement([...complement(ranges), ...others]);

const classRange = ({ from, to }: CodeRange): string =>
  from === to ? classCode(from) : `${classCode(from)}-${classCode(to)}`;

const classCode = (code: number): string => `\\U${Math.min(code, LAST_CODE_POINT).toString(16).padStart(8, '0')}`;
