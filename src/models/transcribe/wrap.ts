/** Long segments cut into short ones, by characters (whisper.cpp's --max-len) or by words. */
import type { Segment, TimedToken } from './segments.ts';

export interface WrapOptions {
  /** Characters of a segment at most, where its tokens allow. */
  readonly maxLength: number;
  /** Words of a segment at most. */
  readonly maxWords: number;
  /** Cut only before a word, not within one. */
  readonly atWords: boolean;
  /** Ids from here on are no text. */
  readonly endOfText: number;
  /** What a token adds to a text. A character may be spread over several. */
  bytesOf(id: number): Uint8Array;
}

/** The segment in pieces; tokens must have their times. */
export const wrapped = (segment: Segment, o: WrapOptions): Segment[] => {
  const pieces: Segment[] = [];
  let { from } = segment;
  let tokens: TimedToken[] = [];
  let length = 0;
  let nWord = 0;
  const close = (to: number, isLast: boolean) => {
    const shown = tokens.map(({ id }) => id).filter((id) => id < o.endOfText);
    pieces.push({ ...segment, from, to, tokens, shown, isTurn: isLast && segment.isTurn });
  };
  for (const token of segment.tokens) {
    const bytes = token.id < o.endOfText ? o.bytesOf(token.id) : undefined;
    const isWord = bytes?.[0] === SPACE;
    const isTooLong = bytes && length + nCharacter(bytes) > o.maxLength && mayCutBefore(bytes, o.atWords);
    if (tokens.length > 0 && (isTooLong || (isWord && nWord >= o.maxWords))) {
      const at = token.from ?? from;
      close(at, false);
      [from, tokens, length, nWord] = [at, [], 0, 0];
    }
    tokens.push(token);
    if (isWord) nWord++;
    if (bytes) length += nCharacter(bytes);
  }
  close(segment.to, true);
  return pieces;
};

const SPACE = 0x20;

/** Bytes 10xxxxxx go on with a character. */
const continues = (byte: number): boolean => (byte & 0xc0) === 0x80;

const mayCutBefore = (bytes: Uint8Array, atWords: boolean): boolean => {
  const first = bytes[0] ?? SPACE;
  return atWords ? first === SPACE : !continues(first);
};

const nCharacter = (bytes: Uint8Array): number => bytes.reduce((n, byte) => n + (continues(byte) ? 0 : 1), 0);
