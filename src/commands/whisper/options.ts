/** The flags of `grafo whisper`, with whisper-cli's names and defaults. */
import { UserError } from '../../errors.ts';
import { parseSampleFormat } from '../../io/audio/pcm.ts';
import { speechTypes } from '../../io/whisper/convert.ts';
import { languageCode } from '../../models/transcribe/languages.ts';
import type { Clip } from '../../models/transcribe/transcribe.ts';
import { defaultSpeech as speech } from '../../models/vad/speech.ts';
import { optionGroup, type Parsed } from '../command.ts';
import { deviceOptions, modelOptions, reportOptions, shareOptions } from '../options.ts';

/** 'auto', or a language's code. */
const language = (text: string): string => {
  if (text === 'auto') return text;
  const code = languageCode(text);
  if (code === undefined)
    throw new UserError('usage', `'${text}' is none of Whisper's languages`, 'such as en, German, auto');
  return code;
};

/** A regular expression that must match a whole word. */
const wholeWord = (text: string): RegExp => {
  try {
    return new RegExp(`^(?:${text})$`, 'u');
  } catch {
    throw new UserError('usage', `'${text}' is no regular expression`);
  }
};

/** Seconds as frames of 10 ms; `10,20,30` is from 10 to 20 and from 30 to the end (openai/whisper). */
const clips = (text: string): readonly Clip[] => {
  const times = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : 100 * Number(part)));
  if (!times.every((time, i) => time >= (times[i - 1] ?? 0)))
    throw new UserError('usage', `'${text}' is no list of times`, 'give seconds in their order, as in 0,10,25.5,40');
  const starts = times.filter((_, i) => i % 2 === 0);
  return starts.map((from, i) => ({
    from: Math.floor(from),
    to: Math.ceil(times[2 * i + 1] ?? Number.POSITIVE_INFINITY),
    hearsOn: false,
  }));
};

const off = { type: 'boolean', default: false } as const;
const whole = { type: 'number', whole: true, least: 0 } as const;
const texts = { type: 'string' as const, array: true as const, default: [] as string[] };

const input = optionGroup('Input', {
  file: { ...texts, alias: 'f', placeholder: 'FILE', describe: 'recording, folder or pattern; - is stdin' },
  'input-format': {
    type: 'string',
    coerce: parseSampleFormat,
    placeholder: 'NAME',
    describe: 'samples without a header: s16le, f32le, ...',
  },
  'sample-rate': { ...whole, least: 1, default: 16_000, describe: 'of samples without a header' },
  channels: { ...whole, least: 1, default: 1, describe: 'of samples without a header' },
  'offset-t': { ...whole, alias: 'ot', default: 0, placeholder: 'MS', describe: 'begin here' },
  duration: { ...whole, alias: 'd', default: 0, placeholder: 'MS', describe: 'of what is transcribed; 0: to the end' },
  'clip-timestamps': {
    type: 'string',
    coerce: clips,
    placeholder: 'S,S,...',
    describe: 'only from one to the next of these seconds',
  },
  diarize: { ...off, alias: 'di', describe: 'speakers by the sides of a stereo recording' },
});

const task = optionGroup('Task', {
  language: { alias: 'l', type: 'string', coerce: language, placeholder: 'NAME', describe: 'spoken (default: auto)' },
  'detect-language': { ...off, alias: 'dl', describe: 'only tell the language' },
  translate: { ...off, alias: 'tr', describe: 'to English' },
  prompt: { type: 'string', default: '', describe: 'names and style to expect' },
  'carry-initial-prompt': { ...off, describe: 'give the prompt to every window' },
  'max-context': {
    type: 'number',
    whole: true,
    least: -1,
    alias: 'mc',
    default: -1,
    describe: 'tokens of earlier text; -1: what fits',
  },
  'audio-ctx': { ...whole, alias: 'ac', default: 0, describe: 'positions of 20 ms in a window; 0: all' },
  encoder: { type: 'string', placeholder: 'FILE.onnx', describe: "an encoder instead of the model's own" },
  tinydiarize: { ...off, alias: 'tdrz', describe: 'tell turns of speakers, with a model that can' },
});

const decoding = optionGroup('Decoding', {
  'best-of': { ...whole, least: 1, most: 8, alias: 'bo', default: 5, describe: 'texts drawn at temperatures above 0' },
  'beam-size': { ...whole, least: 1, most: 8, alias: 'bs', default: 5, describe: 'beams at temperature 0; 1: greedy' },
  patience: { type: 'number', least: 0.1, describe: 'end after so many times the beams have ended' },
  'length-penalty': {
    type: 'number',
    least: 0,
    most: 1,
    placeholder: 'A',
    describe: 'how much long texts are favoured (default: mean)',
  },
  temperature: { type: 'number', least: 0, alias: 'tp', default: 0, describe: 'the first temperature' },
  'temperature-inc': {
    type: 'number',
    least: 0,
    alias: 'tpi',
    default: 0.2,
    describe: 'step to the next one on failure',
  },
  'no-fallback': { ...off, alias: 'nf', describe: 'only the first temperature' },
  'entropy-thold': { type: 'number', alias: 'et', default: 2.4, describe: 'repeating more than this is failure' },
  'logprob-thold': { type: 'number', alias: 'lpt', default: -1, describe: 'less certain than this is failure' },
  'no-speech-thold': { type: 'number', alias: 'nth', default: 0.6, describe: 'above: what is unsure is silence' },
  'suppress-nst': { ...off, alias: 'sns', describe: 'no words that stand for no speech' },
  'suppress-regex': { type: 'string', coerce: wholeWord, placeholder: 'RE', describe: 'no words of this form' },
  guards: { type: 'boolean', default: true, describe: 'leave out what is made up or said again' },
  seed: { ...whole, default: 0, describe: 'of what is drawn' },
});

const output = optionGroup('Output', {
  'output-txt': { ...off, alias: 'otxt', describe: 'FILE.txt: the text' },
  'output-vtt': { ...off, alias: 'ovtt', describe: 'FILE.vtt: subtitles' },
  'output-srt': { ...off, alias: 'osrt', describe: 'FILE.srt: subtitles' },
  'output-lrc': { ...off, alias: 'olrc', describe: 'FILE.lrc: lyrics' },
  'output-csv': { ...off, alias: 'ocsv', describe: 'FILE.csv: a table' },
  'output-tsv': { ...off, alias: 'otsv', describe: 'FILE.tsv: a table' },
  'output-json': { ...off, alias: 'oj', describe: 'FILE.json' },
  'output-json-full': { ...off, alias: 'ojf', describe: 'FILE.json with tokens' },
  'output-words': { ...off, alias: 'owts', describe: 'FILE.wts: a script that draws a karaoke video' },
  'log-score': { ...off, alias: 'ls', describe: 'FILE.score.txt: tokens and their probabilities' },
  'output-all': { ...off, alias: 'oall', describe: 'all of these but script and scores' },
  'font-path': {
    type: 'string',
    alias: 'fp',
    default: '/System/Library/Fonts/Supplemental/Courier New Bold.ttf',
    placeholder: 'FILE',
    defaultDescription: "macOS's",
    describe: 'monospaced font of the script',
  },
  'output-file': {
    ...texts,
    alias: 'of',
    placeholder: 'NAME',
    describe: 'name without extension; - is stdout',
  },
  'output-dir': { type: 'string', placeholder: 'DIR', describe: 'folder of all files of the formats above' },
  ...shareOptions,
  'offset-n': { ...whole, alias: 'on', default: 0, describe: "added to subtitles' numbers" },
  confidence: { ...off, describe: 'in JSON also how sure the model is' },
});

const segments = optionGroup('Segments', {
  'no-timestamps': { ...off, alias: 'nt', describe: 'the text alone' },
  'word-timestamps': { ...off, alias: 'wts', describe: 'when each word was said, in JSON' },
  'highlight-words': { ...off, describe: 'a cue for each word, underlined' },
  'one-word': { ...off, describe: 'a cue for each word in SRT, VTT, LRC, CSV and TSV' },
  'max-len': { ...whole, alias: 'ml', default: 0, describe: 'characters of a segment; 0: any number' },
  'max-words': { ...whole, default: 0, describe: 'words of a segment; 0: any number' },
  'split-on-word': { ...off, alias: 'sow', describe: 'cut only between words' },
  'word-thold': { type: 'number', alias: 'wt', default: 0.01, describe: "how sure a token's time must be" },
});

const vad = optionGroup('Voice activity', {
  vad: { ...off, describe: 'transcribe only what is speech' },
  'vad-model': { type: 'string', alias: 'vm', placeholder: 'FILE', describe: "Silero's, or silero-v6.2.0" },
  'vad-threshold': {
    type: 'number',
    least: 0,
    most: 1,
    alias: 'vt',
    default: speech.threshold,
    describe: 'probability of speech',
  },
  'vad-min-speech-duration-ms': {
    ...whole,
    alias: 'vspd',
    default: speech.minSpeechMs,
    describe: 'shorter is no speech',
  },
  'vad-min-silence-duration-ms': {
    ...whole,
    alias: 'vsd',
    default: speech.minSilenceMs,
    describe: 'shorter is no silence',
  },
  'vad-max-speech-duration-s': { type: 'number', least: 0, alias: 'vmsd', describe: 'longer is cut' },
  'vad-speech-pad-ms': { ...whole, alias: 'vp', default: speech.speechPadMs, describe: 'added before and after' },
  'vad-samples-overlap': { type: 'number', least: 0, alias: 'vo', default: 0.1, describe: 'seconds kept after each' },
});

const terminal = optionGroup('Terminal', {
  'no-prints': { ...off, alias: 'np', describe: 'nothing on stderr but errors' },
  'print-special': { ...off, alias: 'ps', describe: 'special tokens too' },
  'print-colors': { ...off, alias: 'pc', describe: 'words by their probability in colours' },
  'print-confidence': { ...off, describe: 'words by their probability in styles' },
  'print-progress': { ...off, alias: 'pp', describe: 'a line every 5 %' },
});

const conversion = optionGroup('Instead of transcribing', {
  convert: { type: 'string', placeholder: 'OUT.gguf', describe: 'write the model as a GGUF file' },
  type: {
    type: 'string',
    choices: speechTypes,
    describe: "of its matrices (default: the file's)",
    placeholder: 'TYPE',
  },
});

const acceptedOnly = optionGroup('Accepted from whisper-cli', {
  processors: { ...whole, alias: 'p', describe: 'no effect' },
  'no-gpu': { ...off, alias: 'ng', describe: 'as --device cpu' },
  'no-flash-attn': { ...off, alias: 'nfa', describe: 'as -fa off' },
  'compression-ratio-threshold': { type: 'number', describe: 'no effect, see --entropy-thold' },
  dtw: { type: 'string', placeholder: 'MODEL', describe: 'as --word-timestamps; the model is known' },
});

/** The flags of `grafo whisper`. */
export const whisperOptions = {
  ...modelOptions,
  model: { ...modelOptions.model, describe: 'file or folder, hf:USER/REPO, or base.en-q5_1' },
  ...input,
  ...task,
  ...decoding,
  ...output,
  ...segments,
  ...vad,
  ...terminal,
  ...conversion,
  ...deviceOptions,
  ...reportOptions,
  ...acceptedOnly,
};

export type WhisperFlags = Parsed<typeof whisperOptions>;
