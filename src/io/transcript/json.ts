/** JSON in whisper-cli's layout: tabs, one value a line, numbers of six significant digits. */
import { clock } from './clock.ts';
import type { Segment, Token, Transcript, Word } from './segment.ts';

/** A number that is written with six significant digits, as C++ does by itself. */
interface Decimal {
  readonly decimal: number;
}

type Value = string | number | boolean | Decimal | readonly Value[] | { readonly [key: string]: Value };

export interface JsonOptions {
  /** The tokens of every segment as well. */
  readonly full?: boolean;
  /** How sure the decoder was, and words with their times: what whisper-cli does not write. */
  readonly confidence?: boolean;
}

/** A transcript in the layout of whisper-cli's `-oj` or `-ojf`, with fields of confidence. */
export const transcriptJson = (transcript: Transcript, options: JsonOptions = {}): string => {
  const { model: m, segments } = transcript;
  const stack = (s: typeof m.audio) => ({ ctx: s.nCtx, state: s.nEmbd, head: s.nHead, layer: s.nLayer });
  const probability = options.confidence ? transcript.languageProbability : undefined;
  return `${print(
    {
      systeminfo: m.system,
      model: {
        type: m.type,
        multilingual: m.isMultilingual,
        vocab: m.nVocab,
        audio: stack(m.audio),
        text: stack(m.text),
        mels: m.nMels,
        ftype: m.ftype,
      },
      params: { model: m.path, language: m.language, translate: m.translate },
      result: {
        language: transcript.language,
        ...(probability !== undefined && { language_probability: decimal(probability) }),
      },
      transcription: segments.map((s) => segmentJson(s, options)),
    },
    '',
  )}\n`;
};

const segmentJson = (s: Segment, { full, confidence }: JsonOptions): Value => ({
  ...spanJson(s.from, s.to),
  text: s.text,
  ...(full && { tokens: s.tokens.map(tokenJson) }),
  ...(s.speaker !== undefined && { speaker: s.speaker }),
  ...(s.isTurnNext !== undefined && { speaker_turn_next: s.isTurnNext }),
  ...(s.words && { words: s.words.map(wordJson) }),
  ...(confidence &&
    s.confidence && {
      avg_logprob: decimal(s.confidence.avgLogprob),
      no_speech_prob: decimal(s.confidence.noSpeechProb),
      compression_ratio: decimal(s.confidence.compressionRatio),
      temperature: decimal(s.confidence.temperature),
    }),
});

const spanJson = (from: number, to: number) => ({
  timestamps: { from: clock(from, ','), to: clock(to, ',') },
  offsets: { from, to },
});

const tokenJson = (t: Token): Value => ({
  text: t.text,
  ...(t.span && spanJson(t.span.from, t.span.to)),
  id: t.id,
  p: decimal(t.p),
  t_dtw: t.heardAt === undefined ? -1 : Math.round(t.heardAt / 10),
});

const wordJson = (w: Word): Value => ({ ...spanJson(w.from, w.to), word: w.text, probability: decimal(w.p) });

const decimal = (x: number): Decimal => ({ decimal: x });

const print = (value: Value, indent: string): string => {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if (isList(value)) return block('[', ']', indent, (inner) => value.map((v) => inner + print(v, inner)));
  if (isDecimal(value)) return general(value.decimal);
  return block('{', '}', indent, (inner) =>
    Object.entries(value).map(([key, v]) => `${inner}${JSON.stringify(key)}: ${print(v, inner)}`),
  );
};

const isList = (value: object): value is readonly Value[] => Array.isArray(value);
const isDecimal = (value: object): value is Decimal => 'decimal' in value;

const block = (open: string, close: string, indent: string, lines: (inner: string) => string[]): string => {
  const inside = lines(`${indent}\t`).map((line, i, all) => `${line}${i < all.length - 1 ? ',' : ''}\n`);
  return `${open}\n${inside.join('')}${indent}${close}`;
};

/** C's `%g`; JSON has no word for what is no number. */
export const general = (x: number): string => {
  if (!Number.isFinite(x)) return 'null';
  if (x !== 0 && (Math.abs(x) < 1e-4 || Math.abs(x) >= 999_999.5)) {
    const [mantissa = '', exponent = ''] = x.toExponential(5).split('e');
    return `${Number(mantissa)}e${exponent.replace(/^([+-])(\d)$/, '$10$2')}`;
  }
  return String(Number(x.toPrecision(6)));
};
