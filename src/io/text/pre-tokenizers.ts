/**
 * How byte-level BPE models cut a text into pieces before any merging: a list of regular expressions for each value of
 * `tokenizer.ggml.pre`, as in llama.cpp's `llm_tokenizer_bpe` (llama-vocab.cpp), and what else hangs on the name.
 */

export interface PreTokenizer {
  /** Applied in sequence, each to the pieces of the one before; what lies between matches is a piece too. */
  readonly regexes: readonly RegExp[];
  /** A piece that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Whether BOS is put first when the file does not say. */
  readonly addBos: boolean;
  /** Whether decoding a whole text removes the space before punctuation and contractions. */
  readonly cleanSpaces: boolean;
}

/** Unicode's White_Space. JavaScript's `\s` has U+FEFF, which is none, and misses U+0085, which is one. */
const SPACES = String.raw`\t-\r \x85\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000`;
const s = `[${SPACES}]`;
/** Whitespace up to a word, all but its last character, which belongs to the word. */
const TRAILING_SPACES = `${s}+(?![^${SPACES}])`;

const CONTRACTION = `'s|'t|'re|'ve|'m|'ll|'d`;
const CONTRACTION_ANY_CASE = `'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]`;

/** Without a last alternative `\s+`: a single whitespace before a word stays between matches. */
const GPT2 = String.raw`${CONTRACTION}| ?\p{L}+| ?\p{N}+| ?[^${SPACES}\p{L}\p{N}]+|${TRAILING_SPACES}`;

/** The regex of Llama 3 and Qwen, which differ in how many digits make a piece. */
const llama3 = (digits: string): string =>
  String.raw`${CONTRACTION_ANY_CASE}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^${SPACES}\p{L}\p{N}]+[\r\n]*|` +
  String.raw`${s}*[\r\n]+|${TRAILING_SPACES}|${s}+`;

/** Mistral's own regex. llama.cpp, whose regex engine knows no letter case outside ASCII, approximates it. */
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const TEKKEN =
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+|[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*|\p{N}|` +
  String.raw` ?[^${SPACES}\p{L}\p{N}]+[\r\n/]*|${s}*[\r\n]+|${TRAILING_SPACES}|${s}+`;

const ASCII_PUNCTUATION = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_\x60{|}~]`;
const DEEPSEEK_V3 = [
  String.raw`\p{N}{1,3}`,
  String.raw`[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+`,
  String.raw`${ASCII_PUNCTUATION}[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|` +
    String.raw`${s}*[\r\n]+|${TRAILING_SPACES}|${s}+`,
];

/** DeepSeek-LLM's list of letters: those with case. Written as escapes, since some look like plain ones (U+212A, K). */
const CASED_LETTERS = [
  String.raw`A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF`,
  String.raw`\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5`,
  String.raw`\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA`,
  String.raw`\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45`,
  String.raw`\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE`,
  String.raw`\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102`,
  String.raw`\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139`,
  String.raw`\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3`,
  String.raw`\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06`,
  String.raw`\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}`,
  String.raw`\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}`,
].join('');
const CJK_AND_HANGUL = String.raw`[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+`;
const DEEPSEEK_LLM = [
  String.raw`[\r\n]`,
  `${s}?[${CASED_LETTERS}]+`,
  String.raw`${s}?[!-\/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+`,
  `${s}+$`,
  CJK_AND_HANGUL,
  String.raw`\p{N}+`,
];
const DEEPSEEK_CODER = [
  String.raw`[\r\n]`,
  String.raw`${s}?\p{L}+`,
  String.raw`${s}?\p{P}+`,
  CJK_AND_HANGUL,
  String.raw`\p{N}`,
];

const FALCON = [String.raw`[\p{P}$+<=>\^~|\x60]+`, GPT2, '[0-9][0-9][0-9]'];
const DEFAULT = [String.raw`[\p{P}$+<=>\^~|]+`, GPT2, String.raw`\p{N}+`, '[0-9][0-9][0-9]'];

interface Family extends Omit<PreTokenizer, 'regexes'> {
  readonly names: readonly string[];
  readonly patterns: readonly string[];
}

const PLAIN = { ignoreMerges: false, addBos: false, cleanSpaces: false };
const CLEAN = { ...PLAIN, cleanSpaces: true };

const FAMILIES: readonly Family[] = [
  {
    names: ['llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'pixtral', 'lfm2'],
    patterns: [llama3(String.raw`\p{N}{1,3}`)],
    ignoreMerges: true,
    addBos: true,
    cleanSpaces: true,
  },
  { names: ['smaug-bpe', 'dbrx', 'chatglm-bpe', 'glm4'], patterns: [llama3(String.raw`\p{N}{1,3}`)], ...CLEAN },
  { names: ['qwen2', 'deepseek-r1-qwen'], patterns: [llama3(String.raw`\p{N}`)], ...PLAIN },
  { names: ['stablelm2', 'megrez'], patterns: [llama3(String.raw`\p{N}`)], ...CLEAN },
  { names: ['deepseek-v3'], patterns: DEEPSEEK_V3, ...PLAIN },
  { names: ['deepseek-llm'], patterns: DEEPSEEK_LLM, ...PLAIN },
  { names: ['deepseek-coder'], patterns: DEEPSEEK_CODER, ...PLAIN },
  {
    names: [
      ...['gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'gigachat', 'roberta-bpe', 'exaone4'],
      ...['jina-es', 'jina-de', 'jina-v1-en', 'jina-v2-es', 'jina-v2-de', 'jina-v2-code'],
    ],
    patterns: [GPT2],
    ...CLEAN,
  },
  {
    names: ['starcoder', 'refact', 'codeshell', 'exaone', 'minerva-7b'],
    patterns: [String.raw`\p{N}`, GPT2],
    ...CLEAN,
  },
  { names: ['command-r', 'smollm'], patterns: [String.raw`\p{N}`, GPT2], ...PLAIN },
  { names: ['falcon'], patterns: FALCON, ...CLEAN },
  { names: ['tekken'], patterns: [TEKKEN], ignoreMerges: true, addBos: true, cleanSpaces: false },
  { names: ['default'], patterns: DEFAULT, ...CLEAN },
];

/** Every known value of `tokenizer.ggml.pre`. */
export const preTokenizerNames: readonly string[] = FAMILIES.flatMap(({ names }) => names);

/** The pre-tokenizer of a name, or undefined for a name that is not known. */
export const preTokenizer = (name: string): PreTokenizer | undefined => {
  const family = FAMILIES.find(({ names }) => names.includes(name));
  if (!family) return undefined;
  // No flag `m`: `$` must mean the end of the piece, not of a line.
  return { ...family, regexes: family.patterns.map((pattern) => new RegExp(pattern, 'gu')) };
};

/** The matches of a regex and the text between them, in order; together they are the text. */
const splitAtMatches = (text: string, regex: RegExp): string[] => {
  const pieces: string[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(regex)) {
    if (index > end) pieces.push(text.slice(end, index));
    pieces.push(match);
    end = index + match.length;
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces;
};

/** Cuts a text by a pre-tokenizer's regexes; the pieces, none empty, together are the text. */
export const splitPieces = (text: string, regexes: readonly RegExp[]): string[] =>
  regexes.reduce<string[]>(
    (pieces, regex) => pieces.flatMap((piece) => splitAtMatches(piece, regex)),
    text === '' ? [] : [text],
  );
