/** From a window's tokens to stretches of text with a beginning and an end. */
import type { Token } from './sequence.ts';
import type { SpecialTokens } from './special-tokens.ts';
import type { Heard } from './window.ts';

/** A token and when it was said, in hundredths of a second, where that is known. */
export interface TimedToken extends Token {
  readonly from?: number;
  readonly to?: number;
  /** When the model had heard it, by what it looked at. */
  readonly aligned?: number;
}

/** Something said, in hundredths of a second from the beginning of the sound. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  readonly tokens: readonly TimedToken[];
  /** The ids whose texts are this segment's text. */
  readonly shown: readonly number[];
  /** Whether somebody else speaks next (tinydiarize). */
  readonly isTurn: boolean;
  readonly noSpeechProb: number;
  readonly avgLogProb: number;
  readonly temperature: number;
}

export interface SegmentOptions {
  readonly special: SpecialTokens;
  readonly withTimestamps: boolean;
  /** Special tokens are text too. */
  readonly withSpecial: boolean;
}

/**
 * The segments of a window that begins at `seek`. A timestamp after text ends a segment; where more timestamps follow,
 * the last one begins the next. Text without a closing timestamp lasts to where the next window begins.
 */
export const segmentsOf = ({ sequence, score, ...heard }: Heard, seek: number, o: SegmentOptions): Segment[] => {
  const { special: t } = o;
  const { tokens, advance } = sequence;
  const timeOf = (id: number) => seek + 2 * (id - t.firstTimestamp);
  const isVisible = (token: Token) => token.id < t.endOfText || o.withSpecial;
  const segments: Segment[] = [];
  const first = tokens[0];
  let from = first && o.withTimestamps ? timeOf(first.timestamp.id) : seek;
  let rest: Token[] = [];
  let skipped: Token[] = [];
  const close = (to: number) => {
    const shown = [...skipped, ...rest].filter(isVisible).map(({ id }) => id);
    if (shown.length === 0) return;
    segments.push({
      from,
      to,
      tokens: rest,
      shown,
      isTurn: rest.some(({ id }) => id === t.speakerTurn),
      noSpeechProb: heard.noSpeechProb,
      avgLogProb: score.avgLogProb,
      temperature: heard.temperature,
    });
  };
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    rest.push(token);
    if (token.id <= t.firstTimestamp) continue;
    close(timeOf(token.id));
    from = timeOf(token.id);
    [rest, skipped] = [[], []];
    for (let next = tokens[i + 1]; next && next.id > t.firstTimestamp; next = tokens[i + 1]) {
      from = timeOf(next.id);
      skipped.push(next);
      i++;
    }
  }
  close(seek + advance);
  return segments;
};

/** Whether a window's text ends with one timestamp: then what follows it in the window is silent. */
export const endsInSilence = (tokens: readonly Token[], t: SpecialTokens): boolean => {
  const [before, last] = tokens.slice(-2);
  return before !== undefined && last !== undefined && before.id < t.firstTimestamp && last.id > t.firstTimestamp;
};
