/** Where SentencePiece-type and byte-level BPE tokenizers differ; the rest of a tokenizer is the same for both. */

/** What a kind of tokenizer does with plain text and with the text of a normal token. */
export interface TokenizerModel {
  /** Ids of a run of plain text, between special tokens or the ends of the input. */
  encode(text: string): number[];
  /** The bytes that a normal token with this text prints. */
  bytes(tokenText: string): Uint8Array;
}
