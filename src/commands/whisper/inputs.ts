/** What is to be transcribed, and which files come of it. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { FormatName } from '../../io/transcript/formats.ts';
import { formats } from '../../io/transcript/formats.ts';
import type { NamedFile } from '../named-files.ts';
import { findFiles } from '../named-files.ts';
import type { Task } from '../share.ts';
import type { WhisperFlags } from './options.ts';

/** A recording, and where its files go. */
export interface Input extends Task {
  /** Path of its files without their extensions; `-` is stdout. */
  readonly output: string;
}

/** What else is in a folder of recordings is passed over. */
const recordings = {
  what: 'recordings',
  extensions: /\.(wav|mp3|flac|og[ga]|opus|m4a|mp4|webm|mkv|mov|aac|wma|aiff?|amr|caf|au)$/i,
};

/**
 * All recordings, folders and patterns opened, in the order given.
 * @throws UserError 'usage' where there is none, 'file' where none exists or a folder cannot be read
 */
export const findInputs = async (words: readonly string[], flags: WhisperFlags): Promise<readonly Input[]> => {
  const files = await findFiles(words, recordings);
  const [first] = files;
  if (first === undefined) throw new UserError('usage', 'no recording', 'name files or folders, or - for stdin');
  // Told before a model is loaded in vain.
  if (files.every(({ path }) => path !== '-' && !existsSync(path)))
    throw new UserError('file', `cannot read '${first.path}': no such file or directory`);
  const { length: nName } = flags['output-file'];
  if (nName > files.length)
    throw new UserError('usage', `${nName} times --output-file, ${files.length} times a recording`, 'one for each');
  const extensions = askedExtensions(flags);
  return files.map((file, i) => {
    const output = outputOf(flags['output-file'][i], file, flags['output-dir']);
    return {
      path: file.path,
      output,
      outputs: output === '-' ? [] : extensions.map((extension) => output + extension),
    };
  });
};

/** whisper-cli's name, `talk.wav` for `talk.wav.srt`, unless another is given; in a folder for all, below that one. */
const outputOf = (asked: string | undefined, { path, place }: NamedFile, folder: string | undefined): string => {
  if (folder === undefined || asked === '-') return asked ?? (path === '-' ? 'stdin' : path);
  return join(folder, asked === undefined ? (path === '-' ? 'stdin' : place) : basename(asked));
};

const flagOf = {
  txt: 'output-txt',
  vtt: 'output-vtt',
  srt: 'output-srt',
  csv: 'output-csv',
  tsv: 'output-tsv',
  json: 'output-json',
  'json-full': 'output-json-full',
  lrc: 'output-lrc',
  score: 'log-score',
} as const satisfies Readonly<Record<FormatName, keyof WhisperFlags>>;

/** The formats that are asked for, in whisper-cli's order. */
export const askedFormats = (flags: WhisperFlags): readonly FormatName[] => {
  const names = Object.keys(flagOf) as FormatName[];
  const asked = names.filter((name) => flags[flagOf[name]] || (flags['output-all'] && name !== 'score'));
  // Both have one file, which is then the full one.
  return asked.includes('json-full') ? asked.filter((name) => name !== 'json') : asked;
};

/** What the names of a recording's files end with. */
const askedExtensions = (flags: WhisperFlags): readonly string[] => [
  ...askedFormats(flags).map((name) => formats[name].extension),
  ...(flags['output-words'] ? ['.wts'] : []),
];
