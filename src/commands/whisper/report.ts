/** What is told on stderr before a transcription. */
import { SAMPLE_RATE } from '../../io/audio/mel.ts';
import type { SpeechModelFile } from './open.ts';
import type { WhisperFlags } from './options.ts';
import type { Languages, Opened } from './recording.ts';

/** `whisper: 4 + 4 layers, 128 wide, ...`. */
export const describeModel = ({ stored, special }: SpeechModelFile): string => {
  const { audio, text, nVocab, nMels } = stored;
  const languages = special.isMultilingual ? `${special.languages.size} languages` : 'English';
  return `whisper: ${audio.nLayer} + ${text.nLayer} layers of width ${audio.nEmbd}, ${nMels} mels, ${nVocab} tokens, ${languages}`;
};

/** How many of the likeliest languages are told. */
const TOLD = 3;

/** The language that was heard, and the next ones, with their probabilities. */
export const describeLanguages = (languages: Languages): string => {
  const [first, ...others] = languages.slice(0, TOLD).map(([code, p]) => `${code} (p = ${p.toFixed(6)})`);
  return `auto-detected language: ${first}; then ${others.join(', ')}`;
};

/** whisper-cli's line about what is to be done. */
export const describeJob = (
  name: string,
  opened: Opened,
  flags: WhisperFlags,
  { threads }: SpeechModelFile,
): string => {
  const { nSample, language } = opened;
  const parts = [
    `${threads} threads`,
    `${flags['beam-size']} beams + best of ${flags['best-of']}`,
    `lang = ${language}`,
    `task = ${flags.translate ? 'translate' : 'transcribe'}`,
    `timestamps = ${flags['no-timestamps'] ? 0 : 1}`,
  ];
  return `processing '${name}' (${nSample} samples, ${(nSample / SAMPLE_RATE).toFixed(1)} sec), ${parts.join(', ')} ...`;
};
