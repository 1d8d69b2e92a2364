/** What a recording comes to: the transcript that files are written from, and the object that `--json` prints. */
import type { Segment, Transcript } from '../../io/transcript/segment.ts';
import type { Input } from './inputs.ts';
import type { SpeechModelFile } from './open.ts';
import type { WhisperFlags } from './options.ts';
import type { Opened } from './recording.ts';

interface TranscriptSource {
  readonly flags: WhisperFlags;
  readonly file: SpeechModelFile;
  readonly modelPath: string;
}

/** What was heard, and with what. */
export const transcriptOf = (
  segments: readonly Segment[],
  opened: Opened,
  { flags, file, modelPath }: TranscriptSource,
): Transcript => ({
  segments,
  language: opened.language,
  ...(opened.detected && { languageProbability: opened.detected[0]?.[1] ?? 0 }),
  model: {
    path: modelPath,
    language: flags.language ?? opened.language,
    translate: flags.translate,
    type: modelType(file.h.audio.nLayer),
    isMultilingual: file.special.isMultilingual,
    nVocab: file.h.nVocab,
    nMels: file.h.nMels,
    ftype: Number(file.metadata.get('general.file_type') ?? 0) % FTYPE_VERSION,
    audio: file.stored.audio,
    text: file.stored.text,
    system: `grafo, ${file.device.name}`,
  },
});

/** Quantised files of whisper.cpp have the version of their blocks in the thousands. */
const FTYPE_VERSION = 1000;

/** By the number of the encoder's layers. */
const modelType = (nLayer: number): string =>
  ({ 4: 'tiny', 6: 'base', 12: 'small', 24: 'medium', 32: 'large' })[nLayer] ?? 'unknown';

/** One recording's object of `--json`. */
export const resultJson = ({ segments, language, languageProbability }: Transcript, { path }: Input) => ({
  file: path,
  text: segments.map(({ text }) => text).join(''),
  language,
  ...(languageProbability !== undefined && { language_probability: languageProbability }),
  segments: segments.map(({ from, to, text, confidence, words }) => ({
    start: from / 1000,
    end: to / 1000,
    text,
    avg_logprob: confidence?.avgLogprob,
    no_speech_prob: confidence?.noSpeechProb,
    compression_ratio: confidence?.compressionRatio,
    temperature: confidence?.temperature,
    ...(words && {
      words: words.map((w) => ({ word: w.text, start: w.from / 1000, end: w.to / 1000, probability: w.p })),
    }),
  })),
});
