/** The files of a transcript. */
import { UserError } from '../../errors.ts';
import { SAMPLE_RATE } from '../../io/audio/mel.ts';
import { fileError } from '../../io/gguf/file.ts';
import type { FormatName } from '../../io/transcript/formats.ts';
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
    const shown = cueFormats.includes(name) ? words : transcript;
    await save(formats[name].extension, formats[name].write(shown, options));
  }
  if (flags['output-words']) {
    const seconds = (nSample + KARAOKE_TAIL) / SAMPLE_RATE;
    await save('.wts', karaokeScript(transcript.segments, { path: input.path, seconds, font: flags['font-path'] }));
  }
};

/** Formats in which words may be cues of their own. */
const cueFormats: readonly FormatName[] = ['srt', 'vtt', 'lrc', 'csv', 'tsv'];

/** Samples of black after the sound. */
const KARAOKE_TAIL = 1000;

/**
 * Refuses flags that no output can satisfy, and those that ask something of files that are not asked for.
 * @throws UserError 'usage'
 */
export const checkOutputs = (flags: WhisperFlags): void => {
  const asked = askedFormats(flags);
  const n = asked.length + (flags['output-words'] ? 1 : 0);
  if (flags['output-file'].includes('-') && n !== 1)
    throw new UserError('usage', `--output-file - and ${n} formats`, 'choose one of -otxt, -osrt, -oj ...');
  if (flags['output-file'].includes('-') && flags.json) throw new UserError('usage', '--output-file - and --json');
  if (flags.diarize && flags.tinydiarize) throw new UserError('usage', '--diarize and --tinydiarize', 'choose one');

  const isJson = flags.json || asked.some((name) => name.startsWith('json'));
  const isSeen = isJson || n > 0 || flags['max-len'] > 0 || flags['max-words'] > 0;
  const some = (formats: readonly FormatName[]) => asked.some((name) => formats.includes(name));
  const expect = (flag: keyof WhisperFlags, isSet: boolean, isMet: boolean, need: string, hint: string): void => {
    if (isSet && !isMet) throw new UserError('usage', `--${flag} needs ${need}`, `add ${hint}`);
  };
  const anyFormat = [n > 0, 'a format', '-otxt, -osrt, -oj ... or -oall'] as const;
  expect('output-file', flags['output-file'].length > 0, ...anyFormat);
  expect('output-dir', flags['output-dir'] !== undefined, ...anyFormat);
  expect('skip-existing', flags['skip-existing'], ...anyFormat);
  expect('highlight-words', flags['highlight-words'], some(['srt', 'vtt']), 'subtitles', '-osrt or -ovtt');
  expect('one-word', flags['one-word'], some(cueFormats), 'a format of cues', '-osrt, -ovtt, -olrc, -ocsv or -otsv');
  expect('confidence', flags.confidence, isJson, 'JSON', '-oj');
  expect('word-timestamps', flags['word-timestamps'], isSeen, 'JSON', '-oj or --json');
};
