/** Whisper's words: byte-level texts without merges in whisper.cpp's files, with them in Hugging Face's. */
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import { alphabetBytes, alphabetText, bpeModel } from './bpe.ts';
import { readStrings } from './metadata.ts';
import { preTokenizer, splitPieces } from './pre-tokenizers.ts';

export interface WhisperWords {
  /** The bytes of a word, possibly a part of a character; none for ids that are no words. */
  bytes(id: number): Uint8Array;
  /** Ids of a text. */
  encode(text: string): number[];
  /** The word that is this text. */
  idOf(text: string): number | undefined;
  /** Ids of all words whose text is of this form. */
  matching(pattern: RegExp): number[];
}

const NO_BYTES = new Uint8Array();
const utf8 = new TextEncoder();

/** The words of a model of whisper.cpp or in GGUF. Throws a UserError 'model' where there are none. */
export const readWhisperWords = (metadata: ReadonlyMap<string, MetadataValue>): WhisperWords => {
  const texts = readStrings(metadata, 'tokenizer.ggml.tokens');
  const pre = preTokenizer('gpt-2');
  if (!texts || texts.length === 0 || !pre) throw new UserError('model', "metadata 'tokenizer.ggml.tokens' is missing");
  const ids = new Map(texts.map((text, id) => [text, id]));
  const merges = readStrings(metadata, 'tokenizer.ggml.merges');
  const idOf = (text: string) => ids.get(alphabetText(utf8.encode(text)));
  return {
    bytes: (id) => (texts[id] === undefined ? NO_BYTES : alphabetBytes(texts[id])),
    encode: merges
      ? bpeModel({ ids }, merges, pre).encode
      : (text) => splitPieces(text, pre.regexes).flatMap((piece) => longestWords(piece, ids)),
    idOf,
    matching: (pattern) => {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      return texts.flatMap((text, id) => (pattern.test(decoder.decode(alphabetBytes(text))) ? [id] : []));
    },
  };
};

/** Without merges, as whisper.cpp does it: the longest word that a piece begins with, and so on. */
const longestWords = (piece: string, ids: ReadonlyMap<string, number>): number[] => {
  const text = alphabetText(utf8.encode(piece));
  const found: number[] = [];
  for (let at = 0; at < text.length; ) {
    let end = text.length;
    while (end > at + 1 && !ids.has(text.slice(at, end))) end--;
    const id = ids.get(text.slice(at, end));
    if (id !== undefined) found.push(id);
    at = end;
  }
  return found;
};
