/** Whatever no decoder here reads (AAC in M4A and MP4, WebM, WMA, ...) through ffmpeg, where the machine has it. */
import { spawn } from 'node:child_process';
import type { UserError } from '../../errors.ts';
import type { Block } from './sound.ts';
import { unreadable } from './sound.ts';
import { readWav } from './wav.ts';

/**
 * The first sound track of a file.
 * @param what the format, for the sentence when there is no ffmpeg
 * @throws UserError 'file' when ffmpeg is missing or cannot read the file
 */
export async function* readThroughFfmpeg(name: string, path: string, what: string): AsyncGenerator<Block> {
  // A name that begins with a dash would be a flag, one with a colon a protocol.
  const input = ['-i', `file:${path}`, '-map', '0:a:0'];
  const output = ['-c:a', 'pcm_s16le', '-f', 'wav', 'pipe:1'];
  const child = spawn('ffmpeg', ['-nostdin', '-v', 'error', ...input, ...output], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, MAX_COMPLAINT);
  });
  const ended = new Promise<number | string | null>((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.on('close', resolve);
  });
  const refusal = (code: number | string | null): UserError => {
    if (code !== 'ENOENT') return unreadable(name, `ffmpeg says: ${firstLine(complaint) || `exit code ${code}`}`);
    const hint = 'install ffmpeg, or convert the file to WAV, MP3, FLAC or OGG';
    return unreadable(name, `grafo reads ${what} only through ffmpeg, which is not installed here`, hint);
  };
  try {
    yield* readWav(name, child.stdout);
  } catch (error) {
    const code = await ended;
    throw code === 0 ? error : refusal(code);
  } finally {
    child.kill(); // does nothing to one that has ended
  }
  const code = await ended;
  if (code !== 0) throw refusal(code);
}

const MAX_COMPLAINT = 2000;

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';
