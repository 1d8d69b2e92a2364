/** From what the decoder gives to what is written: texts, milliseconds, confidence. */
import { deflateSync } from 'node:zlib';
import { isUnfinished } from '../../io/text/utf8.ts';
import type { WhisperWords } from '../../io/text/whisper-words.ts';
import type { Segment, Span, Speaker, Token } from '../../io/transcript/segment.ts';
import { wordsOf } from '../../io/transcript/words.ts';
import type { Segment as HeardSegment, TimedToken } from '../../models/transcribe/segments.ts';
import type { SpecialTokens } from '../../models/transcribe/special-tokens.ts';
import { specialName } from '../../models/transcribe/special-tokens.ts';

/** The vocabulary as text. */
export interface Spelling {
  bytesOf(id: number): Uint8Array;
  textOf(ids: readonly number[]): string;
}

const utf8 = new TextEncoder();

/** How tokens are written in a transcript. */
export const spelling = (words: WhisperWords, special: SpecialTokens): Spelling => {
  const bytesOf = (id: number) => (id < special.endOfText ? words.bytes(id) : utf8.encode(specialName(special, id)));
  return { bytesOf, textOf: (ids) => decode(ids.map(bytesOf)) };
};

/** Always valid text: bytes that are no characters become U+FFFD. */
const decode = (parts: readonly Uint8Array[]): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts));

export interface WriteOptions {
  readonly special: SpecialTokens;
  readonly spelling: Spelling;
  /** Maps times of the sound that was transcribed to the recording's, all in milliseconds. */
  spanOf(span: Span): Span;
  /** What is spoken; present: words get their times. */
  readonly wordsIn?: string;
  speakerOf?(from: number, to: number): Speaker;
}

/** A segment as it is written. */
export const written = (s: HeardSegment, o: WriteOptions): Segment => {
  const { from, to } = o.spanOf({ from: 10 * s.from, to: 10 * s.to });
  const text = o.spelling.textOf(s.shown);
  const tokens = wholeTokens(s.tokens, o);
  const speaker = o.speakerOf?.(from, to);
  return {
    from,
    to,
    text,
    tokens,
    ...(o.wordsIn !== undefined && { words: wordsOf(tokens, { from, to }, o.wordsIn) }),
    ...(speaker && { speaker }),
    ...(s.isTurn && { isTurnNext: true }),
    confidence: {
      avgLogprob: s.avgLogProb,
      noSpeechProb: s.noSpeechProb,
      compressionRatio: compressionRatio(text),
      temperature: s.temperature,
    },
  };
};

/** How much shorter a text becomes by compression: much, where it repeats itself (openai/whisper). */
const compressionRatio = (text: string): number => {
  const bytes = Buffer.from(text);
  return bytes.length / deflateSync(bytes).length;
};

/** Tokens that share a character become one, which is called by the first one's id. */
const wholeTokens = (tokens: readonly TimedToken[], o: WriteOptions): Token[] => {
  // A segment is given some time wherever it lands; a token may have none.
  const timeOf = (tick: number): number => o.spanOf({ from: 10 * tick, to: 10 * tick }).from;
  const out: Token[] = [];
  for (let i = 0; i < tokens.length; ) {
    const first = tokens[i]!;
    const parts = [o.spelling.bytesOf(first.id)];
    let last = first;
    i++;
    while (i < tokens.length && isUnfinished(Buffer.concat(parts))) {
      last = tokens[i]!;
      parts.push(o.spelling.bytesOf(last.id));
      i++;
    }
    const [from = -1, to = -1] = [first.from, last.to];
    out.push({
      id: first.id,
      text: decode(parts),
      isSpecial: first.id >= o.special.endOfText,
      p: first.p,
      ...(from >= 0 && to >= 0 && { span: { from: timeOf(from), to: timeOf(to) } }),
      ...(last.aligned !== undefined && { heardAt: timeOf(last.aligned) }),
    });
  }
  return out;
};
