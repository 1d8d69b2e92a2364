/** Subtitles and tables as strangers read them: validators of WebVTT and SRT, and a reader of CSV. */
import { parse } from 'csv-parse/sync';
import { parser, validator } from 'srt-validator';
import { describe, expect, it } from 'vitest';
import webvtt from 'webvtt-parser';
import type { FormatOptions } from '../src/io/transcript/formats.ts';
import { formats } from '../src/io/transcript/formats.ts';
import type { Segment, Transcript } from '../src/io/transcript/segment.ts';
import { oneWordEach } from '../src/io/transcript/words.ts';

/** What is shown, and when in seconds. */
type Shown = readonly [from: number, to: number, text: string];

const model = { path: '', language: 'en', translate: false, type: 'tiny', isMultilingual: false, nVocab: 0, nMels: 0 };
const stack = { nCtx: 0, nEmbd: 0, nHead: 0, nLayer: 0 };
const transcriptOf = (segments: readonly Segment[]): Transcript => ({
  segments,
  language: 'en',
  model: { ...model, ftype: 0, audio: stack, text: stack, system: '' },
});

const said = (from: number, to: number, text: string): Segment => ({ from, to, text, tokens: [] });

/** A segment of words at these times. */
const spoken = (from: number, to: number, words: readonly (readonly [from: number, to: number, text: string])[]) => ({
  ...said(from, to, words.map(([, , text]) => text).join('')),
  words: words.map(([from, to, text]) => ({ from, to, text, p: 1 })),
});

/** The text of a cue as it is shown. */
const shown = (text: string): string =>
  text
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

const inVtt = (segments: readonly Segment[], options: FormatOptions = {}): readonly Shown[] => {
  const file = formats.vtt.write(transcriptOf(segments), options);
  const { cues, errors } = new webvtt.WebVTTParser().parse(file, 'subtitles');
  expect(errors, file).toEqual([]);
  return cues.map(({ startTime, endTime, text }) => [startTime, endTime, shown(text)]);
};

const inSrt = (segments: readonly Segment[], options: FormatOptions = {}): readonly Shown[] => {
  const file = formats.srt.write(transcriptOf(segments), options);
  expect(validator(file), file).toEqual([]);
  return parser
    .parse(file)
    .map(({ time: { start, end }, text }) => [start / 1000, end / 1000, text.replace(/<\/?u>/g, '')]);
};

describe('subtitles', () => {
  it.each<readonly [what: string, text: string, vtt: string, srt: string]>([
    ['an arrow', ' a --> b', ' a --> b', ' a -> b'],
    [
      'tags and entities',
      ' <b> A&B &amp; 1 < 2 </v> >> so',
      ' <b> A&B &amp; 1 < 2 </v> >> so',
      ' <b> A&B &amp; 1 < 2 </v> >> so',
    ],
    ['empty lines', ' one\n\n \ntwo\r\rthree\r\n\r\n', ' one\ntwo\nthree', ' one\ntwo\nthree'],
    ['an empty line at first', '\n\nwords', 'words', 'words'],
    [
      'what looks like a cue',
      ' 2\n00:05.000 --> 00:06.000',
      ' 2\n00:05.000 --> 00:06.000',
      ' 2\n00:05.000 -> 00:06.000',
    ],
    ['what looks like a note', 'NOTE this', 'NOTE this', 'NOTE this'],
  ])('show %s as text', (_, text, vtt, srt) => {
    const segments = [said(0, 1000, text), said(1000, 2000, ' after')];
    expect(inVtt(segments)).toEqual([
      [0, 1, vtt],
      [1, 2, ' after'],
    ]);
    expect(inSrt(segments)).toEqual([
      [0, 1, srt],
      [1, 2, ' after'],
    ]);
  });

  it('tell times of more than an hour, and of more than a hundred', () => {
    const hours = [said(3_599_999, 3_600_000, 'a'), said(356_399_010, 356_399_020, 'b')];
    const shown = [
      [3599.999, 3600, 'a'],
      [356_399.01, 356_399.02, 'b'],
    ];
    expect(inVtt(hours)).toEqual(shown);
    expect(inSrt(hours)).toEqual(shown);
    expect(inVtt([said(360_000_000, 3_600_000_123, 'c')])).toEqual([[360_000, 3_600_000.123, 'c']]);
  });

  it('name who speaks', () => {
    const file = formats.vtt.write(transcriptOf([{ ...said(0, 1000, ' a < b'), speaker: '1' }]), {});
    expect(file).toContain('\n<v Speaker1> a &lt; b\n');
    expect(inVtt([{ ...said(0, 1000, ' a < b'), speaker: '1' }])).toEqual([[0, 1, ' a < b']]);
  });

  it.each<readonly [what: string, words: readonly Shown[], one: readonly Shown[], lines: readonly Shown[]]>([
    [
      'words with a pause between them',
      [
        [100, 400, ' if a<b,'],
        [600, 900, ' &c'],
      ],
      [
        [0.1, 0.4, ' if a<b,'],
        [0.6, 0.9, ' &c'],
      ],
      [
        [0, 0.1, ' if a<b, &c'],
        [0.1, 0.4, ' if a<b, &c'],
        [0.4, 0.6, ' if a<b, &c'],
        [0.6, 0.9, ' if a<b, &c'],
      ],
    ],
    [
      'words that take no time',
      [
        [0, 0, ' by'],
        [0, 0, ' the'],
        [0, 300, ' way'],
        [300, 300, ' so'],
      ],
      [[0, 0.3, ' by the way so']],
      [[0, 0.3, ' by the way so']],
    ],
  ])('show %s, one at a time and underlined', (_, words, one, lines) => {
    const segments = [spoken(0, 1000, words)];
    expect(inVtt(oneWordEach(segments))).toEqual(one);
    expect(inSrt(oneWordEach(segments))).toEqual(one);
    expect(inVtt(segments, { highlightWords: true })).toEqual(lines);
    expect(inSrt(segments, { highlightWords: true })).toEqual(lines);
  });

  it('show words that overlap, and a segment without words', () => {
    const segments = [
      spoken(0, 1000, [
        [0, 500, ' a'],
        [400, 900, ' b'],
      ]),
      said(1000, 2000, ' c'),
    ];
    expect(inVtt(oneWordEach(segments))).toEqual([
      [0, 0.5, ' a'],
      [0.4, 0.9, ' b'],
      [1, 2, ' c'],
    ]);
    expect(inVtt(segments, { highlightWords: true })).toEqual([
      [0, 0.5, ' a b'],
      [0.4, 0.9, ' a b'],
      [1, 2, ' c'],
    ]);
  });
});

describe('lyrics and tables', () => {
  const segments = [said(0, 1500, ' "a",\tb\n\nc\r\nd'), said(3_600_000, 3_600_250, ' e')];

  it('have a line for each segment', () => {
    const lines = formats.lrc.write(transcriptOf(segments), {}).trimEnd().split('\n');
    expect(lines).toEqual(['[by:whisper.cpp]', '[00:00.00] "a",\tb c d', '[60:00.00] e']);
  });

  it('have a row for each segment', () => {
    const table = (format: 'csv' | 'tsv', delimiter: string, quote: string | false) =>
      parse(formats[format].write(transcriptOf(segments), {}), { delimiter, quote });
    expect(table('csv', ',', '"')).toEqual([
      ['start', 'end', 'text'],
      ['0', '1500', segments[0]!.text],
      ['3600000', '3600250', ' e'],
    ]);
    expect(table('tsv', '\t', false)).toEqual([
      ['start', 'end', 'text'],
      ['0', '1500', '"a", b c d'],
      ['3600000', '3600250', 'e'],
    ]);
  });
});
