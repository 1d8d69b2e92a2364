/** The tokens of a file: their texts, types and scores, and the ids with a role (GGUF keys `tokenizer.ggml.*`). */
import { UserError } from '../../errors.ts';
import { type Metadata, readBoolean, readInteger, readNumbers, readString, readStrings } from './metadata.ts';

/** ggml's token types; 'unused' also stands for its undefined ones, which print nothing either. */
export type TokenType = 'normal' | 'unknown' | 'control' | 'userDefined' | 'unused' | 'byte';

/** The numbers of `tokenizer.ggml.token_type`. */
const TOKEN_TYPES: readonly TokenType[] = ['unused', 'normal', 'unknown', 'control', 'userDefined', 'unused', 'byte'];

/**
 * Texts that end generation whatever the file says: llama.cpp's list for files without `eot_token_id` and
 * `eom_token_id`, and the separators that coding models write between files.
 */
const END_TEXTS: readonly string[] = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<EOT>',
  '<｜end▁of▁sentence｜>',
  '<|eom_id|>',
  '<|fim_pad|>',
  '<|repo_name|>',
  '<|file_sep|>',
];

const END_KEYS = ['eos', 'eot', 'eom', 'fim_pad', 'fim_rep', 'fim_sep'] as const;

export interface Vocabulary {
  /** Text of each token, as the file has it (byte-level alphabet or U+2581 for spaces, where the model has such). */
  readonly texts: readonly string[];
  readonly types: readonly TokenType[];
  /** Merge priorities of a SentencePiece model, higher first; zeros where the file has none. */
  readonly scores: readonly number[];
  /** Text -> id; of tokens with equal text, the first. */
  readonly ids: ReadonlyMap<string, number>;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly unknown: number | undefined;
  /** Every token after which a model has said all: eos, end of turn, end of message. */
  readonly endOfGeneration: ReadonlySet<number>;
}

/** Ids that hold where the file names none. */
export interface DefaultIds {
  readonly bos?: number;
  readonly eos?: number;
  readonly unknown?: number;
}

/** ggml's LLAMA_TOKEN_NULL, as an i32 and as converters write it into a u32. */
const NO_TOKEN: readonly number[] = [-1, 0xffff_ffff];

const readTexts = (metadata: Metadata): readonly string[] => {
  const key = 'tokenizer.ggml.tokens';
  const texts = readStrings(metadata, key);
  if (!texts?.length) throw new UserError('model', `metadata '${key}' is missing or empty: the file has no vocabulary`);
  // An empty text would match everywhere; the replacement is llama.cpp's.
  return texts.map((text, id) => (text === '' ? `[EMPTY_${id}]` : text));
};

/** One number per token. Longer arrays are padding, shorter ones a damaged file. */
const readColumn = (metadata: Metadata, key: string, nVocab: number): readonly number[] | undefined => {
  const column = readNumbers(metadata, key);
  if (column && column.length < nVocab) {
    throw new UserError('model', `metadata '${key}': ${column.length} entries for ${nVocab} tokens`);
  }
  return column?.slice(0, nVocab);
};

const readTypes = (metadata: Metadata, texts: readonly string[]): TokenType[] => {
  const key = 'tokenizer.ggml.token_type';
  const column = readColumn(metadata, key, texts.length);
  return texts.map((text, id) => {
    const type = column ? (TOKEN_TYPES[column[id]!] ?? 'unused') : 'normal';
    if (type === 'byte' && byteOf(text) === undefined) {
      throw new UserError('model', `metadata '${key}': token ${id} '${text}' is of type byte, but is not named <0xNN>`);
    }
    return type;
  });
};

/** The byte a token `<0xNN>` stands for. */
export const byteOf = (text: string): number | undefined => {
  const digits = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
};

/**
 * Reads and checks the vocabulary of a file's metadata (GGUF specification, `tokenizer.ggml.*`; roles found by text as
 * in llama.cpp's `llama_vocab::impl::load`).
 * @throws UserError 'model' naming the key whose value is of the wrong type, too short or out of range
 */
export const readVocabulary = (metadata: Metadata, defaults: DefaultIds): Vocabulary => {
  const texts = readTexts(metadata);
  const nVocab = texts.length;
  const types = readTypes(metadata, texts);
  const scores = readColumn(metadata, 'tokenizer.ggml.scores', nVocab) ?? new Array<number>(nVocab).fill(0);

  const ids = new Map<string, number>();
  texts.forEach((text, id) => {
    if (!ids.has(text)) ids.set(text, id);
  });

  const roleId = (role: string, fallback?: number): number | undefined => {
    const key = `tokenizer.ggml.${role}_token_id`;
    const id = readInteger(metadata, key);
    if (id === undefined) return fallback !== undefined && fallback < nVocab ? fallback : undefined;
    if (NO_TOKEN.includes(id)) return undefined;
    if (id < 0 || id >= nVocab) {
      throw new UserError('model', `metadata '${key}': token ${id} is outside the vocabulary of ${nVocab}`);
    }
    return id;
  };

  const endsByText = END_TEXTS.flatMap((text) => ids.get(text) ?? []);
  // Converters sometimes leave these as normal tokens; printed or split up they would never stop a model.
  for (const id of endsByText) types[id] = 'control';
  const eos = roleId('eos', defaults.eos);
  const endsByKey = END_KEYS.flatMap((role) => (role === 'eos' ? eos : roleId(role)) ?? []);

  return {
    texts,
    types,
    scores,
    ids,
    bos: roleId('bos', defaults.bos),
    eos,
    unknown: roleId('unknown', defaults.unknown),
    endOfGeneration: new Set([...endsByKey, ...endsByText]),
  };
};

/** Whether `add_bos_token` or `add_eos_token` holds: the file's word, else the default; never without such a token. */
export const readAdds = (metadata: Metadata, role: 'bos' | 'eos', id: number | undefined, fallback: boolean): boolean =>
  id !== undefined && (readBoolean(metadata, `tokenizer.ggml.add_${role}_token`) ?? fallback);

/** llama.cpp knows Phi-3 by its name alone: there, whitespace after a special token is no part of the text. */
export const stripsAfterSpecial = (metadata: Metadata): boolean =>
  /phi-?3/i.test(readString(metadata, 'general.name') ?? '');
