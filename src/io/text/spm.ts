/** SentencePiece-type tokenizers (`tokenizer.ggml.model` = `llama`): merges by score, bytes for what is left. */
import { mergeSymbols } from './merge.ts';
import type { TokenizerModel } from './tokenizer-model.ts';
import { byteOf, type Vocabulary } from './vocabulary.ts';

const SPACE = '\u2581';
const utf8 = new TextEncoder();

/**
 * The `llama` model: a space is put before each run of text where the model wants it, spaces become U+2581, characters
 * are joined to the token of the highest score first (ties leftmost), and a character that is no token becomes its
 * UTF-8 bytes as tokens `<0xNN>`.
 *
 * Follows llama.cpp's `llm_tokenizer_spm_session`. Its re-splitting of merged symbols is left out: a pair is only
 * joined when the result is a token, so only single characters can be missing in the end.
 */
export const spmModel = ({ ids, scores, texts, unknown }: Vocabulary, addSpacePrefix: boolean): TokenizerModel => {
  const byteIds = new Map<number, number>();
  texts.forEach((text, id) => {
    const byte = byteOf(text);
    if (byte !== undefined) byteIds.set(byte, id);
  });

  const rank = (left: string, right: string): number | undefined => {
    const id = ids.get(left + right);
    return id === undefined ? undefined : -scores[id]!;
  };
  const idsOf = (symbol: string): number | number[] =>
    ids.get(symbol) ?? [...utf8.encode(symbol)].flatMap((byte) => byteIds.get(byte) ?? unknown ?? []);

  return {
    encode: (text) => {
      const prefixed = addSpacePrefix ? ` ${text}` : text;
      return mergeSymbols([...prefixed.replaceAll(' ', SPACE)], rank).flatMap(idsOf);
    },
    bytes: (tokenText) => utf8.encode(tokenText.replaceAll(SPACE, ' ')),
  };
};
