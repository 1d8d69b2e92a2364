/** Text to token ids and back, as the metadata of a GGUF file describes it. */
import { UserError } from '../../errors.ts';
import { bpeModel } from './bpe.ts';
import { type Metadata, readBoolean, readString, readStrings } from './metadata.ts';
import { type PreTokenizer, preTokenizer, preTokenizerNames } from './pre-tokenizers.ts';
import { specialTokenSplitter } from './special-tokens.ts';
import { spmModel } from './spm.ts';
import type { TokenizerModel } from './tokenizer-model.ts';
import { byteOf, readAdds, readVocabulary, stripsAfterSpecial, type Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /** Put BOS first and EOS last where the model wants them. Default true. */
  readonly addSpecial?: boolean;
  /** Read control tokens written in the text, such as `<|eot_id|>`, as those tokens. Default true. */
  readonly parseSpecial?: boolean;
}

export interface DecodeOptions {
  /** Print control tokens too. Default false. */
  readonly special?: boolean;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** Tokens that end generation: eos, end of turn, end of message. */
  readonly endOfGeneration: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** What a user should know about this vocabulary, one sentence each. */
  readonly warnings: readonly string[];
  /** Ids of a text. User-defined tokens are found in it whatever `parseSpecial` says. */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * The text of a whole sequence, as llama.cpp's `llama_detokenize` gives it: the space that encoding put before the
   * text is dropped when the first token carries it, and models with that habit lose the space before punctuation.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** The bytes one token prints, possibly a part of a character; leading spaces are kept. */
  piece(id: number, options?: DecodeOptions): Uint8Array;
  /** The vocabulary's own text of a token, for printing and looking up: `'<|eot_id|>'`, `'▁Hello'`. */
  text(id: number): string;
  isControl(id: number): boolean;
  /** The id of the token with this very text. */
  idOf(text: string): number | undefined;
}

const NO_BYTES = new Uint8Array();
const utf8 = new TextEncoder();
/** Without `ignoreBOM` a U+FEFF that the text begins with would be dropped. */
const fromUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** What the clean-up of Hugging Face's `clean_up_tokenization_spaces` leaves of it in llama.cpp. */
const cleanSpaces = (text: string): string =>
  text
    .replace(/ ([?!.,])/g, '$1')
    .replaceAll(" ' ", "'")
    .replace(/ '(s|m|re|ve)/g, "'$1");

interface Kind {
  readonly model: TokenizerModel;
  readonly vocabulary: Vocabulary;
  readonly addBos: boolean;
  readonly addSpacePrefix: boolean;
  readonly cleanSpaces: boolean;
  readonly warnings: readonly string[];
}

const readSpm = (metadata: Metadata): Kind => {
  const vocabulary = readVocabulary(metadata, { bos: 1, eos: 2, unknown: 0 });
  const addSpacePrefix = readBoolean(metadata, 'tokenizer.ggml.add_space_prefix') ?? true;
  const model = spmModel(vocabulary, addSpacePrefix);
  return { model, vocabulary, addBos: true, addSpacePrefix, cleanSpaces: false, warnings: [] };
};

const readPreTokenizer = (name: string): PreTokenizer => {
  const pre = preTokenizer(name);
  if (pre) return pre;
  throw new UserError(
    'model',
    `metadata 'tokenizer.ggml.pre': the pre-tokenizer '${name}' is not known`,
    `known: ${preTokenizerNames.join(', ')}`,
  );
};

const readBpe = (metadata: Metadata): Kind => {
  const name = readString(metadata, 'tokenizer.ggml.pre');
  const pre = readPreTokenizer(name || 'default');
  const merges = readStrings(metadata, 'tokenizer.ggml.merges');
  if (!merges) throw new UserError('model', `metadata 'tokenizer.ggml.merges' is missing: a gpt2 vocabulary needs it`);
  // llama.cpp's default, 11 for bos and eos, is Falcon's <|endoftext|>; in any other vocabulary it is a plain word.
  const vocabulary = readVocabulary(metadata, {});
  return {
    model: bpeModel(vocabulary, merges, pre),
    vocabulary,
    addBos: pre.addBos,
    addSpacePrefix: false,
    cleanSpaces: pre.cleanSpaces,
    warnings: name ? [] : [`the file names no pre-tokenizer (tokenizer.ggml.pre): text may be split the wrong way`],
  };
};

const KINDS: Readonly<Record<string, (metadata: Metadata) => Kind>> = { llama: readSpm, gpt2: readBpe };

const readKind = (metadata: Metadata): Kind => {
  const name = readString(metadata, 'tokenizer.ggml.model');
  const hint = `known: ${Object.keys(KINDS).join(', ')}`;
  if (name === undefined) throw new UserError('model', `metadata 'tokenizer.ggml.model' is missing`, hint);
  const read = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (!read)
    throw new UserError('model', `metadata 'tokenizer.ggml.model': the tokenizer '${name}' is not known`, hint);
  return read(metadata);
};

const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
};

/**
 * The tokenizer of a GGUF file's metadata.
 * @throws UserError 'model' for an unknown `tokenizer.ggml.model` or `.pre`, by name, and for arrays of wrong type
 *   or length
 */
export const readTokenizer = (metadata: Metadata): Tokenizer => {
  const kind = readKind(metadata);
  const { model, vocabulary } = kind;
  const { texts, types, ids, bos, eos } = vocabulary;
  const addBos = readAdds(metadata, 'bos', bos, kind.addBos);
  const addEos = readAdds(metadata, 'eos', eos, false);
  const strips = stripsAfterSpecial(metadata);
  const splitAll = specialTokenSplitter(vocabulary, new Set(['control', 'unknown', 'userDefined']), strips);
  const splitUserDefined = specialTokenSplitter(vocabulary, new Set(['userDefined']), strips);

  const text = (id: number): string => {
    const found = texts[id];
    if (found === undefined) throw new RangeError(`token ${id} is outside the vocabulary of ${texts.length}`);
    return found;
  };

  const piece = (id: number, { special = false }: DecodeOptions = {}): Uint8Array => {
    const tokenText = text(id);
    switch (types[id]!) {
      case 'normal':
        return model.bytes(tokenText);
      case 'byte':
        return Uint8Array.of(byteOf(tokenText)!);
      case 'userDefined':
        return utf8.encode(tokenText);
      case 'control':
      case 'unknown':
        return special ? utf8.encode(tokenText) : NO_BYTES;
      case 'unused':
        return NO_BYTES;
    }
  };

  return {
    vocabSize: texts.length,
    bos,
    eos,
    endOfGeneration: vocabulary.endOfGeneration,
    addBos,
    addEos,
    warnings: kind.warnings,
    encode: (input, { addSpecial = true, parseSpecial = true } = {}) => {
      // A lone surrogate has no UTF-8 form.
      const fragments = (parseSpecial ? splitAll : splitUserDefined)(input.replace(/\p{Surrogate}/gu, '\uFFFD'));
      const body = fragments.flatMap((f) => (typeof f === 'number' ? f : model.encode(f)));
      if (!addSpecial) return body;
      return [...(addBos ? [bos!] : []), ...body, ...(addEos ? [eos!] : [])];
    },
    decode: (sequence, options) => {
      const printed = fromUtf8.decode(concat(sequence.map((id) => piece(id, options))));
      const first = sequence[0];
      const hasPrefix = kind.addSpacePrefix && first !== undefined && piece(first, options)[0] === 0x20;
      const unprefixed = hasPrefix ? printed.slice(1) : printed;
      return kind.cleanSpaces ? cleanSpaces(unprefixed) : unprefixed;
    },
    piece,
    text,
    isControl: (id) => types[id] === 'control',
    idOf: (tokenText) => ids.get(tokenText),
  };
};
