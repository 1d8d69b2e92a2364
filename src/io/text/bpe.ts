/** Byte-level BPE (`tokenizer.ggml.model` = `gpt2`): pieces by regex, then merges by rank over the bytes of a piece. */
import { UserError } from '../../errors.ts';
import { mergeSymbols } from './merge.ts';
import { type PreTokenizer, splitPieces } from './pre-tokenizers.ts';
import type { TokenizerModel } from './tokenizer-model.ts';
import type { Vocabulary } from './vocabulary.ts';

/**
 * GPT-2's alphabet: a printable character for each byte (`bytes_to_unicode` in openai/gpt-2). Printable Latin-1 stands
 * for itself, the other 68 bytes take the characters from U+0100 on.
 */
export const BYTE_ALPHABET: readonly string[] = (() => {
  const isPrintable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let others = 0;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(isPrintable(b) ? b : 256 + others++));
})();

const ALPHABET_BYTES: ReadonlyMap<string, number> = new Map(BYTE_ALPHABET.map((char, byte) => [char, byte]));

const utf8 = new TextEncoder();

/** The bytes of a text written in the alphabet; other characters (of tokens added later) stand for themselves. */
export const alphabetBytes = (text: string): Uint8Array =>
  Uint8Array.from([...text].flatMap((char) => ALPHABET_BYTES.get(char) ?? [...utf8.encode(char)]));

/** Any bytes as a text in the alphabet. */
export const alphabetText = (bytes: Uint8Array): string => Array.from(bytes, (byte) => BYTE_ALPHABET[byte]!).join('');

/** Pieces repeat: words, spaces, newlines. Long ones rarely do and are not kept. */
const CACHED_PIECES = 65_536;
const CACHED_LENGTH = 48;

/** "left right" -> rank; the first of equal pairs counts. */
const mergeRanks = (merges: readonly string[]): ReadonlyMap<string, number> => {
  const ranks = new Map<string, number>();
  merges.forEach((merge, rank) => {
    // The separator is the first space after index 0, so that a part may begin with a space.
    if (merge.indexOf(' ', 1) < 0 || merge.endsWith(' ')) {
      throw new UserError(
        'model',
        `metadata 'tokenizer.ggml.merges[${rank}]': '${merge}' is not two texts and a space`,
      );
    }
    if (!ranks.has(merge)) ranks.set(merge, rank);
  });
  return ranks;
};

/**
 * The `gpt2` model (Sennrich et al. 2016, section 3.2, over bytes as in GPT-2). Follows llama.cpp's
 * `llm_tokenizer_bpe_session`: lowest rank first, ties leftmost; with `ignoreMerges` a piece that is a token is taken
 * whole. A merged symbol that is no token falls back to the tokens of its single bytes.
 *
 * @throws UserError 'model' for a merge that is not two texts and a space
 */
export const bpeModel = (
  { ids }: Pick<Vocabulary, 'ids'>,
  merges: readonly string[],
  pre: PreTokenizer,
): TokenizerModel => {
  const ranks = mergeRanks(merges);
  const rank = (left: string, right: string): number | undefined => ranks.get(`${left} ${right}`);
  const idsOf = (symbol: string): number | number[] => ids.get(symbol) ?? [...symbol].flatMap((c) => ids.get(c) ?? []);

  const encodePiece = (piece: string): number[] => {
    const symbols = [...alphabetText(utf8.encode(piece))];
    const whole = pre.ignoreMerges ? ids.get(symbols.join('')) : undefined;
    return whole !== undefined ? [whole] : mergeSymbols(symbols, rank).flatMap(idsOf);
  };

  const cache = new Map<string, readonly number[]>();
  const cachedPiece = (piece: string): readonly number[] => {
    if (piece.length > CACHED_LENGTH) return encodePiece(piece);
    const known = cache.get(piece);
    if (known) return known;
    const encoded = encodePiece(piece);
    if (cache.size >= CACHED_PIECES) cache.clear();
    cache.set(piece, encoded);
    return encoded;
  };

  return {
    encode: (text) => splitPieces(text, pre.regexes).flatMap(cachedPiece),
    bytes: alphabetBytes,
  };
};
