/** Guesses by looking back (Saxena 2023, prompt lookup decoding): a text that repeats itself goes on as it did before. */
import type { Guesser } from '../speculation.ts';

/** llama.cpp's names: guesses follow an earlier occurrence of the last `sizeN` tokens, and are at most `sizeM`. */
export interface LookupOptions {
  readonly sizeN: number;
  readonly sizeM: number;
}

/**
 * What followed the last `sizeN` tokens where they stood before: of several places the one where most of what comes
 * before them is the same too, and of such the latest. A place near the end is followed by the guesses themselves, so
 * that a short cycle goes on. Empty where they are new.
 */
export const lookUp = (tokens: readonly number[], { sizeN, sizeM }: LookupOptions): readonly number[] => {
  const end = tokens.length;
  let most = sizeN - 1;
  let place: number | undefined;
  for (let at = end - 1; at > most; at--) {
    if (tokens[at - 1 - most] !== tokens[end - 1 - most]) continue;
    const n = commonEnd(tokens, at);
    if (n > most) [most, place] = [n, at];
  }
  if (place === undefined) return [];
  const guesses: number[] = [];
  for (let at = place; guesses.length < sizeM; at++) guesses.push(at < end ? tokens[at]! : guesses[at - end]!);
  return guesses;
};

/** How many tokens before `at` are the last ones again. */
const commonEnd = (tokens: readonly number[], at: number): number => {
  let n = 0;
  while (n < at && tokens[at - 1 - n] === tokens[tokens.length - 1 - n]) n++;
  return n;
};

/**
 * A guesser that looks back over the whole text. A run costs more with every token in it, so guesses are a few at first,
 * and afterwards twice as many as came true the last time, and one.
 */
export const guessByLookup = ({ sizeN, sizeM }: LookupOptions): Guesser => {
  /** The text from position `start` on: what an earlier run has left in the cache is not known. */
  let [text, start]: [number[], number] = [[], 0];
  let last: { readonly pos: number; readonly guesses: readonly number[] } | undefined;

  return {
    follow(token, pos) {
      if (pos < start || pos > start + text.length) [text, start] = [[], pos];
      text.length = pos - start;
      text.push(token);
    },
    async guess(room) {
      if (room === 0) return [];
      const most = last ? 2 * cameTrue(text, last.pos - start, last.guesses) + 1 : FIRST;
      const guesses = lookUp(text, { sizeN, sizeM: Math.min(sizeM, most, room) });
      if (guesses.length > 0) last = { pos: start + text.length, guesses };
      return guesses;
    },
  };
};

const FIRST = 3;

/** How many of the guesses for the token at index `at` and after it came true. */
const cameTrue = (text: readonly number[], at: number, guesses: readonly number[]): number => {
  let n = 0;
  while (n < guesses.length && text[at + n] === guesses[n]) n++;
  return n;
};
