/** When words were said: by what the decoder looked at, and put together from tokens. */
import { describe, expect, it } from 'vitest';
import type { Token, Word } from '../src/io/transcript/segment.ts';
import { oneWordEach, wordsOf } from '../src/io/transcript/words.ts';
import { alignedSegments } from '../src/models/transcribe/aligned-segments.ts';
import { alignmentPresets, headsFor, presetHeads } from '../src/models/transcribe/alignment-heads.ts';
import { tokenPositions } from '../src/models/transcribe/dtw.ts';
import type { Segment } from '../src/models/transcribe/segments.ts';
import { specialTokens } from '../src/models/transcribe/special-tokens.ts';

/** A head of which each row looks at one span, all else a little. */
const head = (nCtx: number, spans: readonly (readonly [from: number, to: number])[], blur = 0.001): Float32Array => {
  const out = new Float32Array(spans.length * nCtx);
  spans.forEach(([from, to], row) => {
    const looks = Array.from({ length: nCtx }, (_, i) => (i >= from && i < to ? 1 : blur));
    const sum = looks.reduce((a, b) => a + b, 0);
    looks.forEach((x, i) => {
      out[row * nCtx + i] = x / sum;
    });
  });
  return out;
};

/** openai/whisper's dtw, on a matrix of costs: for every step of the way its row and column. */
const reference = (cost: readonly (readonly number[])[]): [row: number, column: number][] => {
  const [n, m] = [cost.length, cost[0]!.length];
  const total = Array.from({ length: n + 1 }, () => new Array<number>(m + 1).fill(Number.POSITIVE_INFINITY));
  const trace = Array.from({ length: n + 1 }, () => new Array<number>(m + 1).fill(-1));
  total[0]![0] = 0;
  for (let j = 1; j <= m; j++)
    for (let i = 1; i <= n; i++) {
      const [c0, c1, c2] = [total[i - 1]![j - 1]!, total[i - 1]![j]!, total[i]![j - 1]!];
      const [c, t] = c0 < c1 && c0 < c2 ? [c0, 0] : c1 < c0 && c1 < c2 ? [c1, 1] : [c2, 2];
      total[i]![j] = cost[i - 1]![j - 1]! + c;
      trace[i]![j] = t;
    }
  const way: [number, number][] = [];
  for (let [i, j] = [n, m]; i > 0 && j > 0; ) {
    way.push([i - 1, j - 1]);
    const t = trace[i]![j];
    if (t !== 2) i--;
    if (t !== 1) j--;
  }
  return way.reverse();
};

describe('positions of tokens', () => {
  it('are where each row begins to look, and the last where the text ends', () => {
    // Two rows of prompt, the one before the text, three of text, and the end's, which writes nothing.
    const spans = [
      [0, 60],
      [0, 60],
      [5, 15],
      [15, 30],
      [30, 33],
      [33, 50],
      [50, 60],
    ] as const;
    const positions = tokenPositions([head(80, spans), head(80, spans)], {
      nToken: 7,
      nCtx: 80,
      nPosition: 60,
      nLead: 2,
    });
    expect(positions).toHaveLength(4);
    expect(positions[0]).toBe(0);
    // A median over 7 positions moves edges by up to 3.
    for (const [i, at] of [15, 30, 33].entries()) expect(Math.abs(positions[i + 1]! - at)).toBeLessThanOrEqual(3);
  });

  it('never decrease, and stay inside the sound', () => {
    let state = 7;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const noise = Float32Array.from({ length: 30 * 100 }, random);
    const positions = tokenPositions([noise], { nToken: 30, nCtx: 100, nPosition: 45, nLead: 1 });
    expect(positions).toHaveLength(28);
    positions.forEach((at, i) => {
      expect(at).toBeGreaterThanOrEqual(positions[i - 1] ?? 0);
      expect(at).toBeLessThan(45);
    });
  });

  it('are those of openai/whisper, whose steps are done here one by one', () => {
    let state = 3;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const [nToken, nCtx, nPosition, nLead] = [12, 50, 40, 3];
    const heads = [0, 1, 2].map(() => Float32Array.from({ length: nToken * nCtx }, random));
    const rows = (data: Float32Array): number[][] =>
      Array.from({ length: nToken }, (_, r) => {
        const looks = [...data.subarray(r * nCtx, r * nCtx + nPosition)];
        const sum = looks.reduce((a, b) => a + b, 0);
        return looks.map((x) => x / sum);
      });
    const perHead = heads.map((data) => {
      const looks = rows(data);
      const mean = looks[0]!.map((_, i) => looks.reduce((sum, row) => sum + row[i]!, 0) / nToken);
      const deviation = mean.map((m, i) => Math.sqrt(looks.reduce((sum, row) => sum + (row[i]! - m) ** 2, 0) / nToken));
      const standard = looks.map((row) => row.map((x, i) => (x - mean[i]!) / deviation[i]!));
      return standard.map((row) => {
        const mirrored = [row[3]!, row[2]!, row[1]!, ...row, row.at(-2)!, row.at(-3)!, row.at(-4)!];
        return row.map((_, i) => mirrored.slice(i, i + 7).sort((a, b) => a - b)[3]!);
      });
    });
    const cost = perHead[0]!
      .map((row, r) => row.map((_, i) => -perHead.reduce((sum, one) => sum + one[r]![i]!, 0) / perHead.length))
      .slice(nLead, -1);
    const way = reference(cost);
    const starts = cost.map((_, row) => way.find(([r]) => r === row)![1]);
    expect(tokenPositions(heads, { nToken, nCtx, nPosition, nLead })).toEqual(starts);
  });

  it('of a text of nothing, or of hardly any sound, are still positions', () => {
    const spans = [
      [0, 2],
      [0, 2],
      [0, 2],
    ] as const;
    expect(tokenPositions([head(10, spans)], { nToken: 3, nCtx: 10, nPosition: 2, nLead: 1 })).toEqual([0]);
    expect(tokenPositions([head(10, spans)], { nToken: 3, nCtx: 10, nPosition: 1, nLead: 0 })).toEqual([0, 0]);
  });
});

describe('tokens of a window', () => {
  const special = specialTokens(51_865);
  const said = (id: number) => ({ id, p: 1, logProb: 0, timestamp: { id: 0, p: 0, sum: 0 } });
  const segment = (ids: readonly number[]): Segment => ({
    from: 0,
    to: 100,
    tokens: ids.map(said),
    shown: ids,
    isTurn: false,
    noSpeechProb: 0,
    avgLogProb: 0,
    temperature: 0,
  });
  const german = special.languages.get('de')!;
  const options = {
    special,
    language: german,
    translate: false,
    withTimestamps: true,
    seek: 3000,
    nHeard: 120,
  };

  it('are given to the model as one text, and get the times at which it looked', async () => {
    const asked: number[][] = [];
    // Rows: start, language, task, the one before the text, three words, the end.
    const spans = [
      [0, 60],
      [0, 60],
      [0, 60],
      [0, 20],
      [20, 40],
      [40, 50],
      [50, 60],
      [50, 60],
    ] as const;
    const model = {
      align: async (tokens: readonly number[]) => {
        asked.push([...tokens]);
        return { heads: [head(100, spans)], nCtx: 100 };
      },
    };
    const { firstTimestamp, endOfText, startOfTranscript, transcribe, noTimestamps } = special;
    const segments = [segment([firstTimestamp, 11, 12, firstTimestamp + 40]), segment([13])];
    const [first, second] = await alignedSegments(model, segments, options);
    expect(asked).toEqual([[startOfTranscript, german, transcribe, noTimestamps, 11, 12, 13, endOfText]]);
    expect(first?.tokens.map(({ from, to, aligned }) => [from, to, aligned])).toEqual([
      [undefined, undefined, undefined],
      [3000, 3040, 3040],
      [3040, 3080, 3080],
      [undefined, undefined, undefined],
    ]);
    expect(second?.tokens.map(({ from, to }) => [from, to])).toEqual([[3080, 3100]]);
  });

  it('are not asked about where nothing is said', async () => {
    const model = { align: () => Promise.reject(new Error('asked')) };
    const silent = [segment([special.firstTimestamp])];
    expect(await alignedSegments(model, silent, options)).toBe(silent);
  });
});

describe('heads that align', () => {
  it('are known by the names that whisper.cpp has for models', () => {
    expect(alignmentPresets).toHaveLength(12);
    expect(presetHeads('large.v3.turbo')).toEqual([
      { layer: 2, head: 4 },
      { layer: 2, head: 11 },
      { layer: 3, head: 3 },
      { layer: 3, head: 6 },
      { layer: 3, head: 11 },
      { layer: 3, head: 14 },
    ]);
    expect(presetHeads('huge')).toBeUndefined();
  });

  it('are found by the shape of a model', () => {
    expect(headsFor({ nLayer: 4, nHead: 6, nVocab: 51_864 })).toEqual(presetHeads('tiny.en'));
    expect(headsFor({ nLayer: 6, nHead: 8, nVocab: 51_865 })).toEqual(presetHeads('base'));
    expect(headsFor({ nLayer: 4, nHead: 20, nVocab: 51_866 })).toEqual(presetHeads('large.v3.turbo'));
  });

  it('are all of the upper layers of a model that nobody knows', () => {
    const heads = headsFor({ nLayer: 3, nHead: 2, nVocab: 51_865 });
    expect(heads).toEqual([1, 1, 2, 2].map((layer, i) => ({ layer, head: i % 2 })));
  });
});

describe('words', () => {
  /** Tokens of 200 ms each, one after another. */
  const tokens = (...texts: readonly string[]): Token[] =>
    texts.map((text, id) => ({
      id,
      text,
      isSpecial: text.startsWith('[_'),
      p: 0.5 + 0.5 * (id % 2),
      span: { from: 200 * id, to: 200 * (id + 1) },
    }));
  /** Longer than any of these texts. */
  const anywhere = { from: 0, to: 60_000 };
  const spans = (words: readonly Word[]) => words.map(({ text, from, to }) => [text, from, to]);

  it.each<readonly [title: string, language: string, texts: readonly string[], words: readonly unknown[]]>([
    [
      'begin with a blank',
      'en',
      ['[_BEG_]', ' hel', 'lo', ' you'],
      [
        [' hello', 200, 600],
        [' you', 600, 800],
      ],
    ],
    [
      'take their punctuation, which takes no time',
      'en',
      [' So', ',', ' yes', '!', '"'],
      [
        [' So,', 0, 200],
        [' yes!"', 400, 600],
      ],
    ],
    ['take what opens before them', 'en', [' "', 'No', '.'], [[' "No.', 200, 400]]],
    ['take a dash that stands before them', 'fr', [' -', ' Oui'], [[' - Oui', 200, 400]]],
    [
      'are not cut at an apostrophe, a hyphen or a point',
      'en',
      [' don', "'t", ' 3', '.', '5'],
      [
        [" don't", 0, 400],
        [' 3.5', 400, 1000],
      ],
    ],
    [
      'are tokens where there are no blanks',
      'ja',
      ['こ', 'んに', '。', '「', 'は'],
      [
        ['こ', 0, 200],
        ['んに。', 200, 400],
        ['「は', 800, 1000],
      ],
    ],
    ['are none where nothing is said', 'en', ['[_BEG_]', '[_TT_50]'], []],
    ['may be punctuation alone', 'en', [' ...'], [[' ...', 0, 200]]],
  ])('%s', (_, language, texts, words) => {
    expect(spans(wordsOf(tokens(...texts), anywhere, language))).toEqual(words);
  });

  it('have the mean probability of their tokens', () => {
    expect(wordsOf(tokens(' hel', 'lo'), anywhere, 'en')[0]?.p).toBe(0.75);
  });

  it('are left out where their times are not known', () => {
    expect(wordsOf([{ id: 1, text: ' a', isSpecial: false, p: 1 }], anywhere, 'en')).toEqual([]);
  });

  it('at the edges of sentences give up the pauses in them', () => {
    const said: readonly (readonly [string, number, number])[] = [
      [' Well', 0, 3000],
      [' this', 3000, 3200],
      [' is', 3200, 3400],
      [' it', 3400, 3600],
      ['.', 3600, 3600],
      [' Then', 3600, 8000],
      [' we', 8000, 8200],
      [' go', 8200, 9900],
    ];
    const timed = said.map(([text, from, to], id) => ({ id, text, isSpecial: false, p: 1, span: { from, to } }));
    expect(spans(wordsOf(timed, anywhere, 'en'))).toEqual([
      [' Well', 2600, 3000],
      [' this', 3000, 3200],
      [' is', 3200, 3400],
      [' it.', 3400, 3600],
      [' Then', 7600, 8000],
      [' we', 8000, 8200],
      [' go', 8200, 8600],
    ]);
  });

  it('end at the edges of their segment, unless they lie beyond', () => {
    const said = tokens(' a', ' b', ' c');
    expect(spans(wordsOf(said, { from: 100, to: 500 }, 'en'))).toEqual([
      [' a', 100, 200],
      [' b', 200, 400],
      [' c', 400, 500],
    ]);
    expect(spans(wordsOf(said, { from: 300, to: 350 }, 'en'))).toEqual([
      [' a', 0, 200],
      [' b', 300, 350],
      [' c', 400, 600],
    ]);
  });

  it('become cues of their own', () => {
    const words = wordsOf(tokens(' a', ' b'), anywhere, 'en');
    const segment = { from: 0, to: 5000, text: ' a b', tokens: [], words };
    expect(oneWordEach([segment]).map(({ from, to, text }) => [from, to, text])).toEqual([
      [0, 200, ' a'],
      [200, 400, ' b'],
    ]);
    const wordless = { from: 0, to: 5000, text: ' a b', tokens: [] };
    expect(oneWordEach([wordless])).toEqual([wordless]);
  });
});
