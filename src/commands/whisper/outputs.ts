/** The files of a transcript. */
import { UserError } from '../../errors.ts';
import { SAMPLE_RATE } from '../../io/audio/mel.ts';
import { fileError } from '../../io/gguf/file.ts';
import { formats } from '../../io/transcript/formats.ts';
import { karaokeScript } from '../../io/transcript/karaoke.ts';
import type { Transcript } from '../../io/transcript/segment.ts';
import { oneWordEach } from '../../io/transcript/words.ts';
import { writeWhole } from '../../io/whole-file.ts';
import { write } from '../terminal.ts';
import type { Input } from './inputs.ts';
import { askedFormats } from './inputs.ts';
import type { WhisperFlags } from './options.ts';

/**
 * Writes everything that the flags ask for.
 * @param nSample length of the recording
 * @throws UserError 'file' for what cannot be written
 */
export const writeOutputs = async (
  transcript: Transcript,
  input: Input,
  nSample: number,
  flags: WhisperFlags,
  notice: (line: string) => void,
): Promise<void> => {
  const options = {
    firstNumber: flags['offset-n'],
    confidence: flags.confidence || flags['word-timestamps'],
    highlightWords: flags['highlight-words'],
  };
  const save = async (extension: string, text: string): Promise<void> => {
    if (input.output === '-') {
      await write(text);
      return;
    }
    const path = input.output + extension;
    try {
      await writeWhole(path, (file) => file.writeFile(text));
    } catch (error) {
      throw fileError('write', path, error);
    }
    notice(`output_${extension.split('.')[1]}: saving output to '${path}'`);
  };
  const words = flags['one-word'] ? { ...transcript, segments: oneWordEach(transcript.segments) } : transcript;
  for (const name of askedFormats(flags)) {
    const isWhole = name.startsWith('json') || name === 'txt' || name === 'score';
    await save(formats[name].extension, formats[name].write(isWhole ? transcript : words, options));
  }
  if (flags['output-words']) {
    const seconds = (nSample + KARAOKE_TAIL) / SAMPLE_RATE;
    await save('.wts', karaokeScript(transcript.segments, { path: input.path, seconds, font: flags['font-path'] }));
  }
};

/** Samples of black after the sound. */
const KARAOKE_TAIL = 1000;

/**
 * Refuses flags that no output can satisfy.
 * @throws UserError 'usage'
 */
export const checkOutputs = (flags: WhisperFlags): void => {
  const n = askedFormats(flags).length + (flags['output-words'] ? 1 : 0);
  if (flags['output-file'].includes('-') && n !== 1)
    throw new UserError('usage', `--output-file - and ${n} formats`, 'choose one of -otxt, -osrt, -oj ...');
  if (flags['output-file'].includes('-') && flags.json) throw new UserError('usage', '--output-file - and --json');
  if (flags.diarize && flags.tinydiarize) throw new UserError('usage', '--diarize and --tinydiarize', 'choose one');
};
