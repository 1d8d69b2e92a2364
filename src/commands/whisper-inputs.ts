/** What is to be transcribed, and which files come of it. */
import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { UserError } from '../errors.ts';
import { fileError } from '../io/gguf/file.ts';
import type { FormatName } from '../io/transcript/formats.ts';
import { formats } from '../io/transcript/formats.ts';
import type { WhisperFlags } from './whisper-options.ts';

/** A recording, and where its files go. */
export interface Input {
  /** `-` is stdin. */
  readonly path: string;
  /** Path of its files without their extensions; `-` is stdout. */
  readonly output: string;
}

/** What else is in a folder of recordings is passed over. */
const EXTENSIONS = new Set(
  '.wav .mp3 .flac .ogg .oga .opus .m4a .mp4 .webm .mkv .mov .aac .wma .aif .aiff .amr .caf .au'.split(' '),
);

/**
 * All recordings, folders opened, in the order given.
 * @throws UserError 'usage' where there is none, 'file' where none exists or a folder cannot be read
 */
export const findInputs = async (flags: WhisperFlags, words: readonly string[]): Promise<readonly Input[]> => {
  const paths: string[] = [];
  for (const given of [...flags.file, ...words]) paths.push(...(await recordingsIn(given)));
  const [first] = paths;
  if (first === undefined) throw new UserError('usage', 'no recording', 'name files or folders, or - for stdin');
  // Told before a model is loaded in vain.
  if (paths.every((path) => path !== '-' && !existsSync(path)))
    throw new UserError('file', `cannot read '${first}': no such file or directory`);
  return paths.map((path, i) => ({ path, output: outputOf(path, flags['output-file'][i], flags['output-dir']) }));
};

const recordingsIn = async (given: string): Promise<readonly string[]> => {
  if (given === '-' || !existsSync(given) || !statSync(given).isDirectory()) return [given];
  const names = await readdir(given, { recursive: true }).catch((error: unknown) => {
    throw fileError('read', given, error);
  });
  return names
    .filter((name) => EXTENSIONS.has(extname(name).toLowerCase()))
    .sort()
    .map((name) => join(given, name));
};

/** whisper-cli's name, `talk.wav` for `talk.wav.srt`, unless another is given. */
const outputOf = (path: string, asked: string | undefined, folder: string | undefined): string => {
  const name = asked ?? (path === '-' ? 'stdin' : path);
  return folder === undefined || name === '-' ? name : join(folder, basename(name));
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

/** Whether all files that would come of an input are there. */
export const isDone = ({ output }: Input, flags: WhisperFlags): boolean => {
  const extensions = askedFormats(flags).map((name) => formats[name].extension);
  if (flags['output-words']) extensions.push('.wts');
  return extensions.length > 0 && extensions.every((extension) => existsSync(output + extension));
};
