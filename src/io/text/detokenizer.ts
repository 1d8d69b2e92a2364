/** Text of a stream of tokens, as soon as it is certain. */
import type { DecodeOptions, Tokenizer } from './tokenizer.ts';

export interface Detokenizer {
  /** The text that this token completes; empty while a character is only begun. */
  push(id: number): string;
  /** What was held back: a begun character is printed as U+FFFD. */
  end(): string;
}

export interface DetokenizerOptions extends DecodeOptions {
  /** Control tokens that are printed in any case. */
  readonly specials?: ReadonlySet<number>;
}

/**
 * Decodes a stream token by token. A character may be spread over several tokens (an emoji over four byte tokens), so
 * bytes are held back until they make a character; a byte that never can becomes U+FFFD. No leading space is dropped:
 * what a model continues begins with the space it means.
 */
export const detokenizer = (tokenizer: Pick<Tokenizer, 'piece'>, options: DetokenizerOptions = {}): Detokenizer => {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true }); // a U+FEFF is text like any other
  return {
    push(id) {
      const special = options.special === true || options.specials?.has(id) === true;
      return utf8.decode(tokenizer.piece(id, { special }), { stream: true });
    },
    end: () => utf8.decode(),
  };
};
