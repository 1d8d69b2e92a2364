/** Cuts a text at the special tokens written in it, before the model's own splitting sees the rest. */
import type { TokenType, Vocabulary } from './vocabulary.ts';

/** A run of plain text, which begins the input or follows a special token, or the id of such a token. */
export type Fragment = string | number;

/** Phi-3's exceptions: whitespace after these is kept. */
const KEEPS_SPACE = new Set(['<unk>', '<s>', '<|endoftext|>']);

const quote = (char: string): string => char.replace(/[\\\]^-]/g, '\\$&');

/**
 * A function that cuts texts at the tokens of the given types.
 *
 * The leftmost occurrence wins, of several at one place the longest, as in Hugging Face's added tokens. llama.cpp looks
 * for one token after the other, longest first; the two differ only where occurrences overlap. A text is scanned once
 * for the first characters and looked up by length there, so the cost does not grow with the number of special tokens.
 *
 * @param stripsAfter whether whitespace after a special token is dropped (Phi-3)
 */
export const specialTokenSplitter = (
  { texts, types }: Vocabulary,
  wanted: ReadonlySet<TokenType>,
  stripsAfter: boolean,
): ((text: string) => Fragment[]) => {
  const specials = new Map<string, number>();
  texts.forEach((text, id) => {
    if (wanted.has(types[id]!) && !specials.has(text)) specials.set(text, id);
  });
  if (specials.size === 0) return (text) => (text === '' ? [] : [text]);

  const firsts = new Set([...specials.keys()].map((text) => String.fromCodePoint(text.codePointAt(0)!)));
  const candidate = new RegExp(`[${[...firsts].map(quote).join('')}]`, 'gu');
  const lengths = [...new Set([...specials.keys()].map((text) => text.length))].sort((a, b) => b - a);
  const longestAt = (text: string, index: number): string | undefined =>
    lengths.map((length) => text.slice(index, index + length)).find((slice) => specials.has(slice));

  return (text) => {
    const fragments: Fragment[] = [];
    let start = 0; // of the text that is in no fragment yet
    for (const { index } of text.matchAll(candidate)) {
      const special = index < start ? undefined : longestAt(text, index);
      if (special === undefined) continue;
      if (index > start) fragments.push(text.slice(start, index));
      fragments.push(specials.get(special)!);
      start = index + special.length;
      if (stripsAfter && !KEEPS_SPACE.has(special)) {
        while (' \t\n\v\f\r'.includes(text[start] ?? '-')) start += 1;
      }
    }
    if (start < text.length) fragments.push(text.slice(start));
    return fragments;
  };
};
