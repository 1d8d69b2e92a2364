/** Whisper's tokens that are no words. Their ids follow from the size of the vocabulary alone (tokenizer.py). */
import { languageCodes } from './languages.ts';

export interface SpecialTokens {
  readonly isMultilingual: boolean;
  /** Ends a text; every id below is a word. */
  readonly endOfText: number;
  readonly startOfTranscript: number;
  /** By code, in the order of ids. */
  readonly languages: ReadonlyMap<string, number>;
  readonly translate: number;
  readonly transcribe: number;
  /** Tells that the next segment has another speaker (tinydiarize). */
  readonly speakerTurn: number;
  readonly startOfPrevious: number;
  readonly noSpeech: number;
  readonly noTimestamps: number;
  /** 0.00 s; each later id is 0.02 s more, up to the end of the vocabulary. */
  readonly firstTimestamp: number;
}

/** The smallest vocabulary with words of all languages. */
const MULTILINGUAL = 51_865;

/** Timestamps of 0.00 to 30.00 s. */
const N_TIMESTAMP = 1501;

/** The special tokens of a vocabulary of this size. */
export const specialTokens = (nVocab: number): SpecialTokens => {
  const isMultilingual = nVocab >= MULTILINGUAL;
  const endOfText = isMultilingual ? 50_257 : 50_256;
  const startOfTranscript = endOfText + 1;
  const firstTimestamp = nVocab - N_TIMESTAMP;
  const firstLanguage = startOfTranscript + 1;
  // Between the languages and the timestamps there are six more.
  const nLanguage = Math.max(0, firstTimestamp - 6 - firstLanguage);
  return {
    isMultilingual,
    endOfText,
    startOfTranscript,
    languages: new Map(languageCodes.slice(0, nLanguage).map((code, i) => [code, firstLanguage + i])),
    translate: firstTimestamp - 6,
    transcribe: firstTimestamp - 5,
    speakerTurn: firstTimestamp - 4,
    startOfPrevious: firstTimestamp - 3,
    noSpeech: firstTimestamp - 2,
    noTimestamps: firstTimestamp - 1,
    firstTimestamp,
  };
};

/** What whisper.cpp prints of a special token: `[_BEG_]`, `[_TT_165]`, `[_LANG_de]`. */
export const specialName = (t: SpecialTokens, id: number): string => {
  if (id > t.firstTimestamp) return `[_TT_${id - t.firstTimestamp}]`;
  const named: Readonly<Record<number, string>> = {
    [t.endOfText]: '[_EOT_]',
    [t.startOfTranscript]: '[_SOT_]',
    [t.translate]: '[_TRANSLATE_]',
    [t.transcribe]: '[_TRANSCRIBE_]',
    [t.speakerTurn]: '[_SOLM_]',
    [t.startOfPrevious]: '[_PREV_]',
    [t.noSpeech]: '[_NOSP_]',
    [t.noTimestamps]: '[_NOT_]',
    [t.firstTimestamp]: '[_BEG_]',
  };
  const language = languageCodes[id - t.startOfTranscript - 1];
  return named[id] ?? (language === undefined ? `[_extra_token_${id}]` : `[_LANG_${language}]`);
};
