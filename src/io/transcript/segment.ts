/** What was said and when: the form in which a transcript is cut, worded and written. All times are milliseconds. */

/** One step of the decoder, or several that share a character. */
export interface Token {
  readonly id: number;
  /** Whole characters, with the blank before a word; '[_BEG_]', '[_TT_165]' and the like for special ones. */
  readonly text: string;
  /** Whether it is a sign of the decoder and not said. */
  readonly isSpecial: boolean;
  /** Probability. */
  readonly p: number;
  /** Absent where times of tokens were not asked for. */
  readonly span?: Span;
  /** Where it was heard by the alignment heads; absent where that was not asked for. */
  readonly heardAt?: number;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Which side of a stereo recording speaks; '?' where both are about as loud. */
export type Speaker = '0' | '1' | '?';

export interface Segment extends Span {
  /** As the decoder spelt it, with the blank before it, and with special tokens where those are shown. */
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly words?: readonly Word[];
  readonly speaker?: Speaker;
  /** Whether another speaker begins after it; only from models that tell. */
  readonly isTurnNext?: boolean;
  readonly confidence?: Confidence;
}

/** A word with the blank before it and the punctuation that clings to it. */
export interface Word extends Span {
  readonly text: string;
  /** The mean probability of its tokens. */
  readonly p: number;
}

/** How sure the decoder was of the window a segment is from. */
export interface Confidence {
  readonly avgLogprob: number;
  readonly noSpeechProb: number;
  readonly compressionRatio: number;
  readonly temperature: number;
}

/** All of a recording, and what a file about it says of the model. */
export interface Transcript {
  readonly segments: readonly Segment[];
  /** 'en'; the one that was heard where it was detected. */
  readonly language: string;
  readonly languageProbability?: number;
  readonly model: TranscriptModel;
}

export interface TranscriptModel {
  /** As given. */
  readonly path: string;
  /** What was asked for: 'en', 'auto'. */
  readonly language: string;
  readonly translate: boolean;
  /** 'tiny', 'base', ...; 'unknown' for a size nobody published. */
  readonly type: string;
  readonly isMultilingual: boolean;
  readonly nVocab: number;
  readonly nMels: number;
  readonly ftype: number;
  readonly audio: Stack;
  readonly text: Stack;
  /** One line about the machine. */
  readonly system: string;
}

interface Stack {
  readonly nCtx: number;
  readonly nEmbd: number;
  readonly nHead: number;
  readonly nLayer: number;
}
