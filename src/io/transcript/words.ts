/** Words with times: the tokens of a segment put together. */
import type { Segment, Span, Token, Word } from './segment.ts';

/** Opens what follows: belongs to the next word. */
const OPENING = new Set('"\'“¿([{-「『（《');
/** Closes what was: belongs to the word before (openai/whisper's lists, with East Asian quotes and brackets). */
const CLOSING = new Set('"\'.。,，!！?？:：”)]}、」』）》');
const SENTENCE_ENDS = /[.。!！?？]["'”)\]}」』）]*$/;

/** Languages that are written without blanks between words. */
const UNSPACED = new Set(['zh', 'ja', 'th', 'lo', 'my', 'yue']);

/** A word as it grows. */
interface Draft {
  readonly text: string;
  readonly tokens: readonly (Token & Required<Pick<Token, 'span'>>)[];
}

/**
 * The words of a segment. A word begins at a blank, or in a language without blanks at every token; punctuation joins
 * the word it clings to, which takes no time.
 * @param tokens of the segment, with their spans
 * @param within the segment: a word at its edge does not reach beyond it
 * @param language 'en'
 */
export const wordsOf = (tokens: readonly Token[], within: Span, language: string): Word[] => {
  const isSpaced = !UNSPACED.has(language);
  const drafts: Draft[] = [];
  for (const token of tokens) {
    const { text, span, isSpecial } = token;
    if (isSpecial || text === '' || !span) continue;
    const last = drafts.at(-1);
    const begins = isSpaced ? text.startsWith(' ') : !isMadeOf(text, CLOSING);
    const timed = { ...token, span };
    if (!last || (begins && !isMadeOf(last.text, OPENING))) drafts.push({ text, tokens: [timed] });
    else drafts[drafts.length - 1] = { text: last.text + text, tokens: [...last.tokens, timed] };
  }
  return withoutPauses(drafts.map(finished)).map((word) => inside(word, within));
};

const isMadeOf = (text: string, marks: ReadonlySet<string>): boolean => {
  const bare = text.trim();
  return bare !== '' && [...bare].every((char) => marks.has(char));
};

const finished = ({ text, tokens }: Draft): Word => {
  const isSaid = ({ text }: Token): boolean => !isMadeOf(text, CLOSING) && !isMadeOf(text, OPENING);
  const first = tokens.find(isSaid) ?? tokens[0];
  const last = tokens.findLast(isSaid) ?? tokens.at(-1);
  return {
    text,
    from: first?.span.from ?? 0,
    to: last?.span.to ?? 0,
    p: tokens.reduce((sum, { p }) => sum + p, 0) / tokens.length,
  };
};

/** A word that lies across an edge of its segment ends there; one that lies outside is left, for it knows better. */
const inside = (word: Word, { from, to }: Span): Word => ({
  ...word,
  from: word.to > from ? Math.max(word.from, from) : word.from,
  to: word.from < to ? Math.min(word.to, to) : word.to,
});

/** Words are seldom longer than twice the middle one, which is seldom longer than this, in milliseconds. */
const MIDDLE_WORD = 700;

/** A long word at the edge of a sentence has the pause in it, which is taken out (openai/whisper). */
const withoutPauses = (words: readonly Word[]): Word[] => {
  const lengths = words.map(({ from, to }) => to - from).filter((length) => length > 0);
  const most = 2 * Math.min(MIDDLE_WORD, median(lengths));
  return words.map((word, i) => {
    if (word.to - word.from <= most) return word;
    const before = words[i - 1];
    if (!before || SENTENCE_ENDS.test(before.text)) return { ...word, from: word.to - most };
    const isLast = i === words.length - 1 || SENTENCE_ENDS.test(word.text);
    return isLast ? { ...word, to: word.from + most } : word;
  });
};

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const [below, above] = [sorted[Math.ceil(sorted.length / 2) - 1] ?? 0, sorted[Math.floor(sorted.length / 2)] ?? 0];
  return (below + above) / 2;
};

/**
 * Words that can be shown one after the other: players pass over what takes no time, so a word that takes none is shown
 * with the next one, the last with the one before it.
 */
export const timed = (words: readonly Word[]): readonly Word[] => {
  const shown: Word[] = [];
  for (const word of words) {
    const last = shown.at(-1);
    if (last && last.to <= last.from) shown[shown.length - 1] = together(last, word);
    else shown.push(word);
  }
  const [before, last] = shown.slice(-2);
  return before && last && last.to <= last.from ? [...shown.slice(0, -2), together(before, last)] : shown;
};

const together = (a: Word, b: Word): Word => ({
  text: a.text + b.text,
  from: a.from,
  to: Math.max(a.to, b.to),
  p: Math.min(a.p, b.p),
});

/** A segment for every word: subtitles with one word a cue. */
export const oneWordEach = (segments: readonly Segment[]): Segment[] =>
  segments.flatMap((segment) => {
    const words = timed(segment.words ?? []);
    if (words.length === 0) return [segment];
    return words.map((word) => ({ ...segment, from: word.from, to: word.to, text: word.text, words: [word] }));
  });
