/** Transcripts as files, in whisper-cli's layouts and, where it has none, in openai/whisper's. */
import { clock, lyricsClock } from './clock.ts';
import { general, transcriptJson } from './json.ts';
import type { Segment, Transcript, Word } from './segment.ts';
import { speakerOf } from './speaker.ts';
import { timed } from './words.ts';

export interface FormatOptions {
  /** What the first SRT cue is counted from: its number is one more. */
  readonly firstNumber?: number;
  /** Confidence and words in JSON. */
  readonly confidence?: boolean;
  /** In SRT and VTT a cue for every word, in which it is underlined. */
  readonly highlightWords?: boolean;
}

export type FormatName = 'txt' | 'vtt' | 'srt' | 'lrc' | 'csv' | 'tsv' | 'json' | 'json-full' | 'score';

/** A kind of file: what it is called and how a transcript becomes its text. */
interface Format {
  /** What is appended to the recording's name. */
  readonly extension: string;
  write(transcript: Transcript, options: FormatOptions): string;
}

const csvField = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** A cue ends at an empty line and `-->` is a cue's sign, so neither may be in its text. */
const cueText = (text: string, arrow: string): string => nonEmptyLines(text).join('\n').replaceAll('-->', arrow);

const oneLine = (text: string): string => nonEmptyLines(text).join(' ');

const nonEmptyLines = (text: string): readonly string[] =>
  /[\r\n]/.test(text) ? text.split(/[\r\n]+/).filter((line) => line.trim() !== '') : [text];

/** In WebVTT a tag begins with `<` and a character's name with `&`. */
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const unchanged = (text: string): string => text;

/** The files that a transcript may be written to, each in whisper-cli's layout. */
export const formats: Readonly<Record<FormatName, Format>> = {
  txt: {
    extension: '.txt',
    write: ({ segments }) =>
      lines(segments, (s) => (s.speaker === undefined ? s.text.replace(/^ +/, '') : speakerOf(s) + s.text)),
  },
  vtt: {
    extension: '.vtt',
    write: ({ segments }, options) =>
      `WEBVTT\n\n${cues(segments, options, escaped)
        .map((s) => {
          const voice = s.speaker === undefined ? '' : `<v Speaker${s.speaker}>`;
          return `${clock(s.from, '.')} --> ${clock(s.to, '.')}\n${voice}${cueText(s.text, '--&gt;')}\n\n`;
        })
        .join('')}`,
  },
  srt: {
    extension: '.srt',
    write: ({ segments }, options) =>
      cues(segments, options, unchanged)
        .map((s, i) => {
          const number = (options.firstNumber ?? 0) + i + 1;
          return `${number}\n${clock(s.from, ',')} --> ${clock(s.to, ',')}\n${speakerOf(s)}${cueText(s.text, '->')}\n\n`;
        })
        .join(''),
  },
  lrc: {
    extension: '.lrc',
    write: ({ segments }) =>
      `[by:whisper.cpp]\n${lines(segments, (s) => `[${lyricsClock(s.from)}]${speakerOf(s)}${oneLine(s.text)}`)}`,
  },
  csv: {
    extension: '.csv',
    write: ({ segments }) => {
      const hasSpeaker = segments.some((s) => s.speaker !== undefined);
      const who = (s: Segment): string => (s.speaker === undefined ? '' : `${s.speaker},`);
      return `start,end,${hasSpeaker ? 'speaker,' : ''}text\n${lines(
        segments,
        (s) => `${s.from},${s.to},${who(s)}${csvField(s.text)}`,
      )}`;
    },
  },
  tsv: {
    extension: '.tsv',
    write: ({ segments }) =>
      `start\tend\ttext\n${lines(segments, (s) => `${s.from}\t${s.to}\t${oneLine(s.text).trim().replaceAll('\t', ' ')}`)}`,
  },
  json: {
    extension: '.json',
    write: (transcript, { confidence = false }) => transcriptJson(transcript, { confidence }),
  },
  'json-full': {
    extension: '.json',
    write: (transcript, { confidence = false }) => transcriptJson(transcript, { confidence, full: true }),
  },
  score: {
    extension: '.score.txt',
    write: ({ segments }) =>
      segments.flatMap(({ tokens }) => tokens.map(({ text, p }) => `${text}\t${general(p)}\n`)).join(''),
  },
};

const lines = (segments: readonly Segment[], line: (s: Segment) => string): string =>
  segments.map((s) => `${line(s)}\n`).join('');

/** What is shown for a time. */
type Cue = Pick<Segment, 'from' | 'to' | 'text' | 'speaker'>;

/** The segments as a format spells text, or for every word its segment with this word underlined, while it is said. */
const cues = (
  segments: readonly Segment[],
  { highlightWords }: FormatOptions,
  spell: (text: string) => string,
): readonly Cue[] =>
  segments.flatMap((s) =>
    highlightWords && s.words?.length ? highlighted(s, s.words, spell) : [{ ...s, text: spell(s.text) }],
  );

const highlighted = (segment: Segment, all: readonly Word[], spell: (text: string) => string): readonly Cue[] => {
  const words = timed(all).map((word) => ({ ...word, text: spell(word.text) }));
  const underlined = (text: string): string => text.replace(/^(\s*)(.*)$/s, '$1<u>$2</u>');
  const spelt = (chosen: number): string => words.map((w, i) => (i === chosen ? underlined(w.text) : w.text)).join('');
  return words.flatMap((word, i) => {
    const before = words[i - 1]?.to ?? segment.from;
    // Between two words the line stays, with none of them underlined.
    const pause = before < word.from ? [{ ...segment, from: before, to: word.from, text: spelt(-1) }] : [];
    return [...pause, { ...segment, from: word.from, to: word.to, text: spelt(i) }];
  });
};
