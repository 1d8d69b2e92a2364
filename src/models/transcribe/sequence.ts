/** What a decoder has said of one window, token by token, and when it has ended. */
import type { SpecialTokens } from './special-tokens.ts';

/** A token as it was chosen. */
export interface Token {
  readonly id: number;
  /** Its probability among what the rules allowed. */
  readonly p: number;
  readonly logProb: number;
  /** The timestamp that was likeliest at this place, its part of all timestamps' probability, and that probability. */
  readonly timestamp: { readonly id: number; readonly p: number; readonly sum: number };
}

export interface Sequence {
  readonly tokens: readonly Token[];
  /** The tokens that count: up to the last timestamp, or all without timestamps. */
  readonly nResult: number;
  /** How far the next window begins behind this one, in frames of 10 ms. */
  readonly advance: number;
  readonly hasTimestamp: boolean;
  readonly state: 'open' | 'completed' | 'failed';
  /** Of all tokens. */
  readonly sumLogProb: number;
}

/** Frames of 10 ms in a window. */
export const WINDOW = 3000;

/** Sound shorter than this is not listened to, in frames of 10 ms. */
export const SHORTEST = 10;

/** Before anything is decoded. */
export const emptySequence: Sequence = {
  tokens: [],
  nResult: 0,
  advance: WINDOW,
  hasTimestamp: false,
  state: 'open',
  sumLogProb: 0,
};

/** Where the window lies, and how long a text of it may be. */
export interface Bounds {
  /** Frames of sound from the window's beginning to the end of what is to be transcribed. */
  readonly nFrame: number;
  readonly withTimestamps: boolean;
  /** Tokens of a window at most. */
  readonly maxTokens: number;
}

/** The sequence with one more token, as whisper.cpp judges it. */
export const extended = (s: Sequence, token: Token, t: SpecialTokens, bounds: Bounds): Sequence => {
  const next = { ...s, tokens: [...s.tokens, token], sumLogProb: s.sumLogProb + token.logProb };
  const n = next.tokens.length;
  const said = token.id > t.firstTimestamp ? withTimestamp(next, 2 * (token.id - t.firstTimestamp)) : next;
  if (said.state === 'failed') return said;
  const isAtEnd = said.hasTimestamp && said.advance + SHORTEST >= bounds.nFrame;
  if (token.id === t.endOfText || isAtEnd) return completed(said, bounds);
  const isStuck = n === bounds.maxTokens && (said.nResult === 0 || said.advance < WINDOW / 2);
  return isStuck ? { ...said, state: 'failed' } : said;
};

const withTimestamp = (s: Sequence, advance: number): Sequence => {
  const n = s.tokens.length;
  const goesBack = s.hasTimestamp && s.advance > advance && s.nResult < n - 1;
  return goesBack ? { ...s, state: 'failed' } : { ...s, advance, nResult: n, hasTimestamp: true };
};

const completed = (s: Sequence, { nFrame, withTimestamps }: Bounds): Sequence => {
  const n = s.tokens.length;
  if (!withTimestamps) return { ...s, nResult: n, advance: WINDOW, state: 'completed' };
  if (s.nResult > 0) return { ...s, state: 'completed' };
  // Without a timestamp nobody knows where the text ends, unless the sound does.
  return s.advance + SHORTEST >= nFrame ? { ...s, nResult: n, state: 'completed' } : { ...s, state: 'failed' };
};

/** How good a sequence is. */
export interface Score {
  /** Mean log-probability of the tokens that count. */
  readonly avgLogProb: number;
  /** Of the last 32 tokens that count, in nats: low where they repeat each other. */
  readonly entropy: number;
}

/** Tokens that the entropy looks at. */
export const ENTROPY_TOKENS = 32;

/** How likely the tokens of a result are, and how varied the last of them: what tells whether it can be trusted. */
export const scoreOf = (s: Sequence): Score => {
  const result = s.tokens.slice(0, s.nResult);
  if (result.length === 0) return { avgLogProb: Number.NEGATIVE_INFINITY, entropy: 0 };
  const sum = result.reduce((total, token) => total + token.logProb, 0);
  const last = result.slice(-ENTROPY_TOKENS);
  const counts = new Map<number, number>();
  for (const { id } of last) counts.set(id, (counts.get(id) ?? 0) + 1);
  const entropy = [...counts.values()].reduce((h, n) => h - (n / last.length) * Math.log(n / last.length), 0);
  return { avgLogProb: sum / result.length, entropy };
};
