/** stdout and stderr as a command uses them: results apart from everything else, a closed pipe is no error. */
import { UserError } from '../errors.ts';
import { fileError } from '../io/gguf/file.ts';
import type { OnOffAuto } from './arguments.ts';

/** Calls back when whoever read stdout has gone (`| head -1`), which is no error. */
export const onClosedPipe = (stop: () => void): void => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') stop();
  });
};

/** Errors of writing to somebody who has gone, and from then on. */
const GONE = ['EPIPE', 'ERR_STREAM_DESTROYED'];

/**
 * Writes results; resolves when the system has them, so that a slow reader is never flooded.
 * @throws UserError 'file' where stdout cannot be written, as on a full disk; a reader that has gone is no error
 */
export const write = (text: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(text, (error?: NodeJS.ErrnoException | null) => {
      if (!error || GONE.includes(error.code ?? '')) resolve();
      else reject(fileError('write to', 'stdout', error));
    });
  });

/** Says one line on stderr to a person who did not ask for silence. */
export const noticeUnless =
  (isQuiet: boolean) =>
  (line: string): void => {
    if (!isQuiet) process.stderr.write(`${line}\n`);
  };

/** Whether text on stdout may have colours: as asked, else what the environment's conventions say of a terminal. */
export const hasColours = (asked: OnOffAuto, env: NodeJS.ProcessEnv = process.env): boolean => {
  if (asked !== 'auto') return asked === 'on';
  if (env.FORCE_COLOR || env.CLICOLOR_FORCE) return true;
  return process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
};

/** Text that stands out from what the model writes. */
export const yellow = (text: string): string => `\x1b[33m${text}\x1b[0m`;

/** Whether somebody looks at what is rewritten on stderr. */
export const showsProgress = (isQuiet: boolean): boolean =>
  !isQuiet && process.stderr.isTTY === true && !process.env.CI;

const BAR_WIDTH = 20;

/** `[#####...............]`, with so much of it done, from 0 to 1. */
export const progressBar = (part: number): string => {
  const filled = Math.round(BAR_WIDTH * part);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`;
};

/** Takes away the line that is rewritten. */
export const CLEAR_LINE = '\r\x1b[2K';

/** What takes less time than this needs no progress. */
const PATIENCE_MS = 300;

/**
 * A line on stderr that is rewritten while something long goes on; nothing where nobody looks. `end` takes it away, and
 * must come before anything else is written there.
 */
export const progressLine = (
  what: string,
  isQuiet = false,
): { update(done: number, total: number): void; end(): void } => {
  const shown = showsProgress(isQuiet);
  const begun = performance.now();
  let last: number | undefined;
  return {
    update(done, total) {
      const percent = Math.floor((100 * done) / total);
      if (!shown || percent === last || performance.now() - begun < PATIENCE_MS) return;
      last = percent;
      process.stderr.write(`\r${what} ${progressBar(percent / 100)} ${percent}%`);
    },
    end() {
      if (last !== undefined) process.stderr.write(CLEAR_LINE);
      last = undefined;
    },
  };
};

/** All of stdin as text. */
export const readStdin = async (): Promise<string> => (await readStdinBytes()).toString('utf8');

/** All of stdin as it comes. */
export const readStdinBytes = async (): Promise<Buffer> => {
  const parts: Buffer[] = [];
  try {
    for await (const part of process.stdin) parts.push(part as Buffer);
  } catch (error) {
    throw new UserError('file', `cannot read stdin: ${(error as Error).message}`);
  }
  return Buffer.concat(parts);
};
