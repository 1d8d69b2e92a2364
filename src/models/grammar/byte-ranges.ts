/** Characters as the bytes of their UTF-8: a range of code points as sequences of ranges of bytes. */
import type { CodeRange } from './gbnf.ts';

/** Bytes `from` to `to`, both included. */
export type ByteRange = CodeRange;

/** The last code point of each length in bytes; surrogates, which have no UTF-8, lie between the two of three. */
const PARTS: readonly CodeRange[] = [
  { from: 0, to: 0x7f },
  { from: 0x80, to: 0x7ff },
  { from: 0x800, to: 0xd7ff },
  { from: 0xe000, to: 0xffff },
  { from: 0x10000, to: 0x10ffff },
];

const utf8 = new TextEncoder();

/** Sequences of which exactly one matches each character of the range, and which match nothing else. */
export const byteSequences = ({ from, to }: CodeRange): readonly (readonly ByteRange[])[] =>
  PARTS.filter((part) => from <= part.to && to >= part.from).flatMap((part) =>
    sequences(bytesOf(Math.max(from, part.from)), bytesOf(Math.min(to, part.to))),
  );

const bytesOf = (code: number): readonly number[] => [...utf8.encode(String.fromCodePoint(code))];

/** From one character's bytes to another's of the same length: what they share, the ends, and all between them. */
const sequences = (low: readonly number[], high: readonly number[]): ByteRange[][] => {
  const [first = 0, ...lowRest] = low;
  const [last = 0, ...highRest] = high;
  if (lowRest.length === 0) return [[{ from: first, to: last }]];
  const isFirstWhole = lowRest.every((byte) => byte === 0x80);
  const isLastWhole = highRest.every((byte) => byte === 0xbf);
  const rest = lowRest.map(() => ({ from: 0x80, to: 0xbf }));
  if (isFirstWhole && isLastWhole) return [[{ from: first, to: last }, ...rest]];
  if (first === last) return sequences(lowRest, highRest).map((tail) => [{ from: first, to: first }, ...tail]);
  if (!isFirstWhole) {
    const all = lowRest.map(() => 0xbf);
    const begun = sequences(lowRest, all).map((tail) => [{ from: first, to: first }, ...tail]);
    return [...begun, ...sequences([first + 1, ...lowRest.map(() => 0x80)], high)];
  }
  const ended = sequences(
    lowRest.map(() => 0x80),
    highRest,
  ).map((tail) => [{ from: last, to: last }, ...tail]);
  return [...sequences(low, [last - 1, ...highRest.map(() => 0xbf)]), ...ended];
};
