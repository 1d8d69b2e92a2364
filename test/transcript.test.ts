/** Transcripts written from segments against the files that whisper-cli wrote of the same segments. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { FormatName } from '../src/io/transcript/formats.ts';
import { formats } from '../src/io/transcript/formats.ts';
import { general } from '../src/io/transcript/json.ts';
import { karaokeScript } from '../src/io/transcript/karaoke.ts';
import type { Shading } from '../src/io/transcript/live.ts';
import { liveText } from '../src/io/transcript/live.ts';
import type { Segment, Speaker, Token, Transcript } from '../src/io/transcript/segment.ts';
import { fixture } from './fixtures.ts';

/** What whisper-cli wrote, by the file's name. */
const recorded: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(fixture('whisper/cli-outputs.json'), 'utf8'),
);
const file = (name: string): string => {
  const text = recorded[name];
  if (text === undefined) throw new Error(`no recorded output ${name}`);
  return text;
};

interface Times {
  readonly from: number;
  readonly to: number;
}
interface JsonStack {
  readonly ctx: number;
  readonly state: number;
  readonly head: number;
  readonly layer: number;
}
interface JsonFile {
  readonly systeminfo: string;
  readonly model: {
    readonly type: string;
    readonly multilingual: boolean;
    readonly vocab: number;
    readonly mels: number;
    readonly ftype: number;
    readonly audio: JsonStack;
    readonly text: JsonStack;
  };
  readonly params: { readonly model: string; readonly language: string; readonly translate: boolean };
  readonly result: { readonly language: string };
  readonly transcription: readonly {
    readonly offsets: Times;
    readonly text: string;
    readonly speaker?: Speaker;
    readonly tokens?: readonly {
      readonly text: string;
      readonly offsets?: Times;
      readonly id: number;
      readonly p: number;
    }[];
  }[];
}

/** The transcript that a JSON file of whisper-cli's tells. */
const transcriptOf = (name: string): Transcript => {
  const { systeminfo, model, params, result, transcription }: JsonFile = JSON.parse(file(name));
  const stack = (s: JsonStack) => ({ nCtx: s.ctx, nEmbd: s.state, nHead: s.head, nLayer: s.layer });
  return {
    language: result.language,
    model: {
      path: params.model,
      language: params.language,
      translate: params.translate,
      type: model.type,
      isMultilingual: model.multilingual,
      nVocab: model.vocab,
      nMels: model.mels,
      ftype: model.ftype,
      audio: stack(model.audio),
      text: stack(model.text),
      system: systeminfo,
    },
    segments: transcription.map(({ offsets, text, speaker, tokens = [] }) => ({
      ...offsets,
      text,
      ...(speaker && { speaker }),
      tokens: tokens.map(({ text, id, p, offsets }) => ({
        id,
        text,
        p,
        isSpecial: text.startsWith('[_'),
        ...(offsets && { span: offsets }),
      })),
    })),
  };
};

describe('a transcript', () => {
  it.each<readonly [json: string, file: string, format: FormatName]>([
    ['full.json', 'full.json', 'json-full'],
    ['full.json', 'base.json', 'json'],
    ['full.json', 'base.txt', 'txt'],
    ['full.json', 'base.vtt', 'vtt'],
    ['full.json', 'base.srt', 'srt'],
    ['full.json', 'base.lrc', 'lrc'],
    ['full.json', 'base.csv', 'csv'],
    ['ps.json', 'ps.json', 'json-full'],
    ['fa.json', 'fa.json', 'json-full'],
    ['greedy.json', 'greedy.json', 'json-full'],
    ['ml1.json', 'ml1.json', 'json'],
    ['ml1.json', 'ml1.srt', 'srt'],
    ['ml1.json', 'ml1.vtt', 'vtt'],
    ['ml1.json', 'ml1.lrc', 'lrc'],
    ['ml20sow.json', 'ml20sow.json', 'json-full'],
    ['ml20sow.json', 'ml20sow.srt', 'srt'],
    ['ml20sow.json', 'ml20sow.vtt', 'vtt'],
    ['ml20sow.json', 'ml20.csv', 'csv'],
    ['ml20sow.json', 'ml20.srt', 'srt'],
    ['di.json', 'di.json', 'json'],
    ['di.json', 'di.txt', 'txt'],
    ['di.json', 'di.srt', 'srt'],
    ['di.json', 'di.vtt', 'vtt'],
    ['di.json', 'di.lrc', 'lrc'],
    ['di.json', 'di.csv', 'csv'],
    ['auto.json', 'auto.json', 'json'],
    ['tr.json', 'tr.json', 'json'],
    ['offset.json', 'offset.json', 'json'],
    ['offset.json', 'offset.srt', 'srt'],
    ['nt.json', 'nt.json', 'json'],
    ['nt.json', 'nt.srt', 'srt'],
    ['nt.json', 'nt.txt', 'txt'],
    ['vad.json', 'vad.json', 'json'],
    ['vad.json', 'vad.srt', 'srt'],
    ['long.json', 'long.json', 'json'],
    ['long.json', 'long.srt', 'srt'],
    ['long.json', 'long.lrc', 'lrc'],
    ['words/long-full.json', 'words/long-full.json', 'json-full'],
    ['words/long-full.json', 'words/long.json', 'json'],
    ['words/long-full.json', 'words/long.txt', 'txt'],
    ['words/long-full.json', 'words/long.srt', 'srt'],
    ['words/long-full.json', 'words/long.vtt', 'vtt'],
    ['words/long-full.json', 'words/long.lrc', 'lrc'],
    ['words/long-full.json', 'words/long.csv', 'csv'],
  ])('told by %s is written as %s', (json, name, format) => {
    expect(formats[format].write(transcriptOf(json), {})).toBe(file(name));
  });

  it('counts its cues from where it is told to', () => {
    expect(formats.srt.write(transcriptOf('full.json'), { firstNumber: 5 })).toBe(file('on5.srt'));
  });

  it('is written as the script that draws it word by word', () => {
    const options = { path: 'jfk.wav', seconds: 11.0625, font: 'mono.ttf' };
    expect(karaokeScript(transcriptOf('full.json').segments, options)).toBe(file('base.wts'));
  });

  it.skipIf(process.platform === 'win32')('is drawn as it is spelt, whatever a shell would make of it', () => {
    const token: Token = { id: 0, text: ' $HOME `id` "5\\6"', p: 1, isSpecial: false, span: { from: 0, to: 1000 } };
    const segment = { from: 0, to: 1000, text: token.text, tokens: [token] };
    const script = karaokeScript([segment], { path: 'my $(id) talk.wav', seconds: 1, font: 'mono.ttf' });
    const told = execFileSync('bash', ['-c', `ffmpeg() { printf '%s\\n' "$@"; }\n${script}`], { encoding: 'utf8' });
    expect(told).toContain('text=\'>  $HOME `id` "5\\6"\'');
    expect(told.split('\n')).toContain('my $(id) talk.wav');
    expect(told).toContain('  ffplay my $(id) talk.wav.mp4\n');
  });

  it('is written for spreadsheets with tabs, as openai/whisper does', () => {
    const transcript = withSegments([{ from: 0, to: 1500, text: ' a\tb ', tokens: [] }]);
    expect(formats.tsv.write(transcript, {})).toBe('start\tend\ttext\n0\t1500\ta b\n');
  });
});

const withSegments = (segments: readonly Segment[]): Transcript => ({ ...transcriptOf('base.json'), segments });

describe('what is printed while a recording is heard', () => {
  it.each<readonly [json: string, file: string, shading: Shading]>([
    ['full.json', 'base.stdout.txt', 'none'],
    ['ps.json', 'ps.stdout.txt', 'none'],
    ['full.json', 'pc.stdout.txt', 'colours'],
    ['full.json', 'conf.stdout.txt', 'confidence'],
    ['di.json', 'di.stdout.txt', 'none'],
    ['ml1.json', 'ml1.stdout.txt', 'none'],
    ['nt.json', 'nt.stdout.txt', 'none'],
    ['long.json', 'long.stdout.txt', 'none'],
  ])('of %s is %s', (json, name, shading) => {
    const options = { timestamps: json !== 'nt.json', shading, special: false };
    const { segments } = transcriptOf(json);
    expect(`\n${segments.map((s) => liveText(s, options)).join('')}`).toBe(file(name));
  });

  it('shades from red to green, and by three styles', () => {
    const tokens = [0, 0.5, 0.6, 0.8, 0.9, 0.94, 1].map(
      (p, id): Token => ({ id, text: String(id), p, isSpecial: id === 6 }),
    );
    const segment = { from: 0, to: 1000, text: '', tokens, isTurnNext: true };
    const shaded = (shading: Shading, special: boolean) =>
      liveText(segment, { timestamps: false, shading, special }).replaceAll('\x1b', '');
    expect(shaded('colours', true)).toBe(
      '[38;5;160m0[0m[38;5;160m1[0m[38;5;166m2[0m[38;5;215m3[0m[38;5;114m4[0m[38;5;114m5[0m[38;5;71m6[0m [SPEAKER_TURN]',
    );
    expect(shaded('confidence', false)).toBe('[7m0[0m[4m1[0m[4m2[0m[2m3[0m[2m4[0m[2m5[0m [SPEAKER_TURN]');
  });
});

describe('hostile text', () => {
  const text = ' "quoted"\\, \u0007, \u{1f600}, \ud800, --> here\n\nnew cue';
  const transcript = withSegments([{ from: 0, to: 3_723_040, text, tokens: [] }]);

  it('leaves JSON valid', () => {
    expect(JSON.parse(formats['json-full'].write(transcript, {})).transcription[0].text).toBe(text);
  });

  it('cannot end a cue of subtitles or begin another', () => {
    for (const format of ['srt', 'vtt'] as const) {
      const written = formats[format].write(transcript, {});
      expect(written.match(/-->/g)).toHaveLength(1);
      expect(written.trimEnd().split('\n\n')).toHaveLength(format === 'srt' ? 1 : 2);
    }
    expect(formats.srt.write(transcript, {})).toContain('00:00:00,000 --> 01:02:03,040\n');
    expect(formats.lrc.write(withSegments([{ from: 3_723_049, to: 0, text: 'x', tokens: [] }]), {})).toContain(
      '[62:03.05]x',
    );
  });

  it('stays inside its field of a table', () => {
    expect(formats.csv.write(transcript, {})).toContain('" ""quoted""\\');
  });
});

describe('what whisper-cli does not write', () => {
  const confidence = { avgLogprob: -0.25, noSpeechProb: 0.000012, compressionRatio: 1.5, temperature: 0.2 };
  const words = [
    { from: 100, to: 400, text: ' So,', p: 0.5 },
    { from: 600, to: 900, text: ' yes', p: 0.75 },
  ];
  const spoken: Segment = { from: 0, to: 1000, text: ' So, yes', tokens: [], words, confidence };
  const transcript = { ...withSegments([spoken]), languageProbability: 0.98 };

  it('is in JSON only where it is asked for', () => {
    const said = JSON.parse(formats.json.write(transcript, { confidence: true }));
    expect(said.result).toEqual({ language: 'en', language_probability: 0.98 });
    expect(said.transcription[0]).toMatchObject({
      avg_logprob: -0.25,
      no_speech_prob: 1.2e-5,
      compression_ratio: 1.5,
      temperature: 0.2,
      words: [
        { word: ' So,', offsets: { from: 100, to: 400 }, probability: 0.5 },
        { word: ' yes', offsets: { from: 600, to: 900 }, probability: 0.75 },
      ],
    });
    expect(JSON.parse(formats.json.write(transcript, {})).transcription[0]).not.toHaveProperty('avg_logprob');
  });

  it('underlines every word in subtitles while it is said', () => {
    const cues = formats.srt.write(transcript, { highlightWords: true }).trimEnd().split('\n\n');
    expect(cues).toEqual([
      '1\n00:00:00,000 --> 00:00:00,100\n So, yes',
      '2\n00:00:00,100 --> 00:00:00,400\n <u>So,</u> yes',
      '3\n00:00:00,400 --> 00:00:00,600\n So, yes',
      '4\n00:00:00,600 --> 00:00:00,900\n So, <u>yes</u>',
    ]);
  });

  it.each([
    [0.999975, '0.999975'],
    [1, '1'],
    [0.0001, '0.0001'],
    [0.0000123456789, '1.23457e-05'],
    [-1234567, '-1.23457e+06'],
    [123456.4, '123456'],
    [Number.NaN, 'null'],
  ])('is written with six digits: %d', (x, text) => {
    expect(general(x)).toBe(text);
  });
});
